"""What a staged or full run ends with: the trained model, or what quick makes."""

from dataclasses import replace

import numpy as np
import pytest

from core.domain.configs.choices import Detail, DetailChoice, Recipe
from core.domain.configs.train import recipe_defaults
from core.domain.datasets import Orientation
from core.domain.jobs import JobKind, JobStatus, Phase
from core.domain.splits import Subset
from core.errors import TrainingError
from core.models.bundle import read_card, read_tensors
from core.store import runs as run_rows
from core.store.database import connect, transaction
from core.training.trials import Gain
from core.words import CROSS_VALIDATED, EPOCH_CHOSEN
from core.worker.launcher import lane_lock
from core.worker.training.start import learned_by_network, learned_of_run
from core.workflows import jobs
from core.workflows.data import datasets, splits
from core.workflows.results import evaluation, judging
from core.workflows.training import checkpoints, control, runs
from core.workflows.training import record as run_record
from core.workflows.training.lineage import learned_before_in_words
from core.workflows.use import models
from tests.conftest import QUICK, copy_of, run_here, trained_here


def test_a_run_may_end_with_a_level_on_which_it_did_not_train(trained, tmp_path, monkeypatch):
    # Staged and full did not know of turned images, and so ended behind quick.
    copy = copy_of(trained.workspace, tmp_path / "copy")
    with connect(copy) as db, transaction(db):  # images that no level recognizes
        db.conn.execute("UPDATE samples SET label = 1 - label WHERE id % 4 = 0")
    datasets.save_orientation(copy, trained.dataset.id, Orientation(rotate_quarter=True))
    config = replace(
        recipe_defaults(Recipe.FULL, QUICK.network),
        detail=DetailChoice.AUTO,
        epochs=1,
        learning_rate=1e-7,
        device="cpu",
    )
    with monkeypatch.context() as patch:
        patch.setattr(Gain, "pays", lambda _, *, slower: slower)
        patch.setattr(Gain, "is_proven", False)
        view = trained_here(copy, trained, config)
    assert view.run.train.detail is DetailChoice.AUTO_TURNED
    # The evaluation of epoch -1 was still called "Fitting the model".
    phases = list(view.job.result["times"])
    assert phases.index(Phase.FITTING) + 1 == phases.index(Phase.EVALUATING_START)
    assert phases.index(Phase.EVALUATING_START) + 1 == phases.index(Phase.TRAINING)
    with connect(copy) as db:
        record = run_rows.record_of(db, view.run.id)
    assert (record["trained_detail"], record["start_kept"]) == ("whole", True)
    assert len(runs.curve(copy, view.run.id)) == 2  # what was trained is still shown
    # Lists of runs showed the best epoch (0.603) beside a model of 0.503.
    own = models.find_model(copy, runs.find_run(copy, view.run.id).models[0]).val_macro_f1
    assert runs.best_scores(copy)[view.run.id] == own
    tried = runs.detail_trials(copy, view.run.id)
    assert [trial.detail for trial in tried] == [Detail.WHOLE, Detail.STAGES, Detail.TURNED]
    assert [trial.is_chosen for trial in tried] == [False, False, True]
    view = runs.find_run(copy, view.run.id)
    facts = dict(run_record.facts_in_words(view, run_record.run_record(copy, view)))
    assert facts["kept"].startswith("the model of quick (turned): log loss 0.")
    model = models.find_model(copy, view.models[0])
    assert read_card(models.exported_bundle(copy, model)).detail is Detail.TURNED
    assert not run_record.chose_its_epoch(copy, model)  # it is the model of quick
    assert control.begins_anew(copy, view).startswith("Quick's model was kept")
    # A kept epoch is of the level on which it was trained.
    made = jobs.wait(copy, checkpoints.make_model(copy, view.run.id, "last").id, on_change=print)
    assert made.status is JobStatus.COMPLETED, made.error
    kept = models.find_model(copy, str(made.result["model_id"]))
    assert read_card(models.exported_bundle(copy, kept)).detail is Detail.WHOLE
    # More epochs go on with it, and it has learned, although its run kept the model of quick.
    assert not control.begins_anew(copy, runs.find_run(copy, view.run.id))
    learned = _contents(copy, view.run, Subset.TRAIN)
    monkeypatch.setattr("core.worker.training.start.read_learned", lambda _: None)
    assert np.array_equal(learned_by_network(copy, kept), learned)
    assert learned_by_network(copy, model).size == 0
    # Its kernels lay in memory in another order while it was trained: all but as they began.
    began, ended = (read_tensors(models.exported_bundle(copy, made)) for made in (model, kept))
    for name in (name for name, values in began.items() if values.ndim == 4):
        assert np.allclose(began[name], ended[name], atol=1e-3), name


