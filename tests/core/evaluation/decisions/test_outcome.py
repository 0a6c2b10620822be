import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from core.errors import ConfigError
from core.evaluation.decisions.outcome import (
    ABOVE_ALL,
    Decision,
    OperatingPoint,
    PartScores,
    below_class_threshold,
    decide,
    nok_probability,
    ok_nok_report,
    outcome,
    part_scores,
    single_threshold,
    truths,
)
from core.evaluation.decisions.thresholds import (
    automatic_errors,
    choose_point,
    class_thresholds_for_error,
    threshold_for_escape,
    threshold_for_overkill,
    trade_off,
)
from core.evaluation.measures.intervals import exact_bounds, upper_bounds

VERDICTS = ("OK", "NOK", "NOK", None)
PROBABILITIES = np.array(
    [[0.9, 0.05, 0.05, 0.0], [0.4, 0.3, 0.3, 0.0], [0.1, 0.8, 0.1, 0.0], [0.1, 0.1, 0.1, 0.7]],
    np.float32,
)


def _scores(seed=0, good=300, bad=80):
    random = np.random.default_rng(seed)
    return PartScores(np.sort(random.beta(1, 5, good)), np.sort(random.beta(5, 2, bad)))


def test_the_nok_probability_is_the_sum_over_nok_classes():
    assert nok_probability(PROBABILITIES, VERDICTS) == pytest.approx([0.1, 0.6, 0.9, 0.2])


def test_without_limits_the_verdict_of_the_predicted_class_decides():
    # The second image is most likely OK as a class, though NOK classes have more together.
    assert decide(OperatingPoint(), PROBABILITIES, VERDICTS).tolist() == [
        Decision.ACCEPT,
        Decision.ACCEPT,
        Decision.REJECT,
        Decision.PERSON,
    ]


def test_three_zones():
    point = OperatingPoint(0.2, 0.85)
    assert decide(point, PROBABILITIES, VERDICTS).tolist() == [
        Decision.ACCEPT,
        Decision.PERSON,
        Decision.REJECT,
        Decision.PERSON,
    ]
    assert point.has_person_zone
    assert not single_threshold(0.5).has_person_zone


def test_a_class_below_its_threshold_goes_to_a_person():
    point = OperatingPoint(0.5, 0.5, class_thresholds=(0.95, 0.7, 0.0, 0.0))
    assert below_class_threshold(PROBABILITIES, point.class_thresholds).tolist() == [
        True,
        True,
        False,
        False,
    ]
    assert decide(point, PROBABILITIES, VERDICTS).tolist() == [1, 1, 2, 0]


def test_images_without_verdict_count_nowhere():
    truth = truths(np.array([0, 1, 3, 3]), VERDICTS)
    assert truth.tolist() == [0, 1, -1, -1]
    assert outcome(np.array([0, 0, 0, 2], np.int8), truth).n == 2


def test_a_part_is_judged_by_its_worst_image():
    truth = np.array([1, 1, 0, 0, 1], np.int8)
    decisions = np.array([2, 0, 0, 2, 1], np.int8)
    found = outcome(decisions, truth, np.array([7, 7, 8, 8, 9]))
    assert (found.ok, found.nok) == ((0, 0, 1), (1, 1, 0))
    assert (found.escape.k, found.escape.n, found.nok_to_person.k) == (1, 2, 1)
    assert (found.overkill.k, found.overkill.n) == (1, 1)
    assert (found.automatic.k, found.automatic.n) == (2, 3)
    assert found.matrix.tolist() == [[0, 0, 1], [1, 1, 0]]


def test_a_part_with_good_and_defective_images_counts_on_both_sides_and_that_is_said():
    # "45 parts" beside "14 defective and 32 good ones" looked like a mistake.
    truth, decisions = np.array([1, 0, 0, 1], np.int8), np.array([2, 0, 0, 2], np.int8)
    found = outcome(decisions, truth, np.array([7, 7, 8, 9]))
    assert (found.both, found.n) == (1, 4)
    assert found.both_in_words == "1 part has good and defective images and counts as both."
    assert outcome(decisions, truth).both_in_words is None


@given(st.integers(0, 1000), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=60)
def test_scores_of_parts_give_what_images_give(seed, one, two):
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(4), 60).astype(np.float32)
    targets, parts = random.integers(0, 4, 60), random.integers(0, 20, 60)
    point = OperatingPoint(min(one, two), max(one, two))
    truth = truths(targets, VERDICTS)
    scores = part_scores(nok_probability(probabilities, VERDICTS), truth, parts)
    direct = outcome(decide(point, probabilities, VERDICTS), truth, parts)
    assert scores.outcome(point) == direct


