"""Own models to start from: their network, the classes that both know, and what it has seen."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sqlite_utils import Database

from core.domain.configs.acting import recipe_is_trained
from core.domain.configs.choices import Detail
from core.domain.models import Model
from core.domain.splits import Subset
from core.domain.training import TrainingRun
from core.errors import ModelFileError, NotFoundError, TrainingError
from core.files import atomic_write
from core.models.backbone import Backbone
from core.models.bundle import ModelCard, Tensors, read_card, read_tensors
from core.models.learned import Contents, contents_of, read_learned
from core.store import models, runs, splits, versions
from core.store.database import connect
from core.worker.features import pretrained
from core.worker.session import JobSession
from core.worker.training.data import TrainingData
from core.worker.training.record import START_KEPT
from core.workspace import Workspace

if TYPE_CHECKING:
    from torch import nn


def start_backbone(session: JobSession, material: TrainingData) -> Backbone:
    """The network that a run starts from: pretrained, or that of an own model below its head.

    Raises:
        TrainingError: if the model was deleted before the run began.
        ModelFileError: if a layer of the network is missing in it, or of another shape.
        NetworkUnavailableError: if the pretrained weights are not on this machine.
    """
    backbone = pretrained(session, material.network)
    if not material.run.train.start_model:
        return backbone
    shapes = {name: value.shape for name, value in backbone.tensors.items()}
    _, tensors = _start_model(session, material.run, shapes, f"{backbone.head}.")
    own = {name: tensors[name] for name in backbone.without_head()}
    return replace(backbone, tensors=backbone.tensors | own)


def learned_before(workspace: Workspace, run: TrainingRun) -> Contents | None:
    """The images that the network of a run's start model has learned from; None: not known."""
    if not run.train.start_model:
        return contents_of([])
    kept = _kept_path(workspace, run)
    known = read_learned(kept) if kept.exists() else None
    if known is not None:
        return known
    with connect(workspace) as db:
        try:
            start = models.find_model(db, run.train.start_model)
        except NotFoundError:
            return None
    return learned_by_network(workspace, start)


def learned_by_network(workspace: Workspace, model: Model) -> Contents | None:
    """The images that a model's network, below its last layer, has learned from; None: not known.

    Of files of earlier versions, which do not say it, the run does.

    Raises:
        ModelFileError: if the stored weights are damaged.
    """
    known = read_learned(models.exported_bundle(workspace, model))
    run = run_of_model(workspace, model)
    if known is not None or run is None:
        return known
    with connect(workspace) as db:
        own = learned_of_run(db, run) if is_trained(db, run, model) else contents_of([])
    before = learned_before(workspace, run)
    return None if before is None else np.union1d(before, own)


def is_trained(db: Database, run: TrainingRun, model: Model) -> bool:
    """Whether the network of a model learned in its run, and not its last layer alone."""
    kept_quick = runs.record_of(db, run.id).get(START_KEPT)
    # Why both: a model of a kept epoch is trained, although its run kept the model of quick.
    is_of_quick = kept_quick and model.validation_cross_validated
    return recipe_is_trained(run.train.recipe) and not is_of_quick


def run_of_model(workspace: Workspace, model: Model) -> TrainingRun | None:
    """The run that made a model; None where it is not in this workspace."""
    if model.run_id is None:
        return None
    with connect(workspace) as db:
        return runs.find_run(db, model.run_id)


def learned_of_run(
    db: Database, run: TrainingRun, subsets: Collection[Subset] = (Subset.TRAIN,)
) -> Contents:
    """The contents of the images that these subsets of a run had."""
    members = splits.split_members(db, run.split_id, fold=run.fold)
    every = versions.samples_at(db, run.dataset_id, run.version)
    return contents_of([item.sha256 for item in every if members.get(item.id) in subsets])


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
    """Give a network the weights of the run's start model.

    Where the run does not solve its head anew, that keeps equal class names: classes that the start
    model does not know have the weights they have. A head of another width (of a model with another
    detail level) is left out as a whole.

    Raises:
        TrainingError: if the model was deleted before the run began, or its head is to be kept and
            has a hidden layer.
        ModelFileError: if a layer of the network is missing in it, or of another shape.
    """
    import torch

    from core.models.build import head_name

    state = network.state_dict()
    head = f"{head_name(network)}."
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    card, tensors = _start_model(session, run, shapes, head)
    keeps_head = not run.train.start_from_head
    if keeps_head and card.hidden_layer:
        raise TrainingError(
            f"The last layer of the start model '{card.name}' has a hidden layer, on which the "
            f"recipe {run.train.recipe} cannot go on.",
            "Start from the solved head (start_from_head), which leaves its last layer out.",
        )
    rows = [
        (row, card.class_names.index(name))
        for row, name in enumerate(class_names)
        if name in card.class_names
    ]
    weight = tensors.get(f"{card.head}.weight")
    is_as_wide = weight is not None and weight.shape[1:] == shapes[f"{head}weight"][1:]
    if keeps_head and not (rows and is_as_wide):
        session.warn(
            f"The last layer of the start model '{card.name}' does not fit this run, which begins "
            "with an empty one."
        )
    for name, value in state.items():
        if not name.startswith(head):
            state[name] = torch.from_numpy(tensors[name])
            continue
        known = tensors.get(card.head + name.removeprefix(head[:-1]))
        if keeps_head and known is not None and is_as_wide:
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
    target = _kept_path(session.workspace, run)
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


def _kept_path(workspace: Workspace, run: TrainingRun) -> Path:
    return workspace.run_folder(run.id) / "start.safetensors"
