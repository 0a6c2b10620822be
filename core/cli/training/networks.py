"""Commands of what training builds on: the networks, and which flips show the same part."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from core.api.datasets import orientation_as_json
from core.api.training import network_as_json
from core.cli.output import note, table
from core.cli.session import DatasetArgument, JsonOption, WorkspaceOption, session
from core.models.catalog import Availability
from core.words import NOTHING
from core.workflows.data import datasets
from core.workflows.training import networks as network_actions
from core.workflows.training import runs

app = typer.Typer()


@app.command()
def networks(
    add: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Weights of a timm network, a .safetensors file to add."),
    ] = None,
    called: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="Name of the network in timm, for --add."),
    ] = None,
    license: Annotated[str, typer.Option(help="License of the weights, for --add.")] = "",
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure the speed of those on this machine.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the networks: size, speed here, license, and where the weights are; or add one."""
    with session(workspace, as_json) as opened:
        if add is not None:
            name = called or add.stem
            network_actions.add_network(opened.workspace, add, name, license=license)
        for problem in network_actions.take_found(opened.workspace):
            note(str(problem))
        offers = runs.networks(opened.workspace)
        if measure:
            for network, place in offers:
                if place is Availability.HERE:
                    network_actions.measure(opened.workspace, network)
        result = [network_as_json(opened.workspace, network, place) for network, place in offers]
        rows = [
            [
                n["name"],
                n["title"],
                f"{n['parameters_m']:g} M",
                f"{n['image_size_px']} px" + (" only" if n["fixed_size"] else ""),
                _speed(n["ms_per_image"]),
                n["license"],
                n["availability"],
                n["source"] or "–",
            ]
            for n in result
        ]
        headings = ["name", "title", "weights", "image", "here", "license", "available", "from"]
        opened.answer({"networks": result}, lambda: table(headings, rows))


@app.command()
def orientation(
    dataset: DatasetArgument,
    flip_horizontal: Annotated[
        bool | None,
        typer.Option(
            "--flip-horizontal/--no-flip-horizontal",
            help="Whether a part flipped left to right is the same part.",
        ),
    ] = None,
    flip_vertical: Annotated[
        bool | None,
        typer.Option(
            "--flip-vertical/--no-flip-vertical",
            help="Whether a part flipped top to bottom is the same part.",
        ),
    ] = None,
    any_rotation: Annotated[
        bool | None,
        typer.Option(
            "--any-rotation/--no-any-rotation",
            help="Whether a part turned by 90, 180 or 270 degrees is the same part.",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say or show whether flipped or turned parts are the same part.

    The answers are the defaults of new runs: flips and quarter turns are off until answered yes.
    """
    with session(workspace, as_json) as opened:
        dataset_id = datasets.find_dataset(opened.workspace, dataset).id
        given = {
            "flip_horizontal": flip_horizontal,
            "flip_vertical": flip_vertical,
            "rotate_quarter": any_rotation,
        }
        chosen = {name: answer for name, answer in given.items() if answer is not None}
        answers = replace(datasets.orientation_of(opened.workspace, dataset_id), **chosen)
        if chosen:
            datasets.save_orientation(opened.workspace, dataset_id, answers)
        rows = [
            [question, "not answered" if answer is None else "yes" if answer else "no"]
            for question, answer in (
                ("flipped left to right", answers.flip_horizontal),
                ("flipped top to bottom", answers.flip_vertical),
                ("turned by 90, 180 or 270 degrees", answers.rotate_quarter),
            )
        ]
        result = orientation_as_json(dataset_id, answers)
        opened.answer(result, lambda: table(["a part that is", "is the same part"], rows))


def _speed(ms: object) -> str:
    """Of one image; a dash where it was not measured here."""
    return f"{round(ms)} ms" if isinstance(ms, int | float) else NOTHING
