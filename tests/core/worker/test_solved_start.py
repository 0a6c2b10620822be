"""What a staged or full run ends with: the trained model, or what quick makes."""

from dataclasses import replace

from core.domain.configs.choices import Detail, DetailChoice, Recipe
from core.domain.configs.train import recipe_defaults
from core.domain.datasets import Orientation
from core.domain.jobs import JobKind, JobStatus, Phase
from core.models.bundle import read_card
from core.store import jobs as job_rows
from core.store import runs as run_rows
from core.store.database import connect, transaction
from core.training.trials import Gain
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
    lane = lane_lock(copy, JobKind.TRAIN.lane)  # held, so that no worker takes the run
    with monkeypatch.context() as patch, lane.acquire():
        pixels = trained.run.run.preprocess
        view = runs.start_training(copy, trained.dataset.id, config, preprocess=pixels)
        assert view.run.train.detail is DetailChoice.AUTO_TURNED
        patch.setattr(Gain, "pays", lambda _, *, slower: slower)
        patch.setattr(Gain, "is_proven", False)
        with connect(copy) as db:
            job = job_rows.claim(db, JobKind.TRAIN.lane, owner="me", now=2.0)
        session = JobSession(copy, job, "me")
        training_job.run(session)
    # The evaluation of epoch -1 was still called "Fitting the model".
    phases = list(session.times())
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
    # A kept epoch is of the level on which it was trained.
    made = jobs.wait(copy, checkpoints.make_model(copy, view.run.id, "last").id, on_change=print)
    assert made.status is JobStatus.COMPLETED, made.error
    kept = models.find_model(copy, str(made.result["model_id"]))
    assert read_card(models.exported_bundle(copy, kept)).detail is Detail.WHOLE
