"""From confidences to decisions: accept, reject or inspector review; and which defects escape.

Every class has a verdict (OK, NOK, or none yet). An image's NOK probability is the sum over the
NOK classes. **Escape**: a defective part is accepted, of all defective parts. **Overkill**: a good
part is rejected, of all good parts. Parts in inspector review are neither. n counts parts; a part
with several images is judged by its worst one: a defective part escapes if any of its defective
images is accepted, a good part is a false reject if any of its good images is rejected. Where a
rule combines the images of a part (`OperatingPoint.parts`), all have the decision of the part.

Images whose true class has no verdict count nowhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from core.domain.datasets import Verdict
from core.domain.parts import ANY_IMAGE, PartHow, PartRule
from core.errors import ConfigError
from core.evaluation.decisions.combining import kth_highest, means
from core.evaluation.measures.auc import areas
from core.evaluation.measures.intervals import (
    CONFIDENCE,
    Estimate,
    Rate,
    rate,
)
from core.evaluation.measures.parts import Parts, Unit, choose, unit_of, units

# A threshold above every probability: nothing reaches it.
ABOVE_ALL = 1.01
Probabilities = NDArray[np.float32]
Floats = NDArray[np.float64]


class Decision(IntEnum):
    """What happens to a part, from mildest to strictest."""

    ACCEPT = 0
    PERSON = 1
    REJECT = 2


Verdicts = Sequence[str | None]
Decisions = NDArray[np.int8]
OK, NOK, UNKNOWN = 0, 1, -1


@dataclass(frozen=True)
class OperatingPoint:
    """The decision rule of the shop floor, chosen on validation.

    Attributes:
        accept_below: NOK probability below which a part is accepted.
        reject_from: NOK probability from which on it is rejected; in between lies the
            review zone. With both None, the verdict of the predicted class decides.
        class_thresholds: confidence [C] that the predicted class needs at least, else the part
            goes to inspector review; empty for none.
        parts: how several images of a part become one decision.
    """

    accept_below: float | None = None
    reject_from: float | None = None
    class_thresholds: tuple[float, ...] = ()
    parts: PartRule = ANY_IMAGE

    def __post_init__(self) -> None:
        given = [v for v in (self.accept_below, self.reject_from) if v is not None]
        if len(given) == 1:
            raise ConfigError(
                "One of the two limits of the NOK probability is missing.",
                "Give both; with equal limits there is no review zone.",
            )
        for value in (*given, *self.class_thresholds):
            if not 0 <= value <= ABOVE_ALL:
                raise ConfigError(
                    f"A threshold of {value:g} is not possible.", "Choose a value from 0 to 1."
                )
        if given and given[0] > given[1]:
            raise ConfigError(
                f"Parts would be accepted below {given[0]:.3g}, but rejected from {given[1]:.3g}.",
                "The reject threshold must not be below the accept threshold.",
            )

    @property
    def has_person_zone(self) -> bool:
        """Whether parts can go to inspector review."""
        return self.accept_below != self.reject_from or bool(self.class_thresholds)


def single_threshold(threshold: float) -> OperatingPoint:
    """Reject from this NOK probability on, accept everything below."""
    return OperatingPoint(threshold, threshold)


def has_both(verdicts: Verdicts) -> bool:
    """Whether there is an OK class and a NOK class: else there is nothing to decide."""
    return Verdict.OK in verdicts and Verdict.NOK in verdicts


def nok_probability(probabilities: Probabilities, verdicts: Verdicts) -> Floats:
    """[N], in [0, 1]: the sum over the NOK classes.

    Args:
        probabilities: [N, C], rows sum to 1.
        verdicts: [C], "OK", "NOK" or None.

    Raises:
        ConfigError: if no class is OK, or none NOK.
        ValueError: if the number of classes differs.
    """
    _check_verdicts(verdicts, probabilities)
    columns = [i for i, verdict in enumerate(verdicts) if verdict == Verdict.NOK]
    sums: Floats = probabilities[:, columns].sum(axis=1, dtype=np.float64)
    return np.clip(sums, 0.0, 1.0)


def _check_verdicts(verdicts: Verdicts, probabilities: Probabilities) -> None:
    """Refuse verdicts [C] that nothing between good and defective can be decided by.

    Raises:
        ConfigError: if no class is OK, or none NOK.
        ValueError: if the number of classes differs.
    """
    if len(verdicts) != probabilities.shape[1]:
        raise ValueError(f"{len(verdicts)} verdicts for {probabilities.shape[1]} classes")
    if not has_both(verdicts):
        missing = Verdict.NOK if Verdict.OK in verdicts else Verdict.OK
        raise ConfigError(
            f"No class is marked {missing}, so good and defective cannot be told apart.",
            "Mark every class as OK or NOK.",
        )


def truths(targets: NDArray[np.int64], verdicts: Verdicts) -> NDArray[np.int8]:
    """[N]: NOK (1), OK (0), or unknown (-1) where the true class has no verdict."""
    codes = {Verdict.OK: OK, Verdict.NOK: NOK}
    table = np.array([UNKNOWN if v is None else codes[Verdict(v)] for v in verdicts], np.int8)
    return table[targets]


def decide(
    point: OperatingPoint,
    probabilities: Probabilities,
    verdicts: Verdicts,
    predicted: NDArray[np.int64] | None = None,
    *,
    parts: Parts | None = None,
) -> Decisions:
    """What happens to every image [N]; to the part of each, where the rule combines images.

    Args:
        point: the rule.
        probabilities: [N, C], rows sum to 1.
        verdicts: [C]; a predicted class without a verdict goes to inspector review.
        predicted: [N], the most probable classes, where they are known already.
        parts: [N] part numbers; None: every image is its own part.

    Raises:
        ConfigError: if no class is OK, or none NOK, or the rule is for other classes.
    """
    if parts is None:
        return _decided(point, probabilities, verdicts, predicted)
    match point.parts.how:
        case PartHow.ANY:
            return _decided(point, probabilities, verdicts, predicted)
        case PartHow.AT_LEAST:
            each = _decided(point, probabilities, verdicts, predicted)
            return kth_highest(each, parts, point.parts.k)
        case PartHow.MEAN:
            return _decided(point, means(probabilities, parts).astype(np.float32), verdicts, None)
        case _:
            assert_never(point.parts.how)


def _decided(
    point: OperatingPoint,
    probabilities: Probabilities,
    verdicts: Verdicts,
    predicted: NDArray[np.int64] | None,
) -> Decisions:
    """What happens to every image by itself [N]."""
    if point.accept_below is None or point.reject_from is None:
        _check_verdicts(verdicts, probabilities)
        codes = {Verdict.OK: Decision.ACCEPT, Verdict.NOK: Decision.REJECT}
        table = [Decision.PERSON if v is None else codes[Verdict(v)] for v in verdicts]
        predicted = probabilities.argmax(axis=1) if predicted is None else predicted
        decisions: Decisions = np.array(table, np.int8)[predicted]
    else:
        decisions = decide_scores(point, nok_probability(probabilities, verdicts))
    if point.class_thresholds:
        decisions[below_class_threshold(probabilities, point.class_thresholds)] = Decision.PERSON
    return decisions


def decide_scores(point: OperatingPoint, nok: Floats) -> Decisions:
    """What happens to images or parts of these NOK probabilities [N]."""
    if point.accept_below is None or point.reject_from is None:
        raise ValueError("this rule does not use the NOK probability")
    zone = (nok >= point.accept_below).astype(np.int8) + (nok >= point.reject_from)
    return zone.astype(np.int8)


def below_class_threshold(
    probabilities: Probabilities, class_thresholds: Sequence[float]
) -> NDArray[np.bool_]:
    """[N]: whether the predicted class is below its threshold: inspector review.

    Raises:
        ConfigError: if there is not one threshold for every class.
    """
    if len(class_thresholds) != probabilities.shape[1]:
        raise ConfigError(
            f"There are thresholds for {len(class_thresholds)} classes, but the model knows "
            f"{probabilities.shape[1]}.",
            "Choose the thresholds for this model again.",
        )
    needed = np.asarray(class_thresholds, float)[probabilities.argmax(axis=1)]
    held: NDArray[np.bool_] = probabilities.max(axis=1).astype(float) < needed
    return held


@dataclass(frozen=True)
class Outcome:
    """What a rule does to parts whose truth is known.

    `ok` and `nok` count good and defective parts as (accepted, inspector review, rejected).
    `both` of them have good and defective images, such as a part photographed from two sides: they
    are counted on both sides.
    """

    ok: tuple[int, int, int]
    nok: tuple[int, int, int]
    confidence: float = CONFIDENCE
    both: int = 0

    @property
    def escape(self) -> Rate:
        """Defective parts that are accepted, of all defective parts."""
        return rate(self.nok[Decision.ACCEPT], sum(self.nok), self.confidence)

    @property
    def overkill(self) -> Rate:
        """Good parts that are rejected, of all good parts."""
        return rate(self.ok[Decision.REJECT], sum(self.ok), self.confidence)

    @property
    def ok_to_person(self) -> Rate:
        """Good parts in inspector review, of all good parts."""
        return rate(self.ok[Decision.PERSON], sum(self.ok), self.confidence)

    @property
    def nok_to_person(self) -> Rate:
        """Defective parts in inspector review, of all defective parts."""
        return rate(self.nok[Decision.PERSON], sum(self.nok), self.confidence)

    @property
    def automatic(self) -> Rate:
        """Parts without inspector review, in the mix of good and defective of this subset."""
        person = self.ok[Decision.PERSON] + self.nok[Decision.PERSON]
        return rate(self.n - person, self.n, self.confidence)

    @property
    def n(self) -> int:
        """All parts, good and defective."""
        return sum(self.ok) + sum(self.nok)

    @property
    def matrix(self) -> NDArray[np.int64]:
        """[2, 3] counts: rows truly OK and NOK; columns accepted, inspector review, rejected."""
        return np.array([self.ok, self.nok], np.int64)

    @property
    def both_in_words(self) -> str | None:
        """Why the good and the defective parts are more than all parts; None if they are not."""
        if not self.both:
            return None
        if self.both == 1:
            return "1 part has good and defective images and counts as both."
        return f"{self.both:,} parts have good and defective images and count as both."

    @property
    def remarks(self) -> tuple[str, ...]:
        """What these numbers cannot say, in plain words."""
        accepted = self.ok[Decision.ACCEPT] + self.nok[Decision.ACCEPT]
        says = [
            (not sum(self.nok), "There are no defective parts: nothing is known about escapes."),
            (not sum(self.ok), "There are no good parts: nothing is known about false rejects."),
            (self.n and not accepted, "No part is accepted automatically."),
        ]
        return tuple(sentence for applies, sentence in says if applies)


def outcome(
    decisions: Decisions,
    truth: NDArray[np.int8],
    parts: Parts | None = None,
    confidence: float = CONFIDENCE,
) -> Outcome:
    """Count what happened to good and defective parts.

    Args:
        decisions: [N], one per image.
        truth: [N], from `truths`.
        parts: [N] part numbers; None: every image is its own part.
        confidence: of the intervals.
    """
    defective, good = truth == NOK, truth == OK
    nok = units(int(defective.sum()), choose(parts, defective)).lowest(decisions[defective])
    ok = units(int(good.sum()), choose(parts, good)).highest(decisions[good])
    return Outcome(_zones(ok), _zones(nok), confidence, _on_both_sides(truth, parts))


def _on_both_sides(truth: NDArray[np.int8], parts: Parts | None) -> int:
    if parts is None or not len(parts):
        return 0
    seen = np.zeros((2, int(parts.max()) + 1), bool)  # faster than sets of 100,000 numbers
    seen[0, parts[truth == NOK]] = seen[1, parts[truth == OK]] = True
    return int(seen.all(axis=0).sum())


def _zones(decisions: NDArray[Any]) -> tuple[int, int, int]:
    accepted, person, rejected = np.bincount(decisions.astype(np.int64), minlength=3).tolist()
    return accepted, person, rejected


@dataclass(frozen=True)
class PartScores:
    """The NOK probability of every part at its worst image, ascending.

    `ok` [good parts]: the highest one; `nok` [defective parts]: the lowest one. `both`: see
    `Outcome`. `unit`: what counts as a part here.
    """

    ok: Floats
    nok: Floats
    both: int = 0
    unit: Unit = Unit.PARTS

    def outcome(self, point: OperatingPoint, confidence: float = CONFIDENCE) -> Outcome:
        """What the rule does to these parts; quick enough for a slider."""
        return Outcome(
            _zones(decide_scores(point, self.ok)),
            _zones(decide_scores(point, self.nok)),
            confidence,
            self.both,
        )


def part_scores(
    nok: Floats, truth: NDArray[np.int8], parts: Parts | None = None, counts: Unit | None = None
) -> PartScores:
    """Scores of parts from the NOK probabilities of images.

    Args:
        nok: [N], in [0, 1], from `nok_probability`.
        truth: [N], from `truths`.
        parts: [N] part numbers; None: every image is its own part.
        counts: what the part numbers are; None: parts.
    """
    defective, good = truth == NOK, truth == OK
    lowest = units(int(defective.sum()), choose(parts, defective)).lowest(nok[defective])
    highest = units(int(good.sum()), choose(parts, good)).highest(nok[good])
    both, unit = _on_both_sides(truth, parts), unit_of(parts, counts)
    return PartScores(np.sort(highest), np.sort(lowest), both, unit)


@dataclass(frozen=True)
class OkNokReport:
    """The OK / NOK view: the rule applied, and how well the NOK probability ranks at all.

    Areas are of images, their intervals of parts; no value where one side is missing.
    """

    outcome: Outcome
    roc_area: Estimate
    average_precision: Estimate


def ok_nok_report(
    probabilities: Probabilities,
    targets: NDArray[np.int64],
    verdicts: Verdicts,
    *,
    point: OperatingPoint | None = None,
    parts: Parts | None = None,
    confidence: float = CONFIDENCE,
) -> OkNokReport:
    """Escape and overkill of a rule; without one, the verdict of the predicted class decides.

    Raises:
        ConfigError: if no class is OK, or none NOK.
    """
    truth, nok = truths(targets, verdicts), nok_probability(probabilities, verdicts)
    decisions = decide(point or OperatingPoint(), probabilities, verdicts, parts=parts)
    known = truth != UNKNOWN
    ranked = areas(nok[known], truth[known] == NOK, choose(parts, known), confidence)
    return OkNokReport(
        outcome(decisions, truth, parts, confidence), ranked.roc, ranked.average_precision
    )
