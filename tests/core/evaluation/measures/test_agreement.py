import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from core.errors import ConfigError
from core.evaluation.measures.agreement import (
    Acceptance,
    StudyLimits,
    acceptance,
    attribute_study,
    beats_chance,
    cohen_kappa,
    fleiss_kappa,
    kappa_of_rates,
)
from core.evaluation.measures.intervals import rate

# Fleiss 1971: 14 judges, 10 subjects, 5 categories; kappa 0.210.
FLEISS = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
)


@pytest.mark.parametrize(
    ("bad", "kappa"),
    [(0.5, 0.93), (0.3, 0.91), (0.2, 0.87), (0.1, 0.78), (0.05, 0.65), (0.02, 0.42), (0.01, 0.27)],
)
def test_kappa_moves_with_the_class_mix(bad, kappa):
    assert round(kappa_of_rates(0.02, 0.05, bad), 2) == kappa


def test_kappa_of_rates_is_cohens():
    truth = np.repeat([1, 0], [1000, 9000])
    said = truth.copy()
    said[:20] = 0
    said[1000:1450] = 1
    assert kappa_of_rates(0.02, 0.05, 0.1) == pytest.approx(cohen_kappa(truth, said, 2).value)


@given(st.integers(0, 5000), st.integers(2, 5), st.integers(2, 60))
@settings(max_examples=40)
def test_cohens_kappa_is_scikit_learns(seed, classes, n):
    first, second = np.random.default_rng(seed).integers(0, classes, (2, n))
    found = cohen_kappa(first, second, classes)
    if found.value is None:
        assert len({*first.tolist(), *second.tolist()}) == 1
        return
    assert found.value == pytest.approx(cohen_kappa_score(first, second), abs=1e-9)
    if found.interval:
        assert found.interval.low <= found.value + 0.05
        assert found.interval.high >= found.value - 0.05


def test_kappa_of_nothing_and_of_one_category_has_no_value():
    assert cohen_kappa(np.empty(0, int), np.empty(0, int), 2).value is None
    assert cohen_kappa(np.zeros(5, int), np.zeros(5, int), 2).value is None
    perfect = cohen_kappa(np.array([0, 1, 1]), np.array([0, 1, 1]), 2)
    assert (perfect.value, perfect.interval) == (1.0, None)


def test_repeating_a_judgement_does_not_make_kappa_surer():
    random = np.random.default_rng(0)
    first, second = random.integers(0, 2, (2, 60))
    single = cohen_kappa(first, second, 2)
    parts = np.tile(np.arange(60), 5)
    repeated = cohen_kappa(np.tile(first, 5), np.tile(second, 5), 2, parts=parts)
    assert repeated.value == pytest.approx(single.value)
    assert repeated.interval.low == pytest.approx(single.interval.low, abs=0.03)


def test_the_example_of_fleiss():
    found = fleiss_kappa(FLEISS)
    assert found.value == pytest.approx(0.210, abs=5e-4)
    assert found.interval.low < 0.21 < found.interval.high


def test_two_judgements_of_fleiss_are_scotts_pi():
    # With two judges the chance comes from both together.
    random = np.random.default_rng(0)
    first, second = random.integers(0, 3, (2, 200))
    counts = np.stack([(first == c).astype(int) + (second == c) for c in range(3)], axis=1)
    agreed, shares = (first == second).mean(), counts.sum(axis=0) / 400
    by_chance = (shares**2).sum()
    assert fleiss_kappa(counts).value == pytest.approx((agreed - by_chance) / (1 - by_chance))


def test_fleiss_at_the_edges():
    assert fleiss_kappa(np.empty((0, 2), int)).value is None
    assert fleiss_kappa(np.array([[3, 0], [3, 0]])).value is None
    perfect = fleiss_kappa(np.array([[3, 0], [0, 3]]))
    assert (perfect.value, perfect.interval) == (1.0, None)
    for counts in ([[1, 2], [1, 1]], [[1, 0], [0, 1]]):
        with pytest.raises(ConfigError, match="same number of ratings"):
            fleiss_kappa(np.array(counts))


