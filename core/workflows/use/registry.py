"""The registry of models: what each is for, what is written about it, and which one is released."""

from typing import assert_never

from sqlite_utils import Database

from core.domain.findings import Severity
from core.domain.keeping.people import Right
from core.domain.models import Model, ModelStage, ModelStanding
from core.domain.record import RecordedAction
from core.errors import ConfigError
from core.store import models, quality
from core.store.database import connect, transaction
from core.store.keeping import record
from core.store.people import guard
from core.workflows import stages
from core.workflows.results import judging
from core.workspace import Workspace

MAX_NOTE = 2000


def set_stage(workspace: Workspace, name_or_id: str, stage: ModelStage, reason: str = "") -> Model:
    """Release a model, retire it, or make it a candidate again; who did it and why is recorded.

    A release retires the model of the same dataset that was released before.

    Args:
        workspace: where it lives.
        name_or_id: of the model.
        stage: what it is for from now on.
        reason: why; needed to release a model that came from elsewhere, or against `doubts_about`.

    Raises:
        NotAllowedError: if whoever acts may not sign off.
        NotFoundError: if there is no such model.
        ConfigError: if it is released without a passed sealed test, or without a reason where one
            is needed.
    """
    doubts: tuple[str, ...] = ()
    if stage is ModelStage.RELEASED and not reason.strip():
        with connect(workspace) as db:
            model = models.find_model(db, name_or_id)
        doubts = doubts_about(workspace, model)
    with connect(workspace) as db, transaction(db):
        guard.require(db, Right.SIGN_OFF, "model stage")
        model = models.find_model(db, name_or_id)
        if stage is ModelStage.RELEASED:
            _refuse_unproven(model, stages.standing_of_model(db, model), reason)
            _refuse_unexplained(model, doubts)
            for other in models.released_beside(db, model):
                models.set_stage(db, other.id, ModelStage.RETIRED)
                why = f"Replaced by {model.name}."
                _record(db, other, ModelStage.RETIRED, why)
        if stage is not model.stage:
            models.set_stage(db, model.id, stage)
            _record(db, model, stage, reason.strip())
        return models.find_model(db, model.id)


def retired_by_release(workspace: Workspace, model: Model) -> list[Model]:
    """The models that a release of this one retires: those released for the same dataset."""
    with connect(workspace) as db:
        return models.released_beside(db, model)


def refusal_to_release(standing: ModelStanding) -> str:
    """Why a model cannot be released without more; empty if it can."""
    match standing:
        case ModelStanding.PASSED | ModelStanding.ELSEWHERE | ModelStanding.TEST_GONE:
            return ""
        case ModelStanding.BLOCKED:
            return "Its test missed release criteria."
        case ModelStanding.VOID:
            return "Its seal is void: something that was sealed has changed."
        case ModelStanding.UNSEALED:
            return "Its test results were viewed before they were sealed."
        case (
            ModelStanding.NO_RULE
            | ModelStanding.NOT_SEALED
            | ModelStanding.SEALED
            | ModelStanding.OPENED
        ):
            return "Its sealed test has not passed yet."
        case _:
            assert_never(standing)


def _refuse_unproven(model: Model, standing: ModelStanding, reason: str) -> None:
    refusal = refusal_to_release(standing)
    if refusal:
        raise ConfigError(
            f"The model '{model.name}' cannot be released. {refusal}",
            f'Seal, open and read its test on Sign-off, or: touchstone seal "{model.name}".'
            if model.dataset_id
            else "Its dataset was deleted. Train another model.",
        )
    if standing is ModelStanding.ELSEWHERE and not reason.strip():
        raise ConfigError(
            f"The model '{model.name}' was not signed off here.",
            "Say where it was: that is recorded with its release (--reason).",
        )


def doubts_about(workspace: Workspace, model: Model) -> tuple[str, ...]:
    """What a passed test does not settle, a sentence each: a leak, a serious finding, its loss."""
    if model.dataset_id is None:
        return _doubts_without_dataset(stages.standing(workspace, model))
    certificate = judging.certificate_of(workspace, model)
    leaks = certificate is not None and certificate.is_leaking
    with connect(workspace) as db:
        finding = quality.worst_open_finding(db, model.dataset_id)
    return (
        *((judging.leaks_in_words(certificate),) if certificate and leaks else ()),
        *(
            (f"Open finding: {finding.message}",)
            if finding and finding.severity is Severity.SERIOUS
            else ()
        ),
    )


def _doubts_without_dataset(standing: ModelStanding) -> tuple[str, ...]:
    if standing is ModelStanding.PASSED:
        return ("It passed its sealed test, but its dataset was deleted since.",)
    return ("Its test went with its dataset.",) if standing is ModelStanding.TEST_GONE else ()


def _refuse_unexplained(model: Model, doubts: tuple[str, ...]) -> None:
    if doubts:
        raise ConfigError(
            f"A release of the model '{model.name}' needs a reason. {doubts[0]}",
            "Say why it is released nevertheless: that is recorded with its release (--reason).",
        )


def _record(db: Database, model: Model, stage: ModelStage, reason: str) -> None:
    record.add(
        db,
        RecordedAction.MODEL_STAGED,
        model.id,
        model.name,
        old=model.stage.value,
        new=stage.value,
        reason=reason,
    )


def set_note(workspace: Workspace, name_or_id: str, note: str) -> Model:
    """Replace what is written about a model; the text before stays in the record.

    Raises:
        NotFoundError: if there is no such model.
        ConfigError: if it is too long.
    """
    clean = note.strip()
    if len(clean) > MAX_NOTE:
        raise ConfigError(
            f"The note has {len(clean):,} characters.", f"Write at most {MAX_NOTE:,}."
        )
    with connect(workspace) as db, transaction(db):
        model = models.find_model(db, name_or_id)
        if clean != model.note:
            models.set_note(db, model.id, clean)
            record.add(
                db,
                RecordedAction.MODEL_NOTED,
                model.id,
                model.name,
                old=model.note or None,
                new=clean,
            )
        return models.find_model(db, model.id)


def released(workspace: Workspace) -> list[Model]:
    """The released models, newest first."""
    with connect(workspace) as db:
        return [m for m in models.list_models(db) if m.stage is ModelStage.RELEASED]