def test_the_trade_off_is_the_roc_curve_with_exact_bounds():
    scores = _scores()
    found = trade_off(scores, max_points=10_000)
    every = np.concatenate([scores.ok, scores.nok])
    truth = np.repeat([False, True], [len(scores.ok), len(scores.nok)])
    false_alarm, hit, _ = oracle.roc_curve(truth, every, drop_intermediate=False)
    assert found.overkill == pytest.approx(false_alarm[::-1])
    assert found.escape == pytest.approx(1 - hit[::-1])
    k = np.round(found.escape * 80).astype(int)
    assert found.escape_high == pytest.approx(exact_bounds(k, 80)[1])
    assert (np.diff(found.thresholds) > 0).all()
    at = len(found.thresholds) // 2
    applied = scores.outcome(single_threshold(float(found.thresholds[at])))
    assert applied.escape.value == pytest.approx(found.escape[at])
    assert applied.overkill.value == pytest.approx(found.overkill[at])


def test_the_trade_off_of_many_parts_stays_small():
    found = trade_off(_scores(good=50_000, bad=5000))
    assert len(found.thresholds) <= 500
    assert (found.escape[0], found.overkill[0]) == (0, 1)
    assert (found.escape[-1], found.overkill[-1]) == (1, 0)


def test_without_defective_parts_the_trade_off_has_no_escapes_and_does_not_fail():
    found = trade_off(PartScores(np.array([0.1, 0.4]), np.empty(0)))
    assert np.isnan(found.escape).all()
    assert np.isnan(found.escape_high).all()
    assert found.overkill.tolist() == [1.0, 0.5, 0.0]


@given(st.integers(0, 500), st.integers(0, 100).map(lambda percent: percent / 200))
@settings(max_examples=60)
def test_the_chosen_threshold_keeps_its_limit_and_no_higher_one_does(seed, limit):
    scores = _scores(seed, good=40, bad=25)
    every = trade_off(scores, max_points=10_000)
    chosen = scores.outcome(single_threshold(threshold_for_escape(scores, limit)))
    assert chosen.escape.value <= limit
    assert chosen.overkill.value == every.overkill[every.escape <= limit].min()
    chosen = scores.outcome(single_threshold(threshold_for_overkill(scores, limit)))
    assert chosen.overkill.value <= limit
    assert chosen.escape.value == every.escape[every.overkill <= limit].min()


def test_a_limit_on_the_bound_is_stricter_than_one_on_the_value():
    scores = _scores()
    seen = scores.outcome(single_threshold(threshold_for_escape(scores, 0.1)))
    proven = scores.outcome(single_threshold(threshold_for_escape(scores, 0.1, confidence=0.95)))
    assert proven.escape.upper() <= 0.1 < seen.escape.upper()
    assert upper_bounds(proven.escape.k + 1, 80) > 0.1


def test_a_limit_that_every_rule_keeps_accepts_or_rejects_everything():
    scores = _scores(bad=20)
    assert threshold_for_escape(scores, 1.0) == ABOVE_ALL
    assert threshold_for_overkill(scores, 1.0) == 0.0


def test_with_both_limits_a_person_takes_what_is_between():
    scores = _scores()
    point = choose_point(scores, max_escape=0.01, max_overkill=0.01)
    found = scores.outcome(point)
    assert point.accept_below < point.reject_from
    assert found.escape.value <= 0.01
    assert found.overkill.value <= 0.01
    easy = choose_point(scores, max_escape=0.5, max_overkill=0.5)
    assert not easy.has_person_zone
    assert not choose_point(scores, max_overkill=0.1).has_person_zone
    assert choose_point(scores, max_escape=0.1) == single_threshold(
        threshold_for_escape(scores, 0.1)
    )


def test_a_score_never_lies_on_the_chosen_threshold():
    # The last digit of another runtime would flip it.
    scores = PartScores(np.array([0.1, 0.2]), np.array([0.6, 0.9]))
    assert threshold_for_escape(scores, 0.0) == pytest.approx(0.4)
    assert threshold_for_overkill(scores, 0.0) == pytest.approx(0.4)


