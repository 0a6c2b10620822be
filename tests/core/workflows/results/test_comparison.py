import numpy as np
import pytest

from core.domain.parts import Counting
from core.domain.signoff import CriterionOutcome, MarkKind
from core.domain.splits import Subset
from core.errors import ConfigError, NotFoundError, SealedError
from core.evaluation.decisions.outcome import single_threshold
from core.evaluation.measures.parts import Unit
from core.evaluation.release.check import CriterionKind
from core.evaluation.release.criteria import KeptCriteria, ReleaseCriteria, criteria_to_json
from core.evaluation.release.words import reasons_in_words, remarks_in_words
from core.store import judgement, predictions
from core.store.database import connect, transaction
from core.workflows.results import comparison, pairs, thresholds
from core.workflows.results.comparison import Evidence, RuleChoice
from core.workflows.results.comparison_verdict import PairVerdict, Question, answers, pair_verdict
from core.workflows.results.judging import judged_set
from core.workflows.results.pairs import NotComparable
from core.workflows.results.thresholds import ThresholdChoice
from core.workflows.signoff import release
from core.workflows.use import models
from tests.made import NAMES, add_model, made_probabilities, make_dataset


@pytest.fixture
def made(workspace):
    made = make_dataset(workspace)
    add_model(made, "present", seed=1, skill=2.0)
    add_model(made, "new", seed=5, skill=4.0)
    return made


def _gate(made, **criteria):
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(**criteria))
    found = comparison.compare(made.workspace, "present", "new")
    report = release.check_release(made.workspace, found, found.second.judged)
    assert report is not None
    return report


def test_the_better_model_is_named_with_the_evidence(made):
    found = comparison.compare(made.workspace, "present", "new")
    table = found.classes.table
    assert table.n == 200
    assert table.only_second_right > table.only_first_right
    assert table.difference.interval.low > 0
    assert comparison.evidence(table, Unit.PARTS).startswith("The new model is better")
    swapped = comparison.compare(made.workspace, "new", "present").classes.table
    assert comparison.evidence(swapped, Unit.PARTS).startswith("The current model is better")


def test_new_escapes_are_those_that_only_the_second_model_accepts(made):
    found = comparison.compare(made.workspace, "present", "new")
    new = found.decisions.new_escapes
    defective = found.targets > 0
    expected = defective & (found.second.predicted == 0) & (found.first.predicted != 0)
    assert new.tolist() == np.flatnonzero(expected).tolist()


def test_saved_rules_decide_where_there_are_any(made):
    basis = thresholds.load_basis(made.workspace, "new")
    thresholds.save_rule(made.workspace, basis, ThresholdChoice(single_threshold(1.0), "by hand"))
    found = comparison.compare(made.workspace, "present", "new")
    assert found.first.rule is None
    assert found.second.rule is not None
    # A rule that accepts everything lets every defective part escape.
    assert found.decisions.escapes.neither_right + found.decisions.escapes.only_first_right == 100


def test_decisions_have_a_verdict_only_by_the_same_rule(made):
    # A strict threshold made a worse model "better" at catching defects.
    for name, at in (("present", 1e-9), ("new", 1.0)):
        basis = thresholds.load_basis(made.workspace, name)
        choice = ThresholdChoice(single_threshold(at), "by hand")
        thresholds.save_rule(made.workspace, basis, choice)
    said = {}
    for rule in RuleChoice:
        found = comparison.compare(made.workspace, "present", "new", rule=rule)
        said[rule] = {item.question: item.evidence for item in answers(found)}
        assert found.has_same_rule is (rule is not RuleChoice.OWN)
        assert said[rule][Question.CLASS] is Evidence.NEW_BETTER
        assert pair_verdict(answers(found)) is PairVerdict.NEW_BETTER
    own = said[RuleChoice.OWN]
    assert {own[Question.ESCAPES], own[Question.FALSE_REJECTS]} == {Evidence.OTHER_RULES}
    # Both reject everything, or nothing: no part is decided otherwise.
    assert said[RuleChoice.CURRENT][Question.ESCAPES] is Evidence.SAME
    assert said[RuleChoice.NEW][Question.FALSE_REJECTS] is Evidence.SAME
    # Release criteria rest on the rules that the models are used with.
    shared = comparison.compare(made.workspace, "present", "new", rule=RuleChoice.NEW)
    again = comparison.counted_by(shared, Counting.AUTO, RuleChoice.OWN)
    assert (again.first.rule.point, again.second.rule.point) == (
        single_threshold(1e-9),
        single_threshold(1.0),
    )


