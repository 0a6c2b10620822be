"""What a person can delete by its name: what goes along, and the deletion into the bin."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from core.domain.keeping.bin import BinKind, Binned
from core.domain.names import name_key
from core.domain.splits import Split
from core.errors import NotFoundError
from core.store import splits as split_rows
from core.store.database import connect
from core.words import count
from core.workflows.data import datasets, splits
from core.workflows.training import runs
from core.workflows.training import search as searches
from core.workflows.use import models
from core.workspace import Workspace


@dataclass(frozen=True)
class Deletable:
    """Something that can be deleted; `takes` says in words what goes along."""

    kind: BinKind
    id: str
    name: str
    takes: tuple[str, ...]


def find(workspace: Workspace, key: str) -> Deletable:
    """The dataset, model, run, split or search of this id or name; the first of these that is.

    Raises:
        NotFoundError: if there is none, or splits of several datasets have this name.
    """
    for kind in (BinKind.DATASET, BinKind.MODEL, BinKind.RUN, BinKind.SPLIT, BinKind.SEARCH):
        if match := _find(workspace, kind, key):
            return match
    raise NotFoundError(
        f"There is no dataset, split, run, search or model '{key}'.",
        "See: touchstone datasets, runs, models.",
    )


def delete(workspace: Workspace, thing: Deletable) -> Binned:
    """Put it into the bin; gives what went along.

    Raises:
        TouchstoneError: if it is in use, or whoever acts may not.
    """
    match thing.kind:
        case BinKind.DATASET:
            return datasets.delete_dataset(workspace, thing.id)
        case BinKind.SPLIT:
            return splits.delete_split(workspace, thing.id)
        case BinKind.RUN:
            return runs.delete_run(workspace, thing.id)
        case BinKind.MODEL:
            return models.delete_model(workspace, thing.id)
        case BinKind.SEARCH:
            return searches.delete_search(workspace, thing.id)
        case _:
            assert_never(thing.kind)


def _find(workspace: Workspace, kind: BinKind, key: str) -> Deletable | None:
    try:
        return _found(workspace, kind, key)
    except NotFoundError as err:
        if isinstance(err, _SeveralError):
            raise
        return None


def _found(workspace: Workspace, kind: BinKind, key: str) -> Deletable:
    match kind:
        case BinKind.DATASET:
            dataset = datasets.find_dataset(workspace, key)
            gone = datasets.deleted_with(workspace, dataset.id)
            numbers = _counted(split=gone.splits, run=gone.runs, search=gone.searches)
            takes = *numbers, "its history"
            return Deletable(kind, dataset.id, dataset.name, takes)
        case BinKind.SPLIT:
            split = _split(workspace, key)
            used, searched = splits.use_count(workspace, split.id)
            takes = tuple(_counted(run=used, search=searched))
            return Deletable(kind, split.id, split.name, takes)
        case BinKind.RUN:
            run = runs.find_run(workspace, key).run
            takes = tuple(runs.taken_along(workspace, run.id))
            return Deletable(kind, run.id, run.name, takes)
        case BinKind.MODEL:
            model = models.find_model(workspace, key)
            return Deletable(kind, model.id, model.name, ("its weights", "its results"))
        case BinKind.SEARCH:
            view = searches.find_search(workspace, key)
            search = view.search
            return Deletable(kind, search.id, search.name, tuple(_counted(trial=len(view.trials))))
        case _:
            assert_never(kind)


def _counted(**numbers: int) -> Iterator[str]:
    return (count(number, noun) for noun, number in numbers.items() if number)


class _SeveralError(NotFoundError):
    """A name is that of several things."""


def _split(workspace: Workspace, key: str) -> Split:
    with connect(workspace) as db:
        known = [
            split
            for dataset in datasets.list_datasets(workspace)
            for split in split_rows.list_splits(db, dataset.id)
        ]
    matches = [split for split in known if split.id == key]
    matches = matches or [split for split in known if name_key(split.name) == name_key(key)]
    if not matches:
        raise NotFoundError(f"There is no split '{key}'.", "See the list of splits.")
    if len(matches) > 1:
        raise _SeveralError(
            f"{len(matches)} datasets have a split '{key}'.",
            f"Give its id: {', '.join(split.id for split in matches)}.",
        )
    return matches[0]
