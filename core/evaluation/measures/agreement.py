"""Do inspectors, or an inspector and a model, judge alike? Kappa, and the attribute study of AIAG.

Source: Cohen 1960; Fleiss 1971; AIAG, "Measurement Systems Analysis", 4th edition, chapter III C.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError
from core.evaluation.measures import bootstrap
from core.evaluation.measures.bootstrap import percentile_interval, resampled_margins
from core.evaluation.measures.intervals import CONFIDENCE, Estimate, Rate, rate
from core.evaluation.measures.parts import Parts

Ratings = NDArray[np.int64]
_ONE_SIDED_95 = 1.645  # standard deviations


def cohen_kappa(
    first: Ratings,
    second: Ratings,
    class_count: int,
    *,
    parts: Parts | None = None,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Estimate:
    """Agreement of two ratings [N] of the same parts beyond chance; 1 is perfect, 0 is chance.

    It moves with the class mix: never show it without. The interval resamples parts; where both
    always agree it cannot say how sure that is, and is left out.

    Args:
        first: [N], categories in [0, class_count).
        second: [N].
        class_count: number of categories.
        parts: [N] part numbers where parts were rated repeatedly; None: each only once.
        confidence: two-sided.
        seed: of the draws.

    Returns:
        No value without parts, or where both use only one and the same category.
    """
    if not len(first):
        return Estimate(None)
    drawn = resampled_margins(second, first, class_count, parts, seed=seed)
    counts = [np.bincount(x, minlength=class_count).astype(float) for x in (first, second)]
    hits = np.bincount(first[first == second], minlength=class_count).astype(float)
    value = float(bootstrap.kappa(bootstrap.Margins(hits, *counts)))
    if not np.isfinite(value):
        return Estimate(None)
    if hits.sum() == len(first):
        return Estimate(value)
    return Estimate(value, percentile_interval(bootstrap.kappa(drawn), confidence))


def beats_chance(first: Ratings, second: Ratings, parts: Parts | None = None) -> bool | None:
    """Whether two ratings [N] agree more often than by chance, with 95% confidence, one-sided.

    Chance deals one of the ratings out anew at random. Mean and variance of the agreements are
    those of the linear permutation statistic (Hoeffding 1951), with continuity correction.

    Args:
        first: [N], categories from 0 on.
        second: [N].
        parts: [N] part numbers; the first image of each part counts. None: all images count.

    Returns:
        None where it cannot be told: `first` has fewer than two categories.
    """
    if parts is not None:
        each = np.unique(parts, return_index=True)[1]
        first, second = first[each], second[each]
    size = max(first.max(initial=0), second.max(initial=0)) + 1
    n, of_first, of_second = (
        len(first),
        *(np.bincount(x, minlength=size).astype(float) for x in (first, second)),
    )
    if (of_first > 0).sum() < 2:
        return None
    expected = of_first @ of_second / n
    deviation = np.eye(size) - of_second[:, None] / n - of_first / n + expected / n
    variance = of_first @ deviation**2 @ of_second / (n - 1)
    agreements = float((first == second).sum())
    return bool(agreements - expected - 0.5 > _ONE_SIDED_95 * np.sqrt(variance))


def kappa_of_rates(escape: float, overkill: float, defect_rate: float) -> float:
    """Kappa of a judge with these rates at this share of defective parts: how the mix moves it."""
    said_bad = defect_rate * (1 - escape) + (1 - defect_rate) * overkill
    agreed = defect_rate * (1 - escape) + (1 - defect_rate) * (1 - overkill)
    by_chance = defect_rate * said_bad + (1 - defect_rate) * (1 - said_bad)
    return (agreed - by_chance) / (1 - by_chance)


def fleiss_kappa(
    counts: NDArray[np.int64],
    *,
    confidence: float = CONFIDENCE,
    replicas: int = bootstrap.REPLICAS,
    seed: int = 0,
) -> Estimate:
    """Agreement beyond chance of any number of ratings per part.

    Args:
        counts: [N, categories], how many ratings of a part fell into each; every row sums to the
            same number m of at least 2.
        confidence: two-sided; the interval resamples parts.
        replicas: draws.
        seed: of the draws.

    Returns:
        No value without parts, or where only one category was used; no interval where all agree.

    Raises:
        ConfigError: if parts were rated a different number of times, or only once.
    """
    if not len(counts):
        return Estimate(None)
    ratings = counts.sum(axis=1)
    m = int(ratings[0])
    if m < 2 or (ratings != m).any():
        raise ConfigError(
            "Every part needs the same number of ratings, at least two.",
            "Leave out parts with fewer ratings.",
        )
    agreed = ((counts**2).sum(axis=1) - m) / (m * (m - 1))  # [N]
    n = len(counts)
    value = float(_fleiss(agreed.sum() / n, counts.sum(axis=0) / (n * m)))
    if not np.isfinite(value):
        return Estimate(None)
    if agreed.min() == 1:
        return Estimate(value)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=replicas)
    drawn = _fleiss(weights @ agreed / n, weights @ counts / (n * m))
    return Estimate(value, percentile_interval(drawn, confidence))


def _fleiss(agreed: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    by_chance = np.asarray((shares**2).sum(axis=-1))
    scale = np.where(by_chance < 1 - 1e-12, 1 - by_chance, np.nan)
    return np.asarray((agreed - by_chance) / scale, np.float64)


class Acceptance(StrEnum):
    """AIAG's verdict on an inspector or a tester."""

    ACCEPTABLE = "acceptable"
    MARGINAL = "marginal"
    UNACCEPTABLE = "unacceptable"
    NO_DATA = "no data"


