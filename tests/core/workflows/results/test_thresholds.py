from dataclasses import replace

import numpy as np
import pytest

from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import Dataset, Verdict
from core.domain.models import Model
from core.domain.signoff import AccessKind
from core.domain.splits import Subset
from core.errors import ConfigError
from core.evaluation.decisions.costs import Costs, Scenario
from core.evaluation.decisions.outcome import Decision, OperatingPoint, single_threshold
from core.store import judgement
from core.store.database import connect
from core.workflows.results import thresholds
from core.workflows.results.judging import JudgedSet
from core.workflows.results.thresholds import ThresholdChoice, ThresholdGoal
from tests.made import add_model, make_dataset

LINE = Scenario(0.01, 1000, Costs(500, 5, 1))


@pytest.fixture
def made(workspace):
    made = make_dataset(workspace)
    add_model(made, "m", seed=1)
    return made


def test_a_limit_on_escapes_is_kept_on_validation_and_shown_on_test(made):
    basis = thresholds.load_basis(made.workspace, "m")
    choice = thresholds.choose(basis, ThresholdGoal(max_escape=0.02))
    assert basis.outcome(choice.point).escape.value <= 0.02
    model = basis.judged.model

    def verdict():
        return thresholds.verdict_on_test(
            made.workspace, model, choice.point, is_saved=False, asked="a test"
        )

    on_test = verdict()
    assert on_test.basis is not None
    assert verdict().basis is not None  # Why: the same decision is recorded once.
    assert on_test.basis.outcome(choice.point).n == 200
    with connect(made.workspace) as db:
        kinds = [view.kind for view in judgement.openings_of(db, "split-1")]
    assert kinds == [AccessKind.OPENING, AccessKind.DECISION]


def test_a_proven_limit_is_stricter_than_one_just_seen(made):
    basis = thresholds.load_basis(made.workspace, "m")
    seen = basis.outcome(thresholds.choose(basis, ThresholdGoal(max_escape=0.06)).point).escape
    proven = thresholds.choose(basis, ThresholdGoal(max_escape=0.06, proven=True))
    found = basis.outcome(proven.point).escape
    assert found.upper() <= 0.06 < seen.upper()
    assert "proven at 95%" in proven.chosen_by


def _scored(made, *, ok, nok):
    """The validation parts with these NOK probabilities of good and of defective ones."""
    basis = thresholds.load_basis(made.workspace, "m")
    return replace(basis, scores=replace(basis.scores, ok=np.array(ok), nok=np.array(nok)))


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        (ThresholdGoal(max_escape=0.05), r"\(escapes at most 5%\) without rejecting every"),
        (ThresholdGoal(max_overkill=0.05), "without accepting every validation part, so this"),
        (ThresholdGoal(max_escape=1.0), "keeps a limit of 100%; the one chosen for it accepts"),
        (ThresholdGoal(max_overkill=1.0), "keeps a limit of 100%; the one chosen for it rejects"),
    ],
)
def test_a_limit_that_only_a_rule_alike_for_all_keeps_is_refused_with_advice(made, goal, said):
    # "Reject at more than 100% NOK confidence or more" was given as a result; to save it was
    # refused with "Choose a threshold above 0", where a limit had been entered.
    with pytest.raises(ConfigError, match=said) as refused:
        thresholds.choose(_scored(made, ok=[0.8, 0.9], nok=[0.1, 0.2]), goal)
    assert "limit" in refused.value.hint


def test_without_defective_parts_the_model_is_not_blamed_for_a_limit(made):
    only_good = _scored(made, ok=[0.1, 0.2], nok=[])
    with pytest.raises(ConfigError, match="Without defective validation parts"):
        thresholds.choose(only_good, ThresholdGoal(max_overkill=0.05))


def test_both_limits_leave_a_zone_for_a_person(made):
    basis = thresholds.load_basis(made.workspace, "m")
    point = thresholds.choose(basis, ThresholdGoal(max_escape=0.0, max_overkill=0.0)).point
    found = basis.outcome(point)
    assert (found.escape.k, found.overkill.k) == (0, 0)
    assert found.nok_to_person.k + found.ok_to_person.k > 0


def test_the_least_cost_is_not_above_any_other_threshold(made):
    basis = thresholds.load_basis(made.workspace, "m")
    choice = thresholds.choose(basis, ThresholdGoal(scenario=LINE, with_person=False))
    assert choice.least is not None
    assert choice.least.least_cost_per_1000 <= choice.least.cost_per_1000.min() + 1e-9
    assert choice.point.accept_below == choice.point.reject_from


def test_a_guarantee_says_what_is_missing_where_validation_is_too_small(made):
    basis = thresholds.load_basis(made.workspace, "m")
    choice = thresholds.choose(basis, ThresholdGoal(max_escape=0.001, guarantee=True))
    assert choice.promise is not None
    assert not choice.promise.is_possible
    assert "2,995 are needed" in choice.promise.remarks[0]
    with pytest.raises(ConfigError, match="limit on the escape rate"):
        thresholds.choose(basis, ThresholdGoal(guarantee=True))


def test_thresholds_per_class_send_unsure_images_to_a_person(made):
    basis = thresholds.load_basis(made.workspace, "m")
    point = thresholds.choose(basis, ThresholdGoal(class_error=0.0)).point
    held = basis.decisions(point) == Decision.PERSON
    judged = basis.judged
    wrong = judged.probabilities.argmax(axis=1) != judged.targets
    assert held[wrong].all()
    assert 0 < held.mean() < 1