def test_thresholds_per_class_keep_the_error_of_each_class():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.full(3, 0.4), 2000).astype(np.float32)
    targets = (probabilities.cumsum(axis=1) < random.random((2000, 1))).sum(axis=1).clip(0, 2)
    thresholds = class_thresholds_for_error(probabilities, targets, 0.05)
    predicted, held = probabilities.argmax(axis=1), below_class_threshold(probabilities, thresholds)
    for index in range(3):
        kept = (predicted == index) & ~held
        assert kept.sum() > 50
        assert (targets[kept] != index).mean() <= 0.05
        lower = (predicted == index) & (probabilities.max(axis=1) > thresholds[index] - 0.1)
        assert (targets[lower] != index).mean() > 0.05
    found = automatic_errors(probabilities, targets, thresholds)
    assert found.value <= 0.05
    assert found.n == 2000 - held.sum()
    assert found.k == ((predicted != targets) & ~held).sum()


def test_a_class_never_predicted_always_goes_to_a_person():
    sure = np.array([[0.8, 0.2], [0.7, 0.3]], np.float32)
    assert class_thresholds_for_error(sure, np.array([0, 0]), 0.0) == (0.0, ABOVE_ALL)
    assert class_thresholds_for_error(sure, np.array([1, 1]), 0.0) == (ABOVE_ALL, ABOVE_ALL)


def test_nothing_automatic_is_said_and_is_no_division_by_zero():
    found = automatic_errors(PROBABILITIES, np.array([0, 1, 2, 3]), [ABOVE_ALL] * 4)
    assert (found.n, found.value) == (0, None)
    empty = _scores().outcome(single_threshold(0.0))
    assert empty.remarks == ("No part is accepted automatically.",)
    assert empty.escape.value == 0.0


def test_a_part_goes_to_a_person_if_any_of_its_images_does():
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.9, 0.1]], np.float32)
    found = automatic_errors(probabilities, np.array([1, 1, 1]), (0.8, 0.8), np.array([0, 0, 1]))
    assert (found.k, found.n) == (1, 1)


def test_missing_sides_say_no_data():
    found = outcome(np.array([0, 2], np.int8), np.array([0, 0], np.int8))
    assert found.escape.value is None
    assert found.remarks == ("There are no defective parts: nothing is known about escapes.",)
    none = outcome(np.empty(0, np.int8), np.empty(0, np.int8))
    assert (none.n, none.automatic.value, len(none.remarks)) == (0, None, 2)


def test_the_report_of_decisions():
    targets = np.array([0, 1, 2, 3])
    found = ok_nok_report(PROBABILITIES, targets, VERDICTS, point=single_threshold(0.5))
    assert (found.outcome.escape.k, found.outcome.overkill.k) == (0, 0)
    assert (found.roc_area.value, found.average_precision.value) == (1.0, 1.0)
    alone = ok_nok_report(PROBABILITIES, np.array([0, 0, 0, 3]), VERDICTS)
    assert alone.roc_area.value is None


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (lambda: nok_probability(PROBABILITIES, ("OK",) * 4), "No class is marked NOK"),
        (lambda: nok_probability(PROBABILITIES, (None,) * 4), "No class is marked OK"),
        (lambda: OperatingPoint(0.5, None), "is missing"),
        (lambda: OperatingPoint(0.7, 0.3), "rejected from 0.3"),
        (lambda: OperatingPoint(-0.1, 0.3), "is not possible"),
        (lambda: OperatingPoint(class_thresholds=(2.0,)), "is not possible"),
        (lambda: below_class_threshold(PROBABILITIES, (0.5,)), "thresholds for 1 classes"),
        (lambda: choose_point(_scores()), "No limit"),
        (lambda: threshold_for_escape(_scores(bad=0), 0.1), "needs defective parts"),
        (lambda: threshold_for_overkill(_scores(good=0), 0.1), "needs good parts"),
        (lambda: threshold_for_escape(_scores(), 1.5), "is not possible"),
        (lambda: class_thresholds_for_error(PROBABILITIES, np.zeros(4, int), 2), "is not possible"),
    ],
)
def test_impossible_goals_are_refused_in_words(action, words):
    with pytest.raises(ConfigError, match=words):
        action()


def test_verdicts_of_other_classes_are_a_programmers_mistake():
    with pytest.raises(ValueError, match="2 verdicts for 4 classes"):
        nok_probability(PROBABILITIES, ("OK", "NOK"))