@dataclass(frozen=True)
class StudyLimits:
    """Limits (acceptable, marginal) of the attribute study; the customary ones by default."""

    effectiveness: tuple[float, float] = (0.90, 0.80)
    miss: tuple[float, float] = (0.02, 0.05)
    false_alarm: tuple[float, float] = (0.05, 0.10)


@dataclass(frozen=True)
class AppraiserResult:
    """One appraiser over all trials.

    `effectiveness`: parts judged right in all trials. `repeatability`: parts judged alike in all
    trials. Both are exact and count parts. `miss` and `false_alarm` count single judgements, as
    AIAG does; repeated judgements of a part depend on each other, so these two have no interval.
    `missed_parts` and `alarmed_parts` count parts with any such judgement, and are exact. `kappa`
    is with the reference, over all judgements.
    """

    name: str
    effectiveness: Rate
    repeatability: Rate
    miss: Rate
    false_alarm: Rate
    missed_parts: Rate
    alarmed_parts: Rate
    kappa: Estimate
    acceptance: Acceptance


@dataclass(frozen=True)
class AttributeStudy:
    """All appraisers against the reference, and with each other (Fleiss over all judgements).

    `all_right`: parts that everybody judged right in all trials. `defective_share` is the mix that
    every kappa here belongs to.
    """

    appraisers: tuple[AppraiserResult, ...]
    all_right: Rate
    between: Estimate
    defective_share: float


def attribute_study(
    reference: NDArray[np.bool_],
    ratings: NDArray[np.bool_],
    names: tuple[str, ...],
    *,
    limits: StudyLimits | None = None,
    confidence: float = CONFIDENCE,
) -> AttributeStudy:
    """An attribute measurement system analysis.

    An automatic tester is one appraiser; its trials must be newly taken images, since the same
    file always gives the same answer.

    Args:
        reference: [P], whether a part is truly defective.
        ratings: [appraisers, trials, P], whether it was called defective.
        names: of the appraisers.
        limits: None: the customary ones.
        confidence: of the intervals, two-sided.

    Raises:
        ConfigError: if there is no part or no judgement.
        ValueError: if shapes differ.
    """
    if ratings.ndim != 3 or ratings.shape[0] != len(names) or ratings.shape[2] != len(reference):
        raise ValueError(f"shapes differ: {reference.shape}, {ratings.shape}, {len(names)} names")
    if not ratings.size:
        raise ConfigError("There are no ratings to study.", "Enter at least one trial.")
    limits = limits or StudyLimits()
    right = ratings == reference
    called = ratings.reshape(-1, len(reference)).sum(axis=0).astype(np.int64)
    judgements = ratings.shape[0] * ratings.shape[1]
    between = Estimate(None)
    if judgements > 1:
        between = fleiss_kappa(
            np.stack([called, judgements - called], axis=1), confidence=confidence
        )
    return AttributeStudy(
        tuple(
            _appraiser(name, reference, trials, limits, confidence)
            for name, trials in zip(names, ratings, strict=True)
        ),
        rate(int(right.all(axis=(0, 1)).sum()), len(reference), confidence),
        between,
        float(reference.mean()),
    )


def _appraiser(
    name: str,
    reference: NDArray[np.bool_],
    trials: NDArray[np.bool_],
    limits: StudyLimits,
    confidence: float,
) -> AppraiserResult:
    n = len(reference)
    right = (trials == reference).all(axis=0)
    alike = (trials == trials[0]).all(axis=0)
    missed, alarmed = ~trials[:, reference], trials[:, ~reference]
    effectiveness = rate(int(right.sum()), n, confidence)
    miss, false_alarm = _judgements(missed), _judgements(alarmed)
    truth = np.tile(reference, len(trials)).astype(np.int64)
    kappa = cohen_kappa(
        truth,
        trials.reshape(-1).astype(np.int64),
        2,
        parts=np.tile(np.arange(n), len(trials)),
        confidence=confidence,
    )
    return AppraiserResult(
        name,
        effectiveness,
        rate(int(alike.sum()), n, confidence),
        miss,
        false_alarm,
        rate(int(missed.any(axis=0).sum()), missed.shape[1], confidence),
        rate(int(alarmed.any(axis=0).sum()), alarmed.shape[1], confidence),
        kappa,
        acceptance(effectiveness.value, miss.value, false_alarm.value, limits),
    )


def _judgements(events: NDArray[np.bool_]) -> Rate:
    k, n = int(events.sum()), events.size
    return Rate(k, n, k / n if n else None, None)


def acceptance(
    effectiveness: float | None,
    miss: float | None,
    false_alarm: float | None,
    limits: StudyLimits | None = None,
) -> Acceptance:
    """The worst of the three verdicts; no data if one of the three is missing."""
    limits = limits or StudyLimits()
    if effectiveness is None or miss is None or false_alarm is None:
        return Acceptance.NO_DATA
    # Why the slack: 1 - 0.95 is not 0.05 in floating point, and a limit that is met is met.
    pairs = (
        (1 - effectiveness, tuple(1 - limit for limit in limits.effectiveness)),
        (miss, limits.miss),
        (false_alarm, limits.false_alarm),
    )
    slack = 1e-9
    if all(value <= good + slack for value, (good, _) in pairs):
        return Acceptance.ACCEPTABLE
    if all(value <= fair + slack for value, (_, fair) in pairs):
        return Acceptance.MARGINAL
    return Acceptance.UNACCEPTABLE