def test_models_are_paired_where_they_were_tested_on_the_same_images(made):
    new = models.find_model(made.workspace, "new")
    part = made.ids[Subset.TEST][:90]
    made.ids[Subset.TEST], made.targets[Subset.TEST] = part, made.targets[Subset.TEST][:90]
    add_model(made, "other split", seed=3)
    with connect(made.workspace) as db, transaction(db):
        db.conn.execute("UPDATE models SET dataset_id = NULL WHERE name = 'present'")
    by_name = {p.model.name: p for p in pairs.pairs_of(made.workspace, new, Subset.TEST)}
    assert by_name["other split"].reason is NotComparable.OTHER_IMAGES
    assert (by_name["other split"].shared, by_name["other split"].most) == (90, 200)
    assert by_name["present"].reason is NotComparable.OTHER_DATASET
    on_validation = pairs.pairs_of(made.workspace, new, Subset.VALIDATION)
    assert {p.model.name: p.reason for p in on_validation}["other split"] is None


def test_models_with_other_splits_are_compared_on_what_they_share(made):
    kept = made.ids[Subset.TEST][:60]
    made.ids[Subset.TEST], made.targets[Subset.TEST] = kept, made.targets[Subset.TEST][:60]
    add_model(made, "other split", seed=3)
    found = comparison.compare(made.workspace, "present", "other split")
    assert (len(found.sample_ids), found.only_first, found.only_second) == (60, 140, 0)


def test_models_that_share_nothing_are_refused_with_a_sentence(made):
    made.ids[Subset.TEST] = made.ids[Subset.TRAIN]
    add_model(made, "elsewhere", seed=3)
    with pytest.raises(ConfigError, match="share no test image"):
        comparison.compare(made.workspace, "present", "elsewhere")
    with pytest.raises(ConfigError, match="compared with itself"):
        comparison.compare(made.workspace, "present", "present")
    with pytest.raises(NotFoundError):
        comparison.compare(made.workspace, "present", "new", Subset.TRAIN)


def test_the_same_classes_in_another_order_are_the_same_classes(made):
    order = [2, 0, 1]
    rows = {
        s: made_probabilities(made.targets[s], seed=1 + len(s), skill=2.0)[:, order]
        for s in (Subset.VALIDATION, Subset.TEST)
    }
    first = judged_set(made.workspace, "present", Subset.TEST)
    model = add_model(made, "turned", seed=9)
    names = tuple(NAMES[i] for i in order)
    positions = np.array([order.index(i) for i in range(3)])
    second = comparison.JudgedSet(
        model=type(model)(**{**model.__dict__, "class_names": names}),
        dataset=first.dataset,
        subset=first.subset,
        sample_ids=first.sample_ids,
        targets=positions[first.targets],
        probabilities=rows[Subset.TEST],
        parts=None,
        verdicts=tuple(first.verdicts[i] for i in order),
    )
    found = comparison.compare_judged(first, second, None, None)
    assert found.classes.table.only_first_right == found.classes.table.only_second_right == 0


def test_images_whose_class_changed_between_the_trainings_are_refused(made):
    first = judged_set(made.workspace, "present", Subset.TEST)
    second = judged_set(made.workspace, "new", Subset.TEST)
    changed = type(second)(**{**second.__dict__, "targets": (second.targets + 1) % 3})
    with pytest.raises(ConfigError, match="different true classes"):
        comparison.compare_judged(first, changed, None, None)


def test_a_sealed_test_set_is_not_compared(workspace):
    made = make_dataset(workspace, sealed=True)
    add_model(made, "a", seed=1)
    add_model(made, "b", seed=2)
    with pytest.raises(SealedError):
        comparison.compare(workspace, "a", "b")
    assert comparison.compare(workspace, "a", "b", Subset.VALIDATION).part_count == 200


