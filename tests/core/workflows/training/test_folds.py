"""Reading the folds of one split together."""

import os
import signal
import subprocess
import sys
import time

import pytest

from core.domain.configs.augment import AugmentConfig
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.train import TrainConfig
from core.domain.jobs import Job, JobKind, JobStatus
from core.domain.training import TrainingRun
from core.worker.launcher import lane_lock
from core.workflows import jobs
from core.workflows.data import splits
from core.workflows.training import runs
from core.workflows.training.folds import FoldGroup, Spread, cross_validation, group_runs
from core.workflows.training.runs import RunView
from tests.conftest import QUICK
from tests.core.workflows.data.test_splits import make_parts


def _view(name, fold=None, *, of=3, started="cv-1", status=JobStatus.COMPLETED):
    on_fold = {} if fold is None else {"fold": fold, "folds": of, "given_name": name}
    run = TrainingRun(
        f"run-{name}-{fold}-{started}",
        name if fold is None else f"{name} fold {fold + 1} of {of}",
        "ds",
        "split-a",
        PreprocessConfig(),
        AugmentConfig(),
        TrainConfig(),
        1.0,
        cross_validation_id=started,
        **on_fold,
    )
    return RunView(run, Job("job", JobKind.TRAIN, run.id, status, 1, {}, 1.0))


def test_runs_that_were_started_together_belong_together_and_no_others():
    first = [_view("CV", i) for i in (2, 0, 1)]
    again = [_view("CV", i, started="cv-2") for i in range(3)]
    alone = _view("CV", 1, started=None)
    named_so = [_view(f"x fold {i} of 3", started=None) for i in (1, 2, 3)]
    groups = group_runs([alone, *again, *first, *named_so])
    assert [(g.name, g.folds, g.is_complete) for g in groups] == [("CV", 3, True)] * 2
    assert [v.run.fold for v in groups[1].views] == [0, 1, 2]
    assert groups[0].views[0].run.cross_validation_id == "cv-2"


def test_a_group_with_an_unfinished_or_deleted_fold_is_not_complete():
    running = [_view("a", 0, of=2), _view("a", 1, of=2, status=JobStatus.RUNNING)]
    assert not group_runs(running)[0].is_complete
    (two_of_three,) = group_runs([_view("a", 0), _view("a", 1)])
    assert (two_of_three.folds, two_of_three.is_complete) == (3, False)


@pytest.mark.parametrize("name", ["type: A; deep", "a fold 1 of 2", "x | y, 50%", 'the "good" one'])
def test_folds_are_found_whatever_their_runs_are_called(workspace, name):
    # They were recognised by their names and an equal time.
    dataset = make_parts(workspace)
    splits.create_split(workspace, dataset.id, folds=2, fractions=(0, 0, 0.2))
    started = runs.start_cross_validation(workspace, dataset.id, QUICK, name=name)
    other = runs.start_training(workspace, dataset.id, QUICK, name=name, fold=1)
    (group,) = group_runs(runs.list_runs(workspace))
    assert (group.name, group.folds) == (name, 2)
    assert [view.run.id for view in group.views] == [view.run.id for view in started]
    assert other.run.cross_validation_id is None
    assert other.run.given_name == name


def test_the_deviation_is_that_of_a_sample():
    found = Spread.of([0.5, 0.7, 0.9])
    assert (found.mean, found.std) == pytest.approx((0.7, 0.2))
    assert Spread.of([0.5]) == Spread(0.5, 0.0)


def test_one_fold_is_no_cross_validation(trained):
    assert cross_validation(trained.workspace, FoldGroup("a", 2, (trained.run,))) is None


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_during_all_folds_names_those_that_go_on(workspace):
    # One fold was paused, and the others trained on without a word.
    dataset = make_parts(workspace)
    splits.create_split(workspace, dataset.id, folds=3, fractions=(0, 0, 0.2))
    options = ("--recipe", "quick", "--device", "cpu", "--name", "CV")
    with lane_lock(workspace, JobKind.TRAIN.lane).acquire():  # so that none of them starts
        program = subprocess.Popen(
            [sys.executable, "-m", "core.cli", "train", dataset.name, "--all-folds", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TOUCHSTONE_WORKSPACE": str(workspace.root)},
            # Why: what a shell starts in the background ignores Ctrl+C, and so would this program.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        assert program.stderr is not None
        shown = iter(program.stderr.readline, "")
        assert any("CV fold 1 of 3" in line for line in shown)  # the first one is waited for
        time.sleep(1.0)
        program.send_signal(signal.SIGINT)
        said = program.stderr.read()
        assert program.wait(timeout=60) == 130
        for fold in (2, 3):
            assert f"touchstone runs stop 'CV fold {fold} of 3'" in said
            view = runs.find_run(workspace, f"CV fold {fold} of 3")
            assert view.status is JobStatus.QUEUED
            jobs.stop(workspace, view.job.id)
    assert "stop 'CV fold 1 of 3'" not in said
    assert runs.find_run(workspace, "CV fold 1 of 3").status is JobStatus.PAUSED
