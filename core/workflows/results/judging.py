"""One model on one subset, with labels, parts and verdicts: what all results start from.

Sealed test results are given out only after they were opened for the model (`access`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sqlite_utils import Database

from core.domain.datasets import Dataset, Verdict
from core.domain.models import Model
from core.domain.parts import Counting
from core.domain.splits import LeakCertificate, Subset
from core.errors import NotFoundError
from core.evaluation.measures.classification import Matrix, confusion_matrix
from core.evaluation.measures.labeled_predictions import LabeledPredictions
from core.evaluation.measures.losses import log_losses
from core.evaluation.measures.parts import Unit
from core.store import datasets, models, predictions, splits, versions
from core.store.database import connect
from core.store.predictions import StoredMatrix, SubsetPredictions
from core.workflows.data import split_words
from core.workflows.data.certificates import certified
from core.workflows.results import access
from core.workflows.results.counting import KnownParts, counted_in_words, known_parts
from core.workflows.results.memory import Memory, Number, StoredPredictions, read_only
from core.workspace import Workspace


@dataclass(frozen=True)
class JudgedSet:
    """The predictions of a model on a subset beside the truth: what every number is computed from.

    All arrays are read-only. Shapes: `sample_ids`, `targets` [N] int64, `probabilities` [N, C]
    float32; `parts` [N] int64, equal for images that count once; None: every image counts.
    `known` says what `parts` could be, `counting` which of these it is. `verdicts` [C] are by the
    model's classes. `version`: of the labels; None for today's.
    `left_out` counts predicted images that are no longer in the dataset or have a class that the
    model does not know; `certificate` is that of the model's split. `stored` are the predictions
    as they were stored, of which these are the rows `kept`; None: these are all there are.
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
    stored: StoredPredictions | None = None
    kept: NDArray[np.bool_] | None = None
    known: KnownParts | None = None
    counting: Counting = Counting.AUTO

    def __post_init__(self) -> None:
        for array in (self.sample_ids, self.targets, self.probabilities, self.parts):
            if array is not None:
                array.flags.writeable = False

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """[N]: the most probable class."""
        return self._rows(self._all.predicted)

    @cached_property
    def confidence(self) -> NDArray[np.float32]:
        """[N]: of the predicted class, in [0, 1]."""
        return self._rows(self._all.confidence)

    @cached_property
    def margin(self) -> NDArray[np.float64]:
        """[N]: confidence of the predicted class minus that of the next one."""
        return self._rows(self._all.margin)

    @cached_property
    def loss(self) -> NDArray[np.float64]:
        """[N]: minus the logarithm of the confidence in the true class."""
        return read_only(log_losses(self.probabilities, self.targets))

    @cached_property
    def matrix(self) -> Matrix:
        """[C, C] images, rows true, columns predicted."""
        return read_only(confusion_matrix(self.predicted, self.targets, len(self.class_names)))

    @property
    def right(self) -> NDArray[np.bool_]:
        """[N]: whether the prediction is the true class."""
        right: NDArray[np.bool_] = self.predicted == self.targets
        return right

    @property
    def labeled(self) -> LabeledPredictions:
        """What the measures are computed from."""
        return LabeledPredictions(
            self.probabilities, self.targets, self.class_names, self.parts, counts=self.unit
        )

    @property
    def unit(self) -> Unit:
        """What n counts."""
        if self.known is not None:
            return self.known.counted(self.counting).unit
        return Unit.IMAGES if self.parts is None else Unit.PARTS

    @property
    def has_proposals(self) -> bool:
        """Whether look-alikes that nobody has confirmed would change what n counts."""
        return self.known is not None and self.known.proposed is not None

    def counted_by(self, counting: Counting) -> "JudgedSet":
        """The same predictions, counted in another way."""
        if self.known is None or counting is self.counting:
            return self
        return replace(self, counting=counting, parts=self.known.counted(counting).parts)

    @property
    def counted_in_words(self) -> str:
        """What n counts, and why, in a sentence."""
        return counted_in_words(self.known, self.counting, self.unit, self.subset)

    @cached_property
    def _all(self) -> StoredPredictions:
        own = StoredMatrix(self.sample_ids, self.probabilities)
        return self.stored or StoredPredictions(own)

    def _rows(self, values: NDArray[Number]) -> NDArray[Number]:
        return values if self.kept is None else read_only(values[self.kept])

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by class index."""
        return self.model.class_names

    @property
    def renamed(self) -> tuple[tuple[str, str], ...]:
        """Classes that have another name in the dataset of today: (the model's, today's)."""
        if self.version is not None or self.model.is_detector:
            return ()
        pairs = zip(self.model.class_names, self.dataset.class_names, strict=False)
        return tuple((old, new) for old, new in pairs if old != new)

    @property
    def notice(self) -> str | None:
        """What a reader must know about these numbers, or None."""
        sentences = []
        if self.certificate is not None and self.certificate.is_leaking:
            sentences.append(leaks_in_words(self.certificate))
        if self.version is not None:
            sentences.append(
                f"Classes of the dataset were merged after the training. These numbers use version "
                f"{self.version}, which the model was trained on; later corrections do not change "
                "them."
            )
        elif self.renamed:
            sentences.append(f"Since the training, {_listed(self.renamed)}.")
        if self.left_out:
            sentences.append(
                "1 predicted image is left out: it was removed from the dataset, or has a class "
                "that this model does not know."
                if self.left_out == 1
                else f"{self.left_out:,} predicted images are left out: they were removed from the "
                "dataset, or have a class that this model does not know."
            )
        return " ".join(sentences) or None


def leaks_in_words(certificate: LeakCertificate) -> str:
    """What a leaking split does to the numbers of its models."""
    return (
        f"The split of this model leaks: {split_words.leaks_in_words(certificate.leaks)}. New "
        "parts will give worse results. Make a split that keeps them together, and train again."
    )


def certificate_of(workspace: Workspace, model: Model) -> LeakCertificate | None:
    """What leaks between the subsets of a model's split; None if the split is not there."""
    if model.split_id is None:
        return None
    with connect(workspace) as db:
        split = splits.split_or_none(db, model.split_id)
    return certified(workspace, split).certificate if split else None


