"""One decision for a part of which several images were taken, by the rule of the model.

It is the rule by which evaluation counts (`core/evaluation/decisions/outcome.py`): the strictest
image decides, or so many images must agree, or the mean of their confidences decides. With the
strictest image, a good part is a false reject if any of its images is rejected, and a defective
part that escapes here, with all of its images accepted, is counted there as an escape too. So the
proven bounds hold for parts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import assert_never

from core.domain.models import PartDecision, PartResult, Prediction
from core.domain.parts import ANY_IMAGE, PartHow, PartRule
from core.evaluation.decisions.rule import DecisionRule, part_decision

_STRICTNESS = {decision: place for place, decision in enumerate(PartDecision)}


@dataclass
class _Seen:
    """What is known of a part so far; memory does not grow with its images.

    `first_of` is the first image with each decision, `count_of` how many have it; `sums` are the
    summed confidences of the `readable` ones.
    """

    first_of: dict[PartDecision | None, str] = field(default_factory=dict)
    count_of: dict[PartDecision | None, int] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)
    images: int = 0
    unreadable: int = 0

    def add(self, item: Prediction, *, decides: bool) -> None:
        self.images += 1
        self.unreadable += item.error is not None
        # Why review: a part is not accepted by the images that happened to be readable.
        decision = PartDecision.REVIEW if item.error is not None and decides else item.decision
        self.first_of.setdefault(decision, item.path)
        self.count_of[decision] = self.count_of.get(decision, 0) + 1
        for name, confidence in item.confidences:
            self.sums[name] = self.sums.get(name, 0.0) + confidence

    def kth_strictest(self, k: int) -> PartDecision | None:
        """The decision on which at least `k` images agree, or all of fewer."""
        left = min(k, self.images)
        for decision in (*sorted(PartDecision, key=_strictness, reverse=True), None):
            left -= self.count_of.get(decision, 0)
            if left <= 0:
                return decision
        raise AssertionError("a part has at least one image")

    def by_mean(self, rule: DecisionRule) -> PartDecision:
        """The decision by the mean of the readable images; review at least beside others."""
        readable = self.images - self.unreadable
        if not readable:
            return PartDecision.REVIEW
        mean = {name: total / readable for name, total in self.sums.items()}
        decision = part_decision(rule.decide(mean))
        floor = PartDecision.REVIEW if self.unreadable else PartDecision.ACCEPT
        return max(decision, floor, key=_strictness)


class PartTally:
    """Decisions of parts from the images as they come; memory grows with the parts alone."""

    def __init__(self, rule: DecisionRule | None) -> None:
        """Begin with no part; without a rule, nothing is decided."""
        self._rule = rule
        self._seen: dict[str, _Seen] = {}

    def add(self, item: Prediction) -> None:
        """Count an image; one without a part stands alone and is left out."""
        if item.part is not None:
            seen = self._seen.setdefault(item.part, _Seen())
            seen.add(item, decides=self._rule is not None)

    def results(self) -> list[PartResult]:
        """All parts, in the order of their first images."""
        return [self._result(part, seen) for part, seen in self._seen.items()]

    def decision_of(self, part: str | None) -> PartDecision | None:
        """What happens to a part; None for images that stand alone."""
        return self._decision(self._seen[part]) if part is not None else None

    @property
    def _how(self) -> PartRule:
        return self._rule.point.parts if self._rule is not None else ANY_IMAGE

    def _decision(self, seen: _Seen) -> PartDecision | None:
        if self._rule is None:
            return None
        match self._how.how:
            case PartHow.ANY | PartHow.AT_LEAST:
                return seen.kth_strictest(self._how.k)
            case PartHow.MEAN:
                return seen.by_mean(self._rule)
            case _:
                assert_never(self._how.how)

    def _result(self, part: str, seen: _Seen) -> PartResult:
        decision = self._decision(seen)
        # Of a mean there may be no image that says the same; then the strictest one is named.
        named = decision if decision in seen.first_of else seen.kth_strictest(1)
        return PartResult(part, decision, seen.first_of[named], seen.images, seen.unreadable)


def part_results(items: Iterable[Prediction], rule: DecisionRule | None) -> list[PartResult]:
    """The decision of every part among these images, in the order of their first images."""
    tally = PartTally(rule)
    for item in items:
        tally.add(item)
    return tally.results()


def _strictness(decision: PartDecision) -> int:
    return _STRICTNESS[decision]
