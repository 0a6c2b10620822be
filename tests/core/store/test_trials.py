"""Rows of what a run compared: only its owner writes them, and a second time replaces the first."""

from dataclasses import replace

import pytest

from core.domain.configs.augment import AugmentConfig
from core.domain.configs.choices import Detail, HeadKind
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.train import TrainConfig
from core.domain.jobs import JobKind
from core.domain.training import DetailTrial, HeadTrial, TrainingRun
from core.store import jobs, runs
from core.store.database import connect, transaction
from tests.made import make_dataset

LEVELS, KINDS = tuple(Detail), tuple(HeadKind)
DETAIL = DetailTrial(LEVELS[0], 0.5, 0.01, 0.9, None, None, 4.0)
HEAD = HeadTrial(KINDS[0], 0.1, 0.4, 0.02, 0.8, None, None, 0.5)


@pytest.mark.parametrize(
    ("save", "read", "first", "second"),
    [
        (
            runs.save_detail_trials,
            runs.detail_trials_of,
            DETAIL,
            replace(DETAIL, detail=LEVELS[1], gain=0.1, gain_error=0.02, is_chosen=True),
        ),
        (
            runs.save_head_trials,
            runs.head_trials_of,
            HEAD,
            replace(HEAD, head=KINDS[1], gain=0.1, gain_error=0.02, is_chosen=True),
        ),
    ],
)
def test_trials_are_kept_in_their_order_and_written_by_the_owner_only(
    workspace, save, read, first, second
):
    make_dataset(workspace, per_subset=4)
    configs = (PreprocessConfig(), AugmentConfig(), TrainConfig())
    run_id = "run-1"
    with connect(workspace) as db:
        with transaction(db):
            runs.insert_run(db, TrainingRun(run_id, "r", "ds-1", "split-1", *configs, 1.0))
        jobs.enqueue(db, JobKind.TRAIN, run_id, {}, now=1.0)
        job = jobs.claim(db, JobKind.TRAIN.lane, owner="me", now=2.0)
        save(db, run_id, [second], job_id=job.id, owner="me")
        save(db, run_id, [first, second], job_id=job.id, owner="me")
        assert read(db, run_id) == [first, second]
        save(db, run_id, [first], job_id=job.id, owner="another")
        assert read(db, run_id) == [first, second]
