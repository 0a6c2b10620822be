"""What every command of the command line shares: options, the workspace, answers, progress."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from core.domain.jobs import Job, JobStatus
from core.errors import TouchstoneError
from core.workflows import jobs
from core.workspace import ROOT_VARIABLE, Workspace, open_workspace

errors = Console(stderr=True)
output = Console()

WorkspaceOption = Annotated[
    Path | None,
    typer.Option("--workspace", help=f"Workspace folder; else {ROOT_VARIABLE} or ~/.touchstone."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DatasetArgument = Annotated[str, typer.Argument(help="Name or id of a dataset.")]
ModelArgument = Annotated[str, typer.Argument(help="Name or id of a model.")]


@dataclass(frozen=True)
class Session:
    """What every command needs: the workspace, and how to answer."""

    workspace: Workspace
    as_json: bool

    def answer(self, result: dict[str, Any], show: Callable[[], None]) -> None:
        """Print the result as JSON, or show it to a person."""
        if self.as_json:
            # ASCII: pipes know nothing of encodings. No NaN: it is no JSON.
            print(json.dumps(result, allow_nan=False))
        else:
            show()


@contextmanager
def session(workspace: Path | None, as_json: bool) -> Iterator[Session]:
    """Open the workspace; an error of ours becomes a message and exit code 1."""
    try:
        yield Session(open_workspace(workspace), as_json)
    except TouchstoneError as err:
        fail(err, as_json)
    except KeyboardInterrupt:
        raise typer.Exit(1) from None


def fail(err: TouchstoneError, as_json: bool) -> NoReturn:
    """Say what happened and what to do, and end with exit code 1."""
    if as_json:
        print(json.dumps({"error": err.message, "hint": err.hint}, allow_nan=False))
    errors.print(f"Error: {err.message}", style="red", markup=False, highlight=False)
    if err.hint:
        errors.print(err.hint, markup=False, highlight=False)
    raise typer.Exit(1)


def follow(session: Session, job: Job) -> Job:
    """Show a job's progress until it ends; Ctrl+C asks it to stop."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task("Waiting", total=None)

        def show(current: Job) -> None:
            phase = "Waiting for a worker" if current.status is JobStatus.QUEUED else current.phase
            progress.update(
                task, description=phase, completed=current.done, total=current.total or None
            )

        try:
            ended = jobs.wait(session.workspace, job.id, on_change=show)
        except KeyboardInterrupt:
            jobs.stop(session.workspace, job.id)
            errors.print("Stopping …")
            ended = jobs.wait(session.workspace, job.id, on_change=show)
    for warning in ended.warnings:
        errors.print(f"Note: {warning}", style="yellow", markup=False)
    return ended


def table(headings: list[str], rows: list[list[Any]]) -> None:
    """Print a table for people; cells are shown literally."""
    drawn = Table(*headings)
    for row in rows:
        drawn.add_row(*(str(cell).replace("[", "\\[") for cell in row))
    output.print(drawn)
