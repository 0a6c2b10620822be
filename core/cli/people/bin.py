"""Commands about what was deleted and can be had back."""

from typing import Annotated

import typer

from core.api.keeping import binned_as_json
from core.cli.output import say, table
from core.cli.session import JsonOption, WorkspaceOption, session
from core.domain.ids import utc_now
from core.domain.keeping.bin import KEPT_DAYS, Binned
from core.domain.record import in_utc
from core.errors import NotFoundError
from core.words import NOTHING, count
from core.workflows.keeping import bin as bins
from core.workspace import Workspace

app = typer.Typer()
group = typer.Typer(
    no_args_is_help=True,
    help=f"What was deleted: for {KEPT_DAYS} days it can be had back, then it is gone for good.",
)
app.add_typer(group, name="bin")

ThingArgument = Annotated[
    str, typer.Argument(help="Id in the bin, or the name of what was deleted.")
]


@group.command(name="list")
def list_bin(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List what lies in the bin, with what went along."""
    with session(workspace, as_json) as opened:
        items = bins.content(opened.workspace)
        now = utc_now()
        headings = ["id", "what", "name", "deleted (UTC)", "by", "went along", "days left"]
        lines = [
            [
                item.id,
                item.kind.value,
                item.name,
                in_utc(item.deleted_at),
                item.person or NOTHING,
                bins.takes_in_words(item) or NOTHING,
                bins.days_left(item, now=now),
            ]
            for item in items
        ]
        opened.answer(
            {"bin": [binned_as_json(item) for item in items]}, lambda: table(headings, lines)
        )


@group.command()
def restore(
    thing: ThingArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """Put something back as it was, with all that went along."""
    with session(workspace, as_json) as opened:
        item = _meant(opened.workspace, thing)
        name = bins.restore(opened.workspace, item.id)
        opened.answer(
            {"restored": item.subject_id, "kind": item.kind.value, "name": name},
            lambda: say(f"The {item.kind.value} '{name}' is back."),
        )


@group.command()
def empty(
    thing: Annotated[
        str | None,
        typer.Argument(help="Only this: id in the bin, or name.", show_default="everything"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete what lies in the bin for good, now."""
    with session(workspace, as_json) as opened:
        only = [_meant(opened.workspace, thing)] if thing else bins.content(opened.workspace)
        if not yes and not as_json:
            typer.confirm(f"Delete {count(len(only), 'thing')} for good?", abort=True, err=True)
        gone = bins.empty(opened.workspace, [item.id for item in only])
        opened.answer(
            {"gone": [binned_as_json(item) for item in gone]},
            lambda: say(f"{count(len(gone), 'thing')} deleted for good."),
        )


def _meant(workspace: Workspace, thing: str) -> Binned:
    """What lies in the bin under an id, or the newest of a name.

    Raises:
        NotFoundError: if nothing does.
    """
    for item in bins.content(workspace):
        if thing in (item.id, item.subject_id) or thing.casefold() == item.name.casefold():
            return item
    raise NotFoundError(f"There is no '{thing}' in the bin.", "See: touchstone bin list.")
