"""Two models on the same images: which is better, and what is new."""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

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
from core.workflows.results.access import record_decision
from core.workflows.results.judging import JudgedSet, judged_set
from core.workflows.results.thresholds import saved_rule
from core.workspace import Workspace

PREDICTED_CLASS = OperatingPoint()
OTHER_RULES = (
    "No verdict: the models decide by different thresholds, so the difference may be theirs. "
    "Compare both by the same one."
)


class RuleChoice(StrEnum):
    """By which decision rule two models are compared."""

    OWN = "own"  # each by its own saved rule
    CURRENT = "current"  # both by the one of the current model
    NEW = "new"  # both by the one of the new model
    PREDICTED_CLASS = "class"  # both by the verdict of the predicted class


class Evidence(StrEnum):
    """What a paired table says of two models."""

    NO_DATA = "no data"
    SAME = "same"  # right and wrong on exactly the same
    OTHER_RULES = "other rules"  # they decide by different rules: no verdict
    NOT_PROVEN = "not proven"
    NEW_BETTER = "new better"
    CURRENT_BETTER = "current better"


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
    they are left out. `own_rules` are the saved ones, by whichever rule the models are compared.
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
    own_rules: tuple[DecisionRule | None, DecisionRule | None] = (None, None)

    @property
    def has_same_rule(self) -> bool:
        """Whether both decide alike; if not, their decisions tell nothing of the models alone."""
        one, two = self.first.rule, self.second.rule
        if one is None or two is None:
            return one is two
        return one.point == two.point and (
            not one.point.class_thresholds or one.class_names == two.class_names
        )

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
    rule: RuleChoice = RuleChoice.OWN,
) -> ModelComparison:
    """Compare two models on the images that are in this subset of both.

    Args:
        workspace: where the models live.
        first: id or name of the current model.
        second: id or name of the new one.
        subset: which images.
        confidence: of the differences' intervals.
        counting: what counts as one decision.
        rule: by which decision rule.

    Raises:
        NotFoundError: if there is no such model, or nothing stored.
        SealedError: if the test set of one of them is sealed.
        ConfigError: if they share no image, the images' classes differ between them, or a rule
            with a threshold per class does not fit the classes of the other model.
    """
    return compare_judged(
        judged_set(workspace, first, subset).counted_by(counting),
        judged_set(workspace, second, subset).counted_by(counting),
        saved_rule(workspace, first),
        saved_rule(workspace, second),
        confidence=confidence,
        rule=rule,
    )


def counted_by(
    compared: ModelComparison, counting: Counting, rule: RuleChoice | None = None
) -> ModelComparison:
    """The same comparison, counted in another way; by the same rules unless one is given."""
    own = (compared.first.rule, compared.second.rule) if rule is None else compared.own_rules
    return compare_judged(
        compared.first.judged.counted_by(counting),
        compared.second.judged.counted_by(counting),
        *own,
        confidence=compared.confidence,
        rule=rule or RuleChoice.OWN,
    )


def record(workspace: Workspace, compared: ModelComparison, *, person: str = "") -> None:
    """Record a comparison on the test images as a decision; once for each pair."""
    first, second = compared.first.model, compared.second.model
    words = f"Compared with '{first.name}' on the test images"
    record_decision(workspace, second, words, "compare", first.id, person=person)


def compare_judged(
    first: JudgedSet,
    second: JudgedSet,
    first_rule: DecisionRule | None,
    second_rule: DecisionRule | None,
    *,
    confidence: float = CONFIDENCE,
    rule: RuleChoice = RuleChoice.OWN,
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
    rules = _rules(first, second, (first_rule, second_rule), rule)
    one, two = _side(first, rules[0], in_first), _side(second, rules[1], in_second)
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
        own_rules=(first_rule, second_rule),
    )


