import pytest

from core.errors import SealedError
from core.evaluation.decisions.outcome import single_threshold
from core.store import judgement
from core.store.database import connect
from core.workflows.results import access, thresholds
from core.workflows.results.access import ResultsAccess
from core.workflows.results.thresholds import Hidden
from tests.made import add_model, make_dataset


def _purposes(workspace):
    with connect(workspace) as db:
        return [view.purpose for view in judgement.openings_of(db, "split-1")]


def test_a_first_view_needs_to_be_asked_for_and_is_recorded_once_per_session(workspace):
    # The pages kept three lists of what was recorded, each under its own key.
    model = add_model(make_dataset(workspace), "m")
    recorded = set()

    def view(**more):
        return access.view_test_results(workspace, model, "a page", recorded=recorded, **more)

    assert view() is ResultsAccess.NOT_VIEWED
    assert _purposes(workspace) == []
    assert view(first=True) is ResultsAccess.SHOWN
    assert view() is ResultsAccess.SHOWN
    assert _purposes(workspace) == ["a page"]
    # Another session is another view, and needs no question any more.
    recorded.clear()
    assert view() is ResultsAccess.SHOWN
    assert _purposes(workspace) == ["a page"] * 2


def test_the_verdict_on_each_rule_is_a_view_of_its_own(workspace):
    model = add_model(make_dataset(workspace), "m")
    access.record_view(workspace, model, "before")
    recorded = set()
    for threshold in (0.3, 0.3, 0.4):
        rule = single_threshold(threshold)
        shown = thresholds.verdict_on_test(workspace, model, "rules", rule, recorded=recorded)
        assert shown.basis is not None
    assert sorted(_purposes(workspace)) == ["before", "rules", "rules"]


def test_a_draft_is_not_tried_on_the_test(workspace):
    # A threshold that is tuned while one views the test proves nothing there.
    model = add_model(make_dataset(workspace), "m")
    access.record_view(workspace, model, "before")
    shown = thresholds.verdict_on_test(workspace, model, "rules", None, recorded=set())
    assert (shown.basis, shown.hidden) == (None, Hidden.DRAFT)
    assert _purposes(workspace) == ["before"]


def test_sealed_results_are_not_shown_even_where_somebody_asks(workspace):
    model = add_model(make_dataset(workspace, sealed=True), "m")
    recorded = set()
    found = access.view_test_results(workspace, model, "x", recorded=recorded, first=True)
    assert found is ResultsAccess.SEALED
    assert not recorded
    with pytest.raises(SealedError):
        access.record_view(workspace, model, "x")
