"""Two models on the same images: which is better, and what is new."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.models import Model
from core.domain.splits import Subset
from core.errors import ConfigError
from core.evaluation.decisions.outcome import Decisions, OperatingPoint, decide, has_both, truths
from core.evaluation.decisions.rule import DecisionRule
from core.evaluation.measures.classification import check_predictions
from core.evaluation.measures.intervals import CONFIDENCE
from core.evaluation.measures.parts import Unit, choose, units
from core.evaluation.release.comparison import (
    Comparison,
    DecisionComparison,
    PairedTable,
    compare_decisions,
    compare_predictions,
)
from core.store import datasets
from core.store.database import connect
from core.workflows.results.judging import JudgedSet, judged_set
from core.workflows.results.thresholds import saved_rule
from core.workspace import Workspace

PREDICTED_CLASS = OperatingPoint()


@dataclass(frozen=True)
class ModelSide:
    """One model's answers on the shared images, row by row as in `ModelComparison`.

    Shapes: `predicted` [N] indices into the model's own classes, `confidence` [N], `decisions`
    [N] or None where there are no verdicts. `rule` is the saved one; None: the verdict of the
    predicted class decides.
    """

    judged: JudgedSet
    rule: DecisionRule | None
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float32]
    decisions: Decisions | None

    @property
    def model(self) -> Model:
        """Whose answers these are."""
        return self.judged.model


@dataclass(frozen=True)
class ModelComparison:
    """Two models on the images that both have in the subset; the first is the current one.

    Shapes: `sample_ids`, `targets` [N], the latter by `class_names`, those of the first model.
    `only_first`, `only_second` count images of one model's subset alone; they are left out.
    """

    subset: Subset
    first: ModelSide
    second: ModelSide
    sample_ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    parts: NDArray[np.int64] | None
    only_first: int
    only_second: int
    classes: Comparison
    decisions: DecisionComparison | None

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the true classes."""
        return self.first.judged.class_names

    @property
    def unit(self) -> Unit:
        """What n counts."""
        return Unit.IMAGES if self.parts is None else Unit.PARTS

    @property
    def part_count(self) -> int:
        """How many parts both models judged."""
        return len(units(len(self.targets), self.parts))


def compare(
    workspace: Workspace,
    first: str,
    second: str,
    subset: Subset = Subset.TEST,
    *,
    confidence: float = CONFIDENCE,
) -> ModelComparison:
    """Compare two models on the images that are in this subset of both.

    Args:
        workspace: where the models live.
        first: id or name of the current model.
        second: id or name of the new one.
        subset: which images.
        confidence: of the differences' intervals.

    Raises:
        NotFoundError: if there is no such model, or nothing stored.
        SealedError: if the test set of one of them is sealed.
        ConfigError: if they share no image, or the images' classes differ between them.
    """
    return compare_judged(
        judged_set(workspace, first, subset),
        judged_set(workspace, second, subset),
        saved_rule(workspace, first),
        saved_rule(workspace, second),
        confidence=confidence,
    )


def compare_judged(
    first: JudgedSet,
    second: JudgedSet,
    first_rule: DecisionRule | None,
    second_rule: DecisionRule | None,
    *,
    confidence: float = CONFIDENCE,
) -> ModelComparison:
    """The same for judged sets that are already loaded."""
    for judged in (first, second):
        check_predictions(judged.probabilities, judged.targets, judged.class_names, judged.parts)
    shared, in_first, in_second = np.intersect1d(
        first.sample_ids, second.sample_ids, assume_unique=True, return_indices=True
    )
    if first.model.id == second.model.id:
        raise ConfigError("A model cannot be compared with itself.", "Choose two different models.")
    if not len(shared):
        raise ConfigError(
            f"Models '{first.model.name}' and '{second.model.name}' share no {first.subset} "
            "image, so they cannot be compared there.",
            "Train both with the same split, or compare them on another subset.",
        )
    targets = first.targets[in_first]
    _refuse_other_truth(first, second, targets, second.targets[in_second])
    parts = choose(first.parts, in_first)
    if parts is None:
        parts = choose(second.parts, in_second)
    one = _side(first, first_rule, in_first)
    two = _side(second, second_rule, in_second)
    decisions = None
    if one.decisions is not None and two.decisions is not None:
        truth = truths(targets, first.verdicts)
        decisions = compare_decisions(one.decisions, two.decisions, truth, parts, confidence)
    return ModelComparison(
        subset=first.subset,
        first=one,
        second=two,
        sample_ids=shared,
        targets=targets,
        parts=parts,
        only_first=len(first.sample_ids) - len(shared),
        only_second=len(second.sample_ids) - len(shared),
        classes=compare_predictions(
            one.predicted, _by_first(first, second)[two.predicted], targets, parts, confidence
        ),
        decisions=decisions,
    )


def _side(judged: JudgedSet, rule: DecisionRule | None, rows: NDArray[np.intp]) -> ModelSide:
    probabilities = judged.probabilities[rows]
    decisions = None
    if has_both(judged.verdicts):
        point = rule.point if rule else PREDICTED_CLASS
        decisions = decide(point, probabilities, judged.verdicts)
    return ModelSide(
        judged, rule, probabilities.argmax(axis=1), probabilities.max(axis=1), decisions
    )


def _refuse_other_truth(
    first: JudgedSet,
    second: JudgedSet,
    first_targets: NDArray[np.int64],
    second_targets: NDArray[np.int64],
) -> None:
    other = int((_by_first(first, second)[second_targets] != first_targets).sum())
    if other:
        raise ConfigError(
            f"{other:,} of the {len(first_targets):,} shared images have different true classes "
            f"for '{first.model.name}' and '{second.model.name}': the classes were changed between "
            "the two runs.",
            "Train the older model again on the current version of the dataset.",
        )


def _by_first(first: JudgedSet, second: JudgedSet) -> NDArray[np.int64]:
    """For each class of the second model its index in the first, -1 where that has none."""
    names = {name: i for i, name in enumerate(first.class_names)}
    return np.array([names.get(name, -1) for name in second.class_names], np.int64)


def evidence(table: PairedTable) -> str:
    """What McNemar's test says, in words."""
    differ = table.only_first_right + table.only_second_right
    if not differ:
        return "Both models are right and wrong on exactly the same parts."
    if table.p_value < 0.05:
        better = "new" if table.only_second_right > table.only_first_right else "current"
        return (
            f"The {better} model is better. If both were equally good, a difference this large "
            f"would occur by chance in {_percent(table.p_value)} of tests."
        )
    more = (
        " With fewer than 6 parts on which they differ, no test can tell them apart."
        if differ < 6
        else ""
    )
    return (
        "Not significant. If both were equally good, a difference this large would occur by "
        f"chance in {_percent(table.p_value)} of tests.{more}"
    )


def _percent(value: float) -> str:
    return "less than 0.1%" if value < 0.001 else f"{100 * value:.2g}%" if value < 1 else "100%"


def image_names(
    workspace: Workspace, comparison: ModelComparison, positions: NDArray[np.int64]
) -> list[str]:
    """Names of the images at these positions, in their order."""
    with connect(workspace) as db:
        samples = datasets.samples_by_id(db, [int(comparison.sample_ids[i]) for i in positions])
    return [sample.name or sample.path for sample in samples]
