"""Edits by the keys and buttons of a gallery, several at a time, and as typed by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from core.data.importing.rules import read_names, split_quoted, unquoted
from core.domain.datasets import DatasetVersion
from core.domain.findings import FindingKind, Fix
from core.domain.names import known_name
from core.errors import ConfigError, TouchstoneError
from core.store import datasets
from core.store.database import connect
from core.workflows.data import edits
from core.workflows.voided import (
    restored_in_words,
    restored_since,
    valid_seals,
    voided_in_words,
    voided_since,
)
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
    """The result of a series of key presses: messages, and the version of the dataset.

    `voided`: the last message says whose sealed tests became void.
    """

    messages: tuple[str, ...]
    failed: bool
    version: int
    voided: bool = False


def quick_edits(workspace: Workspace, dataset_id: str, presses: Sequence[QuickEdit]) -> QuickAnswer:
    """Store key presses in order; a failed one does not stop the others.

    Equal presses in a row become one version; an undo cancels the press before it.

    Raises:
        NotFoundError: if there is no such dataset.
    """
    messages, failed = [], False
    sealed = valid_seals(workspace, dataset_id)
    for edit in _together(presses):
        try:
            messages.append(_quick_edit(workspace, dataset_id, edit).summary)
        except TouchstoneError as err:
            messages.append(err.message)
            failed = True
    with connect(workspace) as db:
        version = datasets.find_dataset(db, dataset_id).version
    voided = voided_since(workspace, dataset_id, sealed)
    if voided:
        messages.append(voided_in_words(voided))
    elif restored := restored_since(workspace, dataset_id, sealed):
        messages.append(restored_in_words(restored))
    return QuickAnswer(tuple(messages), failed, version, bool(voided))


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


def read_move(text: str, class_names: Sequence[str]) -> tuple[str, str]:
    """Path and class of `PATH=CLASS`: divided before a known class, else at the last equals sign.

    Raises:
        ConfigError: if a side is missing.
    """
    parts = text.split("=")
    for cut in range(1, len(parts)):
        path, label = "=".join(parts[:cut]).strip(), "=".join(parts[cut:]).strip()
        known = known_name(label, class_names) if label else None
        if path and known is not None:
            return path, known
    # Why the last one: paths may contain an equals sign, class names hardly ever.
    return _two_sides(text, "=".join(parts[:-1]), parts[-1], "PATH=CLASS")


def read_fix(text: str) -> tuple[FindingKind, Fix]:
    """Both sides of `KIND:FIX`, such as `exact_duplicate:keep_one`.

    Raises:
        ConfigError: if it is not a kind of finding with a fix.
    """
    kind, _, how = text.replace("-", "_").partition(":")
    try:
        return FindingKind(kind), Fix(how)
    except ValueError:
        raise ConfigError(
            f"'{text}' is not a kind of finding with a fix.",
            f"Kinds: {', '.join(FindingKind)}. Fixes: {', '.join(Fix)}.",
        ) from None


def read_rename(text: str) -> tuple[str, str]:
    """Both names of `OLD=NEW`; names with an equals sign are in double quotes.

    Raises:
        ConfigError: if a side is missing, or a closing quotation mark.
    """
    *old, new = split_quoted(text, "=")
    return _two_sides(text, unquoted("=".join(old)), unquoted(new), "OLD=NEW")


def read_merge(text: str) -> tuple[tuple[str, ...], str]:
    """The classes of `A,B=C`, and their new name; names with a comma are in double quotes.

    Raises:
        ConfigError: if a side is missing, or a closing quotation mark.
    """
    *names, into = split_quoted(text, "=")
    sides = _two_sides(text, "=".join(names), unquoted(into), "A,B=C")
    return read_names(sides[0], ","), sides[1]


def _two_sides(text: str, left: str, right: str, form: str) -> tuple[str, str]:
    if not left.strip() or not right.strip():
        raise ConfigError(f"'{text}' has the wrong form.", f"Use the form {form}.")
    return left.strip(), right.strip()
