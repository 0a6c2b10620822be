"""What a workspace holds from dataset to model, by name: enough to offer it and to read a link."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from core.store import models
from core.store.database import connect
from core.workspace import Workspace


class Level(StrEnum):
    """The levels of what is open; the values name the parameters of a link."""

    DATASET = "dataset"
    SPLIT = "split"
    RUN = "run"
    MODEL = "model"


@dataclass(frozen=True)
class Entry:
    """A dataset, split, run or model.

    Attributes:
        level: what it is.
        id: its id.
        name: its name.
        dataset_id: where it belongs, of a dataset itself; None for a model without one.
        split_id: where it belongs, of a split itself; None for a dataset, or if it was deleted.
        model_id: what a run made, of a model itself.
        version: the newest one of a dataset; 0 for the others.
    """

    level: Level
    id: str
    name: str
    dataset_id: str | None
    split_id: str | None
    model_id: str | None
    version: int


@dataclass(frozen=True)
class Contents:
    """Everything by level, newest first."""

    entries: tuple[Entry, ...]

    def find(self, entry_id: str | None) -> Entry | None:
        """The entry of this id, whatever it is."""
        return next((entry for entry in self.entries if entry.id == entry_id), None)

    def all(self, level: Level) -> Iterator[Entry]:
        """All entries of one level."""
        return (entry for entry in self.entries if entry.level is level)

    def of_dataset(self, level: Level, dataset_id: str) -> list[Entry]:
        """The splits, runs or models of a dataset."""
        return [entry for entry in self.all(level) if entry.dataset_id == dataset_id]

    @property
    def free_models(self) -> list[Entry]:
        """Models without a dataset: uploaded ones, and those whose dataset was deleted."""
        return [entry for entry in self.all(Level.MODEL) if entry.dataset_id is None]


def contents(workspace: Workspace) -> Contents:
    """All names of a workspace, in one query."""
    with connect(workspace) as db:
        return Contents(tuple(Entry(Level(level), *rest) for level, *rest in models.contents(db)))
