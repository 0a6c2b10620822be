import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError
from core.evaluation.decisions.feasible import refuse_impossible
from core.evaluation.decisions.guarantee import GRID, guarantee
from core.evaluation.decisions.limits import between, rounded
from core.evaluation.decisions.outcome import (
    ABOVE_ALL,
    OperatingPoint,
    PartScores,
    single_threshold,
)
from core.evaluation.decisions.rule import as_limit
from core.evaluation.decisions.thresholds import choose_point, thresholds_between
from core.evaluation.measures.parts import Unit

SHARES = st.floats(0, 1)


def _retyped(threshold):
    """The threshold that somebody gets who types in what the screen shows."""
    return round(float(as_limit(threshold).removesuffix("%")) / 100, 12)


@given(st.tuples(SHARES, SHARES).filter(lambda pair: pair[1] - pair[0] > 1e-6))
def test_a_threshold_lies_well_between_its_neighbors_and_is_short(pair):
    low, high = pair
    found = float(between(low, high))
    assert low + (high - low) / 4 - 1e-12 <= found <= high - (high - low) / 4 + 1e-12
    digits = len(repr(round(found, 15)).partition(".")[2].partition("e")[0])
    assert digits <= max(3, 2 - np.floor(np.log10(high - low)))


@pytest.mark.parametrize("seed", range(5))
def test_typing_in_a_chosen_threshold_as_it_is_shown_decides_every_part_alike(seed):
    # 0.22153… was shown as 22.2%: typed in again it decided 1 of 240 parts in another way.
    random = np.random.default_rng(seed)
    scores = PartScores(np.sort(random.beta(1, 8, 160)), np.sort(random.beta(6, 2, 80)))
    for limits in (
        {"max_escape": 0.02},
        {"max_overkill": 0.05},
        {"max_escape": 0, "max_overkill": 0},
    ):
        point = choose_point(scores, **limits)
        again = OperatingPoint(_retyped(point.accept_below), _retyped(point.reject_from))
        assert again == point
        assert scores.outcome(again) == scores.outcome(point)
    cuts = thresholds_between(scores)[1:-1]
    assert [_retyped(cut) for cut in cuts] == cuts.tolist()


def test_slider_stops_and_the_grid_of_guarantees_are_short_and_ascend():
    assert rounded([0.221538, 0.000123456, 0.99987654]).tolist() == [0.222, 0.000123, 0.999877]
    assert (np.diff(GRID) > 0).all()
    assert max(len(as_limit(value)) for value in GRID) <= len("99.9999999%")


SCORES = PartScores(np.linspace(0.01, 0.4, 100), np.linspace(0.3, 0.99, 50))


def refusal(point, promise=None):
    with pytest.raises(ConfigError) as error:
        refuse_impossible(point, SCORES.outcome(point), Unit.PARTS, promise)
    assert error.value.hint
    return error.value.message


def test_an_impossible_guarantee_is_not_kept():
    # It was saved as "accept below 0%, reject nothing", and passed the release gate.
    promise = guarantee(SCORES, max_escape=0.01)
    assert (promise.point, promise.is_possible) == (OperatingPoint(0.0, ABOVE_ALL), False)
    words = refusal(promise.point, promise)
    assert "50 defective parts cannot prove an escape rate of at most 1%" in words
    possible = guarantee(SCORES, max_escape=0.2)
    refuse_impossible(possible.point, SCORES.outcome(possible.point), Unit.PARTS, possible)


@pytest.mark.parametrize(
    ("point", "said"),
    [
        (OperatingPoint(0.0, ABOVE_ALL), "decides nothing"),
        (OperatingPoint(0.001, 0.999), "all 150 validation parts would go to inspector review"),
        (single_threshold(0.0), "rejects every part"),
        (single_threshold(ABOVE_ALL), "accepts every part"),
    ],
)
def test_a_rule_that_decides_nothing_is_not_kept(point, said):
    assert said in refusal(point)


def test_a_limit_that_too_few_parts_can_prove_is_refused_with_how_many_would():
    # It became "reject from 0%", as if that proved anything.
    said = r"50 defective parts cannot prove .* 299 are needed"
    with pytest.raises(ConfigError, match=said) as refused:
        choose_point(SCORES, max_escape=0.01, confidence=0.95)
    # Pages show it too: it named a command there, and the page Plan by another word.
    assert refused.value.hint.endswith("or collect more images: Plan says how many.")
    with pytest.raises(ConfigError, match=r"100 good parts cannot prove .* 598 are needed"):
        choose_point(SCORES, max_overkill=0.005, confidence=0.95)
    with pytest.raises(ConfigError, match="at most 0%"):
        choose_point(SCORES, max_escape=0.0, confidence=0.95)
