"""Commands of the sign-off: seal a test, open it, write the report."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from core.cli.output import errors, output
from core.cli.session import JsonOption, ModelArgument, Session, WorkspaceOption, follow, session
from core.errors import ConfigError
from core.workflows.signoff import release, report, sealing
from core.workflows.signoff.report import Form
from core.workflows.signoff.sealing import SignOff

app = typer.Typer()


@app.command(name="seal")
def seal_test(
    model: ModelArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """Fix criteria, thresholds and test images before anybody looks at the test set."""
    with session(workspace, as_json) as opened, _progress() as show:
        found = sealing.seal_test(opened.workspace, model, on_progress=show)
        opened.answer(
            sealing.as_dict(found),
            lambda: output.print(
                f"Sealed: {found.images:,} test images, digest {found.digest[:16]}…. Open the "
                "test with `touchstone open-test`.",
                markup=False,
            ),
        )


@app.command(name="open-test")
def open_test(
    model: ModelArgument,
    purpose: Annotated[str, typer.Option(help="Why the test set is opened; stays on record.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open the sealed test set of a model; counted, and never undone."""
    with session(workspace, as_json) as opened, _progress() as show:
        found = sealing.open_test(opened.workspace, model, purpose, on_progress=show)
        held = report.gate_of(opened.workspace, found)
        gate = release.gate_as_dict(held) if held else None
        result = {**sealing.as_dict(found), "gate": gate}
        opened.answer(result, lambda: _show_opened(found, gate))


@app.command(name="report")
def write_report(
    model: ModelArgument,
    out: Annotated[Path, typer.Option(help="HTML file to write.")],
    csv: Annotated[
        Path | None, typer.Option(help="Table of all probabilities to write beside it.")
    ] = None,
    short: Annotated[bool, typer.Option("--short/--full", help="Two pages, or everything.")] = (
        False
    ),
    against: Annotated[
        str | None, typer.Option(help="Name or id of the model so far, to compare with.")
    ] = None,
    max_images: Annotated[
        int,
        typer.Option(
            "--max-images",
            "--max-pictures",
            min=0,
            help="Mistakes that the full form shows with heatmaps at most.",
        ),
    ] = report.MAX_IMAGES,
    language: Annotated[str, typer.Option(help="Language of the report.")] = "en",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the test report of a model: one HTML file that needs nothing else, and prints."""
    form = Form.SHORT if short else Form.FULL
    with session(workspace, as_json) as opened:
        for target in (out, csv):
            _refuse_bad_target(target)
        with _progress() as show:
            ticket = report.make_report(
                opened.workspace,
                model,
                form,
                against=against,
                language=language,
                max_images=max_images,
                on_progress=show,
            )
        if ticket.job is not None:
            follow(opened, ticket.job)
        _answer_report(opened, ticket.id, form, out, csv)


def _answer_report(
    opened: Session, report_id: str, form: Form, out: Path, csv: Path | None
) -> None:
    result: dict[str, Any] = {"report": str(out), "form": form.value, "csv": csv and str(csv)}
    shutil.copyfile(report.report_file(opened.workspace, report_id), out)
    if csv is not None:
        shutil.copyfile(report.report_file(opened.workspace, report_id, "csv"), csv)
    opened.answer(result, lambda: output.print(f"{out}", markup=False))


def _refuse_bad_target(target: Path | None) -> None:
    if target is not None and (target.is_dir() or not target.parent.is_dir()):
        raise ConfigError(f"{target} cannot be written.", "Name a file in a folder that exists.")


def _show_opened(found: SignOff, gate: dict[str, Any] | None) -> None:
    output.print(f"Opened; look {len(found.accesses)} at this test set.", markup=False)
    for change in found.changes:
        output.print(f"Seal void: {change}", style="red", markup=False)
    if gate is not None:
        output.print(gate["verdict"], markup=False)
        for reason in gate["reasons"]:
            output.print(reason, markup=False)


@contextmanager
def _progress() -> Iterator[sealing.ProgressCallback]:
    """A bar for the check of the image files."""
    with Progress(console=errors, transient=True) as bar:
        task = bar.add_task("Gathering", total=None)
        yield lambda phase, done, total: bar.update(
            task, description=phase, completed=done, total=total
        )
