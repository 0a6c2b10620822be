"""Reading the folds of one split together."""

import pytest

from core.domain.configs import AugmentConfig, PreprocessConfig, TrainConfig
from core.domain.jobs import Job, JobKind, JobStatus
from core.domain.training import TrainingRun
from core.workflows.training.folds import FoldGroup, Spread, cross_validation, group_runs
from core.workflows.training.runs import RunView


def _view(name, fold, started=1.0, split="split-a", status=JobStatus.COMPLETED):
    run = TrainingRun(
        f"run-{name}-{started}",
        name,
        "ds",
        split,
        PreprocessConfig(),
        AugmentConfig(),
        TrainConfig(),
        started,
        fold=fold,
    )
    return RunView(run, Job("job", JobKind.TRAIN, run.id, status, 1, {}, started))


def test_runs_that_were_started_together_belong_together_and_no_others():
    first = [_view(f"CV fold {i + 1} of 3", i) for i in (2, 0, 1)]
    again = [_view(f"CV fold {i + 1} of 3", i, started=2.0) for i in range(3)]
    alone = _view("CV fold 2 of 3", 1, started=3.0)
    plain = _view("CV", None)
    named_so = _view("x fold 1 of 3", None)
    groups = group_runs([alone, *again, *first, plain, named_so])
    assert [(g.name, g.folds, g.is_complete) for g in groups] == [("CV", 3, True)] * 2
    assert [v.run.fold for v in groups[1].views] == [0, 1, 2]
    assert groups[0].views[0].run.created_at == 2.0


def test_a_group_with_an_unfinished_fold_is_not_complete():
    running = [_view("a fold 1 of 2", 0), _view("a fold 2 of 2", 1, status=JobStatus.RUNNING)]
    assert not group_runs(running)[0].is_complete


def test_the_deviation_is_that_of_a_sample():
    found = Spread.of([0.5, 0.7, 0.9])
    assert (found.mean, found.std) == pytest.approx((0.7, 0.2))
    assert Spread.of([0.5]) == Spread(0.5, 0.0)


def test_one_fold_is_no_cross_validation(trained):
    assert cross_validation(trained.workspace, FoldGroup("a", 2, (trained.run,))) is None