@pytest.mark.parametrize(
    "point", [single_threshold(0.4), OperatingPoint(0.2, 0.7), OperatingPoint()]
)
def test_the_quick_count_equals_the_count_of_decisions(workspace, point):
    made = make_dataset(workspace, groups=True)
    add_model(made, "m", seed=2)
    basis = thresholds.load_basis(workspace, "m")
    assert basis.unit == "parts"
    slow = thresholds.outcome(basis.decisions(point), basis.truth, basis.judged.parts)
    assert basis.outcome(point) == slow


def test_images_of_a_cell_come_the_most_surprising_first(made):
    basis = thresholds.load_basis(made.workspace, "m")
    point = single_threshold(0.5)
    escapes = basis.images(point, Verdict.NOK, Decision.ACCEPT)
    assert len(escapes) == basis.outcome(point).nok[0] > 0
    assert (np.diff(basis.nok[escapes]) >= 0).all()
    rejects = basis.images(point, Verdict.OK, Decision.REJECT)
    assert (np.diff(basis.nok[rejects]) <= 0).all()


def test_a_saved_rule_is_found_with_its_line_and_replaced_by_another(made):
    basis = thresholds.load_basis(made.workspace, "m")
    assert thresholds.saved_rule(made.workspace, "m") is None
    first = thresholds.save_rule(
        made.workspace, basis, ThresholdChoice(single_threshold(0.3), "by hand")
    )
    again = thresholds.save_rule(
        made.workspace, basis, ThresholdChoice(single_threshold(0.3), "least cost"), scenario=LINE
    )
    # The same decisions keep their time, so that a seal of them is not voided for nothing.
    assert (again.saved_at, again.chosen_by) == (first.saved_at, "by hand")
    found = thresholds.saved_rule(made.workspace, "m")
    assert found == again
    assert found.scenario == LINE
    thresholds.save_rule(made.workspace, basis, ThresholdChoice(single_threshold(0.4), "by hand"))
    assert thresholds.saved_rule(made.workspace, "m").point == single_threshold(0.4)


def test_a_sealed_test_set_is_not_shown_and_not_counted(workspace):
    made = make_dataset(workspace, sealed=True)
    model = add_model(made, "m", seed=1)
    on_test = thresholds.verdict_on_test(
        workspace, model, single_threshold(0.5), is_saved=False, asked="a test"
    )
    assert on_test.basis is None
    assert on_test.hidden is thresholds.Hidden.SEALED
    with connect(workspace) as db:
        assert not judgement.openings_of(db, "split-1")


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ((None, None, None), "no class has a verdict"),
        ((Verdict.OK, None, None), "every class with a verdict is OK"),
    ],
)
def test_missing_verdicts_are_said_with_the_way_to_give_them(workspace, verdicts, said):
    made = make_dataset(workspace, verdicts=verdicts)
    add_model(made, "m", seed=1)
    with pytest.raises(ConfigError, match=said) as error:
        thresholds.load_basis(workspace, "m")
    assert "touchstone classes" in error.value.hint


def test_a_subset_without_defects_says_what_it_cannot_tell(workspace):
    made = make_dataset(workspace)
    good = np.flatnonzero(made.targets[Subset.VALIDATION] == 0)
    made.ids[Subset.VALIDATION] = made.ids[Subset.VALIDATION][good]
    made.targets[Subset.VALIDATION] = made.targets[Subset.VALIDATION][good]
    add_model(made, "m", seed=1)
    basis = thresholds.load_basis(workspace, "m")
    assert basis.outcome(single_threshold(0.5)).escape.value is None
    for wish in (ThresholdGoal(max_escape=0.1), ThresholdGoal(scenario=LINE)):
        with pytest.raises(ConfigError, match=r"needs? .*defective|need good and defective"):
            thresholds.choose(basis, wish)


def test_probabilities_that_are_no_numbers_are_refused(workspace):
    made = make_dataset(workspace)
    rows = np.full((200, 3), np.nan, np.float32)
    add_model(made, "m", given={Subset.VALIDATION: rows})
    with pytest.raises(ConfigError):
        thresholds.load_basis(workspace, "m")


def test_the_key_of_caches_changes_with_the_dataset(made):
    model = thresholds.load_basis(made.workspace, "m").judged.model
    before = thresholds.state_of(made.workspace, model)
    assert thresholds.state_of(made.workspace, model) == before
    with connect(made.workspace) as db, db.conn:
        db.conn.execute("UPDATE datasets SET version = version + 1")
    assert thresholds.state_of(made.workspace, model) != before


def large_judged(seed, n=100_000, classes=100):
    """A judged set of this size, made in memory."""
    random = np.random.default_rng(seed)
    targets = np.arange(n, dtype=np.int64) % classes
    probabilities = random.random((n, classes), np.float32)
    probabilities[np.arange(n), targets] += random.random(n).astype(np.float32) * 200
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    names = tuple(f"class {i}" for i in range(classes))
    model = Model(
        f"m{seed}", f"m{seed}", None, "ds", "d", "s", names, "n", PreprocessConfig(), 1, "sha", 1.0
    )
    dataset = Dataset("ds", "d", names, "/p", "d", n, 1.0)
    verdicts = tuple(Verdict.OK if i < classes // 2 else Verdict.NOK for i in range(classes))
    return JudgedSet(
        model,
        dataset,
        Subset.TEST,
        np.arange(n, dtype=np.int64),
        targets,
        probabilities,
        np.arange(n, dtype=np.int64) // 3,
        verdicts,
    )
