"""Release criteria of a dataset: what every model must reach before it is released.

They are set before the test results are viewed. Every change is kept with its time, so that a
limit that was relaxed afterwards shows.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from core.errors import ConfigError
from core.evaluation.measures.intervals import CONFIDENCE
from core.evaluation.release.check import Criterion, CriterionKind
from core.words import exact


@dataclass(frozen=True)
class ReleaseCriteria:
    """What a model must reach; None requires nothing. Rates in [0, 1].

    Attributes:
        max_escape: the escape rate must be proven to be at most this (one-sided upper bound).
        max_overkill: the measured false reject rate must be at most this.
        min_macro_f1: the measured macro F1 must be at least this.
        min_recall: the measured recall of every class must be at least this.
        no_new_escapes: no defective part may be accepted that the current model does not accept.
        golden_must_pass: every golden sample must be judged right.
        confidence: of the proof, one-sided.
        min_automatic: the share of parts decided without inspector review must be proven to be at
            least this (one-sided lower bound), in the mix of the test.
        max_reviews: inspector reviews per shift must be proven to be at most this (one-sided upper
            bound); needs `parts_per_shift`.
        parts_per_shift: that are inspected.
        defect_rate: share of defective parts on the line, for the reviews; None: the mix of the
            test.
    """

    max_escape: float | None = None
    max_overkill: float | None = None
    min_macro_f1: float | None = None
    min_recall: float | None = None
    no_new_escapes: bool = False
    golden_must_pass: bool = True
    confidence: float = CONFIDENCE
    min_automatic: float | None = None
    max_reviews: float | None = None
    parts_per_shift: float | None = None
    defect_rate: float | None = None

    def __post_init__(self) -> None:
        shares = (
            ("An escape rate", self.max_escape),
            ("A false reject rate", self.max_overkill),
            ("A macro F1", self.min_macro_f1),
            ("A recall", self.min_recall),
            ("An automatic share", self.min_automatic),
            ("A defect rate", self.defect_rate),
        )
        for what, value in shares:
            if value is not None and not 0 <= value <= 1:
                raise ConfigError(
                    f"{what} of {100 * value:g}% is not possible.",
                    "Choose a value from 0 to 100%; in a command from 0 to 1, such as 0.05 for 5%.",
                )
        self._check_reviews()
        if not 0.5 <= self.confidence < 1:
            raise ConfigError(
                f"A confidence of {100 * self.confidence:g}% is not possible.",
                "Choose a value from 50% to below 100%, usually 95%.",
            )

    def _check_reviews(self) -> None:
        """Refuse a limit on reviews that cannot be checked.

        Raises:
            ConfigError: if it is no number above 0, or the parts per shift are not known.
        """
        for value in (self.max_reviews, self.parts_per_shift):
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(
                    f"{exact(value)} reviews or parts per shift are not possible.",
                    "Enter a number above 0.",
                )
        if self.max_reviews is not None and self.parts_per_shift is None:
            raise ConfigError(
                "A limit on inspector reviews needs the parts per shift.",
                "Enter how many parts are inspected in a shift.",
            )

    @property
    def requires_anything(self) -> bool:
        """Whether a model can fail it at all."""
        return bool(self.limits([None])) or self.no_new_escapes or self.golden_must_pass

    @property
    def limits_reviews(self) -> bool:
        """Whether some of it limits how many parts go to inspector review."""
        return self.min_automatic is not None or self.max_reviews is not None

    def limits(self, class_names: Sequence[str | None]) -> list[Criterion]:
        """The limits, one by one; a recall for each class of the model, None: of every class."""
        return [
            *self._limit(CriterionKind.ESCAPE, self.max_escape, at_most=True, proven=True),
            *self._limit(CriterionKind.FALSE_REJECT, self.max_overkill, at_most=True),
            *self._limit(CriterionKind.MACRO_F1, self.min_macro_f1),
            *(
                limit
                for name in class_names
                for limit in self._limit(CriterionKind.RECALL, self.min_recall, class_name=name)
            ),
            *self._limit(CriterionKind.AUTOMATIC, self.min_automatic, proven=True),
            *(
                replace(limit, parts_per_shift=self.parts_per_shift, defect_rate=self.defect_rate)
                for limit in self._limit(
                    CriterionKind.REVIEWS, self.max_reviews, at_most=True, proven=True
                )
            ),
        ]

    def _limit(
        self,
        kind: CriterionKind,
        limit: float | None,
        *,
        at_most: bool = False,
        proven: bool = False,
        class_name: str | None = None,
    ) -> list[Criterion]:
        """The criterion, or none where there is no limit."""
        if limit is None:
            return []
        return [Criterion(kind, limit, at_most, proven, self.confidence, class_name)]


@dataclass(frozen=True)
class KeptCriteria:
    """Criteria in force since `set_at` (UTC), and those before them, oldest first."""

    criteria: ReleaseCriteria
    set_at: float
    earlier: tuple[tuple[float, ReleaseCriteria], ...] = ()

    def changed_to(self, criteria: ReleaseCriteria, now: float) -> "KeptCriteria":
        """The same history with new criteria in force; unchanged ones keep their time."""
        if criteria == self.criteria:
            return self
        return KeptCriteria(criteria, now, (*self.earlier, (self.set_at, self.criteria)))


def criteria_to_json(kept: KeptCriteria) -> str:
    """Criteria with their history as text."""
    earlier = [{**asdict(criteria), "set_at": at} for at, criteria in kept.earlier]
    values = {**asdict(kept.criteria), "set_at": kept.set_at, "earlier": earlier}
    return json.dumps(values, sort_keys=True)


def criteria_from_json(text: str) -> KeptCriteria:
    """What `criteria_to_json` wrote.

    Raises:
        ConfigError: if the text is none.
    """
    try:
        values = json.loads(text)
        earlier = tuple((float(v["set_at"]), _criteria(v)) for v in values.get("earlier", ()))
        return KeptCriteria(_criteria(values), float(values["set_at"]), earlier)
    except (ValueError, TypeError, KeyError, AttributeError) as err:
        raise ConfigError(
            "The release criteria of this dataset cannot be read.",
            "They may come from a newer version of Touchstone; set them anew.",
        ) from err


def same_criteria(one: str | None, other: str | None) -> bool:
    """Whether two stored criteria ask for the same; when they were set does not matter."""
    if not one or not other:
        return not one and not other
    return criteria_from_json(one).criteria == criteria_from_json(other).criteria


def _criteria(values: dict[str, Any]) -> ReleaseCriteria:
    known = {item.name for item in fields(ReleaseCriteria)}
    return replace(ReleaseCriteria(), **{k: v for k, v in values.items() if k in known})
