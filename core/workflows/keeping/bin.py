"""The bin: deleting what can be had back for 30 days, restoring it, and emptying."""

import contextlib
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sqlite_utils import Database

from core.domain.ids import new_id, utc_now
from core.domain.keeping.bin import KEPT_DAYS, BinKind, Binned
from core.domain.keeping.people import Right, as_program
from core.store import models
from core.store.database import connect, transaction
from core.store.keeping import bin as rows
from core.words import count, joined
from core.workflows.keeping import people
from core.workspace import Workspace

_SHOWN = {
    "samples": "image",
    "splits": "split",
    "runs": "run",
    "searches": "search",
    "models": "model",
    "predictions": "result set",
    "operating_points": "threshold",
    "seals": "seal",
    "marks": "mark",
    "trials": "trial",
}


def put(
    workspace: Workspace,
    kind: BinKind,
    subject_id: str,
    *,
    folders: Sequence[Path] = (),
    delete: Callable[[Database], object],
) -> Binned:
    """Delete something into the bin, with everything that its deletion takes along.

    Args:
        workspace: where it lives.
        kind: what it is.
        subject_id: its id.
        folders: of the workspace, which come along.
        delete: takes its rows out of the store.

    Raises:
        NotAllowedError: if whoever acts may not.
    """
    people.require(workspace, right_for(kind), kind.value)
    bin_id = new_id("bin")
    # Why by the program: for good, only administrators delete; this is not for good.
    with as_program(), connect(workspace) as db, transaction(db):
        item = rows.put(db, bin_id, kind, subject_id, now=utc_now(), delete=lambda: delete(db))
    for folder in folders:
        _move(folder, workspace.bin / bin_id / folder.relative_to(workspace.root))
    return item


def right_for(kind: BinKind) -> Right:
    """What is needed to delete and to restore."""
    return Right.DATA if kind in (BinKind.DATASET, BinKind.SPLIT) else Right.TRAIN


def _move(source: Path, target: Path) -> None:
    """Move a folder within the disk; one that is not there leaves nothing to move."""
    with contextlib.suppress(FileNotFoundError):
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)


def content(workspace: Workspace) -> list[Binned]:
    """What lies in the bin, the newest first."""
    with connect(workspace) as db:
        return rows.everything(db)


def takes_in_words(item: Binned) -> str:
    """What went along, such as `120 images and 2 runs`; empty: nothing worth a word."""
    return joined(
        [
            count(item.counts[table], noun)
            for table, noun in _SHOWN.items()
            if item.counts.get(table) and noun != item.kind.value
        ]
    )


def restore(workspace: Workspace, bin_id: str) -> str:
    """Put something back with all that went along; gives the name that it has now.

    Raises:
        NotAllowedError: if whoever acts may not.
        NotFoundError: if it is not in the bin, or what it belongs to is not there.
    """
    with connect(workspace) as db:
        item = rows.find(db, bin_id)
    people.require(workspace, right_for(item.kind), item.kind.value)
    folder = workspace.bin / bin_id
    with as_program(), connect(workspace) as db, transaction(db):
        name = rows.restore(db, bin_id)
        for moved in _folders(folder):
            _move(moved, workspace.root / moved.relative_to(folder))
    shutil.rmtree(folder, ignore_errors=True)
    return name


def _folders(folder: Path) -> Iterator[Path]:
    """The folders that were moved: one below the kind of folder that they come from."""
    yield from folder.glob("*/*")


def empty(workspace: Workspace, bin_ids: Sequence[str] | None = None) -> list[Binned]:
    """Delete what lies in the bin for good, all or some of it; gives what is gone.

    Raises:
        NotAllowedError: if whoever acts may not.
        NotFoundError: if one is not in the bin.
    """
    people.require(workspace, Right.DELETE, "bin")
    with connect(workspace) as db:
        items = [rows.find(db, i) for i in bin_ids] if bin_ids is not None else rows.everything(db)
    _purge(workspace, items)
    return items


def empty_old(workspace: Workspace, *, now: float) -> list[Binned]:
    """Delete for good what has lain in the bin for 30 days; for the app, once in a while."""
    with connect(workspace) as db:
        old = [item for item in rows.everything(db) if item.gone_at <= now]
    _purge(workspace, old)
    return old


def _purge(workspace: Workspace, items: Sequence[Binned]) -> None:
    if not items:
        return
    with as_program(), connect(workspace) as db:
        rows.overwrite(db)
        for item in items:
            with transaction(db):
                rows.purge(db, item)
                if "model_chunks" in item.counts:
                    models.drop_pieces(db, binned=rows.model_pieces(db))
    for item in items:
        shutil.rmtree(workspace.bin / item.id, ignore_errors=True)


def days_left(item: Binned, *, now: float) -> int:
    """Days for which it can be restored, the last one counted as a whole; at least 0."""
    return max(0, min(KEPT_DAYS, math.ceil((item.gone_at - now) / 86400)))
