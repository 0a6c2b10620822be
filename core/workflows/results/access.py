"""Viewing test results: whether they may be shown, and the record of who saw them, when and why.

A sealed test set stays closed until it is opened for the model (`core.workflows.signoff.sealing`).
Without a seal, the first view is announced before it happens: it is recorded, and rules out a
sealed test of this model for good. What is recorded:

* an opening: somebody asks to see the test results of a model and says why, with the button of a
  page, by opening a sealed test, or with a command. From then on they are open to everybody who
  uses the workspace. Page loads, reloads, other tabs, other sessions and repeated commands add
  nothing: they tell an auditor nothing, and hide what does.
* a report: each one that is made, because it leaves the workspace.
* a decision: a threshold judged on the test images, two models compared on them, the verdict on the
  release criteria. Once for each threshold, pair, and outcome of a set of criteria, however often
  it is shown: this is how often the test images have answered a question. A threshold is judged
  when it is saved and the results are open, or when they are opened and it was saved before;
  showing it adds nothing.

Where people sign in, the record names their account. Else a person is who she says she is, and on
the command line the account of the system.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from enum import StrEnum

from sqlite_utils import Database

from core.domain.ids import utc_now
from core.domain.keeping.people import name_for_record
from core.domain.models import Model
from core.domain.parts import ANY_IMAGE
from core.domain.signoff import AccessKind, TestSetAccess
from core.errors import ConfigError, SealedError, TouchstoneError
from core.evaluation.decisions.outcome import OperatingPoint
from core.evaluation.decisions.rule import point_in_words, rule_from_json
from core.store import judgement, splits
from core.store.database import connect, transaction
from core.words import count, joined
from core.workspace import Workspace

MAX_PURPOSE = 300
MAX_PERSON = 80
_WORDS = {
    AccessKind.OPENING: "opening",
    AccessKind.REPORT: "report",
    AccessKind.DECISION: "decision",
    AccessKind.PAGE_VIEW: "page view",
}


class ResultsAccess(StrEnum):
    """Whether the test results of a model are shown."""

    SHOWN = "shown"
    SEALED = "sealed"  # until somebody opens them on the Sign-off page
    NOT_VIEWED = "not viewed"  # nobody has viewed them, and nobody has asked to


def access_to_test(workspace: Workspace, model: Model) -> ResultsAccess:
    """Whether the test results of a model may be shown without further question."""
    if is_sealed(workspace, model):
        return ResultsAccess.SEALED
    return ResultsAccess.SHOWN if is_viewed(workspace, model) else ResultsAccess.NOT_VIEWED


def open_results(
    workspace: Workspace, models: Sequence[Model], purpose: str, *, person: str = ""
) -> list[Model]:
    """Open the test results of models; gives those for which this was the first view, recorded.

    Raises:
        ConfigError: if no purpose is given.
        SealedError: if the results of one of them are sealed; then nothing is recorded.
    """
    words = required_purpose(purpose)
    with connect(workspace) as db, transaction(db):
        for model in models:
            refuse_sealed(db, model)
        opened = [
            model
            for model in models
            if model.split_id and not judgement.is_opened(db, model.split_id, model.id)
        ]
        for model in opened:
            record_opening(db, model, words, person)
    return opened


def record_opening(db: Database, model: Model, purpose: str, person: str) -> None:
    """Record that the test results of a model were opened, and that its saved rule was judged.

    Call inside a transaction.
    """
    _record(db, model, AccessKind.OPENING, purpose, person)
    record_saved_rule(db, model, person)


def record_saved_rule(db: Database, model: Model, person: str) -> None:
    """Record that the saved rule of a model was judged on the test, where its results are open.

    Once for each rule; call inside a transaction.
    """
    if model.split_id is None or not judgement.is_opened(db, model.split_id, model.id):
        return
    try:
        rule = rule_from_json(judgement.operating_point(db, model.id) or "")
    except TouchstoneError:  # none, or one of another version: it judges nothing
        return
    _decide(db, model, *rule_decision(rule.point), person=person)


def rule_decision(point: OperatingPoint) -> tuple[str, tuple[object, ...]]:
    """What is recorded of a rule judged on the test images: words, and what it is known by."""
    words = f"Threshold judged on the test images: {point_in_words(point)}"
    limits = ("threshold", point.accept_below, point.reject_from, point.class_thresholds)
    # Why only then: decisions of before this choice must be known again.
    return words, limits if point.parts == ANY_IMAGE else (*limits, point.parts.text)


def required_purpose(purpose: str) -> str:
    """A purpose in one line, as it is recorded.

    Raises:
        ConfigError: if there is none.
    """
    words = " ".join(purpose.split())[:MAX_PURPOSE]
    if not words:
        raise ConfigError(
            "A purpose is required.", "State why the test is opened, such as 'Release 3'."
        )
    return words


def record_view(
    workspace: Workspace,
    model: Model,
    purpose: str,
    *,
    kind: AccessKind = AccessKind.OPENING,
    person: str = "",
) -> None:
    """Record a view of the test results of a model; nothing for a model without a split.

    Raises:
        SealedError: if they are sealed.
    """
    with connect(workspace) as db, transaction(db):
        refuse_sealed(db, model)
        _record(db, model, kind, purpose, person)


def record_decision(
    workspace: Workspace,
    model: Model,
    words: str,
    *subject: object,
    person: str = "",
    formerly: tuple[object, ...] = (),
) -> None:
    """Record a decision that rests on the test results; once for each subject.

    Args:
        workspace: where the model lives.
        model: whose test results.
        words: what was decided, for people.
        subject: what it was decided on: values that have a JSON form.
        person: who, as entered.
        formerly: the subject by which an earlier version knew this decision; empty for none.

    Raises:
        SealedError: if the results are sealed.
    """
    with connect(workspace) as db, transaction(db):
        refuse_sealed(db, model)
        if not (formerly and judgement.is_decided(db, model.id, _digest(formerly))):
            _decide(db, model, words, subject, person=person)


def accesses_of(workspace: Workspace, split_id: str) -> tuple[TestSetAccess, ...]:
    """All recorded views of the test images of a split, for any model, oldest first."""
    with connect(workspace) as db:
        return tuple(judgement.openings_of(db, split_id))


def _digest(subject: tuple[object, ...]) -> str:
    return hashlib.sha256(json.dumps(subject).encode()).hexdigest()[:32]


def _decide(
    db: Database, model: Model, words: str, subject: tuple[object, ...], *, person: str
) -> None:
    digest = _digest(subject)
    if not judgement.is_decided(db, model.id, digest):
        _record(db, model, AccessKind.DECISION, words, person, digest)


def _record(
    db: Database, model: Model, kind: AccessKind, purpose: str, person: str, subject: str = ""
) -> None:
    if model.split_id is None:
        return
    who = name_for_record(" ".join(person.split())[:MAX_PERSON])
    access = TestSetAccess(
        model.split_id, model.id, model.name, purpose, utc_now(), kind, who, subject
    )
    judgement.record_access(db, access)


def without_page_views(accesses: Iterable[TestSetAccess]) -> list[TestSetAccess]:
    """What somebody asked for or decided; the page views of earlier versions are summed up."""
    return [access for access in accesses if access.kind is not AccessKind.PAGE_VIEW]


def accesses_in_words(accesses: Sequence[TestSetAccess]) -> str:
    """`1 opening, 2 decisions and 60 page views of earlier versions`; `none` if there are none."""
    kinds = [access.kind for access in accesses]
    counted = [count(kinds.count(kind), _WORDS[kind]) for kind in AccessKind if kind in kinds]
    if AccessKind.PAGE_VIEW in kinds:
        counted[-1] += " of earlier versions"
    return joined(counted) if counted else "none"


def is_viewed(workspace: Workspace, model: Model) -> bool:
    """Whether anybody has viewed the test results of a model; also true without a split."""
    if model.split_id is None:
        return True
    with connect(workspace) as db:
        return judgement.is_opened(db, model.split_id, model.id)


def is_sealed(workspace: Workspace, model: Model) -> bool:
    """Whether the test set of a model is sealed and was not opened for it yet."""
    with connect(workspace) as db:
        return _is_sealed(db, model)


def refuse_sealed(db: Database, model: Model) -> None:
    """Let nobody read the test results of a model while they are sealed.

    Raises:
        SealedError: if they are.
    """
    if _is_sealed(db, model):
        raise SealedError(
            f"The test set of model '{model.name}' is sealed: its results have not been viewed.",
            "Choose criteria and thresholds on the validation images, then open the test on the "
            "Sign-off page or with `touchstone open-test`. Every view is recorded.",
        )


def _is_sealed(db: Database, model: Model) -> bool:
    if model.split_id is None or model.dataset_id is None:
        return False
    if not splits.find_split(db, model.dataset_id, model.split_id).sealed:
        return False
    return not judgement.is_opened(db, model.split_id, model.id)
