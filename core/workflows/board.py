"""The status board: what is shown of each dataset, and its best model by what its owner asked for.

Models of leaking splits are never best: their results are too good.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from core.domain.datasets import Dataset
from core.domain.models import ModelStanding
from core.domain.splits import Subset
from core.domain.stages.facts import ModelFacts, StageFacts
from core.domain.stages.states import DatasetStages, MissedCriterion, MissedKind
from core.errors import ConfigError, NotFoundError
from core.evaluation.release.criteria import criteria_from_json
from core.store import datasets, judgement, look_alikes
from core.store.database import connect
from core.store.stages import cards as rows
from core.workflows.results.judging import judged_set
from core.workflows.signoff.release import check_release
from core.workflows.signoff.verdicts import missed_of
from core.workflows.stage_rules import decide, effort_for, standing_of
from core.workflows.stages import facts_of_all
from core.workspace import Workspace

MOSAIC_IMAGES = 8
_JUDGED_MODELS = 6  # the best ones by macro F1; others of a dataset are not held against criteria


@dataclass(frozen=True)
class BoardEntry:
    """A dataset on the board; `active_at` is when something last happened to it."""

    dataset: Dataset
    stages: DatasetStages
    models: tuple[ModelFacts, ...]
    active_at: float


@dataclass(frozen=True)
class MosaicImage:
    """One image of a class, and how many images the class has."""

    sample_id: int
    sha256: str
    class_name: str
    images: int


@dataclass(frozen=True)
class CardFacts:
    """What a card shows of the images themselves.

    Attributes:
        mosaic: one image of each class, largest classes first; several of each where few classes.
        parts: that people declared or confirmed; 0 where there are none.
        images_of_parts: images that belong to one of them.
        missing_folder: of the first image, if it cannot be reached.
    """

    mosaic: tuple[MosaicImage, ...]
    parts: int
    images_of_parts: int
    missing_folder: Path | None


@dataclass(frozen=True)
class BestModel:
    """The best model of a dataset on its validation images.

    `missed`: release criteria that it does not meet there; None: the dataset has no criteria that
    can be checked on them, and macro F1 decided. `standing`: how far its sign-off is.
    """

    model_id: str
    name: str
    val_macro_f1: float | None
    standing: ModelStanding
    missed: tuple[MissedCriterion, ...] | None = None


def entries(workspace: Workspace) -> list[BoardEntry]:
    """Every dataset with its stages, newest activity first; a dozen queries for all of them."""
    facts = facts_of_all(workspace)
    with connect(workspace) as db:
        by_id = {dataset.id: dataset for dataset in datasets.list_datasets(db)}
        active_at = rows.activity(db)
    board = [
        BoardEntry(
            by_id[item.dataset_id],
            decide(item),
            _worth_showing(item),
            active_at.get(item.dataset_id, 0.0),
        )
        for item in facts
        if item.dataset_id in by_id
    ]
    return sorted(board, key=lambda entry: -entry.active_at)


def _worth_showing(facts: StageFacts) -> tuple[ModelFacts, ...]:
    """Models of today's classes and of splits that do not leak, best macro F1 first.

    Those that passed their test come before them, those whose test failed or is void last. Among
    equally good ones, that with which people went furthest is first, else the newest.
    """
    leaking = {split.id for split in facts.splits if split.is_leaking}
    fresh = [m for m in facts.models if m.split_id not in leaking and not m.classes_changed]
    return tuple(sorted(fresh, key=lambda m: (_rank_by_test(m), -_score(m), -effort_for(m))))


def _rank_by_test(model: ModelFacts) -> int:
    """0: its sealed test was passed, 2: it failed or is void, 1: there is none yet."""
    # Why first: a promise of validation is less than a test that was passed.
    standing = standing_of(model)
    match standing:
        case ModelStanding.PASSED:
            return 0
        case ModelStanding.BLOCKED | ModelStanding.VOID:
            return 2
        case (
            ModelStanding.ELSEWHERE
            | ModelStanding.TEST_GONE
            | ModelStanding.NO_RULE
            | ModelStanding.NOT_SEALED
            | ModelStanding.SEALED
            | ModelStanding.OPENED
            | ModelStanding.UNSEALED
        ):
            return 1
        case _:
            assert_never(standing)


def _score(model: ModelFacts) -> float:
    return -1.0 if model.val_macro_f1 is None else model.val_macro_f1


def card_facts(workspace: Workspace, dataset: Dataset) -> CardFacts:
    """The mosaic of a dataset and its parts; reads no more than two dozen images' rows."""
    with connect(workspace) as db:
        counts = rows.class_counts(db, dataset.id)
        chosen = _chosen_classes(counts)
        images = rows.first_images(db, dataset.id, chosen)
        parts, of_parts = rows.declared_parts(db, dataset.id)
    mosaic = tuple(
        MosaicImage(sample_id, sha256, dataset.class_names[label], counts[label])
        for label, sample_id, sha256, _ in images
    )
    folder = workspace.resolve(images[0][3]).parent if images else None
    missing = folder if folder is not None and not folder.is_dir() else None
    return CardFacts(mosaic, parts, of_parts, missing)


