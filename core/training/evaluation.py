"""What the validation images look like to a network while it is trained."""

import sys
from dataclasses import dataclass
from typing import assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.domain.configs.choices import SelectionMeasure
from core.domain.training import EpochDetails, EpochMetrics, HardImage
from core.evaluation.measures.classification import confusion_matrix, macro_f1

if sys.platform != "win32":
    import resource

HARDEST = 12


@dataclass(frozen=True)
class EvaluatedEpoch:
    """A line of the curve and the logits [N, C] of the validation images it was measured on."""

    metrics: EpochMetrics
    logits: Tensor


@dataclass(frozen=True)
class Measures:
    """How well logits fit: fractions in [0, 1], and the plain log loss."""

    accuracy: float
    macro_f1: float
    macro_recall: float
    log_loss: float


def measures(logits: Tensor, targets: NDArray[np.int64], class_count: int) -> Measures:
    """Measures of logits [N, C]; means are over the classes that have images.

    Args:
        logits: of N images, at least one.
        targets: [N], class indices in [0, C).
        class_count: C.
    """
    predicted = logits.argmax(1).numpy()
    matrix = confusion_matrix(predicted, targets, class_count)
    support = matrix.sum(axis=1)
    seen = support > 0
    return Measures(
        accuracy=float(np.diag(matrix).sum() / support.sum()),
        macro_f1=macro_f1(predicted, targets, class_count),
        macro_recall=float((np.diag(matrix)[seen] / support[seen]).mean()),
        log_loss=float(log_losses(logits, targets).mean()),
    )


def selection_score(measured: Measures, measure: SelectionMeasure) -> float:
    """The number by which epochs are compared; more is better."""
    match measure:
        case SelectionMeasure.MACRO_F1:
            return measured.macro_f1
        case SelectionMeasure.ACCURACY:
            return measured.accuracy
        case SelectionMeasure.MACRO_RECALL:
            return measured.macro_recall
        case SelectionMeasure.LOG_LOSS:
            return -measured.log_loss
        case _:
            assert_never(measure)


def log_losses(logits: Tensor, targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Minus the log of the confidence in the true class, [N]."""
    losses = torch.nn.functional.cross_entropy(
        logits.double(), torch.from_numpy(targets), reduction="none"
    )
    values: NDArray[np.float64] = losses.numpy()
    return values


def epoch_details(
    epoch: EvaluatedEpoch,
    targets: NDArray[np.int64],
    sample_ids: NDArray[np.int64],
    class_count: int,
) -> EpochDetails:
    """Confusion matrix and hardest images of an epoch.

    Args:
        epoch: with the logits of N images.
        targets: [N], class indices in [0, C).
        sample_ids: [N].
        class_count: C.
    """
    confidences = epoch.logits.double().softmax(1).numpy()  # [N, C]
    predicted = confidences.argmax(1)
    losses = log_losses(epoch.logits, targets)
    hardest = np.argsort(-losses, kind="stable")[:HARDEST]
    matrix = confusion_matrix(predicted, targets, class_count)
    return EpochDetails(
        epoch.metrics.epoch,
        tuple(tuple(row) for row in matrix.tolist()),
        tuple(
            HardImage(
                int(sample_ids[i]),
                int(targets[i]),
                int(predicted[i]),
                float(confidences[i].max()),
                float(losses[i]),
            )
            for i in hardest
        ),
    )


def memory_mb(device: torch.device) -> float | None:
    """The most memory in use so far, in 2^20 bytes: of a GPU by torch, else of this process.

    None where the system does not tell.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if sys.platform == "win32":
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)