def _rules(
    first: JudgedSet,
    second: JudgedSet,
    own: tuple[DecisionRule | None, DecisionRule | None],
    choice: RuleChoice,
) -> tuple[DecisionRule | None, DecisionRule | None]:
    """The rules that the models are compared by.

    Raises:
        ConfigError: if thresholds per class are those of other classes.
    """
    match choice:
        case RuleChoice.OWN:
            return own
        case RuleChoice.PREDICTED_CLASS:
            return None, None
        case RuleChoice.CURRENT:
            shared = own[0]
        case RuleChoice.NEW:
            shared = own[1]
        case _:
            assert_never(choice)
    has_other_classes = first.class_names != second.class_names
    if shared is not None and shared.point.class_thresholds and has_other_classes:
        raise ConfigError(
            "These thresholds per class do not fit both models: their classes differ.",
            "Compare by the predicted class, or by a threshold on the NOK confidence.",
        )
    return shared, shared


def _counted(first: JudgedSet, second: JudgedSet) -> JudgedSet:
    """Whose parts count: the split of one model may declare some that the other's does not know."""
    return second if (first.unit, second.unit) == (Unit.IMAGES, Unit.PARTS) else first


def _side(judged: JudgedSet, rule: DecisionRule | None, rows: NDArray[np.intp]) -> ModelSide:
    probabilities = judged.probabilities[rows]
    decisions = None
    if has_both(judged.verdicts):
        point = rule.point if rule else PREDICTED_CLASS
        every = decide(point, judged.probabilities, judged.verdicts, parts=judged.parts)
        decisions = every[rows]
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


def judge(table: PairedTable, *, same_rule: bool = True) -> Evidence:
    """What McNemar's test says of a table at 95% confidence.

    Args:
        table: of the two models.
        same_rule: whether what it counts was decided by the same rule; always so for classes.
    """
    if not table.n:
        return Evidence.NO_DATA
    if not table.only_first_right + table.only_second_right:
        return Evidence.SAME
    if not same_rule:
        return Evidence.OTHER_RULES
    if table.p_value >= 0.05:
        return Evidence.NOT_PROVEN
    is_new = table.only_second_right > table.only_first_right
    return Evidence.NEW_BETTER if is_new else Evidence.CURRENT_BETTER


def evidence(
    table: PairedTable,
    unit: Unit,
    *,
    same_rule: bool = True,
    names: tuple[str, str] = ("The current model", "The new model"),
) -> str:
    """What McNemar's test says, in words; the table counts the unit, `names` are of the models."""
    chance = f"would occur by chance in {_percent(table.p_value)} of tests."
    result = judge(table, same_rule=same_rule)
    match result:
        case Evidence.NO_DATA:
            return f"There are no such {unit.word}."
        case Evidence.SAME:
            return f"Both models are right and wrong on exactly the same {unit.word}."
        case Evidence.OTHER_RULES:
            return OTHER_RULES
        case Evidence.NEW_BETTER | Evidence.CURRENT_BETTER:
            better = names[result is Evidence.NEW_BETTER]
            return (
                f"{better} is better. If both were equally good, a difference this large {chance}"
            )
        case Evidence.NOT_PROVEN:
            few = table.only_first_right + table.only_second_right < 6
            more = (
                f" With fewer than 6 {unit.word} on which they differ, no test can tell them apart."
            )
            same = "Not significant. If both were equally good, a difference this large"
            return f"{same} {chance}{more if few else ''}"
        case _:
            assert_never(result)


def _percent(value: float) -> str:
    return "less than 0.1%" if value < 0.001 else f"{100 * value:.2g}%" if value < 1 else "100%"


def image_names(
    workspace: Workspace, comparison: ModelComparison, positions: NDArray[np.int64]
) -> list[str]:
    """Names of the images at these positions, in their order."""
    with connect(workspace) as db:
        samples = datasets.samples_by_id(db, [int(comparison.sample_ids[i]) for i in positions])
    return [sample.name or sample.path for sample in samples]
