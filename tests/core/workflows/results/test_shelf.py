import threading
from concurrent.futures import CancelledError
from contextlib import contextmanager

import pytest

from core.domain.splits import Subset
from core.workflows.data import edits
from core.workflows.results.shelf import LazyResult, Prefetch, Shelf
from core.workflows.use import models
from tests.made import add_model, make_dataset


@pytest.fixture
def shelf(workspace):
    add_model(make_dataset(workspace, per_subset=30), "m")
    return Shelf(workspace)


def _find(shelf, **more):
    return shelf.find(models.find_model(shelf.workspace, "m"), Subset.TEST, **more)


def test_a_model_is_read_once_until_its_dataset_is_edited(shelf):
    reads = []

    @contextmanager
    def reading():
        reads.append(1)
        yield

    first = _find(shelf, reading=reading)
    assert _find(shelf, reading=reading) is first
    edits.relabel(shelf.workspace, "parts", {int(first.judged.sample_ids[0]): 2})
    second = _find(shelf, reading=reading)
    assert len(reads) == 2
    assert second.judged.targets[0] == 2


def test_what_an_edit_made_old_is_not_computed_any_more(shelf):
    first = _find(shelf)
    edits.relabel(shelf.workspace, "parts", {int(first.judged.sample_ids[0]): 2})
    _find(shelf)
    with pytest.raises(CancelledError):
        first.report.begin().result(5)


def test_a_value_is_computed_once_and_only_when_it_is_begun():
    calls = []
    lazy = LazyResult(lambda: calls.append(1) or len(calls))
    assert not calls
    assert (lazy.begin().result(5), lazy.begin().result(5)) == (1, 1)
    lazy.drop()
    assert lazy.begin().result(5) == 1  # Why: it is there already, whoever dropped it.


def test_a_cancelled_prefetch_begins_nothing(shelf):
    entry = _find(shelf)
    begun = threading.Event()
    waiting = Prefetch(entry, quiet_s=60)
    waiting.cancel()
    assert entry.report._future is None

    report = entry.report.begin
    entry.report.begin = lambda: (begun.set(), report())[1]
    Prefetch(entry, quiet_s=0)
    assert begun.wait(5)
    assert entry.report.begin().result(30).n == len(entry.judged.predicted)
