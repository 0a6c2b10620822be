import pytest

from core.data.pixels import isolated_pool
from core.data.pixels.isolated_pool import CHUNK_ITEMS, next_size, run_isolated
from core.errors import TouchstoneError
from tests.core.data.pixels.pool_functions import misbehave


def _shown(items, **options):
    outcomes = list(run_isolated(misbehave, items, workers=2, **options))
    assert [position for position, _ in outcomes] == list(range(len(items)))
    return [
        outcome.message if isinstance(outcome, TouchstoneError) else outcome
        for _, outcome in outcomes
    ]


def test_results_come_in_order_for_many_chunks():
    items = [f"item {n}" for n in range(100)]
    assert _shown(items) == [item.upper() for item in items]


def test_slow_items_come_in_small_chunks_and_quick_ones_in_large():
    # Progress of huge images was shown 16 at a time; small ones lost a tenth of the rate to it.
    assert next_size(1, 0.3) == next_size(16, 8.0) == 1
    assert next_size(4, 0.2) == 2
    assert next_size(1, 0.0) == 2
    size = 1
    for _ in range(10):
        size = next_size(size, size * 0.0005)
    assert size == CHUNK_ITEMS


def test_nothing_to_do_is_no_work():
    assert _shown([]) == []


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("refuse", "Refused."),
        ("odd error", "Reading this file failed: LookupError: nobody expected this."),
        ("crash", "Reading this file crashed the decoder."),
    ],
)
def test_a_bad_item_fails_alone(kind, reason):
    items = [f"item {n}" for n in range(40)]
    items[5] = items[33] = kind
    shown = _shown(items)
    assert shown[5] == shown[33] == reason
    assert [s for s in shown if s != reason] == [i.upper() for i in items if i != kind]


def test_a_hanging_item_fails_alone(monkeypatch):
    monkeypatch.setattr(isolated_pool, "CHUNK_TIMEOUT_ITEMS", 1)  # it is waited for here
    items = [f"item {n}" for n in range(20)]
    items[2] = "hang"
    shown = _shown(items, item_timeout_s=2.0)
    assert shown[2] == "Reading this file took more than 2 s."
    assert shown[:2] + shown[3:] == [i.upper() for i in items if i != "hang"]
