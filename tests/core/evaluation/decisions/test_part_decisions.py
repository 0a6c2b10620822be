from core.domain.models import PartDecision, PartResult, Prediction
from core.evaluation.decisions.part_decisions import part_results

ACCEPT, REVIEW, REJECT = PartDecision


def _seen(path, part, decision):
    return Prediction(path, (("a", 1.0),), decision=decision, part=part)


def test_the_strictest_image_decides_on_its_part_and_what_stands_alone_is_no_part():
    items = [
        _seen("1a", "1", ACCEPT),
        _seen("2a", "2", ACCEPT),
        _seen("1b", "1", REJECT),
        _seen("1c", "1", REVIEW),
        _seen("alone", None, REJECT),
        _seen("2b", "2", ACCEPT),
    ]
    assert part_results(items) == [
        PartResult("1", REJECT, "1b", 3),
        PartResult("2", ACCEPT, "2a", 2),
    ]


def test_a_part_with_an_unreadable_image_is_not_accepted():
    broken = Prediction("b", error="It is broken.", part="1")
    assert part_results([_seen("a", "1", ACCEPT), broken]) == [PartResult("1", REVIEW, "b", 2, 1)]
    assert part_results([broken, _seen("a", "1", REJECT)]) == [PartResult("1", REJECT, "a", 2, 1)]


def test_without_a_threshold_no_part_is_decided():
    items = [_seen("a", "1", None), Prediction("b", error="It is broken.", part="1")]
    assert part_results(items) == [PartResult("1", None, "a", 2, 1)]
