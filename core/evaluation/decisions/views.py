"""What the screen shows of good and defective parts: the headline, and matrices to click."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.evaluation.decisions.outcome import (
    NOK,
    OK,
    OperatingPoint,
    Outcome,
    Verdicts,
    decide,
    has_both,
    outcome,
    truths,
)
from core.evaluation.measures.classification import Probabilities, Targets
from core.evaluation.measures.intervals import CONFIDENCE, Rate, rate_of
from core.evaluation.measures.parts import Parts, Unit, unit_of
from core.evaluation.measures.views import MatrixView, Tone, matrix_view

Classes = NDArray[np.int64]
DECISIONS = ("accepted", "inspector review", "rejected")


@dataclass(frozen=True)
class Headline:
    """The numbers that everybody asks for first.

    `ok_nok` is None where no class is OK, or none NOK; `n` counts images, `accuracy` the `unit`.
    """

    n: int
    unit: Unit
    accuracy: Rate
    ok_nok: Outcome | None


def headline(
    probabilities: Probabilities,
    targets: Targets,
    *,
    parts: Parts | None = None,
    verdicts: Verdicts = (),
    point: OperatingPoint | None = None,
    predicted: Classes | None = None,
    confidence: float = CONFIDENCE,
    counts: Unit | None = None,
) -> Headline:
    """Accuracy, escapes and overkill with bounds.

    Args:
        probabilities: [N, C], rows sum to 1.
        targets: [N], class indices in [0, C).
        parts: [N] part numbers; None: every image is its own part.
        verdicts: [C], "OK", "NOK" or None.
        point: the decision rule; None: the verdict of the predicted class.
        predicted: [N], the most probable classes, where they are known already.
        confidence: of the intervals.
        counts: what the part numbers are; None: parts.
    """
    predicted = probabilities.argmax(axis=1) if predicted is None else predicted
    wrong = predicted != targets
    judged = None
    if has_both(verdicts):
        rule = point or OperatingPoint()
        decisions = decide(rule, probabilities, verdicts, predicted, parts=parts)
        judged = outcome(decisions, truths(targets, verdicts), parts, confidence)
    return Headline(
        n=len(targets),
        unit=unit_of(parts, counts),
        accuracy=rate_of(wrong, parts, confidence).complement,
        ok_nok=judged,
    )


def ok_nok_matrix(predicted: Classes, targets: Targets, verdicts: Verdicts) -> MatrixView:
    """Verdict of the true class against verdict of the predicted one.

    [2, 2], or [2, 3] where classes without verdict were predicted. Images whose true class has no
    verdict are outside.
    """
    codes = truths(np.arange(len(verdicts)), verdicts).astype(np.int64)
    said = np.where(codes < 0, 2, codes)[predicted]
    columns = ("predicted OK", "predicted NOK", "no verdict")[: 3 if (said == 2).any() else 2]
    tones = (
        (Tone.RIGHT, Tone.WRONG, Tone.OPEN)[: len(columns)],
        (Tone.WRONG, Tone.RIGHT, Tone.OPEN)[: len(columns)],
    )
    return matrix_view(("truly OK", "truly NOK"), columns, tones, codes[targets], said)


def decision_matrix(
    decisions: NDArray[np.int8],
    targets: Targets,
    verdicts: Verdicts,
    class_names: Sequence[str],
    shown: Sequence[int] | None = None,
) -> MatrixView:
    """True class against what happens to the image: accepted, inspector review, rejected.

    Args:
        decisions: [N], from `core.evaluation.decisions.decide`.
        targets: [N] class indices.
        verdicts: [C].
        class_names: [C].
        shown: class indices in view; None for all.
    """
    classes = tuple(range(len(class_names)) if shown is None else shown)
    place = np.full(len(class_names), -1, np.int64)
    place[list(classes)] = np.arange(len(classes))
    codes = truths(np.arange(len(class_names)), verdicts)
    meanings = {
        OK: (Tone.RIGHT, Tone.OPEN, Tone.WRONG),
        NOK: (Tone.WRONG, Tone.OPEN, Tone.RIGHT),
    }
    tones = tuple(meanings.get(int(codes[i]), (Tone.OPEN,) * 3) for i in classes)
    names = tuple(
        f"{verdicts[i]} · {class_names[i]}" if verdicts[i] else class_names[i] for i in classes
    )
    return matrix_view(names, DECISIONS, tones, place[targets], decisions.astype(np.int64), classes)
