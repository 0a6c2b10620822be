import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.datasets import Verdict
from core.errors import ConfigError
from core.evaluation.decisions.costs import Costs, Scenario
from core.evaluation.decisions.outcome import ABOVE_ALL, Decision, OperatingPoint
from core.evaluation.decisions.rule import (
    DecisionRule,
    as_limit,
    point_in_words,
    rule_from_json,
    rule_to_json,
)
from core.evaluation.release.check import CriterionKind
from core.evaluation.release.criteria import (
    KeptCriteria,
    ReleaseCriteria,
    criteria_from_json,
    criteria_to_json,
)

NAMES, VERDICTS = ("good", "hole", "odd"), (Verdict.OK, Verdict.NOK, None)


def _rule(point, **options):
    return DecisionRule(point, NAMES, VERDICTS, "by hand", 0.95, 12.5, **options)


@pytest.mark.parametrize(
    "point",
    [OperatingPoint(), OperatingPoint(0.25, 0.75), OperatingPoint(class_thresholds=(0.5, 0, 1))],
)
def test_a_rule_is_read_as_it_was_written(point):
    rule = _rule(point, scenario=Scenario(0.01, 800, Costs(500, 4, 1), 0.1, 0.02))
    assert rule_from_json(rule_to_json(rule)) == rule


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"accept_below": 0.5}', "null"])
def test_a_broken_rule_is_said_and_not_guessed(text):
    with pytest.raises(ConfigError, match="cannot be read"):
        rule_from_json(text)


def test_a_rule_decides_on_one_image_from_its_confidences():
    rule = _rule(OperatingPoint(0.25, 0.75))
    assert rule.decide({"good": 0.9, "hole": 0.1, "odd": 0.0}) is Decision.ACCEPT
    assert rule.decide({"good": 0.5, "hole": 0.5, "odd": 0.0}) is Decision.PERSON
    assert rule.decide({"good": 0.2, "hole": 0.8, "odd": 0.0}) is Decision.REJECT


def test_without_limits_a_class_without_verdict_goes_to_a_person():
    rule = _rule(OperatingPoint())
    assert rule.decide({"good": 0.1, "hole": 0.1, "odd": 0.8}) is Decision.PERSON


def test_a_rule_is_the_same_whoever_chose_it():
    rule = _rule(OperatingPoint(0.2, 0.2))
    again = DecisionRule(OperatingPoint(0.2, 0.2), NAMES, VERDICTS, "least cost", 0.9, 99.0)
    assert rule.same_decisions(again)
    assert not rule.same_decisions(_rule(OperatingPoint(0.2, 0.3)))


@given(st.floats(0, 1.01))
def test_a_limit_in_words_is_never_rounded_to_0_or_100(value):
    words = as_limit(value)
    assert (words == "0%") == (value <= 0) or 0 < value < 1e-9
    assert value == 1 or words != "100%"


def test_limits_read_as_sentences():
    assert "10.0%" in point_in_words(OperatingPoint(0.1, 0.1))
    assert "reject nothing" in point_in_words(OperatingPoint(0.1, ABOVE_ALL))
    assert as_limit(0.000374) == "0.0374%"
    assert as_limit(0.99995) == "99.995%"


@given(st.floats(0.001, 0.999))
def test_a_limit_is_shown_as_it_is_applied(value):
    # 22.153% was shown as 22.2%, which decided 1 of 240 parts in another way.
    assert as_limit(0.22153) == "22.153%"
    assert float(as_limit(value).removesuffix("%")) / 100 == pytest.approx(value, rel=1e-14)


def test_criteria_are_read_as_they_were_written_with_their_history():
    first = KeptCriteria(ReleaseCriteria(max_escape=0.01, no_new_escapes=True), 10.0)
    kept = first.changed_to(ReleaseCriteria(max_escape=0.05), 20.0)
    assert criteria_from_json(criteria_to_json(kept)) == kept
    assert kept.earlier == ((10.0, first.criteria),)


def test_criteria_of_an_earlier_version_ask_for_what_they_asked():
    text = (
        '{"max_escape": 0.01, "max_overkill": null, "min_macro_f1": null, "min_recall": null,'
        ' "no_new_escapes": true, "golden_must_pass": true, "confidence": 0.95, "set_at": 10.0,'
        ' "earlier": []}'
    )
    kept = criteria_from_json(text)
    assert kept == KeptCriteria(ReleaseCriteria(max_escape=0.01, no_new_escapes=True), 10.0)
    assert [c.kind for c in kept.criteria.limits([None])] == [CriterionKind.ESCAPE]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"max_reviews": 20}, "needs the parts per shift"),
        ({"max_reviews": 0, "parts_per_shift": 100}, "not possible"),
        ({"max_reviews": float("nan"), "parts_per_shift": 100}, "not possible"),
        ({"min_automatic": 1.2}, "not possible"),
        ({"defect_rate": -0.1}, "not possible"),
    ],
)
def test_limits_on_reviews_that_cannot_be_checked_are_refused(bad, said):
    with pytest.raises(ConfigError, match=said):
        ReleaseCriteria(**bad)


def test_unchanged_criteria_keep_their_time():
    first = KeptCriteria(ReleaseCriteria(max_escape=0.01), 10.0)
    assert first.changed_to(ReleaseCriteria(max_escape=0.01), 20.0) is first


@pytest.mark.parametrize("bad", [{"max_escape": 1.5}, {"min_recall": -0.1}, {"confidence": 0.2}])
def test_criteria_out_of_range_are_refused(bad):
    with pytest.raises(ConfigError, match="is not possible"):
        ReleaseCriteria(**bad)


def test_criteria_ask_of_every_class():
    limits = ReleaseCriteria(max_escape=0.01, min_recall=0.8).limits(("good", "hole"))
    assert [c.key for c in limits] == [
        (CriterionKind.ESCAPE, None),
        (CriterionKind.RECALL, "good"),
        (CriterionKind.RECALL, "hole"),
    ]
    assert [c.proven for c in limits] == [True, False, False]