def _chosen_classes(counts: dict[int, int]) -> list[int]:
    """Class indices in the order of the mosaic, each as often as it has images there."""
    labels = sorted(counts, key=lambda label: (-counts[label], label))[:MOSAIC_IMAGES]
    each = MOSAIC_IMAGES // len(labels) if labels else 0
    return [label for label in sorted(labels) for _ in range(min(each, 3))]


def best_model_key(workspace: Workspace, entry: BoardEntry) -> str:
    """Changes whenever the best model of a dataset may have changed; cheap. A key for caches."""
    dataset = entry.dataset
    with connect(workspace) as db:
        judged_by = rows.judgement_state(db, dataset.id)
        alike = look_alikes.look_alikes_state(db, dataset.id)
    return repr((entry.models, dataset.version, dataset.class_verdicts, judged_by, alike))


def best_model(
    workspace: Workspace, dataset: Dataset, models: Sequence[ModelFacts]
) -> BestModel | None:
    """The best of these models: by the release criteria on validation, else by macro F1.

    Args:
        workspace: where they live.
        dataset: that they belong to.
        models: those that passed their test first, those that failed it last, else best macro F1
            first; none of leaking splits.
    """
    if not models:
        return None
    first = models[0]
    best = BestModel(first.id, first.name, first.val_macro_f1, standing_of(first))
    with connect(workspace) as db:
        text = judgement.criteria(db, dataset.id)
    if text is None or not criteria_from_json(text).criteria.requires_anything:
        return best
    held = [
        (missed, model)
        for model in models[:_JUDGED_MODELS]
        if (missed := _missed_on_validation(workspace, model)) is not None
    ]
    if not held:
        return best
    missed, model = min(held, key=lambda item: (_rank_by_test(item[1]), *_distance(*item)))
    return BestModel(model.id, model.name, model.val_macro_f1, standing_of(model), missed)


def _distance(missed: Sequence[MissedCriterion], model: ModelFacts) -> tuple[int, int, float]:
    """From a release: what only lacks proof is nearer to it than what is not good enough."""
    return sum(not item.only_unproven for item in missed), len(missed), -_score(model)


def _missed_on_validation(
    workspace: Workspace, model: ModelFacts
) -> tuple[MissedCriterion, ...] | None:
    try:
        gate = check_release(workspace, None, judged_set(workspace, model.id, Subset.VALIDATION))
    except (NotFoundError, ConfigError, ValueError):  # nothing to hold against the criteria
        return None
    if gate is None:
        return None
    # Why without: golden samples among the test images are judged when the test is opened.
    missed = tuple(m for m in missed_of(gate.gate) if m.kind is not MissedKind.GOLDEN)
    is_empty = any(m.kind is MissedKind.NOTHING_CHECKED for m in missed)
    return None if is_empty else missed
