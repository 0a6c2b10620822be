"""What every judgement begins with: one model on one subset, with labels, parts and verdicts.

A sealed test set is given out only after it was opened for the model (`core.workflows.sealing`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlite_utils import Database

from core.data.groups import group_names
from core.data.quality.similarity import Pairs, connected, links_of_codes, numbered
from core.domain.datasets import Dataset, Verdict
from core.domain.findings import QualityCheck
from core.domain.ids import utc_now
from core.domain.models import Model
from core.domain.signoff import TestSetAccess
from core.domain.splits import GroupKind, LeakCertificate, Subset
from core.errors import NotFoundError, SealedError, SplitError
from core.store import (
    datasets,
    judgement,
    models,
    predictions,
    quality,
    splits,
    versions,
)
from core.store.columns import Columns
from core.store.database import connect, transaction
from core.store.predictions import SubsetPredictions
from core.workflows.data.certificates import certified, class_folders
from core.workflows.results.memory import Memory
from core.workspace import Workspace


@dataclass(frozen=True)
class JudgedSet:
    """Everything that the numbers of a model on a subset are computed from.

    Shapes: `sample_ids`, `targets` [N] int64, `probabilities` [N, C] float32; `parts` [N] int64,
    equal for images of one part, None where no groups are known. `verdicts` [C] are by the
    model's classes. `version`: of the labels; None for today's. `left_out` counts predicted
    images that are no longer in the dataset or have a class that the model does not know;
    `certificate` is that of the model's split.
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
    certificate: LeakCertificate | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by class index."""
        return self.model.class_names

    @property
    def renamed(self) -> tuple[tuple[str, str], ...]:
        """Classes that have another name in the dataset of today: (the model's, today's)."""
        if self.version is not None:
            return ()
        pairs = zip(self.model.class_names, self.dataset.class_names, strict=False)
        return tuple((old, new) for old, new in pairs if old != new)

    @property
    def notice(self) -> str | None:
        """What a reader must know about these numbers, or None."""
        says = []
        if self.certificate is not None and self.certificate.is_leaking:
            says.append(leaks_in_words(self.certificate))
        if self.version is not None:
            says.append(
                f"Classes of the dataset were merged since the training: these numbers use its "
                f"version {self.version}, which the model was trained on, and corrections that "
                "are made now change them no more."
            )
        elif self.renamed:
            says.append(f"Since the training, {_listed(self.renamed)}.")
        if self.left_out:
            says.append(
                "1 of the predicted images is left out: it left the dataset since, or has a "
                "class that this model does not know."
                if self.left_out == 1
                else f"{self.left_out:,} of the predicted images are left out: they left the "
                "dataset since, or have a class that this model does not know."
            )
        return " ".join(says) or None


def leaks_in_words(found: LeakCertificate) -> str:
    """What a leaking split does to the numbers of its models."""
    kinds = (
        (found.groups_across, "groups"),
        (found.near_across, "pairs of look-alikes"),
        (found.exact_across, "equal files"),
    )
    listed = ", ".join(f"{count:,} {what}" for count, what in kinds if count)
    return (
        f"The split of this model leaks: {listed} on two sides, so its numbers promise more than "
        "new parts will keep. Make a split that keeps them together, and train again."
    )


def certificate_of(workspace: Workspace, model: Model) -> LeakCertificate | None:
    """What leaks between the subsets of a model's split; None if the split is not there."""
    if model.split_id is None:
        return None
    with connect(workspace) as db:
        found = splits.split_or_none(db, model.split_id)
    return certified(workspace, found).certificate if found else None


def _listed(renamed: Sequence[tuple[str, str]]) -> str:
    said = [f"class '{old}' is called '{new}'" for old, new in renamed[:3]]
    more = f" and {len(renamed) - 3} more have other names" if len(renamed) > 3 else ""
    return ", ".join(said) + more


def judged_set(
    workspace: Workspace, model_id: str, subset: Subset, memory: Memory | None = None
) -> JudgedSet:
    """The stored probabilities of a model on a subset, beside the truth.

    Args:
        workspace: where the model lives.
        model_id: its id or name.
        subset: which images.
        memory: of this workspace, where one judges again and again.

    Raises:
        NotFoundError: if there is no such model, or nothing stored.
        SealedError: if the test set is sealed and was not opened for this model.
    """
    memory = memory or Memory()
    with connect(workspace) as db:
        model = models.find_model(db, model_id)
    certificate = certificate_of(workspace, model)
    with connect(workspace) as db:
        if subset is Subset.TEST:
            _refuse_closed(db, model)
        stored = _labelled(db, model, subset, memory)
        if stored is None or not len(stored.targets) or model.dataset_id is None:
            raise NotFoundError(
                f"There are no {subset} results of model '{model.name}'.",
                "The subset is empty, its dataset was deleted, or the model was uploaded; evaluate "
                "a model that was trained here.",
            )
        dataset = datasets.find_dataset(db, model.dataset_id)
        verdicts = _verdicts(db, model, dataset, stored.version)
        parts = _parts(db, model, dataset, stored.sample_ids, memory)
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
        certificate=certificate,
    )