def test_a_trained_network_gets_a_last_layer_that_knows_the_validation_images(
    trained, tmp_path, monkeypatch
):
    # Its own was far behind quick in rare classes: macro recall .449 against .644 on test images.
    copy = copy_of(trained.workspace, tmp_path / "copy")
    config = replace(
        recipe_defaults(Recipe.FULL, QUICK.network),
        detail=DetailChoice.STAGES,
        epochs=2,
        checkpoint_ends=True,
        device="cpu",
    )
    own_is_better, training_paid = False, True
    answers = iter([own_is_better, training_paid])
    monkeypatch.setattr(Gain, "is_proven", property(lambda _: next(answers)))
    view = trained_here(copy, trained, config)
    assert next(answers, None) is None
    final = models.find_model(copy, view.models[0])
    assert final.validation_cross_validated
    made = jobs.wait(copy, checkpoints.make_model(copy, view.run.id, "best").id, on_change=print)
    best = models.find_model(copy, str(made.result["model_id"]))
    assert not best.validation_cross_validated
    card = read_card(models.exported_bundle(copy, final))
    now, before = (read_tensors(models.exported_bundle(copy, model)) for model in (final, best))
    changed = {name for name in before if not np.array_equal(before[name], now[name])}
    assert changed == {f"{card.head}.weight", f"{card.head}.bias"}
    record = run_record.run_record(copy, view)
    assert record.computed_on["weights_sha256"] == record.models[0].weights_sha256
    assert run_record.ends_refitted(copy, view.run.id)
    told = run_record.validation_in_words(copy, final)
    assert told == (f"Cross-validated: {CROSS_VALIDATED}.", EPOCH_CHOSEN)
    words = dict(run_record.facts_in_words(view, record))["refitted"]
    assert words.startswith("its last layer, on training and validation images, penalty ")


def test_a_run_that_starts_from_an_own_model_is_never_judged_by_what_that_has_learned(
    trained, tmp_path, monkeypatch
):
    # Validation went from 76 to 100 % at the start of a run that went on: the last layer of its
    # start had been refitted on those images. On another split a test set was among them.
    copy = copy_of(trained.workspace, tmp_path / "copy")
    with connect(copy) as db, transaction(db):  # labels that can be known by heart only
        db.conn.execute("UPDATE samples SET label = 1 - label WHERE id % 3 = 0 AND label < 2")
    config = replace(
        recipe_defaults(Recipe.FULL, QUICK.network),
        detail=DetailChoice.WHOLE,
        epochs=1,
        penalty=1e-6,
        device="cpu",
    )
    own_is_better, training_paid = False, True
    answers = iter([own_is_better, training_paid] * 2)
    monkeypatch.setattr(Gain, "is_proven", property(lambda _: next(answers)))
    first = trained_here(copy, trained, config)
    model = models.find_model(copy, first.models[0])
    by_subset = {s: _contents(copy, first.run, s) for s in Subset}
    assert np.array_equal(learned_by_network(copy, model), by_subset[Subset.TRAIN])
    assert learned_by_network(copy, trained.model).size == 0  # a solved head alone

    other = splits.create_split(copy, trained.dataset.id, seed=7)
    from_it = replace(config, start_model=model.id)
    pixels = trained.run.run.preprocess
    of_network = r"^The network of .* has learned from \d+ of \d+ validation images and"
    of_head = r"^The last layer of .* has learned from (\d+) of \1 validation images"
    for asked, split, words in (
        (from_it, other.id, of_network),
        (replace(from_it, start_from_head=False), first.run.split_id, of_head),
    ):
        with pytest.raises(TrainingError, match=words):
            runs.start_training(copy, trained.dataset.id, asked, split=split, preprocess=pixels)

    with lane_lock(copy, JobKind.TRAIN.lane).acquire():
        more = control.continue_training(copy, first.run.id, epochs=1)
        view = run_here(copy, more)
    assert view.run.split_id == first.run.split_id
    start = runs.curve(copy, view.run.id)[0]
    assert (start.epoch, start.val_accuracy < 0.9) == (-1, True)
    again = models.find_model(copy, view.models[0])
    assert np.array_equal(learned_by_network(copy, again), by_subset[Subset.TRAIN])
    # Models of earlier versions do not say what they learned: their runs do, and results warn.
    monkeypatch.setattr("core.worker.training.start.read_learned", lambda _: None)
    assert np.array_equal(learned_by_network(copy, again), by_subset[Subset.TRAIN])
    assert learned_before_in_words(copy, again, Subset.VALIDATION) == ""
    monkeypatch.setattr("core.workflows.training.lineage.read_learned", lambda _: None)
    count = len(by_subset[Subset.VALIDATION])
    told = f"{count} of {count} validation images"
    assert learned_before_in_words(copy, again, Subset.VALIDATION) == told
    assert learned_before_in_words(copy, again, Subset.TEST) == ""
    judged = judging.judged_set(copy, again.id, Subset.VALIDATION)
    assert told in evaluation.cautions(copy, judged)[0]


@pytest.mark.parametrize("setting", [{"refit": False}, {"balanced_sampling": True}])
def test_a_last_layer_that_is_not_to_be_solved_stays_as_it_was_trained(
    trained, tmp_path, monkeypatch, setting
):
    copy = copy_of(trained.workspace, tmp_path / "copy")
    config = replace(
        recipe_defaults(Recipe.FULL, QUICK.network),
        detail=DetailChoice.WHOLE,
        epochs=1,
        device="cpu",
        **setting,
    )
    answers = iter([True])  # training paid; nothing else is asked
    monkeypatch.setattr(Gain, "is_proven", property(lambda _: next(answers)))
    view = trained_here(copy, trained, config)
    assert next(answers, None) is None
    model = models.find_model(copy, view.models[0])
    assert run_record.validation_in_words(copy, model) == (EPOCH_CHOSEN,)
    assert not run_record.ends_refitted(copy, view.run.id)


def _contents(copy, run, subset):
    with connect(copy) as db:
        return learned_of_run(db, run, [subset])
