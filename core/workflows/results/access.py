"""Viewing test results: whether they may be shown, and the record of every view.

A sealed test set stays closed until it is opened for the model (`core.workflows.signoff.sealing`).
Without a seal, the first view is announced before it happens: it is recorded, and rules out a
sealed test of this model for good.
"""

from collections.abc import Hashable
from enum import StrEnum

from sqlite_utils import Database

from core.domain.ids import utc_now
from core.domain.models import Model
from core.domain.signoff import TestSetAccess
from core.errors import SealedError
from core.store import judgement, splits
from core.store.database import connect, transaction
from core.workspace import Workspace

# Model id, purpose, and what was viewed apart from the numbers, such as the verdict on one rule.
View = tuple[str, str, Hashable]


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


def view_test_results(
    workspace: Workspace,
    model: Model,
    purpose: str,
    *,
    recorded: set[View],
    of: Hashable = None,
    first: bool = False,
) -> ResultsAccess:
    """Whether the test results of a model are shown now; records the view if they are.

    Args:
        workspace: where the model lives.
        model: whose test results.
        purpose: where they are shown, for the record.
        recorded: views that this session has recorded; the new one is added.
        of: what is viewed apart from the numbers, recorded as a view of its own.
        first: somebody asked to view them, even if nobody has before.
    """
    view = (model.id, purpose, of)
    if view in recorded:  # Why no question: what was viewed once cannot be sealed any more.
        return ResultsAccess.SHOWN
    access = access_to_test(workspace, model)
    if access is ResultsAccess.SEALED or (access is ResultsAccess.NOT_VIEWED and not first):
        return access
    record_view(workspace, model, purpose)
    recorded.add(view)
    return ResultsAccess.SHOWN


def record_view(workspace: Workspace, model: Model, purpose: str) -> None:
    """Record that the test results of a model were viewed; nothing for a model without a split.

    Raises:
        SealedError: if they are sealed.
    """
    if model.split_id is None:
        return
    with connect(workspace) as db, transaction(db):
        refuse_sealed(db, model)
        access = TestSetAccess(model.split_id, model.id, model.name, purpose, utc_now())
        judgement.record_access(db, access)


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
