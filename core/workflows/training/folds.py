"""Cross-validation: runs on the folds of one split, read together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.domain.jobs import JobStatus
from core.domain.splits import Subset
from core.errors import NotFoundError
from core.workflows.results.evaluation import evaluation_report
from core.workflows.training.runs import RunView
from core.workspace import Workspace


@dataclass(frozen=True)
class FoldGroup:
    """Runs that were started together, one for each fold, in the order of the folds."""

    name: str
    folds: int
    views: tuple[RunView, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every fold has its model."""
        done = [view for view in self.views if view.status is JobStatus.COMPLETED]
        return len(done) == self.folds


@dataclass(frozen=True)
class Spread:
    """A measure over folds; `std` is the sample standard deviation, 0 for a single fold."""

    mean: float
    std: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Mean and deviation of at least one value."""
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        return cls(float(np.mean(values)), deviation)


@dataclass(frozen=True)
class FoldScore:
    """What one fold's model reaches on the fold it did not see; fold counts from 0."""

    fold: int
    run_id: str
    model_id: str
    n: int
    accuracy: float
    macro_f1: float


@dataclass(frozen=True)
class CrossValidation:
    """Validation measures of the folds that are done."""

    folds: int
    scores: tuple[FoldScore, ...]
    accuracy: Spread
    macro_f1: Spread


def group_runs(views: Sequence[RunView]) -> list[FoldGroup]:
    """The runs that belong together, in the order in which the first of each appears.

    A run on a single fold that was started alone belongs to no group.
    """
    together: dict[str, list[RunView]] = {}
    for view in views:
        if view.run.cross_validation_id is not None:
            together.setdefault(view.run.cross_validation_id, []).append(view)
    return [_group(members) for members in together.values() if len(members) > 1]


def _group(members: Sequence[RunView]) -> FoldGroup:
    ordered = sorted(members, key=lambda view: view.run.fold or 0)
    first = ordered[0].run
    return FoldGroup(first.given_name, first.folds, tuple(ordered))


def cross_validation(workspace: Workspace, group: FoldGroup) -> CrossValidation | None:
    """Mean and spread over the completed folds; None where fewer than two are."""
    scores = []
    for view in group.views:
        if view.status is JobStatus.COMPLETED and view.model_id:
            try:
                report = evaluation_report(workspace, view.model_id, Subset.VALIDATION)
            except NotFoundError:
                continue  # its model was deleted
            scores.append(
                FoldScore(
                    view.run.fold or 0,
                    view.run.id,
                    view.model_id,
                    report.n,
                    report.accuracy,
                    report.macro_f1,
                )
            )
    if len(scores) < 2:
        return None
    return CrossValidation(
        group.folds,
        tuple(scores),
        Spread.of([score.accuracy for score in scores]),
        Spread.of([score.macro_f1 for score in scores]),
    )
