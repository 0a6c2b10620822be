"""What a test report is made of: rows and numbers, not words."""

from dataclasses import dataclass

from core.domain.datasets import Sample
from core.domain.models import Model
from core.domain.splits import Subset
from core.domain.training import TrainingRun
from core.errors import NotFoundError
from core.evaluation.decisions.outcome import OperatingPoint
from core.evaluation.decisions.rule import DecisionRule
from core.evaluation.release.report_numbers import ReportNumbers, comparison_values, results
from core.store import datasets, runs
from core.store.database import connect
from core.workflows.results.comparison import ModelComparison, compare_judged
from core.workflows.results.judging import JudgedSet, judged_set
from core.workflows.results.thresholds import saved_rule
from core.workflows.signoff.release import GateReport, check_release
from core.workflows.signoff.seal_changes import ProgressCallback, SignOff, no_progress
from core.workflows.signoff.sealing import sign_off
from core.workspace import Workspace


@dataclass(frozen=True)
class ReportMaterial:
    """What a report is made of.

    `rule` is None where the verdict of the predicted class decides, `gate` where no criteria are
    set, `other` where no comparison was asked for. `samples` are by id.
    """

    sign_off: SignOff
    judged: JudgedSet
    validation: JudgedSet | None
    rule: DecisionRule | None
    results: ReportNumbers
    gate: GateReport | None
    other: ModelComparison | None
    samples: dict[int, Sample]

    @property
    def model(self) -> Model:
        """The judged model."""
        return self.judged.model

    @property
    def point(self) -> OperatingPoint:
        """The decision rule in force."""
        return self.rule.point if self.rule else OperatingPoint()


def gather(
    workspace: Workspace,
    judged: JudgedSet,
    other: JudgedSet | None = None,
    *,
    on_progress: ProgressCallback = no_progress,
) -> ReportMaterial:
    """Everything that the report of a model's test is made of."""
    model = judged.model
    rule = saved_rule(workspace, model.id)
    validation = _validation(workspace, model)
    comparison = None
    if other is not None:
        comparison = compare_judged(other, judged, saved_rule(workspace, other.model.id), rule)
    numbers = results(
        judged.labeled,
        judged.verdicts,
        rule.point if rule else OperatingPoint(),
        validation.labeled if validation else None,
        rule.scenario if rule else None,
    )
    if comparison is not None:
        numbers.values.update(comparison_values(comparison.classes, comparison.decisions))
    ids = [int(i) for subset in (judged, validation) if subset for i in subset.sample_ids]
    with connect(workspace) as db:
        samples = {s.id: s for s in datasets.samples_by_id(db, ids)}
    return ReportMaterial(
        sign_off=sign_off(workspace, model.id, check_files=True, on_progress=on_progress),
        judged=judged,
        validation=validation,
        rule=rule,
        results=numbers,
        gate=check_release(workspace, comparison, judged),
        other=comparison,
        samples=samples,
    )


def training_run(workspace: Workspace, material: ReportMaterial) -> TrainingRun | None:
    """The run that made the judged model; None where it was deleted."""
    if material.model.run_id is None:
        return None
    try:
        with connect(workspace) as db:
            return runs.find_run(db, material.model.run_id)
    except NotFoundError:
        return None


def _validation(workspace: Workspace, model: Model) -> JudgedSet | None:
    try:
        return judged_set(workspace, model.id, Subset.VALIDATION)
    except NotFoundError:
        return None
