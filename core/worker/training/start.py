"""Own models to start from: their network, and the classes that both know."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.domain.configs.choices import Detail
from core.domain.training import TrainingRun
from core.errors import ModelFileError, NotFoundError, TrainingError
from core.files import atomic_write
from core.models.backbone import Backbone
from core.models.bundle import ModelCard, Tensors, read_card, read_tensors
from core.store import models
from core.store.database import connect
from core.worker.session import JobSession

if TYPE_CHECKING:
    from torch import nn


def start_backbone(session: JobSession, run: TrainingRun, backbone: Backbone) -> Backbone:
    """The pretrained network with the weights of the run's start model below its head.

    Raises:
        TrainingError: if the model was deleted before the run began.
        ModelFileError: if a layer of the network is missing in it, or of another shape.
    """
    shapes = {name: value.shape for name, value in backbone.tensors.items()}
    _, tensors = _start_model(session, run, shapes, f"{backbone.head}.")
    own = {name: tensors[name] for name in backbone.without_head()}
    return replace(backbone, tensors=backbone.tensors | own)


def start_detail(session: JobSession, run: TrainingRun) -> Detail:
    """What the features of the run's start model are made from; whole where that cannot be trained.

    Raises:
        TrainingError: if the model was deleted before the run began.
    """
    detail = read_card(_kept_file(session, run)).detail
    return detail if detail.trains else Detail.WHOLE


def load_start_model(
    session: JobSession, run: TrainingRun, class_names: Sequence[str], network: "nn.Module"
) -> None:
    """Give a network the weights of the run's start model; its head keeps equal class names.

    Classes that the start model does not know keep the weights they have. A head of another width
    (of a model with another detail level) is left out as a whole.

    Raises:
        TrainingError: if the model was deleted before the run began, or has a hidden layer.
        ModelFileError: if a layer of the network is missing in it, or of another shape.
    """
    import torch

    from core.models.build import head_name

    state = network.state_dict()
    head = f"{head_name(network)}."
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    card, tensors = _start_model(session, run, shapes, head)
    if card.hidden_layer:
        raise TrainingError(
            f"The start model '{card.name}' has a hidden layer, on which the recipe "
            f"{run.train.recipe} cannot go on.",
            "Start from the pretrained network, or from a model with a linear last layer.",
        )
    rows = [
        (row, card.class_names.index(name))
        for row, name in enumerate(class_names)
        if name in card.class_names
    ]
    weight = tensors.get(f"{card.head}.weight")
    is_as_wide = weight is not None and weight.shape[1:] == shapes[f"{head}weight"][1:]
    for name, value in state.items():
        if not name.startswith(head):
            state[name] = torch.from_numpy(tensors[name])
            continue
        known = tensors.get(card.head + name.removeprefix(head[:-1]))
        if known is not None and is_as_wide:
            for row, known_row in rows:
                value[row] = torch.from_numpy(known[known_row : known_row + 1])[0]
    network.load_state_dict(state)


def _start_model(
    session: JobSession, run: TrainingRun, shapes: Mapping[str, tuple[int, ...]], head: str
) -> tuple[ModelCard, Tensors]:
    """The start model, whose layers below the head have these shapes."""
    path = _kept_file(session, run)
    card, tensors = read_card(path), read_tensors(path)
    unfit = [
        name
        for name, shape in shapes.items()
        if not name.startswith(head) and (name not in tensors or tensors[name].shape != shape)
    ]
    if unfit:
        raise ModelFileError(
            f"The start model '{card.name}' does not fit the network: {', '.join(unfit[:3])}.",
            f"Start from a model of the same network; this one is of {card.network}.",
        )
    return card, tensors


def _kept_file(session: JobSession, run: TrainingRun) -> Path:
    """The start model beside the checkpoints: the run can go on after the model was deleted."""
    target = session.workspace.run_folder(run.id) / "start.safetensors"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with connect(session.workspace) as db:
            model = models.find_model(db, run.train.start_model)
            with atomic_write(target) as partial, partial.open("wb") as file:
                file.writelines(models.model_chunks(db, model))
    except NotFoundError as err:
        raise TrainingError(
            "The model that this run starts from was deleted.",
            "Clone the run, and choose another start model or the pretrained network.",
        ) from err
    return target
