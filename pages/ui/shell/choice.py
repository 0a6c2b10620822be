"""Which dataset, split and model are open, from a link and from what was used last."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from core.workflows.contents import Contents, Entry, Level


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
        entry: what its id means, where it means anything.
        leader: what is open instead and belongs to another one; only if ELSEWHERE.
    """

    kind: ProblemKind
    level: Level
    entry: Entry | None = None
    leader: Entry | None = None


@dataclass(frozen=True)
class Choice:
    """What is open on a page; each level belongs to the one before, except for free models."""

    contents: Contents
    dataset: Entry | None
    split: Entry | None
    model: Entry | None
    problem: Problem | None = None

    def at(self, level: Level) -> Entry | None:
        """What is open at a level; None for runs, which only their page opens."""
        return {Level.DATASET: self.dataset, Level.SPLIT: self.split, Level.MODEL: self.model}.get(
            level
        )

    @property
    def link(self) -> dict[str, str]:
        """The parameters of a link that opens the same."""
        named = {level.value: self.at(level) for level in Level}
        return {name: entry.id for name, entry in named.items() if entry is not None}

    @property
    def splits(self) -> list[Entry]:
        """The splits to choose from."""
        return self._of_dataset(Level.SPLIT)

    @property
    def models(self) -> list[Entry]:
        """The models to choose from: those of the dataset, then those without one."""
        return [*self._of_dataset(Level.MODEL), *self.contents.free_models]

    def _of_dataset(self, level: Level) -> list[Entry]:
        return self.contents.of_dataset(level, self.dataset.id) if self.dataset else []


Ids = Mapping[Level, str]


def resolve(contents: Contents, asked: Ids, remembered: Ids, *, free_model: bool = False) -> Choice:
    """What is open.

    The most special id of a link decides: a run its model, a model its split, a split its dataset.
    What is left open is as it was used last, else the newest.

    Args:
        contents: of the workspace.
        asked: ids of the link.
        remembered: ids that were used last; what is gone of them is passed over.
        free_model: whether a model without a dataset will do where the dataset has none.
    """
    found = {level: _found(contents, level, asked[level]) for level in asked}
    leader = next((e for level in _SPECIAL_FIRST if (e := found.get(level)) and e.dataset_id), None)
    free = next((e for e in (found.get(Level.MODEL),) if e and not e.dataset_id), None)
    dataset = _dataset(contents, leader, remembered)
    split = _split(contents, dataset, leader, remembered)
    model = free or _model(contents, dataset, split, leader, remembered, free_model=free_model)
    problem = _problem(contents, asked, found) or _contradiction(contents, leader, found)
    return Choice(contents, dataset, split, model, problem)


_SPECIAL_FIRST = (Level.RUN, Level.MODEL, Level.SPLIT, Level.DATASET)


def _found(contents: Contents, level: Level, entry_id: str) -> Entry | None:
    entry = contents.find(entry_id)
    return entry if entry and entry.level is level else None


def _dataset(contents: Contents, leader: Entry | None, remembered: Ids) -> Entry | None:
    if leader:
        return contents.find(leader.dataset_id)
    newest = next(contents.all(Level.DATASET), None)
    return _found(contents, Level.DATASET, remembered.get(Level.DATASET, "")) or newest


def _split(
    contents: Contents, dataset: Entry | None, leader: Entry | None, remembered: Ids
) -> Entry | None:
    if dataset is None:
        return None
    if leader and leader.level is not Level.DATASET:
        return contents.find(leader.split_id)
    own = contents.of_dataset(Level.SPLIT, dataset.id)
    last = next((split for split in own if split.id == remembered.get(Level.SPLIT)), None)
    models = contents.of_dataset(Level.MODEL, dataset.id)
    used = next((split for model in models for split in own if split.id == model.split_id), None)
    return last or used or next(iter(own), None)


def _model(
    contents: Contents,
    dataset: Entry | None,
    split: Entry | None,
    leader: Entry | None,
    remembered: Ids,
    *,
    free_model: bool,
) -> Entry | None:
    if leader and leader.level is Level.MODEL:
        return leader
    if leader and leader.level is Level.RUN and leader.model_id:
        return contents.find(leader.model_id)
    last = _found(contents, Level.MODEL, remembered.get(Level.MODEL, ""))
    own = contents.of_dataset(Level.MODEL, dataset.id) if dataset else []
    fitting = [model for model in own if model.split_id == (split.id if split else None)]
    if last and (last in fitting or last.dataset_id is None):
        return last
    free = contents.free_models if free_model or dataset is None else []
    return next(iter((*fitting, *free)), None)


def _problem(contents: Contents, asked: Ids, found: Mapping[Level, Entry | None]) -> Problem | None:
    for level in asked:
        if found[level] is None:
            other = contents.find(asked[level])
            kind = ProblemKind.OTHER_KIND if other else ProblemKind.MISSING
            return Problem(kind, level, other)
    return None


def _contradiction(
    contents: Contents, leader: Entry | None, found: Mapping[Level, Entry | None]
) -> Problem | None:
    if leader is None or leader.level is Level.RUN:  # a run is chosen on its page, without the rest
        return None
    belongs = {Level.DATASET: leader.dataset_id, Level.SPLIT: leader.split_id}
    for level, owner_id in belongs.items():
        named = found.get(level)
        if named and named is not leader and named.id != owner_id:
            return Problem(ProblemKind.ELSEWHERE, level, named, leader)
    return None
