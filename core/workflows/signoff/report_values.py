"""The values of a report, put together from what was gathered: what `core.reporting` draws."""

from collections.abc import Sequence

from core.domain.ids import utc_now
from core.evaluation.measures.parts import Unit
from core.reporting.text import when
from core.reporting.values import ConfusedClasses, Form, ModelIdentity, ReportValues
from core.workflows.signoff import report_origin, report_results, report_verdict, sealing
from core.workflows.signoff.report_commands import commands
from core.workflows.signoff.report_limits import limits
from core.workflows.signoff.report_material import ReportMaterial
from core.workflows.signoff.report_mistakes import Mistake, mistakes, mistakes_section
from core.workflows.training.record import validation_in_words
from core.workspace import Workspace

STRIP = 8  # images on the second page of the short form


def report_values(
    workspace: Workspace,
    material: ReportMaterial,
    form: Form,
    shown: Sequence[Mistake],
    language: str,
) -> ReportValues:
    """Everything that the report shows; heatmaps are added by the worker.

    Args:
        workspace: where the model lives.
        material: what was gathered.
        form: two pages, which show the most serious mistakes, or everything.
        shown: the mistakes that the full form shows.
        language: of the page.
    """
    judged, model, results = material.judged, material.model, material.results
    every = mistakes(material)
    return ReportValues(
        language=language,
        form=form,
        made_at=when(utc_now()),
        model=ModelIdentity(model.name, model.network, model.sha256, when(model.created_at)),
        verdict=report_verdict.verdict(material),
        intended_use=sealing.intended_use(workspace, model.id),
        criteria=report_verdict.criteria_rows(material),
        criteria_set_at=when(material.gate.kept.set_at) if material.gate else None,
        seal=report_verdict.seal(material),
        views=report_verdict.views(material),
        unit=results.report.unit.word,
        counts_parts=results.report.unit is Unit.PARTS,
        notice=judged.notice,
        has_decisions=results.outcome is not None,
        no_decisions=report_results.no_decisions(material),
        rule=report_results.rule_section(material),
        lines=report_results.line_rows(material),
        inspectors=report_results.inspectors(material),
        no_calibration=report_results.no_calibration(material),
        validation_kind=" ".join(validation_in_words(workspace, model)),
        values=results.values,
        measures=report_results.measure_rows(material),
        names=judged.class_names,
        classes=report_results.class_rows(material),
        confused=tuple(ConfusedClasses(pair.true, pair.predicted) for pair in results.confused),
        data=report_origin.data_section(workspace, material),
        split=report_origin.split_section(material),
        training=report_origin.training_section(workspace, material),
        series=report_results.series(workspace, material),
        mistakes=mistakes_section(
            workspace, material, every, every[:STRIP] if form is Form.SHORT else shown
        ),
        against=report_results.compared_model(material),
        limits=limits(workspace, material),
        software=report_origin.software_section(material),
        commands=tuple(commands(workspace, material)),
    )
