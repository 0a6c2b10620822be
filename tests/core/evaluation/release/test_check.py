import pytest

from core.domain.signoff import CriterionOutcome, ReleaseOutcome
from core.evaluation.decisions.outcome import Outcome
from core.evaluation.decisions.reviews import ReviewLoad
from core.evaluation.measures.intervals import Estimate, Interval, rate
from core.evaluation.measures.parts import Unit
from core.evaluation.release.check import (
    CheckResult,
    Criterion,
    CriterionKind,
    NewEscapes,
    ReleaseVerdict,
    check_criteria,
)
from core.evaluation.release.criteria import ReleaseCriteria
from core.evaluation.release.words import (
    REVIEWS_NOT_LIMITED,
    check_in_words,
    criteria_in_words,
    measure_key,
    not_applicable_in_words,
    reasons_in_words,
    remarks_in_words,
    verdict_lines,
)

ESCAPE = Criterion(CriterionKind.ESCAPE, 0.02)
RECALL = Criterion(CriterionKind.RECALL, 0.9, at_most=False, class_name="dent")
AWKWARD = (
    "type: A; deep",
    "a, b",
    "a | b",
    "100% good",
    'the "good" one',
    "x (1 of 2); at least 3",
)


def check(criterion, measured):
    (result,) = check_criteria([criterion], {criterion.key: measured})
    return result


def test_a_proven_rate_is_met():
    found = check(ESCAPE, rate(0, 149))
    assert found.result is CheckResult.MET
    assert found.bound == pytest.approx(0.0199, abs=1e-4)


def test_fifty_parts_without_escape_do_not_prove_two_percent_and_how_many_would_is_said():
    found = check(ESCAPE, rate(0, 50))
    assert (found.result, found.parts_needed) == (CheckResult.NOT_PROVEN, 149)
    assert check_in_words(found) == (
        "Escape rate: 0% (0 of 50), proven to be below 5.82%; proof of at most 2% is required. "
        "With no further error, 149 in total would prove it."
    )


def test_a_rate_that_is_too_high_gets_no_advice_to_collect_more():
    found = check(ESCAPE, rate(5, 50))
    assert (found.result, found.parts_needed) == (CheckResult.MISSED, None)
    assert "would prove" not in check_in_words(found)


def test_what_must_be_reached_is_checked_against_the_lower_bound():
    assert check(RECALL, rate(59, 59)).passed
    missed = check(RECALL, rate(19, 20))
    assert (missed.result, missed.parts_needed) == (CheckResult.NOT_PROVEN, 46)
    assert "proven to be above 78.3%; proof of at least 90%" in check_in_words(missed)


def test_a_criterion_on_the_measured_value_needs_no_proof():
    seen = Criterion(CriterionKind.FALSE_REJECT, 0.02, proven=False)
    assert check(seen, rate(1, 50)).passed
    assert check(seen, rate(2, 50)).result is CheckResult.MISSED
    assert check_in_words(check(seen, rate(2, 50))) == (
        "False reject rate: 4% (2 of 50); at most 2% is required."
    )


def test_other_measures_are_checked_against_the_end_of_their_interval():
    criterion = Criterion(CriterionKind.MACRO_F1, 0.9, at_most=False)
    assert check(criterion, Estimate(0.95, Interval(0.91, 0.98))).passed
    outside = check(criterion, Estimate(0.95, Interval(0.89, 0.98)))
    assert outside.result is CheckResult.NOT_PROVEN
    unbounded = check(criterion, Estimate(0.95))
    assert unbounded.result is CheckResult.NO_BOUND
    assert "0.95, without a bound" in check_in_words(unbounded)


@pytest.mark.parametrize("measures", [{}, {ESCAPE.key: None}, {ESCAPE.key: rate(0, 0)}])
def test_what_was_not_measured_is_not_met(measures):
    (found,) = check_criteria([ESCAPE], measures)
    assert (found.result, found.value) == (CheckResult.NO_DATA, None)
    assert check_in_words(found) == "Escape rate: no data; proof of at most 2% is required."


