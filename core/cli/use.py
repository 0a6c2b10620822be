"""The command that deletes: datasets, splits, runs, searches, models."""

import shlex
from typing import Annotated

import typer

from core.cli.output import say
from core.cli.session import JsonOption, WorkspaceOption, session
from core.domain.keeping.bin import KEPT_DAYS, Binned
from core.words import joined
from core.workflows.keeping import bin as bins
from core.workflows.keeping import deleting
from core.workflows.keeping.deleting import Deletable

app = typer.Typer()


@app.command()
def delete(
    thing: Annotated[
        str, typer.Argument(help="Id or name of a dataset, split, run, search or model.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a dataset, split, run, search or model; for 30 days, `bin restore` brings it back.

    Images that were imported in place are never touched.
    """
    with session(workspace, as_json) as opened:
        match = deleting.find(opened.workspace, thing)
        if not yes and not as_json:
            typer.confirm(_question(match), abort=True, err=True)
        item = deleting.delete(opened.workspace, match)
        result = {
            "deleted": match.id,
            "kind": match.kind.value,
            "name": match.name,
            "bin_id": item.id,
            "rows": dict(item.counts),
        }
        opened.answer(result, lambda: _say_deleted(item))


def _question(match: Deletable) -> str:
    along = f" with {joined(match.takes)}" if match.takes else ""
    return f"Delete the {match.kind} '{match.name}'{along}?"


def _say_deleted(item: Binned) -> None:
    along = bins.takes_in_words(item)
    say(f"Deleted the {item.kind} '{item.name}'{f' with {along}' if along else ''}.")
    say(f"For {KEPT_DAYS} days, it is back with: touchstone bin restore {shlex.quote(item.name)}")
