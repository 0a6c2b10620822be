"""F25: a backup that is made while a training runs is restored elsewhere and goes on there."""

import pytest

from core.domain.jobs import JobKind, JobStatus
from core.workflows import jobs
from core.workflows.keeping import backup, record
from core.workflows.training import runs
from core.workflows.use import models
from tests.conftest import QUICK, copy_of


@pytest.mark.soak
def test_a_backup_during_a_training_resumes_elsewhere_to_the_same_model(trained, tmp_path):
    workspace = copy_of(trained.workspace, tmp_path / "busy")
    view = runs.start_training(
        workspace, trained.dataset.id, QUICK, preprocess=trained.run.run.preprocess, name="Second"
    )
    while jobs.latest(workspace, view.run.id).status is JobStatus.QUEUED:
        pass
    made = backup.back_up(workspace, tmp_path / "backups")
    ended = jobs.wait(workspace, view.job.id, on_change=lambda _: None)
    again = backup.restore(made.folder, tmp_path / "elsewhere")
    assert record.verify(again) == []
    assert jobs.latest(again, view.run.id).status is JobStatus.INTERRUPTED
    resumed = runs.resume_training(again, view.run.id)
    assert resumed.kind is JobKind.TRAIN
    there = jobs.wait(again, resumed.id, on_change=lambda _: None)
    ids = (workspace, ended), (again, there)
    first, second = (models.find_model(w, str(job.result["model_id"])) for w, job in ids)
    assert first.sha256 == second.sha256
