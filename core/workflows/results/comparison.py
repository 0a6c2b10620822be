"""Two models on the same images: which is better, and what is new."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.models import Model
from core.domain.parts import Counting
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
    `unit` is what n counts; `only_first`, `only_second` count images of one model's subset alone;
    they are left out.
    """

    subset: Subset
    first: ModelSide
    second: ModelSide
    sample_ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    parts: NDArray[np.int64] | None
    unit: Unit
    only_first: int
    only_second: int
    classes: Comparison
    decisions: DecisionComparison | None
    confidence: float = CONFIDENCE

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the true classes."""
        return self.first.judged.class_names

    @property
    def counted_in_words(self) -> str:
        """What n counts, and why, in a sentence."""
        return _counted(self.first.judged, self.second.judged).counted_in_words

    @property
    def has_proposals(self) -> bool:
        """Whether look-alikes that nobody has confirmed would change what n counts."""
        return self.first.judged.has_proposals or self.second.judged.has_proposals

    @property
    def part_count(self) -> int:
        """How many of the unit both models judged."""
        return len(units(len(self.targets), self.parts))


def compare(
    workspace: Workspace,
    first: str,
    second: str,
    subset: Subset = Subset.TEST,
    *,
    confidence: float = CONFIDENCE,
    counting: Counting = Counting.AUTO,
) -> ModelComparison:
    """Compare two models on the images that are in this subset of both.

    Args:
        workspace: where the models live.
        first: id or name of the current model.
        second: id or name of the new one.
        subset: which images.
        confidence: of the differences' intervals.
        counting: what counts as one decision.

    Raises:
        NotFoundError: if there is no such model, or nothing stored.
        SealedError: if the test set of one of them is sealed.
        ConfigError: if they share no image, or the images' classes differ between them.
    """
    return compare_judged(
        judged_set(workspace, first, subset).counted_by(counting),
        judged_set(workspace, second, subset).counted_by(counting),
        saved_rule(workspace, first),
        saved_rule(workspace, second),
        confidence=confidence,
    )


def counted_by(compared: ModelComparison, counting: Counting) -> ModelComparison:
    """The same comparison, counted in another way."""
    return compare_judged(
        compared.first.judged.counted_by(counting),
        compared.second.judged.counted_by(counting),
        compared.first.rule,
        compared.second.rule,
        confidence=compared.confidence,
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
    counted = _counted(first, second)
    parts = choose(counted.parts, in_first if counted is first else in_second)
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
        unit=counted.unit,
        only_first=len(first.sample_ids) - len(shared),
        only_second=len(second.sample_ids) - len(shared),
        classes=compare_predictions(
            one.predicted, _by_first(first, second)[two.predicted], targets, parts, confidence
        ),
        decisions=decisions,
        confidence=confidence,
    )


def _counted(first: JudgedSet, second: JudgedSet) -> JudgedSet:
    """Whose parts count: the split of one model may declare some that the other's does not know."""
    return second if (first.unit, second.unit) == (Unit.IMAGES, Unit.PARTS) else first


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


def evidence(table: PairedTable, unit: Unit) -> str:
    """What McNemar's test says, in words; the table counts the unit."""
    differ = table.only_first_right + table.only_second_right
    if not differ:
        return f"Both models are right and wrong on exactly the same {unit.word}."
    if table.p_value < 0.05:
        better = "new" if table.only_second_right > table.only_first_right else "current"
        return (
            f"The {better} model is better. If both were equally good, a difference this large "
            f"would occur by chance in {_percent(table.p_value)} of tests."
        )
    more = (
        f" With fewer than 6 {unit.word} on which they differ, no test can tell them apart."
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
