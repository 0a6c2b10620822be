"""What people ask for on the page Quality: read from the browser, done once, and undone."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import assert_never

import streamlit as st

from core.domain.findings import FindingKind, Fix
from core.domain.parts import PartAnswer
from core.errors import TouchstoneError
from core.workflows.data import fixes, quality
from core.workflows.voided import (
    restored_in_words,
    restored_since,
    valid_seals,
    voided_in_words,
    voided_since,
)
from core.workspace import Workspace

MESSAGE_S = 60.0  # for so long a message is still news
_ANSWERED = 200  # ids that the browser is told


class Do(StrEnum):
    """What can be asked for."""

    FIX = "fix"
    ALL = "all"  # a fix for every open finding of a kind
    PAIR = "pair"  # whether two images show one part
    APART = "apart"  # one image shows another part than the others of its finding
    REOPEN = "reopen"
    UNDO = "undo"
    EXCLUDE = "exclude"  # single images of a finding
    SHOW = "show"  # only the findings of one kind


@dataclass(frozen=True)
class Request:
    """One thing that somebody asked for; what it needs besides `do` depends on it."""

    id: str
    do: Do
    finding: int = 0
    how: Fix = Fix.IGNORE
    label: int | None = None
    kind: FindingKind | None = None
    images: tuple[int, ...] = ()
    answer: PartAnswer = PartAnswer.SAME


@dataclass
class Diary:
    """What one session did to a dataset: what can be undone, what is answered, what to say."""

    applied: list[fixes.AppliedFix] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    text: str = ""
    wrong: bool = False
    said_at: float = 0.0

    def say(self, words: str, *, wrong: bool = False) -> None:
        """Show this until it is old."""
        self.text, self.wrong, self.said_at = words, wrong, time.time()

    @property
    def message(self) -> dict[str, object] | None:
        """What the component shows; None if there is no news."""
        if time.time() - self.said_at > MESSAGE_S:
            return None
        return {
            "number": self.said_at,
            "text": self.text,
            "wrong": self.wrong,
            "undo": bool(self.applied) and not self.wrong,
        }

    @property
    def handled(self) -> list[str]:
        """Ids of the requests that were answered last."""
        return self.answered[-_ANSWERED:]


def diary(dataset_id: str) -> Diary:
    """The diary of this session for a dataset."""
    kept: Diary = st.session_state.setdefault(f"quality_diary_{dataset_id}", Diary())
    return kept


def read_requests(raw: object, dataset_id: str) -> list[Request]:
    """The requests about this dataset; what cannot be read is left out."""
    return list(_readable(raw, dataset_id)) if isinstance(raw, list) else []


def _readable(raw: list[object], dataset_id: str) -> Iterator[Request]:
    for item in raw:
        if not isinstance(item, Mapping) or item.get("dataset") != dataset_id:
            continue
        try:
            yield _read(item)
        except (KeyError, TypeError, ValueError):
            continue


def _read(item: Mapping[str, object]) -> Request:
    label, kind, images = item.get("label"), item.get("kind"), item.get("images", [])
    if not isinstance(images, list):
        raise TypeError("images are a list")
    return Request(
        id=str(item["id"]),
        do=Do(str(item["do"])),
        finding=int(str(item.get("finding", 0))),
        how=Fix(str(item.get("how", Fix.IGNORE))),
        label=None if label is None else int(str(label)),
        kind=None if kind is None else FindingKind(str(kind)),
        images=tuple(int(str(i)) for i in images),
        answer=PartAnswer(str(item.get("answer", PartAnswer.SAME))),
    )


def carry_out(
    workspace: Workspace, dataset_id: str, requests: list[Request], kept: Diary
) -> list[Request]:
    """Do what was asked for, each request once; gives those that only the page can answer."""
    for_page = []
    for request in requests:
        if request.id in kept.answered:
            continue
        kept.answered.append(request.id)
        if request.do is Do.SHOW or (request.do, request.how) == (Do.ALL, Fix.RELABEL):
            for_page.append(request)
            continue
        do = partial(_done, workspace, dataset_id, request, kept)
        remember(workspace, dataset_id, kept, do)
    return for_page


def remember(
    workspace: Workspace,
    dataset_id: str,
    kept: Diary,
    do: Callable[[], fixes.AppliedFix | None],
) -> bool:
    """Apply a fix and say so, or why it is not possible; whether it was applied."""
    sealed = valid_seals(workspace, dataset_id)
    try:
        applied = do()
    except TouchstoneError as err:
        kept.say(f"{err.message} {err.hint}", wrong=True)
        return False
    if applied is not None:
        kept.applied.append(applied)
        voided = voided_in_words(voided_since(workspace, dataset_id, sealed))
        kept.say(f"{applied.words}. {voided}".strip())
    return True


def _done(
    workspace: Workspace, dataset_id: str, request: Request, kept: Diary
) -> fixes.AppliedFix | None:
    """What was applied; None where there is nothing to undo afterwards."""
    match request.do:
        case Do.FIX:
            how, label = request.how, request.label
            return fixes.fix(workspace, dataset_id, [request.finding], how, label=label)
        case Do.ALL:
            if request.kind is None:
                return None
            return fixes.fix_all(workspace, dataset_id, request.kind, request.how)
        case Do.PAIR:
            return fixes.answer(workspace, dataset_id, request.images, request.answer)
        case Do.APART:
            others = quality.find_finding(workspace, request.finding).sample_ids
            (image,) = request.images[:1] or (0,)
            rest = [i for i in others if i != image]
            return fixes.answer_one_against_others(workspace, dataset_id, image, rest)
        case Do.REOPEN:
            fixes.reopen(workspace, dataset_id, [request.finding])
            kept.say("Reopened.")
            return None
        case Do.UNDO:
            _undo(workspace, dataset_id, kept)
            return None
        case Do.EXCLUDE:
            return fixes.exclude_images(workspace, dataset_id, request.images)
        case Do.SHOW:
            return None
        case _:
            assert_never(request.do)


def _undo(workspace: Workspace, dataset_id: str, kept: Diary) -> None:
    if not kept.applied:
        kept.say("Nothing to undo here. The History page undoes older changes.")
        return
    sealed = valid_seals(workspace, dataset_id)
    fixes.undo(workspace, dataset_id, kept.applied[-1])
    words = kept.applied.pop().words
    restored = restored_in_words(restored_since(workspace, dataset_id, sealed))
    kept.say(f"Undone: {words[:1].lower()}{words[1:]}. {restored}".strip())