def test_every_golden_sample_must_be_right():
    checks = check_criteria([ESCAPE], {ESCAPE.key: rate(0, 300)})
    verdict = ReleaseVerdict(checks, {"scratch 1": True, "dent 4": False})
    assert not verdict.passed
    assert verdict.failed_golden == ("dent 4",)
    assert reasons_in_words(verdict) == ["1 of 2 golden samples is judged wrong."]
    assert ReleaseVerdict((), {"scratch 1": True}).passed


@pytest.mark.parametrize(
    ("new", "passed", "words"),
    [
        (NewEscapes(0, compared=9), True, None),
        (NewEscapes(1, compared=9), False, "1 defective part is accepted"),
        (NewEscapes(3, Unit.IMAGES, 9), False, "3 defective images are accepted"),
        (NewEscapes(None, compared=9), False, "not known"),
    ],
)
def test_new_escapes_block_and_so_does_not_knowing_them(new, passed, words):
    verdict = ReleaseVerdict((), new_escapes=new)
    assert verdict.passed is passed
    assert [words in reason for reason in reasons_in_words(verdict)] == [True] * (words is not None)


def test_without_a_model_to_compare_with_new_escapes_are_not_applicable_and_block_nothing():
    # "New escapes are not known" blocked every first model, and every model at its sign-off.
    checks = check_criteria([ESCAPE], {ESCAPE.key: rate(0, 300)})
    verdict = ReleaseVerdict(checks, new_escapes=NewEscapes(None))
    assert verdict.outcome is ReleaseOutcome.PASS
    assert reasons_in_words(verdict) == []
    assert not_applicable_in_words(verdict) == [
        "New escapes: not applicable, since there is no model to compare with."
    ]
    lines = verdict_lines(verdict, ReleaseCriteria(no_new_escapes=True, golden_must_pass=False))
    assert [line.outcome for line in lines] == [
        CriterionOutcome.MET,
        CriterionOutcome.NOT_APPLICABLE,
    ]
    alone = ReleaseVerdict((), new_escapes=NewEscapes(None))
    assert alone.outcome is ReleaseOutcome.BLOCK
    assert "Nothing was checked" in reasons_in_words(alone)[0]


def zones(ok=(0, 0, 0), nok=(0, 0, 0)):
    return Outcome(ok, nok)


def test_the_automatic_share_is_judged_by_its_lower_bound():
    (criterion,) = ReleaseCriteria(min_automatic=0.9).limits([None])
    few = check(criterion, zones(ok=(95, 5, 0)).automatic)
    assert few.result is CheckResult.NOT_PROVEN
    assert few.bound == pytest.approx(0.8977, abs=1e-4)
    assert check_in_words(few) == (
        "Automatic share: 95% (95 of 100), proven to be above 89.7%; proof of at least 90% is "
        "required. With no further error, 103 in total would prove it."
    )
    assert check(criterion, zones(ok=(290, 10, 0)).automatic).passed


def test_reviews_per_shift_are_judged_by_their_upper_bound():
    (criterion,) = ReleaseCriteria(max_reviews=60, parts_per_shift=1000).limits([None])
    seen = check(criterion, ReviewLoad(zones(ok=(97, 3, 0), nok=(0, 0, 100)), 1000))
    # 3 of 200 in review: at most 3.8% with 95% confidence.
    assert (seen.value, seen.result) == (pytest.approx(15), CheckResult.MET)
    assert seen.bound == pytest.approx(38.3, abs=0.1)
    assert check_in_words(seen) == (
        "Inspector reviews per shift: 15, proven to be below 38.4; proof of at most 60 of 1,000 "
        "parts in the mix of the test is required."
    )
    few = check(criterion, ReviewLoad(zones(ok=(19, 1, 0)), 1000))
    assert (few.result, few.parts_needed) == (CheckResult.NOT_PROVEN, 78)


def test_reviews_at_the_defect_rate_of_the_line_are_weighted_and_hold_together():
    # Half of the defective and no good part is reviewed: the mix of a test says nothing of a line.
    outcome = zones(ok=(100, 0, 0), nok=(0, 50, 50))
    assert ReviewLoad(outcome, 1000).value == pytest.approx(250)
    line = ReviewLoad(outcome, 1000, 0.01)
    assert line.value == pytest.approx(5)
    expected = 990 * rate(0, 100).upper(0.975) + 10 * rate(50, 100).upper(0.975)
    assert line.upper(0.95) == pytest.approx(expected)
    assert ReviewLoad(zones(ok=(9, 1, 0)), 100, 0.1).value is None
    assert ReviewLoad(zones(ok=(9, 1, 0)), 100, 0.0).value == pytest.approx(10)


