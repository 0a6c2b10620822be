"""One decision per part: here, in evaluation and in what is proven, by the same rule."""

from dataclasses import replace

import numpy as np
import pytest

from core.domain.datasets import Verdict
from core.domain.models import PartDecision, PartResult, Prediction
from core.domain.parts import ANY_IMAGE, PartHow, PartRule, part_rule
from core.errors import ConfigError
from core.evaluation.decisions.combining import combined_scores
from core.evaluation.decisions.outcome import (
    OperatingPoint,
    decide,
    nok_probability,
    outcome,
    part_scores,
)
from core.evaluation.decisions.part_decisions import part_results
from core.evaluation.decisions.rule import (
    DecisionRule,
    part_decision,
    rule_from_json,
    rule_to_json,
)

ACCEPT, REVIEW, REJECT = PartDecision
NAMES, VERDICTS = ("good", "hole"), (Verdict.OK, Verdict.NOK)
TWO, MEAN = part_rule("2"), part_rule("mean")


def _rule(how=ANY_IMAGE):
    point = OperatingPoint(0.3, 0.7, parts=how)
    return DecisionRule(point, NAMES, VERDICTS, "by hand", 0.95, 1.0)


def _seen(path, part, nok, how=ANY_IMAGE):
    shares = (("hole", nok), ("good", 1 - nok))
    return _rule(how).decided(Prediction(path, shares, part=part))


def test_the_strictest_image_decides_on_its_part_and_what_stands_alone_is_no_part():
    shown = [("1a", "1", 0.1), ("2a", "2", 0.1), ("1b", "1", 0.9), ("1c", "1", 0.5)]
    items = [_seen(*one) for one in (*shown, ("alone", None, 0.9), ("2b", "2", 0.2))]
    assert part_results(items, _rule()) == [
        PartResult("1", REJECT, "1b", 3),
        PartResult("2", ACCEPT, "2a", 2),
    ]
    undecided = [replace(item, decision=None) for item in items]
    assert part_results(undecided, None)[0] == PartResult("1", None, "1a", 3)


@pytest.mark.parametrize("how", [ANY_IMAGE, TWO, MEAN])
def test_a_part_with_an_unreadable_image_is_not_accepted(how):
    broken = Prediction("b", error="It is broken.", part="1")
    (once,) = part_results([_seen("a", "1", 0.1), broken], _rule(how))
    # Two must agree on more than accept: the unreadable one alone does not.
    assert once.decision is (ACCEPT if how == TWO else REVIEW)
    (only,) = part_results([broken], _rule(how))
    assert only == PartResult("1", REVIEW, "b", 1, 1)
    (bad,) = part_results([broken, _seen("a", "1", 0.9)], _rule(how))
    assert bad.decision is (REVIEW if how == TWO else REJECT)


@pytest.mark.parametrize("how", [TWO, part_rule("3"), MEAN])
@pytest.mark.parametrize("point", [OperatingPoint(0.3, 0.7), OperatingPoint()])
def test_new_parts_are_decided_as_evaluation_counts_them(how, point):
    random = np.random.default_rng(4)
    nok = random.random(300).astype(np.float32)
    parts = random.integers(0, 90, 300)
    truth = (np.arange(90) % 3 == 0).astype(np.int8)[parts]  # of a part, not of an image
    shares = np.stack([1 - nok, nok], 1)
    rule = replace(_rule(), point=replace(point, parts=how))
    items = [
        rule.decided(Prediction(str(i), tuple(zip(NAMES, row.tolist(), strict=True)), part=str(p)))
        for i, (row, p) in enumerate(zip(shares, parts, strict=True))
    ]
    here = {result.part: result.decision for result in part_results(items, rule)}
    counted = decide(rule.point, shares, VERDICTS, parts=parts)
    assert [here[str(p)] for p in parts] == [part_decision(d) for d in counted]
    seen = outcome(counted, truth, parts)
    # Escapes of parts, counted by hand from the decisions of a line.
    escapes = sum(here[str(p)] is ACCEPT for p in np.unique(parts[truth == 1]))
    assert (seen.escape.k, seen.escape.n) == (escapes, len(np.unique(parts[truth == 1])))
    if point.accept_below is not None:  # the quick way, behind sliders and proofs
        scores = combined_scores(nok_probability(shares, VERDICTS), parts, how)
        assert part_scores(scores, truth, parts).outcome(point) == seen


def test_more_images_that_must_agree_accept_more_and_a_rule_is_kept_with_how_it_combines():
    shares = np.array([[0.1, 0.9], [0.9, 0.1], [0.9, 0.1]], np.float32)
    parts = np.zeros(3, np.int64)
    decisions = {
        how.text: decide(OperatingPoint(0.3, 0.7, parts=how), shares, VERDICTS, parts=parts)[0]
        for how in (ANY_IMAGE, TWO, MEAN)
    }
    assert decisions == {"any": 2, "2": 0, "mean": 1}
    for how in (TWO, MEAN):
        assert rule_from_json(rule_to_json(_rule(how))).point.parts == how
        assert not _rule(how).same_decisions(_rule())
    # As it was written before there was a choice: hashes and seals of then still hold.
    assert "parts" not in rule_to_json(_rule())
    assert part_rule("1") == ANY_IMAGE
    for wrong in ("0", "both", "-2", ""):
        with pytest.raises(ConfigError):
            part_rule(wrong)
    with pytest.raises(ConfigError):
        PartRule(PartHow.AT_LEAST, 0)
