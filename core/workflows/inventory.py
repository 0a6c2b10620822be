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
class Item:
    """A dataset, split, run or model.

    Attributes:
        level: what it is.
        id: its id.
        name: its name.
        dataset_id: where it belongs, of a dataset itself; None for a model without one.
        split_id: where it belongs, of a split itself; None for a dataset, or if it was deleted.
        model_id: what a run made, of a model itself.
        version: the newest one of a dataset; 0 for the others.
        is_released: whether it is a model that was released.
    """

    level: Level
    id: str
    name: str
    dataset_id: str | None
    split_id: str | None
    model_id: str | None
    version: int
    is_released: bool = False


@dataclass(frozen=True)
class Inventory:
    """Everything by level, newest first."""

    items: tuple[Item, ...]

    def find(self, item_id: str | None) -> Item | None:
        """The item of this id, whatever it is."""
        return next((item for item in self.items if item.id == item_id), None)

    def all(self, level: Level) -> Iterator[Item]:
        """All items of one level."""
        return (item for item in self.items if item.level is level)

    def of_dataset(self, level: Level, dataset_id: str) -> list[Item]:
        """The splits, runs or models of a dataset."""
        return [item for item in self.all(level) if item.dataset_id == dataset_id]

    @property
    def free_models(self) -> list[Item]:
        """Models without a dataset: uploaded ones, and those whose dataset was deleted."""
        return [item for item in self.all(Level.MODEL) if item.dataset_id is None]


def inventory(workspace: Workspace) -> Inventory:
    """All names of a workspace, in one query."""
    with connect(workspace) as db:
        rows = models.names_of_all(db)
    return Inventory(
        tuple(
            Item(
                Level(level), item_id, name, dataset_id, split_id, model_id, version, bool(released)
            )
            for level, item_id, name, dataset_id, split_id, model_id, version, released in rows
        )
    )
