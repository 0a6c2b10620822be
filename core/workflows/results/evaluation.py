"""Reading results: reports, and the images behind every number."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.datasets import Dataset, Sample, Verdict
from core.domain.models import Model
from core.domain.names import known_name
from core.domain.parts import Counting
from core.domain.signoff import MarkKind
from core.domain.splits import Subset
from core.errors import NotFoundError
from core.evaluation.decisions.outcome import (
    NOK,
    UNKNOWN,
    OperatingPoint,
    nok_probability,
    truths,
)
from core.evaluation.decisions.views import Headline, headline
from core.evaluation.measures.agreement import beats_chance
from core.evaluation.measures.auc import areas
from core.evaluation.measures.calibration import (
    Calibration,
    Reliability,
    fit_calibration,
    reliability,
    with_temperature,
)
from core.evaluation.measures.catalog import Measure, MeasuredValue, catalog_of, measured
from core.evaluation.measures.classification import check_predictions
from core.evaluation.measures.intervals import Estimate
from core.evaluation.measures.parts import choose
from core.evaluation.measures.slices import in_ranges, most_frequent
from core.evaluation.report import EvaluationReport, evaluate
from core.store import datasets, judgement, predictions
from core.store.database import connect, transaction
from core.store.properties import load_properties
from core.words import listed
from core.workflows.results.access import is_sealed
from core.workflows.results.judging import JudgedSet, judged_set
from core.workflows.results.memory import Memory
from core.workflows.training.lineage import learned_before_in_words
from core.workspace import Workspace

MOST_SLICES = 200
# A table column with more different numbers than this is a measurement, and comes in ranges.
_MOST_CODES = 12
_WRITTEN = {
    "brightness": lambda v: f"{100 * v:.0f}%",
    "sharpness": lambda v: f"{v:.3g}",
    "file size": lambda v: f"{v / 1000:,.0f} kB",
}
# What is known of every file; what people said of their images is offered before it.
_SIZE = "image size"  # of cut-out images each has its own
_OF_FILES = ("file format", "color", _SIZE, *_WRITTEN)


@dataclass(frozen=True)
class JudgedSample:
    """An image with its prediction; probabilities by class index."""

    sample: Sample
    target: int
    predicted: int
    probabilities: tuple[float, ...]
    loss: float = 0.0
    margin: float = 0.0

    @property
    def confidence(self) -> float:
        """Of the predicted class, in [0, 1]."""
        return self.probabilities[self.predicted]


@dataclass(frozen=True)
class CalibrationComparison:
    """The reliability of a judged set, as it is and with a temperature.

    `fit` is made on validation, None without validation images; `after` is None where no
    temperature is recommended.
    """

    before: Reliability
    fit: Calibration | None
    after: Reliability | None


def evaluated_subsets(workspace: Workspace, model_id: str) -> list[Subset]:
    """Subsets this model has stored probabilities for, sealed ones too."""
    with connect(workspace) as db:
        return predictions.predicted_subsets(db, model_id)


def open_subsets(workspace: Workspace, model: Model) -> list[Subset]:
    """Subsets whose results may be viewed: a sealed test set is not among them."""
    stored = evaluated_subsets(workspace, model.id)
    closed = Subset.TEST in stored and is_sealed(workspace, model)
    return [subset for subset in stored if not (closed and subset is Subset.TEST)]


def evaluation_report(
    workspace: Workspace,
    model_id: str,
    subset: Subset,
    *,
    ok_names: Sequence[str] = (),
    counting: Counting = Counting.AUTO,
) -> EvaluationReport:
    """All numbers of a model on a subset, from stored probabilities.

    Args:
        workspace: where the model lives.
        model_id: its id or name.
        subset: which images.
        ok_names: classes to take as OK, all others as NOK; without any, the dataset's verdicts.
        counting: what counts as one decision.

    Raises:
        NotFoundError: if there is no such model or class, or nothing stored.
        SealedError: if the test set is sealed and was not opened for this model.
    """
    judged = judged_set(workspace, model_id, subset).counted_by(counting)
    return report_of(with_verdicts(judged, ok_names))


def report_of(
    judged: JudgedSet, point: OperatingPoint | None = None, *, top_k: Sequence[int] = ()
) -> EvaluationReport:
    """All numbers of a judged set.

    Args:
        judged: the predictions beside the truth.
        point: the decision rule in force; None: the verdict of the predicted class decides.
        top_k: K of the top-K errors; empty for the usual ones.

    Raises:
        ConfigError: if a K is below 1.
    """
    return evaluate(
        judged.probabilities,
        judged.targets,
        judged.class_names,
        parts=judged.parts,
        verdicts=judged.verdicts,
        point=point,
        catalog=catalog_of(len(judged.class_names), top_k),
        counts=judged.unit,
    )


def area_of(judged: JudgedSet) -> Estimate:
    """The area under the ROC curve of defective against good images; no value without both."""
    truth = truths(judged.targets, judged.verdicts)
    known = truth != UNKNOWN
    nok = nok_probability(judged.probabilities, judged.verdicts)[known]
    return areas(nok, truth[known] == NOK, choose(judged.parts, known)).roc


@dataclass(frozen=True)
class CountedNumbers:
    """The headline of a judged set, counted in one way."""

    counting: Counting
    headline: Headline


def headline_of(judged: JudgedSet, point: OperatingPoint | None = None) -> Headline:
    """The numbers that everybody asks for first.

    Args:
        judged: the predictions beside the truth.
        point: the decision rule in force; None: the verdict of the predicted class decides.
    """
    return headline(
        judged.probabilities,
        judged.targets,
        parts=judged.parts,
        verdicts=judged.verdicts,
        point=point,
        predicted=judged.predicted,
        counts=judged.unit,
    )


def cautions(workspace: Workspace, judged: JudgedSet) -> tuple[str, ...]:
    """What the numbers of a judged set do not show, although they look as if they did."""
    if judged.subset is Subset.TRAIN or not len(judged.targets):
        return ()
    says = []
    if learned := learned_before_in_words(workspace, judged.model, judged.subset):
        says.append(
            f"The model that this one started from has learned from {learned}: these results are "
            "too good."
        )
    if beats_chance(judged.targets, judged.predicted, judged.parts) is False:
        says.append(
            "Not proven better than guessing: with 95% confidence, so many right answers may come "
            "about by chance. Add images, or check the labels."
        )
    counts = np.bincount(judged.targets, minlength=len(judged.class_names))
    missing = [name for name, n in zip(judged.class_names, counts, strict=True) if n == 0]
    if missing and not judged.model.is_detector:
        says.append(
            f"No {judged.subset.value} image of {listed(missing)}: these results say nothing of "
            f"{'it' if len(missing) == 1 else 'them'}."
        )
    return tuple(says)


def both_ways(
    judged: JudgedSet, point: OperatingPoint | None = None
) -> tuple[CountedNumbers, CountedNumbers] | None:
    """The headline without and with unconfirmed look-alikes as parts; None where both agree."""
    if not judged.has_proposals:
        return None
    first, second = (
        CountedNumbers(counting, headline_of(judged.counted_by(counting), point))
        for counting in (Counting.AUTO, Counting.PARTS)
    )
    return first, second


def measure(judged: JudgedSet, catalog: Sequence[Measure]) -> tuple[MeasuredValue, ...]:
    """Further measures of a judged set."""
    return measured(judged.labeled, catalog)


def with_verdicts(judged: JudgedSet, ok_names: Sequence[str]) -> JudgedSet:
    """The same set with these classes OK and all others NOK; unchanged without names.

    Raises:
        NotFoundError: if the model has no such class.
    """
    known = {name: known_name(name, judged.class_names) for name in ok_names}
    unknown = [name for name, match in known.items() if match is None]
    if unknown:
        raise NotFoundError(
            f"The model has no class '{unknown[0]}'.", f"It has: {', '.join(judged.class_names)}."
        )
    if not ok_names:
        return judged
    verdicts = (
        Verdict.OK if name in known.values() else Verdict.NOK for name in judged.class_names
    )
    return replace(judged, verdicts=tuple(verdicts))


def judge(
    workspace: Workspace, model_id: str, subset: Subset, memory: Memory | None = None
) -> JudgedSet:
    """A judged set that measures can be made of: what every view starts from.

    Args:
        workspace: where the model lives.
        model_id: its id or name.
        subset: which images.
        memory: of this workspace, to make repeated calls cheap.

    Raises:
        ConfigError: if a stored probability is not a number.
        NotFoundError: if there is no such model, or nothing stored.
        SealedError: if the test set is sealed and was not opened for this model.
    """
    judged = judged_set(workspace, model_id, subset, memory)
    check_predictions(judged.probabilities, judged.targets, judged.class_names, judged.parts)
    return judged


def calibration_of(
    workspace: Workspace, model_id: str, memory: Memory | None = None
) -> Calibration | None:
    """The calibration of a model, fitted on its validation images; None if it has none."""
    try:
        validation = judged_set(workspace, model_id, Subset.VALIDATION, memory)
    except NotFoundError:
        return None
    return fit_calibration(validation.probabilities, validation.targets, validation.parts)


def compare_calibration(
    workspace: Workspace, judged: JudgedSet, memory: Memory | None = None
) -> CalibrationComparison:
    """The reliability of a judged set before and after calibration."""
    before = reliability(judged.probabilities, judged.targets, parts=judged.parts)
    fit = calibration_of(workspace, judged.model.id, memory)
    if fit is None or fit.temperature is None:
        return CalibrationComparison(before, fit, None)
    calibrated = with_temperature(judged.probabilities, fit.temperature.value)
    after = reliability(calibrated, judged.targets, parts=judged.parts)
    return CalibrationComparison(before, fit, after)


def judged_images(
    workspace: Workspace, judged: JudgedSet, positions: Iterable[int]
) -> list[JudgedSample]:
    """The images at these positions, in this order."""
    wanted = [int(i) for i in positions]
    with connect(workspace) as db:
        loaded = datasets.samples_by_id(db, [int(judged.sample_ids[i]) for i in wanted])
    samples = {sample.id: sample for sample in loaded}
    return [
        JudgedSample(
            samples[int(judged.sample_ids[i])],
            int(judged.targets[i]),
            int(judged.predicted[i]),
            tuple(float(p) for p in judged.probabilities[i]),
            float(judged.loss[i]),
            float(judged.margin[i]),
        )
        for i in wanted
        if int(judged.sample_ids[i]) in samples
    ]


def marks(workspace: Workspace, dataset_id: str) -> dict[int, set[MarkKind]]:
    """Sample id -> marks of the image, for the marked images of a dataset."""
    with connect(workspace) as db:
        return judgement.marks_of(db, dataset_id)


def mark(workspace: Workspace, sample_ids: Iterable[int], kind: MarkKind, *, on: bool) -> None:
    """Mark images, or take the mark away."""
    with connect(workspace) as db, transaction(db):
        judgement.set_mark(db, sample_ids, kind, on=on)


def slice_columns(
    workspace: Workspace, dataset: Dataset, judged: JudgedSet
) -> dict[str, list[str | None]]:
    """What images can be sliced by: name of a property -> value of every image [N].

    Numbers come in ranges with about equally many images; of more than 200 values the rarest are
    put together. Properties that tell nothing are left out: those with a single value, with another
    value for nearly every image, or that are the class itself (its folder).
    """
    with connect(workspace) as db:
        columns = load_properties(db, dataset.id, judged.sample_ids)
    said = sorted(columns, key=lambda name: name in _OF_FILES)
    slices = {name: _as_slices(name, columns[name]) for name in said}
    return {
        name: most_frequent(values, MOST_SLICES)
        for name, values in slices.items()
        if 1 < len(set(values)) <= max(MOST_SLICES, len(values) // 2)
        and not (name == _SIZE and len(set(values)) > _MOST_CODES)
        and not _is_the_class(values, judged.targets)
    }


def _as_slices(name: str, values: list[Any]) -> list[str | None]:
    """The values in words; numbers as ranges."""
    if name in _WRITTEN:
        return in_ranges(values, _WRITTEN[name])
    different = {value for value in values if value is not None}
    if len(different) > _MOST_CODES:
        try:
            numbers = {value: float(value) for value in different}
        except ValueError:
            return values
        return in_ranges([None if value is None else numbers[value] for value in values])
    return values


def _is_the_class(values: Sequence[str | None], targets: NDArray[np.int64]) -> bool:
    """Whether each value stands for one class and each class for one value."""
    pairs = set(zip(values, targets.tolist(), strict=True))
    return len(pairs) == len(set(values)) == len(np.unique(targets))


def samples_of(workspace: Workspace, sample_ids: Iterable[int]) -> list[Sample]:
    """The images of these ids, in their order."""
    with connect(workspace) as db:
        return datasets.samples_by_id(db, [int(i) for i in sample_ids])
