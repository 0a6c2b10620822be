"""Which dataset, split and model are open, from a link and from what was used last."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from core.workflows.inventory import Inventory, Item, Level


class ProblemKind(Enum):
    """What can be wrong with an id in a link."""

    MISSING = auto()  # deleted, or of another workspace
    OTHER_KIND = auto()  # of something else, such as a dataset in the place of a model
    ELSEWHERE = auto()  # it does not belong to what else the link names


@dataclass(frozen=True)
class Problem:
    """What is wrong with a link.

    Attributes:
        kind: the fault.
        level: the parameter that has it.
        item: what its id means, where it means anything.
        leader: what is open instead and belongs to another one; only if ELSEWHERE.
    """

    kind: ProblemKind
    level: Level
    item: Item | None = None
    leader: Item | None = None


@dataclass(frozen=True)
class Choice:
    """What is open on a page; each level belongs to the one before, except for free models.

    `coming`: the name of a dataset that is not there yet, where the page is about that one; what is
    open stays so for the other pages. `is_split_assumed`: nobody chose the split, which is newer
    than all models; links leave it open, so that pages of results open a model.
    """

    inventory: Inventory
    dataset: Item | None
    split: Item | None
    model: Item | None
    problem: Problem | None = None
    coming: str | None = None
    is_split_assumed: bool = False

    def at(self, level: Level) -> Item | None:
        """What is open at a level; None for runs, which only their page opens."""
        return {Level.DATASET: self.dataset, Level.SPLIT: self.split, Level.MODEL: self.model}.get(
            level
        )

    @property
    def link(self) -> dict[str, str]:
        """The parameters of a link that opens the same."""
        named = {level.value: self.at(level) for level in Level}
        if self.is_split_assumed:
            del named[Level.SPLIT.value]
        return {name: item.id for name, item in named.items() if item is not None}

    @property
    def splits(self) -> list[Item]:
        """The splits to choose from."""
        return self._of_dataset(Level.SPLIT)

    @property
    def models(self) -> list[Item]:
        """The models to choose from: those of the dataset, the released one first; then others."""
        own = self._of_dataset(Level.MODEL)
        return [*_released_first(own), *_released_first(self.inventory.free_models)]

    def _of_dataset(self, level: Level) -> list[Item]:
        return self.inventory.of_dataset(level, self.dataset.id) if self.dataset else []


def _released_first(models: Iterable[Item]) -> list[Item]:
    return sorted(models, key=lambda model: not model.is_released)


Ids = Mapping[Level, str]


def resolve(
    inventory: Inventory,
    asked: Ids,
    remembered: Ids,
    *,
    free_model: bool = False,
    newest_split: bool = False,
) -> Choice:
    """What is open.

    The most special id of a link decides: a run its model, a model its split, a split its dataset.
    What is left open is as it was used last, else the newest.

    Args:
        inventory: of the workspace.
        asked: ids of the link.
        remembered: ids that were used last; what is gone of them is passed over.
        free_model: whether the page uses models: one without a dataset will do where the dataset
            has none, and a released one comes before newer ones.
        newest_split: whether the page goes on from a split: one that is newer than all models
            comes before theirs.
    """
    found = {level: _found(inventory, level, asked[level]) for level in asked}
    leader = next((e for level in _SPECIAL_FIRST if (e := found.get(level)) and e.dataset_id), None)
    free = next((e for e in (found.get(Level.MODEL),) if e and not e.dataset_id), None)
    dataset = _dataset(inventory, leader, remembered)
    split = _split(inventory, dataset, leader, remembered, uses_models=free_model)
    newest = _unused_split(inventory, dataset) if newest_split else None
    is_chosen = bool(leader and leader.split_id) or _is_remembered(split, remembered)
    is_split_assumed = newest is not None and not is_chosen
    split = newest if is_split_assumed else split
    model = free or _model(inventory, dataset, split, leader, remembered, free_model=free_model)
    problem = _problem(inventory, asked, found) or _contradiction(inventory, leader, found)
    return Choice(inventory, dataset, split, model, problem, is_split_assumed=is_split_assumed)


def _is_remembered(split: Item | None, remembered: Ids) -> bool:
    return split is not None and split.id == remembered.get(Level.SPLIT)


def _unused_split(inventory: Inventory, dataset: Item | None) -> Item | None:
    """The newest split of a dataset, if it came after all models; None where one came later."""
    if dataset is None:
        return None
    made = (Level.SPLIT, Level.MODEL)
    own = (i for i in inventory.items if i.level in made and i.dataset_id == dataset.id)
    newest = next(own, None)
    return newest if newest is not None and newest.level is Level.SPLIT else None


_SPECIAL_FIRST = (Level.RUN, Level.MODEL, Level.SPLIT, Level.DATASET)


def _found(inventory: Inventory, level: Level, item_id: str) -> Item | None:
    item = inventory.find(item_id)
    return item if item and item.level is level else None


def _dataset(inventory: Inventory, leader: Item | None, remembered: Ids) -> Item | None:
    if leader:
        return inventory.find(leader.dataset_id)
    newest = next(inventory.all(Level.DATASET), None)
    return _found(inventory, Level.DATASET, remembered.get(Level.DATASET, "")) or newest


def _split(
    inventory: Inventory,
    dataset: Item | None,
    leader: Item | None,
    remembered: Ids,
    *,
    uses_models: bool,
) -> Item | None:
    if dataset is None:
        return None
    if leader and leader.level is not Level.DATASET:
        return inventory.find(leader.split_id)
    own = inventory.of_dataset(Level.SPLIT, dataset.id)
    last = next((split for split in own if split.id == remembered.get(Level.SPLIT)), None)
    models = inventory.of_dataset(Level.MODEL, dataset.id)
    models = _released_first(models) if uses_models else models
    used = next((split for model in models for split in own if split.id == model.split_id), None)
    return last or used or next(iter(own), None)


def _model(
    inventory: Inventory,
    dataset: Item | None,
    split: Item | None,
    leader: Item | None,
    remembered: Ids,
    *,
    free_model: bool,
) -> Item | None:
    if leader and leader.level is Level.MODEL:
        return leader
    if leader and leader.level is Level.RUN and leader.model_id:
        return inventory.find(leader.model_id)
    last = _found(inventory, Level.MODEL, remembered.get(Level.MODEL, ""))
    own = inventory.of_dataset(Level.MODEL, dataset.id) if dataset else []
    fitting = [model for model in own if model.split_id == (split.id if split else None)]
    if last and (last in fitting or last.dataset_id is None):
        return last
    free = inventory.free_models if free_model or dataset is None else []
    if free_model:
        fitting, free = _released_first(fitting), _released_first(free)
    return next(iter((*fitting, *free)), None)


def _problem(
    inventory: Inventory, asked: Ids, found: Mapping[Level, Item | None]
) -> Problem | None:
    for level in asked:
        if found[level] is None:
            other = inventory.find(asked[level])
            kind = ProblemKind.OTHER_KIND if other else ProblemKind.MISSING
            return Problem(kind, level, other)
    return None


def _contradiction(
    inventory: Inventory, leader: Item | None, found: Mapping[Level, Item | None]
) -> Problem | None:
    if leader is None or leader.level is Level.RUN:  # a run is chosen on its page, without the rest
        return None
    belongs = {Level.DATASET: leader.dataset_id, Level.SPLIT: leader.split_id}
    for level, owner_id in belongs.items():
        named = found.get(level)
        if named and named is not leader and named.id != owner_id:
            return Problem(ProblemKind.ELSEWHERE, level, named, leader)
    return None
