"""Edits by the keys and buttons of a gallery, several at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from core.domain.datasets import DatasetVersion
from core.errors import TouchstoneError
from core.store import datasets
from core.store.database import connect
from core.workflows.data import edits
from core.workspace import Workspace


class QuickAction(StrEnum):
    """What a key or a button of a gallery does."""

    RELABEL = "relabel"
    EXCLUDE = "exclude"
    RESTORE = "restore"
    GROUP = "group"
    UNDO = "undo"


@dataclass(frozen=True)
class QuickEdit:
    """One key press: action and images; the class by name, since its position may change."""

    action: QuickAction
    sample_ids: tuple[int, ...] = ()
    class_name: str = ""
    group: str = ""


@dataclass(frozen=True)
class QuickAnswer:
    """The result of a series of key presses: messages, and the version of the dataset."""

    messages: tuple[str, ...]
    failed: bool
    version: int


def quick_edits(workspace: Workspace, dataset_id: str, presses: Sequence[QuickEdit]) -> QuickAnswer:
    """Store key presses in order; a failed one does not stop the others.

    Equal presses in a row become one version; an undo cancels the press before it.

    Raises:
        NotFoundError: if there is no such dataset.
    """
    messages, failed = [], False
    for edit in _together(presses):
        try:
            messages.append(_quick_edit(workspace, dataset_id, edit).summary)
        except TouchstoneError as err:
            messages.append(err.message)
            failed = True
    with connect(workspace) as db:
        version = datasets.find_dataset(db, dataset_id).version
    return QuickAnswer(tuple(messages), failed, version)


def _together(presses: Sequence[QuickEdit]) -> list[QuickEdit]:
    """An undo cancels the press before it; equal presses in a row become one."""
    kept: list[QuickEdit] = []
    for press in presses:
        if press.action is QuickAction.UNDO and kept and kept[-1].action is not QuickAction.UNDO:
            kept.pop()
        else:
            kept.append(press)
    folded: list[QuickEdit] = []
    for press in kept:
        last = folded[-1] if folded else None
        if last and press.sample_ids and replace(last, sample_ids=press.sample_ids) == press:
            ids = tuple(dict.fromkeys(last.sample_ids + press.sample_ids))
            folded[-1] = replace(last, sample_ids=ids)
        else:
            folded.append(press)
    return folded


def _quick_edit(workspace: Workspace, dataset_id: str, edit: QuickEdit) -> DatasetVersion:
    match edit.action:
        case QuickAction.RELABEL:
            return edits.move_to_class(workspace, dataset_id, edit.sample_ids, edit.class_name)
        case QuickAction.EXCLUDE:
            return edits.exclude(workspace, dataset_id, edit.sample_ids)
        case QuickAction.RESTORE:
            return edits.restore(workspace, dataset_id, edit.sample_ids)
        case QuickAction.GROUP:
            return edits.set_group(
                workspace, dataset_id, dict.fromkeys(edit.sample_ids, edit.group or None)
            )
        case QuickAction.UNDO:
            return edits.undo(workspace, dataset_id)
        case _:
            assert_never(edit.action)
