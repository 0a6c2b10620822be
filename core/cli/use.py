"""The command that deletes: models, datasets, runs."""

import shlex
from typing import Annotated

import typer

from core.cli.output import say
from core.cli.session import JsonOption, WorkspaceOption, session
from core.domain.keeping.bin import KEPT_DAYS
from core.errors import NotFoundError
from core.workflows.data import datasets
from core.workflows.training import runs
from core.workflows.use import models
from core.workspace import Workspace

app = typer.Typer()


@app.command()
def delete(
    thing: Annotated[str, typer.Argument(help="Id or name of a dataset, run or model.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a dataset, run or model; for 30 days, `touchstone bin restore` brings it back.

    Images that were imported in place are never touched.
    """
    with session(workspace, as_json) as opened:
        kind, its_id, name = _find_anything(opened.workspace, thing)
        if not yes and not as_json:
            typer.confirm(f"Delete the {kind} '{name}'?", abort=True, err=True)
        _DELETE[kind](opened.workspace, its_id)
        opened.answer({"deleted": its_id, "kind": kind}, lambda: _say_deleted(kind, name))


def _say_deleted(kind: str, name: str) -> None:
    say(f"Deleted the {kind} '{name}'. For {KEPT_DAYS} days, it is back with:")
    say(f"touchstone bin restore {shlex.quote(name)}")


_DELETE = {
    "dataset": datasets.delete_dataset,
    "model": models.delete_model,
    "run": runs.delete_run,
}


def _find_anything(workspace: Workspace, key: str) -> tuple[str, str, str]:
    """Kind, id and name of the dataset, model or run of this name or id."""
    for kind, find in (("dataset", datasets.find_dataset), ("model", models.find_model)):
        try:
            match = find(workspace, key)
        except NotFoundError:
            continue
        return kind, match.id, match.name
    try:
        run = runs.find_run(workspace, key).run
    except NotFoundError:
        raise NotFoundError(
            f"There is no dataset, model or run '{key}'.", "See: touchstone datasets, models, runs."
        ) from None
    return "run", run.id, run.name