def _listed(renamed: Sequence[tuple[str, str]]) -> str:
    names = [f"class '{old}' is now called '{new}'" for old, new in renamed[:3]]
    more = f" and {len(renamed) - 3} more have other names" if len(renamed) > 3 else ""
    return ", ".join(names) + more


def judged_set(
    workspace: Workspace, model_id: str, subset: Subset, memory: Memory | None = None
) -> JudgedSet:
    """The stored probabilities of a model on a subset, beside the truth.

    Args:
        workspace: where the model lives.
        model_id: its id or name.
        subset: which images.
        memory: of this workspace, to make repeated calls cheap.

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
            access.refuse_sealed(db, model)
        stored = memory.predictions(db, model.id, subset)
        labeled = _labeled(db, model, subset, stored, memory) if stored else None
        if labeled is None or not len(labeled.targets) or model.dataset_id is None:
            raise NotFoundError(
                f"There are no {subset} results of model '{model.name}'.",
                "The subset is empty, the dataset was deleted, or the model was uploaded. Choose a "
                "model that was trained here.",
            )
        dataset = datasets.find_dataset(db, model.dataset_id)
        verdicts = _verdicts(db, model, dataset, labeled.version)
        known = known_parts(db, model.split_id, dataset, labeled.sample_ids, memory)
    return JudgedSet(
        model=model,
        dataset=dataset,
        subset=subset,
        sample_ids=labeled.sample_ids,
        targets=labeled.targets,
        probabilities=labeled.probabilities,
        parts=known.counted(Counting.AUTO).parts,
        verdicts=verdicts,
        version=labeled.version,
        left_out=labeled.left_out,
        certificate=certificate,
        stored=stored,
        kept=labeled.kept,
        known=known,
    )


def _labeled(
    db: Database, model: Model, subset: Subset, stored: StoredPredictions, memory: Memory
) -> SubsetPredictions | None:
    if model.dataset_id is None:
        return None
    columns = memory.columns(db, model.dataset_id)
    return predictions.label_matrix(db, model.id, subset, stored.matrix, columns)


def _verdicts(
    db: Database, model: Model, dataset: Dataset, version: int | None
) -> tuple[Verdict | None, ...]:
    if model.is_detector:
        return Verdict.OK, Verdict.NOK
    if version is None:
        return dataset.verdicts[: len(model.class_names)]
    then = versions.find_version(db, dataset.id, version)
    by_name = dict(zip(then.class_names, then.class_verdicts, strict=False))
    return tuple(by_name.get(name) for name in model.class_names)