def _labelled(
    db: Database, model: Model, subset: Subset, memory: Memory
) -> SubsetPredictions | None:
    answers = memory.answers(db, model.id, subset)
    if answers is None or model.dataset_id is None:
        return None
    columns = memory.columns(db, model.dataset_id)
    return predictions.label_matrix(db, model.id, subset, answers.matrix, columns)


def _parts(
    db: Database, model: Model, dataset: Dataset, sample_ids: NDArray[np.int64], memory: Memory
) -> NDArray[np.int64] | None:
    """Part [n] of these samples; those that are in use no more are parts of their own."""
    columns = memory.columns(db, dataset.id)
    numbers = _part_numbers(db, dataset, model.split_id, columns, memory)
    if numbers is None:
        return None
    at = columns.places(sample_ids)
    found = np.where(at < 0, -1, numbers[at])
    alone = numbers.max(initial=-1) + 1 + np.arange(len(found))
    return np.where(found < 0, alone, found).astype(np.int64)


def part_numbers_of(
    db: Database, dataset: Dataset, split_id: str | None = None
) -> dict[int, int] | None:
    """Sample id -> number of its part (0 and up), for every sample in use; None: nothing is known.

    Images are of one part if anything says so: the group they were imported with or given, the
    look-alikes of the quality check, the rule that the split was grouped by, or equal bytes.
    """
    memory = Memory()
    columns = memory.columns(db, dataset.id)
    numbers = _part_numbers(db, dataset, split_id, columns, memory)
    if numbers is None:
        return None
    used = columns.used
    return dict(zip(columns.ids[used].tolist(), numbers[used].tolist(), strict=True))


def _part_numbers(
    db: Database, dataset: Dataset, split_id: str | None, columns: Columns, memory: Memory
) -> NDArray[np.int64] | None:
    """Number of the part of every row of the columns; -1 where not in use."""
    check = quality.load_check(db, dataset.id)
    used = np.flatnonzero(columns.used)
    groups = columns.groups[used]
    of_split = _groups_of_split(db, dataset, split_id, columns, memory)
    by_split = groups[:0] if of_split is None else of_split[used]
    if not (groups >= 0).any() and not (by_split >= 0).any() and not (check and check.groups):
        return None
    numbers = np.full(len(columns.ids), -1, np.int64)
    numbers[used] = connected(
        len(used),
        links_of_codes(columns.files[used]),
        links_of_codes(groups),
        links_of_codes(by_split),
        _near_links(columns.ids[used], check),
    )
    return numbers


def _near_links(known: NDArray[np.int64], check: QualityCheck | None) -> Pairs:
    """Positions [M, 2] in the ascending ids of look-alikes; those that are gone link nothing."""
    pairs = np.array(check.near_pairs if check else (), np.int64).reshape(-1, 2)
    return np.searchsorted(known, pairs[np.isin(pairs, known).all(axis=1)]).astype(np.int64)


def _groups_of_split(
    db: Database, dataset: Dataset, split_id: str | None, columns: Columns, memory: Memory
) -> NDArray[np.int64] | None:
    """Group [N] of all images, used or not, by the rule of a split; -1 for those without one.

    None where there is no rule, or what it finds is stored elsewhere.
    """
    split = splits.split_or_none(db, split_id) if split_id else None
    grouping = split.strategy.grouping if split else None
    if grouping is None or grouping.kind in (GroupKind.LOOK_ALIKES, GroupKind.COLUMN):
        return None
    folders = class_folders(db, dataset)

    def read() -> NDArray[np.int64]:
        samples = datasets.every_sample(db, dataset.id)
        try:
            return numbered(group_names(samples, grouping, folders))
        except SplitError:  # what its rule spoke of is gone
            return np.full(len(samples), -1, np.int64)

    # Why without the version: no edit changes a name or a column of the imported table.
    key = (dataset.id, columns.ids[-1:].tobytes(), grouping, tuple(folders))
    return memory.groups(key, read)


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
        access = TestSetAccess(model.split_id, model.id, model.name, purpose, utc_now())
        judgement.record_access(db, access)


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
            "Choose criteria and thresholds on the validation images first, then open it on the "
            "Sign-off page (or with `touchstone open-test`). Every opening is counted.",
        )


def _verdicts(
    db: Database, model: Model, dataset: Dataset, version: int | None
) -> tuple[Verdict | None, ...]:
    if version is None:
        return dataset.verdicts[: len(model.class_names)]
    then = versions.find_version(db, dataset.id, version)
    by_name = dict(zip(then.class_names, then.class_verdicts, strict=False))
    return tuple(by_name.get(name) for name in model.class_names)
