"""Inspector reviews in a shift: what the review zone means in hours of work."""

from dataclasses import dataclass

from core.evaluation.decisions.outcome import Outcome
from core.evaluation.measures.intervals import checked_confidence, upper_bounds


@dataclass(frozen=True)
class ReviewLoad:
    """How many of a shift's parts go to inspector review, by what a rule did to tested parts.

    Attributes:
        outcome: of the rule on the tested parts.
        parts_per_shift: that are inspected; above 0.
        defect_rate: share of defective parts on the line, in [0, 1]; None: the mix of good and
            defective parts of the test.
    """

    outcome: Outcome
    parts_per_shift: float
    defect_rate: float | None = None

    @property
    def value(self) -> float | None:
        """Reviews per shift as measured; None where a kind of part was not tested."""
        if self.defect_rate is None:
            automatic = self.outcome.automatic.value
            return None if automatic is None else self.parts_per_shift * (1 - automatic)
        good, bad = self.outcome.ok_to_person.value, self.outcome.nok_to_person.value
        return self._mixed(good, bad)

    def upper(self, confidence: float) -> float | None:
        """One-sided: there are no more reviews than this with this confidence.

        With a defect rate the bounds of good and defective parts hold together, each at half the
        doubt; a line with only one kind of part needs only one of them.
        """
        if self.defect_rate is None:
            reviews = self.outcome.automatic.complement.upper(confidence)
            return None if reviews is None else self.parts_per_shift * reviews
        one_kind = self.defect_rate in (0, 1)
        doubt = (1 - checked_confidence(confidence)) / (1 if one_kind else 2)
        rates = self.outcome.ok_to_person, self.outcome.nok_to_person
        good, bad = (
            float(upper_bounds(rate.k, rate.n, 1 - doubt)) if rate.n else None for rate in rates
        )
        return self._mixed(good, bad)

    def _mixed(self, good: float | None, bad: float | None) -> float | None:
        """Of the parts of a shift; a kind that the line does not have needs no rate."""
        assert self.defect_rate is not None
        shares = ((1 - self.defect_rate, good), (self.defect_rate, bad))
        if any(share and rate is None for share, rate in shares):
            return None
        return self.parts_per_shift * sum(share * (rate or 0.0) for share, rate in shares)
