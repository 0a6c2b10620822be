"""What every judgement begins with: one model on one subset, with labels, parts and verdicts.

A sealed test set is given out only after it was opened for the model (`core.workflows.sealing`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlite_utils import Database

from core.data.quality import look_alike_groups
from core.data.similarity import connected, links_of_equal
from core.domain import Dataset, Model, Opening, QualityCheck, Sample, Subset, Verdict, utc_now
from core.errors import NotFoundError, SealedError
from core.store import (
    datasets,
    judgement,
    models,
    predictions,
    properties,
    quality,
    splits,
    versions,
)
from core.store.database import connect, transaction
from core.workspace import Workspace


@dataclass(frozen=True)
class JudgedSet:
    """Everything that the numbers of a model on a subset are computed from.

    Shapes: `sample_ids`, `targets` [N] int64, `probabilities` [N, C] float32; `parts` [N] int64,
    equal for pictures of one part, None where no groups are known. `verdicts` [C] are by the
    model's classes. `version`: of the labels; None for today's. `left_out` counts predicted
    pictures that are no longer in the dataset or have a class that the model does not know.
    """

    model: Model
    dataset: Dataset
    subset: Subset
    sample_ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    parts: NDArray[np.int64] | None
    verdicts: tuple[Verdict | None, ...]
    version: int | None = None
    left_out: int = 0

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by class index."""
        return self.model.class_names

    @property
    def notice(self) -> str | None:
        """What a reader must know about the labels, or None."""
        says = []
        if self.version is not None:
            says.append(
                f"The classes of the dataset were changed since the training: these numbers use "
                f"its version {self.version}, which the model was trained on."
            )
        if self.left_out:
            says.append(
                f"{self.left_out:,} of the predicted pictures are left out: they left the "
                "dataset since, or have a class that this model does not know."
            )
        return " ".join(says) or None


def judged_set(workspace: Workspace, model_id: str, subset: Subset) -> JudgedSet:
    """The stored probabilities of a model on a subset, beside the truth.

    Args:
        workspace: where the model lives.
        model_id: its id or name.
        subset: which pictures.

    Raises:
        NotFoundError: if there is no such model, or nothing stored.
        SealedError: if the test set is sealed and was not opened for this model.
    """
    with connect(workspace) as db:
        model = models.find_model(db, model_id)
        if subset is Subset.TEST:
            _refuse_closed(db, model)
        stored = predictions.load_predictions(db, model.id, subset)
        if stored is None or not len(stored.targets) or model.dataset_id is None:
            raise NotFoundError(
                f"There are no {subset} results of model '{model.name}'.",
                "The subset is empty, its dataset was deleted, or the model was uploaded; evaluate "
                "a model that was trained here.",
            )
        dataset = datasets.find_dataset(db, model.dataset_id)
        verdicts = _verdicts(db, model, dataset, stored.version)
        numbers = part_numbers_of(db, dataset)
    parts = None
    if numbers is not None:
        parts = np.array([numbers.get(i, -i) for i in stored.sample_ids.tolist()], np.int64)
    return JudgedSet(
        model=model,
        dataset=dataset,
        subset=subset,
        sample_ids=stored.sample_ids,
        targets=stored.targets,
        probabilities=stored.probabilities,
        parts=parts,
        verdicts=verdicts,
        version=stored.version,
        left_out=stored.left_out,
    )


def part_numbers_of(db: Database, dataset: Dataset) -> dict[int, int] | None:
    """Sample id -> number of its part (0 and up), for every sample in use; None: nothing is known.

    Pictures of one part are those of one group (as imported or given), else those that the
    quality check found to be look-alikes; files with equal bytes always belong together.
    """
    check = quality.load_check(db, dataset.id)
    rows = properties.load_groups(db, dataset.id)
    if any(group for _, group, _ in rows):
        links = links_of_equal([group for _, group, _ in rows])
        equal = links_of_equal([sha256 for *_, sha256 in rows])
        numbers = connected(len(rows), links, equal)
    elif check is not None and check.groups:
        numbers = _look_alikes(versions.samples_at(db, dataset.id), check)
    else:
        return None
    return {row[0]: int(number) for row, number in zip(rows, numbers, strict=True)}


def is_closed(workspace: Workspace, model: Model) -> bool:
    """Whether the test set of a model is sealed and was not opened for it yet."""
    with connect(workspace) as db:
        return _is_closed(db, model)


def has_looked(workspace: Workspace, model: Model) -> bool:
    """Whether anybody has looked at the test results of a model; also true without a split."""
    if model.split_id is None:
        return True
    with connect(workspace) as db:
        return judgement.is_opened(db, model.split_id, model.id)


def count_look(workspace: Workspace, model: Model, purpose: str) -> None:
    """Record that the test results of a model were looked at; a sealed set must be open already.

    Raises:
        SealedError: if it is still closed.
    """
    if model.split_id is None:
        return
    with connect(workspace) as db, transaction(db):
        _refuse_closed(db, model)
        opening = Opening(model.split_id, model.id, model.name, purpose, utc_now())
        judgement.record_opening(db, opening)


def _is_closed(db: Database, model: Model) -> bool:
    if model.split_id is None or model.dataset_id is None:
        return False
    if not splits.find_split(db, model.dataset_id, model.split_id).sealed:
        return False
    return not judgement.is_opened(db, model.split_id, model.id)


def _refuse_closed(db: Database, model: Model) -> None:
    if _is_closed(db, model):
        raise SealedError(
            f"The test set of model '{model.name}' is sealed: nobody has looked at it yet.",
            "Choose criteria and thresholds on the validation pictures first, then open it on the "
            "Sign-off page (or with `touchstone open-test`). Every opening is counted.",
        )


def _verdicts(
    db: Database, model: Model, dataset: Dataset, version: int | None
) -> tuple[Verdict | None, ...]:
    names, verdicts = dataset.class_names, dataset.verdicts
    if version is not None:
        then = versions.find_version(db, dataset.id, version)
        names, verdicts = then.class_names, then.class_verdicts
    by_name = dict(zip(names, verdicts, strict=False))
    return tuple(by_name.get(name) for name in model.class_names)


def _look_alikes(samples: Sequence[Sample], check: QualityCheck) -> NDArray[np.int64]:
    position = {s.id: i for i, s in enumerate(samples)}
    near = [(position[a], position[b]) for a, b in check.near_pairs
            if a in position and b in position]  # fmt: skip
    return look_alike_groups(samples, np.array(near, np.int64).reshape(-1, 2))
