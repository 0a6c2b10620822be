"""The quick recipe: features once, then a last layer that is solved. Free of torch."""

import numpy as np
from numpy.typing import NDArray

from core.data.pixels.isolated_pool import worker_count
from core.domain.jobs import Phase
from core.domain.splits import Subset
from core.inference.heads import Head
from core.inference.predictor import softmax
from core.models.backbone import Backbone
from core.training.heads import fit_kind, judged_kind
from core.worker.session import JobSession
from core.worker.training.data import TrainingData
from core.worker.training.last_layers import choose_last_layer
from core.worker.training.levels import ChosenLevel, choose_level, head_task, stop_check
from core.worker.training.model import TrainedModel, unfamiliar_by
from core.worker.training.record import begin_record, end_record
from core.worker.training.start import start_backbone


def quick(session: JobSession, material: TrainingData) -> TrainedModel:
    """Features once, then the solution of a last layer on them.

    Raises:
        StopRequested: if a stop was requested.
    """
    begin_record(session, material, threads=worker_count())
    backbone = start_backbone(session, material)
    level = choose_level(session, material, backbone, material.run.train.detail.levels)
    level = choose_last_layer(session, material, level)
    return solved_model(session, material, backbone, level, refits=material.run.refits)


def solved_model(
    session: JobSession,
    material: TrainingData,
    backbone: Backbone,
    level: ChosenLevel,
    *,
    refits: bool,
) -> TrainedModel:
    """The model of a detail level.

    Args:
        session: of the job.
        material: of the run.
        backbone: that made the features.
        level: with features, kind of head and penalty.
        refits: whether it learns from the validation images, too.

    Raises:
        StopRequested: if a stop was requested.
    """
    head, validation = _solved(session, material, level, refits=refits)
    probabilities = {
        subset: softmax(head.logits(level.features[positions]))
        for subset, positions in material.subsets.items()
    }
    learned = [material.subsets[Subset.TRAIN]]
    if validation is not None:
        probabilities[Subset.VALIDATION] = validation
        learned.append(material.subsets[Subset.VALIDATION])
    rows = np.concatenate(learned)
    tensors = backbone.without_head() | head.as_tensors(backbone.head)
    end_record(session, material, tensors)
    return TrainedModel(
        tensors,
        backbone.head,
        probabilities,
        validation is not None,
        detail=level.detail,
        hidden_layer=head.hidden is not None,
        unfamiliar=unfamiliar_by(material, rows, level.features[rows]),
    )


def _solved(
    session: JobSession, data: TrainingData, level: ChosenLevel, *, refits: bool
) -> tuple[Head, NDArray[np.float32] | None]:
    """The released head, and what validates it.

    That are the cross-validated confidences of the validation images of a model that was refitted
    on them; None: it has not seen them.
    """
    task = head_task(data, level.features)
    train, validation = (data.subsets[s] for s in (Subset.TRAIN, Subset.VALIDATION))
    check = stop_check(session)
    session.report(Phase.FITTING, 0, 0)
    if not refits:
        return fit_kind(level.head, task.only(train), level.penalty, on_step=check), None
    both = np.concatenate([train, validation])
    head = fit_kind(level.head, task.only(both), level.penalty, on_step=check)
    session.report(Phase.CROSS_VALIDATING, 0, 0)
    judged = level.evidence or judged_kind(
        level.head, task.only(both), level.penalty, on_step=check
    )
    if judged is None:
        return head, np.full((len(validation), data.class_count), 1 / data.class_count, np.float32)
    return head, judged.confidences[len(train) :]
