"""How far datasets are on their way to a released model, and the one next step of each.

Read from stored facts: no image is loaded and no result computed. A verdict is the one that was
last read on the Sign-off page or the command line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlite_utils import Database

from core.domain.datasets import Dataset, Verdict
from core.domain.ids import utc_now
from core.domain.jobs import Job, JobKind, JobStatus
from core.domain.models import Model, ModelStanding
from core.domain.signoff import MarkKind, Obstacle, Seal
from core.domain.stages.facts import ModelFacts, SealFacts, StageFacts
from core.domain.stages.states import DatasetStages, ReadVerdict, SealChange
from core.errors import ConfigError
from core.evaluation.decisions.rule import same_rules
from core.evaluation.release.criteria import criteria_from_json, same_criteria
from core.store import datasets, jobs, judgement, versions
from core.store import models as model_rows
from core.store import splits as split_rows
from core.store.database import connect
from core.store.stages import facts as stages
from core.store.stages import verdicts
from core.workflows.data.certificates import certified
from core.workflows.data.quality import job_subject
from core.workflows.signoff.obstacles import obstacle_of
from core.workflows.stage_rules import best_of, decide, standing_of
from core.workspace import Workspace

_NEWS_S = 24 * 3600.0
# Splits whose leaks were counted for a check: one that does not cover them would be tried forever.
_counted: set[tuple[str, float, int]] = set()


@dataclass(frozen=True)
class PendingImport:
    """An import that has not become a dataset: at work, or ended without one within a day."""

    name: str
    job: Job


def stages_of(workspace: Workspace, dataset: Dataset) -> DatasetStages:
    """The stages of one dataset and its next step; a few queries, whatever its size."""
    return decide(_read(workspace, [dataset], dataset.id)[0])


def stages_of_all(workspace: Workspace) -> dict[str, DatasetStages]:
    """Dataset id -> its stages, for all datasets with as many queries as for one."""
    return {item.dataset_id: decide(item) for item in facts_of_all(workspace)}


def facts_of_all(workspace: Workspace) -> list[StageFacts]:
    """What the stages of all datasets are decided by, newest dataset first."""
    with connect(workspace) as db:
        every = datasets.list_datasets(db)
    return _read(workspace, every, None)


def models_of(workspace: Workspace, dataset_id: str) -> list[ModelFacts]:
    """The models of one dataset and how far their tests are, newest first.

    Raises:
        NotFoundError: if there is no such dataset.
    """
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, dataset_id)
        return _models(db, [dataset], dataset.id).get(dataset.id, [])


def standings(workspace: Workspace) -> dict[str, ModelStanding]:
    """Model id -> how far its sign-off is."""
    with connect(workspace) as db:
        of_all = _models(db, datasets.list_datasets(db), None)
        read = verdicts.verdicts_of(db)
        without = [model for model in model_rows.list_models(db) if model.dataset_id is None]
        kept = {model.id: _without_dataset(db, model, read.get(model.id)) for model in without}
    return kept | {model.id: standing_of(model) for own in of_all.values() for model in own}


def standing(workspace: Workspace, model: Model) -> ModelStanding:
    """How far the sign-off of one model is."""
    with connect(workspace) as db:
        return standing_of_model(db, model)


def standing_of_model(db: Database, model: Model) -> ModelStanding:
    """As `standing`, inside a transaction."""
    if model.dataset_id is None:
        return _without_dataset(db, model, verdicts.verdicts_of(db).get(model.id))
    every = [datasets.find_dataset(db, model.dataset_id)]
    own = _models(db, every, model.dataset_id)[model.dataset_id]
    return next(standing_of(facts) for facts in own if facts.id == model.id)


def _without_dataset(db: Database, model: Model, verdict: ReadVerdict | None) -> ModelStanding:
    """What is known of a test whose images are gone: verdict and seal stay with the model."""
    if verdict is not None and verdict.missed:
        return ModelStanding.BLOCKED
    seal, rule = judgement.find_seal(db, model.id), judgement.operating_point(db, model.id)
    if (
        verdict is not None
        and seal is not None
        and seal.opened_at is not None
        and same_criteria(verdict.criteria, seal.criteria)
        and same_rules(verdict.operating_point, seal.operating_point)
        and same_rules(seal.operating_point, rule)
    ):
        return ModelStanding.PASSED
    # Why by the version: only what was trained here has one.
    return ModelStanding.ELSEWHERE if model.version is None else ModelStanding.TEST_GONE


def pending_imports(workspace: Workspace) -> list[PendingImport]:
    """Imports of new datasets that are at work or did not succeed, newest first.

    One that failed is no longer told once a dataset or a later import has its name.
    """
    with connect(workspace) as db:
        latest = jobs.latest_jobs(db, JobKind.IMPORT).values()
        taken = {dataset.name for dataset in datasets.list_datasets(db)}
    pending: list[PendingImport] = []
    for job in latest:
        name = str(job.payload.get("name") or "")
        if job.payload.get("into") or not name:
            continue
        if job.status.is_active or (name not in taken and _is_news(job)):
            pending.append(PendingImport(name, job))
        taken.add(name)
    return pending


def _is_news(job: Job) -> bool:
    ended_badly = job.status in (JobStatus.FAILED, JobStatus.INTERRUPTED)
    return ended_badly and utc_now() - (job.finished_at or 0.0) < _NEWS_S


def _read(
    workspace: Workspace, every: Sequence[Dataset], dataset_id: str | None
) -> list[StageFacts]:
    with connect(workspace) as db:
        uncounted = [item for item in stages.uncounted_leaks(db, dataset_id)]
        todo = [split_rows.split_by_id(db, item[0]) for item in uncounted if item not in _counted]
    for split in todo:
        certified(workspace, split)
    _counted.update(uncounted)
    with connect(workspace) as db:
        return _facts(db, every, dataset_id)


def _facts(db: Database, every: Sequence[Dataset], dataset_id: str | None) -> list[StageFacts]:
    active = jobs.active_jobs(db)
    adding = {j.payload.get("into") for j in active if j.kind is JobKind.IMPORT}
    checking = {j.subject_id for j in active if j.kind is JobKind.QUALITY}
    checks, splits = stages.checks(db, dataset_id), stages.splits(db, dataset_id)
    runs, criteria = stages.runs(db, dataset_id), stages.criteria(db, dataset_id)
    models = _models(db, every, dataset_id)
    every_facts = [
        StageFacts(
            dataset_id=dataset.id,
            is_adding=dataset.id in adding,
            is_checking=job_subject(dataset.id) in checking,
            check=checks.get(dataset.id),
            splits=tuple(splits.get(dataset.id, ())),
            runs=tuple(runs.get(dataset.id, ())),
            models=tuple(models.get(dataset.id, ())),
            decides_ok={Verdict.OK, Verdict.NOK} <= set(dataset.verdicts),
            has_criteria=dataset.id in criteria,
        )
        for dataset in every
    ]
    return [
        replace(facts, obstacle=_obstacle(db, dataset, facts, criteria.get(dataset.id)))
        for dataset, facts in zip(every, every_facts, strict=True)
    ]


def _obstacle(
    db: Database, dataset: Dataset, facts: StageFacts, criteria: str | None
) -> Obstacle | None:
    """What keeps the test of the best model from being sealed or opened, as Sign-off says it."""
    model = best_of(facts)
    if criteria is None or model is None or model.is_viewed:
        return None
    try:
        required = criteria_from_json(criteria).criteria
    except ConfigError:  # of another version: Sign-off says so
        return None
    return obstacle_of(
        required,
        dataset,
        stages.test_labels(db, dataset, model.split_id),
        is_of_classes=not (model.is_detector or model.classes_changed),
        has_golden=bool(judgement.marked(db, dataset.id, MarkKind.GOLDEN)),
    )


def _models(
    db: Database, every: Sequence[Dataset], dataset_id: str | None
) -> dict[str, list[ModelFacts]]:
    criteria, read = stages.criteria(db, dataset_id), verdicts.verdicts_of(db, dataset_id)
    by_id = {dataset.id: dataset for dataset in every}
    models: dict[str, list[ModelFacts]] = {}
    for model in stages.models(db, dataset_id):
        if (dataset := by_id.get(model.dataset_id)) is not None:
            facts = _model(db, dataset, model, criteria.get(dataset.id), read.get(model.id))
            models.setdefault(dataset.id, []).append(facts)
    return models


def _model(
    db: Database,
    dataset: Dataset,
    model: stages.StoredModel,
    criteria: str | None,
    verdict: ReadVerdict | None,
) -> ModelFacts:
    rule = model.operating_point
    seal = judgement.find_seal(db, model.id) if model.is_sealed else None
    is_of_today = (
        verdict is not None
        and same_criteria(verdict.criteria, criteria)
        and same_rules(verdict.operating_point, rule)
    )
    return ModelFacts(
        id=model.id,
        name=model.name,
        created_at=model.created_at,
        split_id=model.split_id,
        is_fold=model.is_fold,
        is_detector=model.is_detector,
        # What knows good images alone has two classes, however many its dataset has.
        classes_changed=not model.is_detector and model.classes != len(dataset.class_names),
        val_macro_f1=model.val_macro_f1,
        has_rule=rule is not None,
        is_viewed=model.is_viewed,
        is_released=model.is_released,
        seal=_seal(db, dataset, model, seal, criteria) if seal else None,
        verdict=verdict if is_of_today else None,
    )


def _seal(
    db: Database, dataset: Dataset, model: stages.StoredModel, seal: Seal, criteria: str | None
) -> SealFacts:
    criteria_at, rule_at = stages.rules_set_at(db, dataset.id, model.id)
    changed_at: dict[SealChange, float] = {}
    if seal.split_id != model.split_id:
        changed_at[SealChange.SPLIT] = seal.created_at
    if not same_criteria(seal.criteria, criteria):
        changed_at[SealChange.CRITERIA] = criteria_at
    if not same_rules(seal.operating_point, model.operating_point):
        changed_at[SealChange.THRESHOLD] = rule_at
    images = 0
    if seal.split_id == model.split_id:
        edited_at, images = _edits(db, dataset, seal)
        changed_at |= edited_at
    return SealFacts(
        seal.created_at,
        seal.opened_at is not None,
        tuple(changed_at),
        max(changed_at.values(), default=0.0),
        images,
    )


def _edits(db: Database, dataset: Dataset, seal: Seal) -> tuple[dict[SealChange, float], int]:
    """What edits did to sealed test images and classes, and when; and to how many images."""
    history = versions.list_versions(db, dataset.id)
    then = next((v for v in history if v.created_at <= seal.created_at), history[-1])
    if then.number == dataset.version:
        return {}, 0
    changes: dict[SealChange, float] = {}
    before, now = (
        {name: verdict for name, verdict in zip(names, given, strict=False) if verdict}
        for names, given in (
            (then.class_names, then.class_verdicts),
            (dataset.class_names, dataset.class_verdicts),
        )
    )
    if then.class_names != dataset.class_names or before != now:
        changes[SealChange.CLASSES] = history[0].created_at
    edited = versions.changes_between(db, dataset.id, then.number, dataset.version)
    images = len(stages.in_test(db, seal.split_id, list(edited)))
    if images:
        changes[SealChange.TEST_IMAGES] = stages.last_test_edit(db, dataset.id, seal.split_id)
    return changes, images
