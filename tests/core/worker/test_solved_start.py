"""What a staged or full run ends with: the trained model, or what quick makes."""

from dataclasses import replace

import numpy as np
import pytest

from core.domain.configs.choices import Detail, DetailChoice, Recipe
from core.domain.configs.train import recipe_defaults
from core.domain.datasets import Orientation
from core.domain.jobs import JobKind, JobStatus, Phase
from core.models.bundle import read_card, read_tensors
from core.store import jobs as job_rows
from core.store import runs as run_rows
from core.store.database import connect, transaction
from core.training.trials import Gain
from core.words import CROSS_VALIDATED, EPOCH_CHOSEN
from core.worker.launcher import lane_lock
from core.worker.session import JobSession
from core.worker.training import job as training_job
from core.workflows import jobs
from core.workflows.data import datasets
from core.workflows.training import checkpoints, runs
from core.workflows.training import record as run_record
from core.workflows.use import models
from tests.conftest import QUICK, copy_of


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
        view = _trained_here(copy, trained, config)
    assert view.run.train.detail is DetailChoice.AUTO_TURNED
    # The evaluation of epoch -1 was still called "Fitting the model".
    phases = list(view.job.result["times"])
    assert phases.index(Phase.FITTING) + 1 == phases.index(Phase.EVALUATING_START)
    assert phases.index(Phase.EVALUATING_START) + 1 == phases.index(Phase.TRAINING)
    with connect(copy) as db:
        record = run_rows.record_of(db, view.run.id)
    assert (record["trained_detail"], record["start_kept"]) == ("whole", True)
    assert len(runs.curve(copy, view.run.id)) == 2  # what was trained is still shown
    tried = runs.detail_trials(copy, view.run.id)
    assert [trial.detail for trial in tried] == [Detail.WHOLE, Detail.STAGES, Detail.TURNED]
    assert [trial.is_chosen for trial in tried] == [False, False, True]
    view = runs.find_run(copy, view.run.id)
    facts = dict(run_record.facts_in_words(view, run_record.run_record(copy, view)))
    assert facts["kept"].startswith("the model of quick (turned): log loss 0.")
    model = models.find_model(copy, view.models[0])
    assert read_card(models.exported_bundle(copy, model)).detail is Detail.TURNED
    assert not run_record.chose_its_epoch(copy, model)  # it is the model of quick
    # A kept epoch is of the level on which it was trained.
    made = jobs.wait(copy, checkpoints.make_model(copy, view.run.id, "last").id, on_change=print)
    assert made.status is JobStatus.COMPLETED, made.error
    kept = models.find_model(copy, str(made.result["model_id"]))
    assert read_card(models.exported_bundle(copy, kept)).detail is Detail.WHOLE
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
    view = _trained_here(copy, trained, config)
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


@pytest.mark.parametrize(
    "setting", [{"refit": False}, {"focal_gamma": 1.0}, {"class_penalties": "stripes: 2"}]
)
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
    view = _trained_here(copy, trained, config)
    assert next(answers, None) is None
    model = models.find_model(copy, view.models[0])
    assert run_record.validation_in_words(copy, model) == (EPOCH_CHOSEN,)
    assert not run_record.ends_refitted(copy, view.run.id)


def _trained_here(copy, trained, config):
    """A run, trained in this process."""
    lane = lane_lock(copy, JobKind.TRAIN.lane)  # held, so that no worker takes the run
    with lane.acquire():
        pixels = trained.run.run.preprocess
        view = runs.start_training(copy, trained.dataset.id, config, preprocess=pixels)
        with connect(copy) as db:
            job = job_rows.claim(db, JobKind.TRAIN.lane, owner="me", now=2.0)
        training_job.run(JobSession(copy, job, "me"))
    return runs.find_run(copy, view.run.id)
