"""The command that searches what single images were predicted to be."""

from typing import Annotated

import typer

from core.api.models import past_as_json
from core.cli.output import say, table
from core.cli.session import JsonOption, WorkspaceOption, session
from core.domain.record import in_utc
from core.words import NOTHING, count
from core.words import confidence as confidence_in_words
from core.workflows.use import history

app = typer.Typer()


@app.command()
def predictions(
    text: Annotated[
        str, typer.Argument(help="Part of a path, class, part, model or decision.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most that are listed.")] = 50,
    forget: Annotated[bool, typer.Option("--forget", help="Remove all of them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search what single images were predicted to be, newest first; images are not kept."""
    with session(workspace, as_json) as opened:
        if forget:
            if not yes and not as_json:
                typer.confirm("Remove all predictions of single images?", abort=True, err=True)
            gone = history.forget(opened.workspace)
            opened.answer({"forgotten": gone}, lambda: say(f"{count(gone, 'prediction')} removed."))
            return
        found, total = history.search(opened.workspace, text, limit=limit)

        def show() -> None:
            table(
                ["time (UTC)", "model", "image", "class", "confidence", "decision"],
                [
                    [
                        in_utc(past.at),
                        past.model_name,
                        past.item.path,
                        past.item.class_name or past.item.error or NOTHING,
                        confidence_in_words(past.item.confidence or 0.0),
                        past.item.decision or NOTHING,
                    ]
                    for past in found
                ],
            )
            say(f"{count(total, 'prediction')}.")

        opened.answer({"predictions": [past_as_json(p) for p in found], "total": total}, show)