def test_the_worked_example_of_the_attribute_study():
    # 50 parts, 3 appraisers; right in all trials: 42, 45 and 40 parts.
    reference = np.arange(50) < 20
    ratings = np.tile(reference, (3, 3, 1))
    for appraiser, right in enumerate((42, 45, 40)):
        ratings[appraiser, 0, right:] = ~reference[right:]  # good parts, wrong in one trial
    study = attribute_study(reference, ratings, ("A", "B", "C"))
    assert [a.effectiveness for a in study.appraisers] == [rate(42, 50), rate(45, 50), rate(40, 50)]
    first, second, third = study.appraisers
    assert (first.miss.value, first.missed_parts.value) == (0.0, 0.0)
    assert (first.false_alarm.k, first.false_alarm.n) == (8, 90)
    assert (first.alarmed_parts.k, first.alarmed_parts.n) == (8, 30)
    assert first.false_alarm.interval is None
    assert first.repeatability == rate(42, 50)
    assert [a.acceptance for a in (first, second, third)] == [
        Acceptance.MARGINAL,
        Acceptance.MARGINAL,
        Acceptance.UNACCEPTABLE,
    ]
    assert study.all_right == rate(40, 50)
    assert study.defective_share == 0.4
    assert 0.8 < study.between.value < 1.0
    kappas = [appraiser.kappa for appraiser in study.appraisers]
    assert kappas[1].value > kappas[0].value > kappas[2].value
    assert all(k.interval.low < k.value < k.interval.high for k in kappas)


@pytest.mark.parametrize(
    ("effectiveness", "miss", "false_alarm", "expected"),
    [
        (0.90, 0.02, 0.05, "acceptable"),
        (0.89, 0.02, 0.05, "marginal"),
        (0.90, 0.021, 0.05, "marginal"),
        (0.90, 0.02, 0.051, "marginal"),
        (0.80, 0.05, 0.10, "marginal"),
        (0.79, 0.0, 0.0, "unacceptable"),
        (1.0, 0.051, 0.0, "unacceptable"),
        (1.0, 0.0, 0.11, "unacceptable"),
        (None, 0.0, 0.0, "no data"),
        (1.0, None, 0.0, "no data"),
    ],
)
def test_the_decisions_of_aiag(effectiveness, miss, false_alarm, expected):
    assert acceptance(effectiveness, miss, false_alarm) == expected


def test_limits_can_be_edited():
    strict = StudyLimits(effectiveness=(0.99, 0.95))
    assert acceptance(0.97, 0.0, 0.0, strict) == Acceptance.MARGINAL


def test_one_tester_with_one_trial_and_no_defective_part():
    study = attribute_study(np.zeros(4, bool), np.zeros((1, 1, 4), bool), ("tester",))
    assert study.between.value is None
    assert study.appraisers[0].miss.value is None
    assert study.appraisers[0].acceptance == Acceptance.NO_DATA


def test_nothing_to_study_is_said():
    with pytest.raises(ConfigError, match="no ratings"):
        attribute_study(np.zeros(0, bool), np.zeros((1, 2, 0), bool), ("A",))
    with pytest.raises(ValueError, match="shapes differ"):
        attribute_study(np.zeros(3, bool), np.zeros((2, 1, 3), bool), ("A",))


def test_chance_is_beaten_no_more_often_than_promised():
    rng = np.random.default_rng(0)
    for n, classes in ((10, 2), (25, 3), (100, 2)):
        drawn = rng.integers(0, classes, (2000, 2, n))
        said = [beats_chance(labels, guesses) for labels, guesses in drawn]
        assert np.mean([item is True for item in said]) <= 0.05
    labels = np.arange(10) % 2
    assert beats_chance(labels, labels) is True
    assert beats_chance(labels, 1 - labels) is False
    assert beats_chance(labels, np.zeros(10, np.int64)) is False  # one answer for all
    assert beats_chance(np.zeros(10, np.int64), labels) is None
    few = np.array([0, 0, 1])
    assert beats_chance(few, few) is False  # one of three deals looks like this


def test_each_part_counts_once_against_chance():
    labels = np.array([0, 1] * 3)
    assert beats_chance(np.repeat(labels, 2), np.repeat(labels, 2)) is True
    same = np.repeat([0, 1, 0], 20)
    assert beats_chance(same, same, np.repeat([0, 1, 2], 20)) is False


@pytest.mark.parametrize("classes", [2, 4])
def test_chance_agrees_with_dealing_anew(classes):
    rng = np.random.default_rng(1)
    first = rng.integers(0, classes, 60)
    for share in (0.1, 0.2, 0.3, 0.5):
        second = np.where(rng.random(60) < share, first, rng.integers(0, classes, 60))
        dealt = [(rng.permutation(second) == first).sum() for _ in range(4000)]
        p = np.mean(np.array(dealt) >= (first == second).sum())
        if not 0.02 < p < 0.08:  # else the approximation may say either
            assert beats_chance(first, second) is bool(p < 0.05)
