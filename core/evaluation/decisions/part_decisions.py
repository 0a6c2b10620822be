"""One decision for a part of which several images were taken: the strictest of its images.

It is the rule by which evaluation counts (`core/evaluation/measures/parts.py`): a good part is a
false reject if any of its images is rejected, and a defective part that escapes here, with all of
its images accepted, is counted there as an escape too. So the proven bounds hold for parts.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from core.domain.models import PartDecision, PartResult, Prediction

_STRICTNESS = {decision: place for place, decision in enumerate(PartDecision)}


@dataclass
class _Seen:
    """What is known of a part so far."""

    decision: PartDecision | None = None
    decided_by: str = ""
    images: int = 0
    unreadable: int = 0

    def add(self, item: Prediction, *, decides: bool) -> None:
        self.images += 1
        self.unreadable += item.error is not None
        # Why review: a part is not accepted by the images that happened to be readable.
        decision = PartDecision.REVIEW if item.error is not None and decides else item.decision
        if not self.decided_by or _is_stricter(decision, self.decision):
            self.decision, self.decided_by = decision, item.path


class PartTally:
    """Decisions of parts from the images as they come; memory grows with the parts alone."""

    def __init__(self, *, decides: bool) -> None:
        """Begin with no part; `decides`: whether there is a threshold."""
        self._decides = decides
        self._seen: dict[str, _Seen] = {}

    def add(self, item: Prediction) -> None:
        """Count an image; one without a part stands alone and is left out."""
        if item.part is not None:
            self._seen.setdefault(item.part, _Seen()).add(item, decides=self._decides)

    def results(self) -> list[PartResult]:
        """All parts, in the order of their first images."""
        return [
            PartResult(part, seen.decision, seen.decided_by, seen.images, seen.unreadable)
            for part, seen in self._seen.items()
        ]

    def decision_of(self, part: str | None) -> PartDecision | None:
        """What happens to a part; None for images that stand alone."""
        return self._seen[part].decision if part is not None else None


def part_results(items: Iterable[Prediction]) -> list[PartResult]:
    """The decision of every part among these images, in the order of their first images."""
    listed = list(items)
    tally = PartTally(decides=any(item.decision is not None for item in listed))
    for item in listed:
        tally.add(item)
    return tally.results()


def _is_stricter(one: PartDecision | None, other: PartDecision | None) -> bool:
    if one is None:
        return False
    return other is None or _STRICTNESS[one] > _STRICTNESS[other]