def test_a_gate_without_a_limit_on_reviews_says_so_in_one_sentence():
    # A rule that accepts and rejects nothing passed every limit on escapes without a word.
    checks = check_criteria([ESCAPE], {ESCAPE.key: zones(nok=(0, 300, 0)).escape})
    verdict = ReleaseVerdict(checks, limits_reviews=False)
    assert verdict.passed
    assert remarks_in_words(verdict) == [REVIEWS_NOT_LIMITED]
    assert ReleaseCriteria(max_escape=0.02).limits_reviews is False
    assert ReleaseCriteria(min_automatic=0.5).limits_reviews


def test_a_limit_is_written_with_every_digit_and_a_bound_on_its_side_of_it():
    # A recall of at least 99.95% read as 100%, and bounds were rounded to where they do not hold.
    recall = Criterion(CriterionKind.RECALL, 0.9995, at_most=False, class_name="dent")
    assert check_in_words(check(recall, rate(9999, 10_000))) == (
        "Recall of dent: 99.99% (9,999 of 10,000), proven to be above 99.952%; proof of at least "
        "99.95% is required."
    )
    found = check(Criterion(CriterionKind.ESCAPE, 0.0199), rate(0, 149))
    # Rounded to the nearest, the bound of 1.9905% read as 1.99%, which is not at most 1.99%.
    assert "proven to be below 2%; proof of at most 1.99% is required" in check_in_words(found)


def test_a_verdict_without_anything_checked_does_not_pass():
    verdict = ReleaseVerdict(())
    assert not verdict.passed
    assert "Nothing was checked" in reasons_in_words(verdict)[0]


@pytest.mark.parametrize("name", AWKWARD)
def test_a_class_name_with_punctuation_stays_whole_and_apart_from_the_numbers(name):
    # "type: A; deep" was cut at its colon: the report said "A" in place of "95% (19 of 20)".
    criterion = Criterion(CriterionKind.RECALL, 0.9, at_most=False, proven=False, class_name=name)
    verdict = ReleaseVerdict((check(criterion, rate(19, 20)),))
    (line,) = verdict_lines(verdict, ReleaseCriteria(golden_must_pass=False))
    assert line.required == f"recall of {name} at least 90%"
    assert line.measured == "95% (19 of 20)"
    assert line.sentence == f"Recall of {name}: 95% (19 of 20); at least 90% is required."
    assert measure_key(criterion) == f"recall of {name}"


def test_two_classes_whose_names_contain_each_other_are_kept_apart():
    inner, outer = (
        Criterion(CriterionKind.RECALL, 0.5, at_most=False, proven=False, class_name=name)
        for name in ("A", "A: B")
    )
    measures = {inner.key: rate(1, 10), outer.key: rate(9, 10)}
    assert [c.passed for c in check_criteria([inner, outer], measures)] == [False, True]


def test_criteria_are_listed_one_by_one():
    criteria = ReleaseCriteria(0.02, 0.05, 0.9, 0.8, no_new_escapes=True)
    assert criteria_in_words(criteria) == [
        "escape rate at most 2%, proven with 95% confidence",
        "false reject rate at most 5%",
        "macro F1 at least 0.9",
        "recall of every class at least 80%",
        "no new escapes compared with the current model",
        "every golden sample judged correctly",
    ]
    assert criteria_in_words(ReleaseCriteria(golden_must_pass=False)) == []


def test_what_is_not_met_comes_first_and_what_could_not_be_checked_last():
    checks = check_criteria([ESCAPE, RECALL], {ESCAPE.key: rate(0, 300), RECALL.key: rate(0, 10)})
    lines = verdict_lines(ReleaseVerdict(checks), ReleaseCriteria())
    assert [line.outcome for line in lines] == [
        CriterionOutcome.NOT_MET,
        CriterionOutcome.MET,
        CriterionOutcome.NOT_APPLICABLE,
    ]
    assert lines[-1].measured == "none is marked: nothing to check"
