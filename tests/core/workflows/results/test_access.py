import pytest

from core.domain.signoff import AccessKind
from core.errors import ConfigError, SealedError
from core.evaluation.decisions.outcome import single_threshold
from core.store import judgement
from core.store.database import connect
from core.workflows.results import access, thresholds
from core.workflows.results.access import ResultsAccess
from core.workflows.results.thresholds import Hidden
from tests.made import add_model, make_dataset


def _recorded(workspace):
    with connect(workspace) as db:
        return [(view.kind, view.purpose) for view in judgement.openings_of(db, "split-1")]


def test_results_are_opened_once_for_a_model_and_with_a_purpose(workspace):
    # 62 views stood in the record of a model, 60 of which were page loads.
    model = add_model(make_dataset(workspace), "m")
    assert access.access_to_test(workspace, model) is ResultsAccess.NOT_VIEWED
    with pytest.raises(ConfigError, match="purpose"):
        access.open_results(workspace, [model], "  ")
    assert access.open_results(workspace, [model], "release\n 3", person="Kim") == [model]
    assert access.access_to_test(workspace, model) is ResultsAccess.SHOWN
    assert access.open_results(workspace, [model], "again") == []
    assert _recorded(workspace) == [(AccessKind.OPENING, "release 3")]
    with connect(workspace) as db:
        assert [view.person for view in judgement.openings_of(db, "split-1")] == ["Kim"]


def _save(workspace, threshold):
    basis = thresholds.load_basis(workspace, "m")
    choice = thresholds.ThresholdChoice(single_threshold(threshold), "by hand")
    thresholds.save_rule(workspace, basis, choice, person="Kim")


def test_each_rule_saved_after_the_opening_is_a_decision_and_showing_it_adds_nothing(workspace):
    # Looking at the Threshold page again was recorded as a decision.
    model = add_model(make_dataset(workspace), "m")
    access.record_view(workspace, model, "before")
    shown = thresholds.verdict_on_test(workspace, model, single_threshold(0.2), is_saved=True)
    assert shown.basis is not None
    assert [kind for kind, _ in _recorded(workspace)] == [AccessKind.OPENING]
    for threshold in (0.3, 0.3, 0.4, 0.3):
        _save(workspace, threshold)
        rule = single_threshold(threshold)
        shown = thresholds.verdict_on_test(workspace, model, rule, is_saved=True)
        assert shown.basis is not None
    kinds = [kind for kind, _ in _recorded(workspace)]
    assert kinds == [AccessKind.OPENING, AccessKind.DECISION, AccessKind.DECISION]
    assert "Reject at 40.0%" in _recorded(workspace)[-1][1]
    with connect(workspace) as db:
        assert judgement.openings_of(db, "split-1")[-1].person == "Kim"


def test_a_rule_saved_before_the_opening_is_recorded_with_it(workspace):
    model = add_model(make_dataset(workspace), "m")
    _save(workspace, 0.2)
    _save(workspace, 0.3)
    assert _recorded(workspace) == []
    access.open_results(workspace, [model], "release 3")
    both = [AccessKind.OPENING, AccessKind.DECISION]
    assert [kind for kind, _ in _recorded(workspace)] == both
    assert "Reject at 30.0%" in _recorded(workspace)[1][1]
    thresholds.verdict_on_test(workspace, model, single_threshold(0.3), is_saved=True)
    assert [kind for kind, _ in _recorded(workspace)] == both


def test_a_draft_is_not_tried_on_the_test_unless_somebody_asks(workspace):
    # A threshold that is tuned while one views the test proves nothing there.
    model = add_model(make_dataset(workspace), "m")
    rule = single_threshold(0.3)
    shown = thresholds.verdict_on_test(workspace, model, rule, is_saved=False)
    assert (shown.basis, shown.hidden) == (None, Hidden.DRAFT)
    shown = thresholds.verdict_on_test(workspace, model, rule, is_saved=True)
    assert (shown.basis, shown.hidden) == (None, Hidden.UNSEEN)
    assert _recorded(workspace) == []
    asked = thresholds.verdict_on_test(workspace, model, rule, is_saved=False, asked="a try")
    assert asked.basis is not None
    assert [kind for kind, _ in _recorded(workspace)] == [AccessKind.OPENING, AccessKind.DECISION]


def test_sealed_results_are_not_opened_even_where_somebody_asks(workspace):
    model = add_model(make_dataset(workspace, sealed=True), "m")
    for ask in (
        lambda: access.open_results(workspace, [model], "x"),
        lambda: access.record_view(workspace, model, "x"),
        lambda: access.record_decision(workspace, model, "x", "y"),
    ):
        with pytest.raises(SealedError):
            ask()
    assert _recorded(workspace) == []


def test_page_views_of_earlier_versions_are_summed_up(workspace):
    model = add_model(make_dataset(workspace), "m")
    for kind in (AccessKind.PAGE_VIEW, AccessKind.PAGE_VIEW, AccessKind.OPENING):
        access.record_view(workspace, model, "x", kind=kind)
    access.record_view(workspace, model, "y", kind=AccessKind.REPORT)
    with connect(workspace) as db:
        views = judgement.openings_of(db, "split-1")
    words = "1 opening, 1 report and 2 page views of earlier versions"
    assert access.accesses_in_words(views) == words
    assert len(access.without_page_views(views)) == 2
    assert access.accesses_in_words([]) == "none"
