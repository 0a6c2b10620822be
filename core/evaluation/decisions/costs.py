"""What a decision rule costs, and which defects it misses, at the defect rate of the real line.

Escape and overkill come from a test set; the line has another mix of good and defective parts, so
everything is computed again for its defect rate. Intervals hold together: each rate that enters
is taken at a higher confidence (Bonferroni), so that the result keeps the requested one.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError
from core.evaluation.decisions.outcome import OperatingPoint, Outcome, PartScores
from core.evaluation.decisions.thresholds import thresholds_between
from core.evaluation.measures.intervals import CONFIDENCE, Estimate, Interval, Rate
from core.evaluation.measures.ranking import MAX_POINTS, thinned
from core.words import exact_percent

Floats = NDArray[np.float64]
FLAT = 1.05


@dataclass(frozen=True)
class Costs:
    """Money per part: an escape, a false reject, and an inspector review.

    Raises:
        ConfigError: if one is negative or not a number.
    """

    escape: float
    false_reject: float
    look: float = 0.0

    def __post_init__(self) -> None:
        for cost in (self.escape, self.false_reject, self.look):
            if not 0 <= cost < math.inf:
                raise ConfigError(
                    f"A cost of {cost:g} is not possible.",
                    "Enter costs of 0 or more.",
                )


@dataclass(frozen=True)
class Scenario:
    """The line: share of defective parts, parts per shift, costs, and how well inspectors decide.

    `person_escape` and `person_overkill`: of the parts in inspector review, the share of
    defective ones accepted and of good ones rejected. Everything in [0, 1] but volume and money.

    Raises:
        ConfigError: if a share is not from 0 to 1, or the volume is negative or not a number.
    """

    defect_rate: float
    parts_per_shift: float
    costs: Costs
    person_escape: float = 0.0
    person_overkill: float = 0.0

    def __post_init__(self) -> None:
        shares = (self.defect_rate, self.person_escape, self.person_overkill)
        if not all(0 <= share <= 1 for share in shares):
            wrong = next(share for share in shares if not 0 <= share <= 1)
            raise ConfigError(
                f"{exact_percent(wrong)} is not a possible defect rate, or error rate of "
                "inspectors.",
                "Give rates from 0 to 100%.",
            )
        if not 0 <= self.parts_per_shift < math.inf:
            raise ConfigError(
                "Parts per shift must be 0 or more.",
                "Enter how many parts are inspected in a shift.",
            )


@dataclass(frozen=True)
class Consequences:
    """What the rule does to the line; no value where a rate behind it has no data.

    Where nothing was delivered, or nothing rejected, a share of it has bounds but no value.

    `outgoing_ppm`: defective parts in a million that are delivered. `true_reject_share`: of all
    rejected parts, the truly defective ones. `cost_per_1000`: of a thousand parts made.
    """

    outgoing_ppm: Estimate
    true_reject_share: Estimate
    rejects_per_shift: Estimate
    looks_per_shift: Estimate
    cost_per_1000: Estimate
    remarks: tuple[str, ...] = ()


def outgoing_ppm(defect_rate: float, escape: float, overkill: float) -> float | None:
    """Defective parts in a million delivered ones; None if nothing is delivered."""
    bad = defect_rate * escape
    return _ratio(1e6 * bad, bad + (1 - defect_rate) * (1 - overkill))


def true_reject_share(defect_rate: float, escape: float, overkill: float) -> float | None:
    """Of the rejected parts, the share of truly defective ones; None if nothing is rejected."""
    bad = defect_rate * (1 - escape)
    return _ratio(bad, bad + (1 - defect_rate) * overkill)


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator > 0 else None


@dataclass(frozen=True)
class _Rates:
    """Shares of defective (escape, nok_look) and good parts (overkill, ok_look)."""

    escape: float
    overkill: float
    nok_look: float
    ok_look: float

    def escapes(self, scenario: Scenario) -> float:
        return min(1.0, self.escape + self.nok_look * scenario.person_escape)

    def overkills(self, scenario: Scenario) -> float:
        return min(1.0, self.overkill + self.ok_look * scenario.person_overkill)

    def looks(self, scenario: Scenario) -> float:
        return scenario.defect_rate * self.nok_look + (1 - scenario.defect_rate) * self.ok_look

    def rejects(self, scenario: Scenario) -> float:
        good = (1 - scenario.defect_rate) * self.overkills(scenario)
        return scenario.defect_rate * (1 - self.escapes(scenario)) + good

    def cost(self, scenario: Scenario) -> float:
        """Per part made."""
        costs, defect_rate = scenario.costs, scenario.defect_rate
        return (
            defect_rate * self.escapes(scenario) * costs.escape
            + (1 - defect_rate) * self.overkills(scenario) * costs.false_reject
            + self.looks(scenario) * costs.look
        )


def consequences(
    point: OperatingPoint, outcome: Outcome, scenario: Scenario, confidence: float = CONFIDENCE
) -> Consequences:
    """The line under this rule, from what the rule did to parts whose truth is known.

    Args:
        point: the rule; without a review zone, doubt about reviews does not enter the intervals.
        outcome: of the rule on the test subset.
        scenario: the line.
        confidence: two-sided, of each result.
    """
    if not sum(outcome.ok) or not sum(outcome.nok):
        none = Estimate(None)
        return Consequences(none, none, none, none, none, outcome.remarks)
    rates = [outcome.escape, outcome.overkill]
    if point.has_person_zone or outcome.ok_to_person.k or outcome.nok_to_person.k:
        rates += [outcome.nok_to_person, outcome.ok_to_person]
    each = 1 - (1 - confidence) / len(rates)
    seen, low, high = (_Rates(*values) for values in _columns([r.at(each) for r in rates]))
    mild = _Rates(high.escape, low.overkill, high.nok_look, low.ok_look)
    strict = _Rates(low.escape, high.overkill, low.nok_look, high.ok_look)

    def between(value: float | None, least: float | None, most: float | None) -> Estimate:
        # Why bounds without a value: where all is rejected nothing is delivered, yet what would be
        # is bounded. Where one end has no value, the other one holds for everything between.
        ends = [end for end in (least, most) if end is not None]
        return Estimate(value, Interval(min(ends), max(ends), confidence) if ends else None)

    def ppm(at: _Rates) -> float | None:
        return outgoing_ppm(scenario.defect_rate, at.escapes(scenario), at.overkills(scenario))

    def real(at: _Rates) -> float | None:
        return true_reject_share(scenario.defect_rate, at.escapes(scenario), at.overkills(scenario))

    volume = scenario.parts_per_shift
    return Consequences(
        outgoing_ppm=between(ppm(seen), ppm(low), ppm(high)),
        true_reject_share=between(real(seen), real(high), real(low)),
        rejects_per_shift=between(
            volume * seen.rejects(scenario),
            volume * mild.rejects(scenario),
            volume * strict.rejects(scenario),
        ),
        looks_per_shift=between(
            volume * seen.looks(scenario),
            volume * low.looks(scenario),
            volume * high.looks(scenario),
        ),
        cost_per_1000=between(
            1000 * seen.cost(scenario), 1000 * low.cost(scenario), 1000 * high.cost(scenario)
        ),
        remarks=outcome.remarks,
    )


def _columns(rates: list[Rate]) -> tuple[list[float], list[float], list[float]]:
    """Values, lower and upper bounds; zeros where there is no inspector review."""
    known = [(r.value or 0.0, r.interval.low, r.interval.high) for r in rates if r.interval]
    padded = known + [(0.0, 0.0, 0.0)] * (4 - len(known))
    values, low, high = (list(column) for column in zip(*padded, strict=True))
    return values, low, high


@dataclass(frozen=True)
class LeastCost:
    """The cheapest rule on these parts, and how much it matters to hit it.

    `accept_range` and `reject_range`: how far each limit may move, the other one fixed, until the
    cost is 5% above the least. `thresholds` [P] and `cost_per_1000` [P] are the curve of a single
    threshold without a review zone. Money is per 1,000 parts made.
    """

    point: OperatingPoint
    least_cost_per_1000: float
    accept_range: tuple[float, float]
    reject_range: tuple[float, float]
    thresholds: Floats
    cost_per_1000: Floats


def least_cost(
    scores: PartScores,
    scenario: Scenario,
    *,
    with_person: bool = True,
    max_points: int = MAX_POINTS,
) -> LeastCost:
    """The limits with the least expected cost over all possible ones; choose on validation.

    Args:
        scores: of validation parts.
        scenario: the line.
        with_person: whether there may be a review zone; else there is one threshold.
        max_points: of the curve.

    Raises:
        ConfigError: if there is no defective, or no good part, or nothing costs anything.
    """
    if not len(scores.ok) or not len(scores.nok):
        raise ConfigError(
            "The least cost needs good and defective parts; one kind is missing.",
            "Choose a subset with images of OK and of NOK classes.",
        )
    cuts = thresholds_between(scores)
    accepted, looked, rejected = _costs_at(cuts, scores, scenario)
    single = accepted + rejected
    if not single.any():
        raise ConfigError(
            "At these costs every threshold costs nothing, so none is the cheapest.",
            "Enter what an escape and a false reject cost, and a defect rate above 0.",
        )
    if with_person:
        # The cost of two limits i <= j is (accepted - looked)[i] + (looked + rejected)[j].
        first, second = accepted - looked, looked + rejected
        best = np.minimum.accumulate(first)
        reject_at = int(np.argmin(best + second))
        accept_at = int(np.argmin(first[: reject_at + 1]))
        by_accept = first[: reject_at + 1] + second[reject_at]
        by_reject = np.full(len(cuts), np.inf)
        by_reject[accept_at:] = first[accept_at] + second[accept_at:]
        # Why: a review zone that saves nothing is left out.
        if single.min() <= by_accept[accept_at] * (1 + 1e-12):
            accept_at = reject_at = int(np.argmin(single))
            by_accept = by_reject = single
    else:
        accept_at = reject_at = int(np.argmin(single))
        by_accept = by_reject = single
    least = float(by_accept[accept_at])
    kept = thinned(cuts, single / max(1e-300, float(single.max())), max_points)
    return LeastCost(
        OperatingPoint(float(cuts[accept_at]), float(cuts[reject_at])),
        1000 * least,
        _flat(by_accept, accept_at, cuts),
        _flat(by_reject, reject_at, cuts),
        cuts[kept],
        1000 * single[kept],
    )


def _costs_at(
    cuts: Floats, scores: PartScores, scenario: Scenario
) -> tuple[Floats, Floats, Floats]:
    """Expected cost per part made of: accepting, looking at, everything below; rejecting the rest.

    Each [len(cuts)].
    """
    costs = scenario.costs
    bad = scenario.defect_rate * np.searchsorted(scores.nok, cuts, "left") / len(scores.nok)
    good = (1 - scenario.defect_rate) * np.searchsorted(scores.ok, cuts, "left") / len(scores.ok)
    accepted = bad * costs.escape
    looked = bad * (costs.look + scenario.person_escape * costs.escape) + good * (
        costs.look + scenario.person_overkill * costs.false_reject
    )
    return accepted, looked, (good[-1] - good) * costs.false_reject


def _flat(cost: Floats, at: int, cuts: Floats) -> tuple[float, float]:
    """Thresholds around the best one that cost at most 5% more."""
    too_much = np.flatnonzero(cost > cost[at] * FLAT + 1e-15)
    before, after = too_much[too_much < at], too_much[too_much > at]
    first = int(before[-1]) + 1 if len(before) else 0
    last = int(after[0]) - 1 if len(after) else len(cost) - 1
    return float(cuts[first]), float(min(cuts[last], 1.0))


def widened(limits: tuple[float, float], scores: PartScores) -> tuple[float, float]:
    """The lowest and highest limit, in steps of 0.1%, that decide these parts as two limits do.

    Args:
        limits: between neighbouring scores, the lower one first.
        scores: of the parts.
    """
    low, high = limits
    distinct = np.concatenate([[0.0], np.unique(np.concatenate([scores.ok, scores.nok])), [1.0]])
    below = float(distinct[distinct < low].max(initial=0.0))
    above = float(distinct[distinct >= high].min(initial=1.0))
    # A score on its limit would flip with the last digit of the runtime.
    lowest = (math.floor(1000 * below) + 1) / 1000 if below > 0 else 0.0
    highest = (math.ceil(1000 * above) - 1) / 1000 if above < 1 else 1.0
    return min(low, lowest), max(high, highest)
