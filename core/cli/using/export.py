"""The commands that hand a model over to other programs, and take one from elsewhere."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from core.cli.output import note, say
from core.cli.session import JsonOption, ModelArgument, WorkspaceOption, session
from core.domain.models import ModelFormat
from core.workflows.use import exporting, models, prediction

app = typer.Typer()


@app.command(name="export-model")
def export_model(
    model: ModelArgument,
    folder: Annotated[Path, typer.Argument(help="New folder to write.")],
    model_format: Annotated[
        ModelFormat,
        typer.Option(
            "--format",
            help="bundle: one file for another Touchstone; openvino, onnx, int8 (OpenVINO in 8 "
            "bits: about twice as fast): network, description, README and an example that runs "
            "without Touchstone.",
        ),
    ] = ModelFormat.BUNDLE,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of images to check with.", show_default="some of its dataset"),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a model for other programs, checked against the original on real images."""
    with session(workspace, as_json) as opened:
        chosen = models.find_model(opened.workspace, model)
        given = prediction.image_files([images]).paths if images else ()
        check = exporting.export_model(opened.workspace, chosen, folder, model_format, given)
        result = {
            "folder": str(folder),
            "format": model_format.value,
            "sha256": chosen.sha256,
            "check": asdict(check) if check else None,
        }
        opened.answer(result, lambda: say(f"{folder}: {exporting.check_in_words(check)}"))
        for path in check.changed[:20] if check else ():
            note(f"Changed: {path}")
        for part in check.changed_parts[:20] if check else ():
            note(f"Changed part: {part}")


@app.command(name="add-model")
def add_model(
    file: Annotated[Path, typer.Argument(help="A .safetensors file of export-model or Models.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a model file from elsewhere into the workspace, with its threshold."""
    with session(workspace, as_json) as opened:
        added, rule = exporting.add_model(opened.workspace, file)
        words = rule.in_words if rule else "It has no threshold."
        opened.answer(
            {
                "model_id": added.id,
                "name": added.name,
                "sha256": added.sha256,
                "rule": rule.in_words if rule else None,
            },
            lambda: say(f"Added '{added.name}'. {words}"),
        )
