"""Commands that use models: explain, list, delete."""

from pathlib import Path
from typing import Annotated

import typer

from core.api.models import model_as_json
from core.cli.output import say, table
from core.cli.session import JsonOption, ModelArgument, WorkspaceOption, session
from core.domain.models import HeatmapMethod
from core.domain.names import known_name
from core.errors import ConfigError, NotFoundError
from core.words import confidence as confidence_in_words
from core.words import decimal
from core.workflows.data import datasets
from core.workflows.training import runs
from core.workflows.use import models, prediction
from core.workspace import Workspace

app = typer.Typer()


@app.command()
def heatmap(
    model: ModelArgument,
    image: Annotated[Path, typer.Argument(help="The image to explain.")],
    out: Annotated[Path, typer.Option(help="PNG file to write.")],
    class_name: Annotated[
        str | None, typer.Option("--class", help="Class to explain; else the predicted one.")
    ] = None,
    method: Annotated[
        HeatmapMethod, typer.Option(help="How it is computed.")
    ] = HeatmapMethod.GRAD_CAM,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write an image with the heatmap of a class laid over it."""
    with session(workspace, as_json) as opened:
        explained = models.find_model(opened.workspace, model)
        answer = prediction.predict(opened.workspace, explained, [image], [str(image)])[0]
        if answer.error is not None:
            raise ConfigError(answer.error, "Give a readable image.")
        wanted = class_name or answer.class_name or ""
        chosen = known_name(wanted, explained.class_names)
        if chosen is None:
            raise NotFoundError(
                f"The model has no class '{wanted}'.",
                f"It has: {', '.join(explained.class_names)}.",
            )
        content = prediction.heatmaps(opened.workspace, explained, image, [chosen], method=method)[
            1
        ]
        try:
            out.write_bytes(content)
        except OSError as err:
            raise ConfigError(
                f"{out} cannot be written: {err.strerror}.", "Choose a folder that exists."
            ) from err
        confidence = dict(answer.confidences)[chosen]
        result = {"path": str(out), "class_name": chosen, "confidence": confidence}
        opened.answer(result, lambda: say(f"{out}: {chosen} ({confidence_in_words(confidence)})"))


@app.command(name="models")
def list_models(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the models."""
    with session(workspace, as_json) as opened:
        stored = models.list_models(opened.workspace)
        result = [model_as_json(model) for model in stored]
        rows = [
            [
                m.id,
                m.name,
                m.dataset_name,
                m.network,
                decimal(m.val_macro_f1),
            ]
            for m in stored
        ]
        headings = ["id", "name", "dataset", "network", "validation macro F1"]
        opened.answer({"models": result}, lambda: table(headings, rows))


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
        opened.answer(
            {"deleted": its_id, "kind": kind}, lambda: say(f"Deleted the {kind} '{name}'.")
        )


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
