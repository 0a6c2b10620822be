"""The test report: gather everything known of a model and its test, and write it.

Gathering reads the store and computes numbers; drawing is done by `core.reporting`. Heatmaps need
the network, so a full report with mistakes is finished by a worker.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.domain.ids import new_id, utc_now
from core.domain.jobs import Job, JobKind
from core.domain.keeping.people import Right, name_for_record
from core.domain.signoff import AccessKind, KeptReport
from core.domain.splits import Subset
from core.errors import ConfigError, NotFoundError
from core.files import Cell, atomic_write, write_csv
from core.reporting.draft import to_json
from core.reporting.render import render

# Why from here: the command line knows this room and not the one that draws.
from core.reporting.values import Form as Form
from core.store import judgement
from core.store.database import connect, transaction
from core.workflows import files
from core.workflows import jobs as job_actions
from core.workflows.keeping import people
from core.workflows.results.access import record_view
from core.workflows.results.judging import JudgedSet, judged_set
from core.workflows.signoff.release import GateReport, check_release
from core.workflows.signoff.report_material import ReportMaterial, gather
from core.workflows.signoff.report_mistakes import mistakes, other_answers, part_decisions
from core.workflows.signoff.report_values import report_values
from core.workflows.signoff.seal_changes import ProgressCallback, SignOff, no_progress
from core.workflows.signoff.sealing import sign_off
from core.workflows.signoff.verdicts import keep_verdict
from core.workflows.use.models import exported_bundle
from core.workspace import Workspace

LANGUAGES = ("en",)
MAX_IMAGES = 120
_ID = re.compile(r"report-[a-z0-9]{8}")


@dataclass(frozen=True)
class ReportRequest:
    """A report that is ready, or that a job is still drawing heatmaps for."""

    id: str
    job: Job | None


def make_report(
    workspace: Workspace,
    model_id: str,
    form: Form = Form.FULL,
    *,
    against: str | None = None,
    language: str = "en",
    max_images: int = MAX_IMAGES,
    person: str = "",
    on_progress: ProgressCallback = no_progress,
) -> ReportRequest:
    """Write the report of a model and its table of probabilities; a recorded view of the results.

    Args:
        workspace: where the model lives.
        model_id: its id or name.
        form: two pages, or everything.
        against: id or name of the model to compare with.
        language: of the report.
        max_images: mistakes that a full report shows at most.
        person: who makes it, as entered.
        on_progress: told how far the check of the image files is.

    Raises:
        NotFoundError: if there is no such model, or it has no test results.
        SealedError: if its test set is sealed and was not opened yet.
        NotAllowedError: if whoever acts may not.
        QueueFullError: if as many jobs wait as may.
        ConfigError: if there is no report in this language, or the models share no images.
        FilesChangedError: if images of an unsealed test have another content than when imported.
    """
    if language not in LANGUAGES:
        raise ConfigError(
            f"There is no report in '{language}' yet.", f"Choose from: {', '.join(LANGUAGES)}."
        )
    # Why first: a report that cannot be made is no view of the results.
    people.require(workspace, Right.SIGN_OFF, "report")
    if form is Form.FULL:
        job_actions.refuse_full_queue(workspace)
    judged = judged_set(workspace, model_id, Subset.TEST)  # refuses a sealed one before the count
    other = judged_set(workspace, against, Subset.TEST) if against else None
    _refuse_changed_files(workspace, judged, on_progress)
    # Why both: the report and its table show what the other model says of the test images, too.
    for viewed in (judged, other):
        if viewed is not None:
            words = f"Test report ({form.value})"
            record_view(workspace, viewed.model, words, kind=AccessKind.REPORT, person=person)
    material = gather(workspace, judged, other, on_progress=on_progress)
    shown = mistakes(material)[: max_images if form is Form.FULL else 0]
    report_id = new_id("report")
    against_name = other.model.name if other else ""
    kept = KeptReport(
        report_id,
        judged.model.id,
        form.value,
        against_name,
        name_for_record(person.strip()),
        utc_now(),
    )
    write_table(workspace, material, report_file(workspace, report_id, "csv"))
    values = report_values(workspace, material, form, shown, language)
    if not shown:
        _write(report_file(workspace, report_id), render(values))
        _keep(workspace, kept)
        return ReportRequest(report_id, None)
    draft = report_file(workspace, report_id, "json")
    _write(draft, to_json(values))
    paths = {i: str(workspace.resolve(s.path)) for i, s in material.samples.items()}
    payload: dict[str, object] = {
        "draft": draft.name,
        "model": material.model.sha256,
        "bundle": str(exported_bundle(workspace, material.model)),
        "pictures": [
            [paths[m.sample_id], m.predicted, material.samples[m.sample_id].sha256] for m in shown
        ],
    }
    job = job_actions.submit(workspace, JobKind.REPORT, report_id, payload)
    _keep(workspace, kept)
    return ReportRequest(report_id, job)


def _keep(workspace: Workspace, kept: KeptReport) -> None:
    with connect(workspace) as db, transaction(db):
        judgement.insert_report(db, kept)


def reports_of(workspace: Workspace, model_id: str) -> list[KeptReport]:
    """The reports of a model whose files are still there or being written, newest first."""
    with connect(workspace) as db:
        kept = judgement.reports_of(db, model_id)
    endings = ("html", "json")  # finished; still waiting for its heatmaps
    return [
        item
        for item in kept
        if any(report_file(workspace, item.id, ending).exists() for ending in endings)
    ]


def _refuse_changed_files(
    workspace: Workspace, judged: JudgedSet, on_progress: ProgressCallback
) -> None:
    """Raise where test images have another content; of a sealed test, the report itself says it.

    Why not where they are missing: all numbers follow from what was stored, and no wrong picture
    can be shown.
    """
    if sign_off(workspace, judged.model.id).seal is None:
        ids = judged.sample_ids.tolist()
        files.refuse_changed(workspace, judged.dataset.id, on_progress, only=ids, missing_too=False)


def gate_of(workspace: Workspace, standing: SignOff) -> GateReport | None:
    """What the release criteria say of an opened test; None if there are none.

    The answer is kept, so that the stages of the dataset can tell it without computing it.

    Raises:
        SealedError: if the test set was not opened yet.
    """
    judged = judged_set(workspace, standing.model.id, Subset.TEST)
    gate = check_release(workspace, None, judged)
    if gate is not None:
        keep_verdict(workspace, standing, gate)
    return gate


def report_file(workspace: Workspace, report_id: str, ending: str = "html") -> Path:
    """Where a report, its table (`csv`) or its values (`json`) lie.

    Raises:
        NotFoundError: if this is no id of a report.
    """
    if not _ID.fullmatch(report_id):
        raise NotFoundError("There is no such report.", "Make it again.")
    return workspace.results / f"{report_id}.{ending}"


def write_table(workspace: Workspace, material: ReportMaterial, target: Path) -> None:
    """Every image of validation and test with all probabilities, as CSV; written whole or not.

    All numbers of the report can be recomputed from it. Texts that a spreadsheet program would run
    as a formula are quoted.
    """
    write_csv(target, _table_rows(material))


def _table_rows(material: ReportMaterial) -> Iterator[Sequence[Cell]]:
    """The header, then one row per image; pyarrow is fast at writing numbers with all digits."""
    import pyarrow as pa

    tables = [
        pa.table(_columns(material, judged))
        for judged in (material.validation, material.judged)
        if judged is not None
    ]
    yield tables[0].column_names
    for batch in pa.concat_tables(tables).to_batches(max_chunksize=1000):
        yield from zip(*(column.cast(pa.string()).to_pylist() for column in batch), strict=True)


def _columns(material: ReportMaterial, judged: JudgedSet) -> dict[str, Any]:
    import pyarrow as pa

    names = judged.class_names
    samples = [material.samples[int(i)] for i in judged.sample_ids]
    predicted = judged.probabilities.argmax(axis=1)
    decisions = [
        decision.value if decision else "" for decision in part_decisions(material, judged)
    ]
    others = other_answers(material, judged)
    parts = judged.parts if judged.parts is not None else judged.sample_ids
    verdicts = [verdict.value if verdict else "" for verdict in judged.verdicts]
    return {
        "subset": [judged.subset.value] * len(samples),
        "sample_id": judged.sample_ids,
        "name": [sample.name for sample in samples],
        "sha256": [sample.sha256 for sample in samples],
        "part": parts,
        "true_class": [names[i] for i in judged.targets],
        "true_verdict": [verdicts[i] for i in judged.targets],
        "predicted_class": [names[i] for i in predicted],
        "decision": decisions,
        "other_class": pa.array([name for name, _ in others], pa.string()),
        "other_decision": pa.array(
            [decision and decision.value for _, decision in others], pa.string()
        ),
        **{
            f"p:{name}": judged.probabilities[:, index]
            for index, name in enumerate(judged.class_names)
        },
    }


def _write(target: Path, text: str) -> None:
    with atomic_write(target) as partial:
        partial.write_text(text, encoding="utf-8")
