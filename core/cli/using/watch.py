"""The command that watches a folder: for lines that can only write files."""

import json
import signal
import threading
import time
from pathlib import Path
from typing import Annotated

import typer

from core.api.models import prediction_as_json
from core.cli.output import note, say
from core.cli.session import JsonOption, ModelArgument, WorkspaceOption, session
from core.domain.models import Prediction
from core.evaluation.decisions.rule import decision_in_words
from core.files import CsvDelimiter
from core.words import confidence, count
from core.workflows.use import models
from core.workflows.use.watching import Watch, WatchedFolder, watching

app = typer.Typer()


@app.command()
def watch(
    model: ModelArgument,
    folder: Annotated[Path, typer.Argument(help="Folder that gets the images, in any depth.")],
    out: Annotated[Path, typer.Option(help="CSV file that gets a row per image.")],
    move_to: Annotated[
        Path | None,
        typer.Option(help="Move answered images there.", show_default="they stay where they are"),
    ] = None,
    settle: Annotated[
        float, typer.Option(min=0.0, help="Seconds that a file must not change to be complete.")
    ] = 1.0,
    every: Annotated[
        float, typer.Option(min=0.05, help="Seconds between two looks at the folder.")
    ] = 0.5,
    once: Annotated[
        bool, typer.Option("--once", help="End once everything that is there is answered.")
    ] = False,
    delimiter: Annotated[
        CsvDelimiter, typer.Option(help="Separates the cells of the CSV file.")
    ] = CsvDelimiter.COMMA,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer each image that appears in a folder, with one row of a table.

    Images are answered once they are complete, unreadable ones with the reason. Stopped or killed,
    the same command goes on: nothing is answered twice. With --json each answer is one line.

    Ctrl+C or SIGTERM ends it after the image under way.
    """
    with session(workspace, as_json) as opened:
        chosen = models.find_model(opened.workspace, model)
        stop = _stop_on_signals()
        answered = 0
        options = WatchedFolder(folder, out, move_to, settle, delimiter)
        with watching(opened.workspace, chosen, options) as watched:
            if watched.rule is None:
                note(f"'{chosen.name}' has no threshold: images are classified, not decided.")
            note(f"Watching {folder}; answers go to {out}. Ctrl+C ends it.")
            said = ""
            while not stop.is_set():
                for item in watched.step(time.monotonic()):
                    answered += 1
                    _say(item, as_json=as_json)
                    if stop.is_set():
                        break
                if watched.problem and watched.problem != said:
                    note(watched.problem)
                said = watched.problem
                if once and _is_done(watched):
                    break
                stop.wait(every)
        if not as_json:
            say(f"{count(answered, 'image')} answered.")


def _is_done(watched: Watch) -> bool:
    return watched.pending == 0 and not watched.problem


def _say(item: Prediction, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(prediction_as_json(item), allow_nan=False), flush=True)
        return
    if item.error is not None:
        say(f"{item.path}: {item.error}")
        return
    decision = f", {decision_in_words(item.decision)}" if item.decision else ""
    unlike = ", unfamiliar" if item.is_unfamiliar else ""
    say(f"{item.path}: {item.class_name} {confidence(item.confidence or 0.0)}{decision}{unlike}")


def _stop_on_signals() -> threading.Event:
    """Set by the first SIGINT or SIGTERM; a second one ends the process at once."""
    stop = threading.Event()

    def end(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return stop