def test_the_gate_passes_what_reaches_the_criteria_and_blocks_with_reasons(made):
    assert _gate(made, max_overkill=0.5, min_macro_f1=0.3).gate.passed
    blocked = _gate(made, max_escape=0.001, min_recall=0.999)
    assert not blocked.gate.passed
    missed = {check.criterion.kind for check in blocked.gate.checks if not check.passed}
    assert missed == {CriterionKind.ESCAPE, CriterionKind.RECALL}


def test_the_gate_blocks_new_escapes_which_are_not_applicable_to_a_model_alone(made):
    new = len(comparison.compare(made.workspace, "present", "new").decisions.new_escapes)
    assert new > 0
    report = _gate(made, no_new_escapes=True)
    assert report.gate.new_escapes.count == new
    assert str(new) in reasons_in_words(report.gate)[-1]
    alone = release.check_release(
        made.workspace, None, judged_set(made.workspace, "new", Subset.TEST)
    )
    assert alone.gate.new_escapes.outcome is CriterionOutcome.NOT_APPLICABLE
    assert not alone.gate.passed  # nothing at all was checked


def test_the_gate_says_what_the_model_so_far_was_not_tested_on(made):
    with connect(made.workspace) as db, db.conn:
        stored = predictions.load_matrix(db, "model-present", Subset.TEST)
        assert stored is not None
        predictions.insert_predictions(
            db,
            "model-present",
            "ds-1",
            Subset.TEST,
            stored.sample_ids[:8],
            stored.probabilities[:8],
        )
    report = _gate(made, no_new_escapes=True)
    remark, _ = remarks_in_words(report.gate)
    assert remark.startswith("New escapes are known for only 8 of 200 images")


def test_a_golden_sample_that_is_judged_wrong_blocks(made):
    judged = judged_set(made.workspace, "new", Subset.TEST)
    predicted = judged.probabilities.argmax(axis=1)
    escape = int(judged.sample_ids[np.flatnonzero((judged.targets > 0) & (predicted == 0))[0]])
    right = int(judged.sample_ids[np.flatnonzero(judged.targets == predicted)[0]])
    with connect(made.workspace) as db, transaction(db):
        judgement.set_mark(db, [escape, right], MarkKind.GOLDEN, on=True)
    report = _gate(made, max_overkill=0.9)
    assert sorted(report.gate.golden.values()) == [False, True]
    assert not report.gate.passed
    assert len(report.gate.failed_golden) == 1
    assert _gate(made, max_overkill=0.9, golden_must_pass=False).gate.passed


def test_a_golden_sample_without_a_result_does_not_pass(made):
    with connect(made.workspace) as db, transaction(db):
        judgement.set_mark(db, [int(made.ids[Subset.TRAIN][0])], MarkKind.GOLDEN, on=True)
    assert list(_gate(made, max_overkill=0.9).gate.golden.values()) == [False]


def test_criteria_that_ask_for_nothing_let_nothing_pass(made):
    # Earlier versions let them be set; golden samples can also lose their marks later.
    with connect(made.workspace) as db, transaction(db):
        asked = criteria_to_json(KeptCriteria(ReleaseCriteria(), 1.0))
        judgement.save_criteria(db, "ds-1", asked)
    judged = judged_set(made.workspace, "new", Subset.TEST)
    verdict = release.check_release(made.workspace, None, judged).gate
    assert verdict.is_empty
    assert not verdict.passed


def test_changed_criteria_stay_on_record(made):
    first = release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_escape=0.01))
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_escape=0.01))
    kept = release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_escape=0.2))
    assert kept.earlier == ((first.set_at, first.criteria),)
    assert release.criteria_of(made.workspace, "parts") == kept
    with pytest.raises(NotFoundError):
        release.criteria_of(made.workspace, "nobody")


def test_evidence_says_where_no_test_can_tell():
    table = comparison.PairedTable(50, 0, 5, 0, 0.0625, None)
    # Where images were counted, the sentence still spoke of parts.
    assert "fewer than 6 images" in comparison.evidence(table, Unit.IMAGES)
    assert "fewer than 6 parts" in comparison.evidence(table, Unit.PARTS)
    same = comparison.PairedTable(50, 0, 0, 3, 1.0, None)
    assert "exactly the same parts" in comparison.evidence(same, Unit.PARTS)
