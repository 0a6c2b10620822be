"""What would leave release criteria without an answer, known before a test is sealed or opened.

A test is opened once. Criteria that it cannot answer would block every model, whatever it does.
Only classes, verdicts and counts are read here, and no result of a model.
"""

from collections.abc import Collection
from typing import assert_never

from core.domain.datasets import Dataset, Verdict
from core.domain.signoff import Obstacle
from core.domain.stages.states import StepAction
from core.errors import ConfigError
from core.evaluation.release.check import CriterionKind
from core.evaluation.release.criteria import ReleaseCriteria

_ON_PARTS = {
    CriterionKind.ESCAPE,
    CriterionKind.FALSE_REJECT,
    CriterionKind.AUTOMATIC,
    CriterionKind.REVIEWS,
}


def obstacle_of(
    criteria: ReleaseCriteria,
    dataset: Dataset,
    labels: Collection[int],
    *,
    is_of_classes: bool,
    has_golden: bool,
) -> Obstacle | None:
    """The first thing to settle before the criteria can be judged; None if they can be.

    Args:
        criteria: of the dataset.
        dataset: with the classes and verdicts of today.
        labels: class indices that the test has images of.
        is_of_classes: whether the model is judged by these classes, rather than by its own two or
            by those of an earlier version.
        has_golden: whether a golden sample is marked.
    """
    kinds = {limit.kind for limit in criteria.limits([None])}
    # New escapes are not among them: a sign-off compares with no other model.
    if not kinds and not (criteria.golden_must_pass and has_golden):
        return Obstacle.NOTHING_REQUIRED
    if not is_of_classes:
        return None
    verdicts = {dataset.verdicts[label] for label in labels}
    if kinds & _ON_PARTS and not {Verdict.OK, Verdict.NOK} <= set(dataset.verdicts):
        return Obstacle.NO_VERDICTS
    has_mix = CriterionKind.REVIEWS in kinds and criteria.defect_rate is not None
    if (CriterionKind.ESCAPE in kinds or has_mix) and Verdict.NOK not in verdicts:
        return Obstacle.NO_DEFECTIVE
    if (CriterionKind.FALSE_REJECT in kinds or has_mix) and Verdict.OK not in verdicts:
        return Obstacle.NO_GOOD
    if CriterionKind.RECALL in kinds and len(set(labels)) < len(dataset.class_names):
        return Obstacle.EMPTY_CLASS
    return None


def obstacle_in_words(obstacle: Obstacle) -> tuple[str, str]:
    """What keeps the criteria from being judged, and what to do; a sentence each."""
    match obstacle:
        case Obstacle.NOTHING_REQUIRED:
            return (
                "The release criteria require nothing that the test could show.",
                "Set at least one limit, or mark golden samples.",
            )
        case Obstacle.NO_VERDICTS:
            return (
                "The release criteria are about good and defective parts, but no verdicts say "
                "which classes are OK and which are NOK.",
                "Set them under Images, Classes, or with `touchstone classes`.",
            )
        case Obstacle.NO_DEFECTIVE:
            return (
                "The release criteria are about escapes, but the test has no defective image.",
                "Make a split with defective test images, and train again.",
            )
        case Obstacle.NO_GOOD:
            return (
                "The release criteria are about false rejects, but the test has no good image.",
                "Make a split with good test images, and train again.",
            )
        case Obstacle.EMPTY_CLASS:
            return (
                "The release criteria are about the recall of every class, but the test lacks "
                "images of a class.",
                "Make a split with test images of every class, and train again.",
            )
        case _:
            assert_never(obstacle)


def action_after(obstacle: Obstacle) -> StepAction:
    """What a person does about it."""
    match obstacle:
        case Obstacle.NOTHING_REQUIRED:
            return StepAction.SET_CRITERIA
        case Obstacle.NO_VERDICTS:
            return StepAction.SET_VERDICTS
        case Obstacle.NO_DEFECTIVE | Obstacle.NO_GOOD | Obstacle.EMPTY_CLASS:
            return StepAction.MAKE_TEST
        case _:
            assert_never(obstacle)


def refuse(obstacle: Obstacle | None) -> None:
    """Let no test be sealed or opened that could not answer the criteria.

    Raises:
        ConfigError: if there is an obstacle.
    """
    if obstacle is not None:
        message, hint = obstacle_in_words(obstacle)
        raise ConfigError(message, hint)
