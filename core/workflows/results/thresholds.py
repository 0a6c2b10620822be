"""Choosing and keeping the decision rule of a model; on validation, with test for the verdict."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.domain.datasets import Verdict
from core.domain.ids import utc_now
from core.domain.models import Model
from core.domain.parts import ANY_IMAGE, Counting, PartRule
from core.domain.splits import Subset
from core.errors import ConfigError, OvertakenError, TouchstoneError
from core.evaluation.decisions.cells import images_in_cell
from core.evaluation.decisions.combining import combined_scores
from core.evaluation.decisions.costs import LeastCost, Scenario, least_cost
from core.evaluation.decisions.feasible import refuse_impossible, refuse_same_for_all
from core.evaluation.decisions.guarantee import Guarantee, guarantee
from core.evaluation.decisions.outcome import (
    NOK,
    OK,
    Decision,
    Decisions,
    OperatingPoint,
    Outcome,
    PartScores,
    decide,
    has_both,
    nok_probability,
    outcome,
    part_scores,
    truths,
)
from core.evaluation.decisions.rule import DecisionRule, readable_rule, rule_from_json, rule_to_json
from core.evaluation.decisions.thresholds import (
    automatic_errors,
    choose_point,
    class_thresholds_for_error,
)
from core.evaluation.measures.classification import check_predictions
from core.evaluation.measures.intervals import CONFIDENCE, Rate
from core.evaluation.measures.parts import Unit
from core.store import datasets, judgement, look_alikes, models
from core.store.database import connect, transaction
from core.words import exact_percent
from core.workflows.results.access import (
    ResultsAccess,
    access_to_test,
    open_results,
    record_decision,
    record_saved_rule,
    rule_decision,
)
from core.workflows.results.judging import JudgedSet, judged_set
from core.workspace import Workspace


@dataclass(frozen=True)
class Basis:
    """What rules are tried on: the images of one subset with truth and NOK probability.

    Shapes: `nok` [N] in [0, 1], `truth` [N] int8 (NOK 1, OK 0, unknown -1); both as combined.
    """

    judged: JudgedSet
    nok: NDArray[np.float64]
    truth: NDArray[np.int8]
    scores: PartScores
    combine: PartRule = ANY_IMAGE

    def combined_by(self, rule: PartRule) -> "Basis":
        """The same images, combined in another way; all the same where each is its own part."""
        if rule == self.combine or self.judged.parts is None:
            return self
        own, parts = self.judged, self.judged.parts
        nok = combined_scores(nok_probability(own.probabilities, own.verdicts), parts, rule)
        scores = part_scores(nok, self.truth, parts, own.unit)
        return replace(self, nok=nok, scores=scores, combine=rule)

    @property
    def unit(self) -> Unit:
        """What n counts."""
        return self.judged.unit

    @property
    def unknown(self) -> int:
        """How many images count nowhere, because their class has no verdict."""
        return int((self.truth < 0).sum())

    def decisions(self, point: OperatingPoint) -> Decisions:
        """What the rule does with every image [N]."""
        probabilities, verdicts = self.judged.probabilities, self.judged.verdicts
        return decide(point, probabilities, verdicts, parts=self.judged.parts)

    def outcome(self, point: OperatingPoint, confidence: float = CONFIDENCE) -> Outcome:
        """What the rule does with the parts; quick for rules that use the NOK probability only."""
        is_plain = point.accept_below is not None and not point.class_thresholds
        if is_plain and point.parts == self.combine:
            return self.scores.outcome(point, confidence)
        return outcome(self.decisions(point), self.truth, self.judged.parts, confidence)

    def wrong_class(self, point: OperatingPoint, confidence: float = CONFIDENCE) -> Rate:
        """Under thresholds per class: parts of a wrong class among those that stay automatic."""
        return automatic_errors(
            self.judged.probabilities,
            self.judged.targets,
            point.class_thresholds,
            self.judged.parts,
            confidence,
        )

    def images(
        self, point: OperatingPoint, verdict: Verdict, decision: Decision
    ) -> NDArray[np.int64]:
        """Positions of the images behind a number of the matrix, the most surprising first."""
        positions = images_in_cell(
            self.decisions(point),
            self.truth,
            self.judged.parts,
            true=NOK if verdict is Verdict.NOK else OK,
            decision=decision,
        )
        order = np.argsort(self.nok[positions], kind="stable")
        return positions[order if verdict is Verdict.NOK else order[::-1]]


def basis_of(judged: JudgedSet) -> Basis:
    """Prepare a judged set for rules.

    Raises:
        ConfigError: if there is no image, a probability is not a number, or the classes have no
            verdicts.
    """
    check_predictions(judged.probabilities, judged.targets, judged.class_names, judged.parts)
    if not has_both(judged.verdicts):
        raise _no_verdicts(judged)
    truth = truths(judged.targets, judged.verdicts)
    nok = nok_probability(judged.probabilities, judged.verdicts)
    return Basis(judged, nok, truth, part_scores(nok, truth, judged.parts, judged.unit))


def _no_verdicts(judged: JudgedSet) -> ConfigError:
    given = [v for v in judged.verdicts if v is not None]
    what = f"every class with a verdict is {given[0]}" if given else "no class has a verdict yet"
    return ConfigError(
        f"In dataset '{judged.dataset.name}', {what}. A threshold needs both good (OK) "
        "and defective (NOK) classes.",
        "Mark good and defective classes on the Images page (or: touchstone classes "
        f'"{judged.dataset.name}" --ok NAME).',
    )


def load_basis(
    workspace: Workspace,
    model_id: str,
    subset: Subset = Subset.VALIDATION,
    counting: Counting = Counting.AUTO,
) -> Basis:
    """What rules of a model are tried on.

    Raises:
        NotFoundError: if there is no such model, or nothing stored for the subset.
        SealedError: if the test set is sealed.
        ConfigError: if the classes have no verdicts, or a probability is not a number.
    """
    return basis_of(judged_set(workspace, model_id, subset).counted_by(counting))


def state_of(workspace: Workspace, model: Model) -> tuple[object, ...]:
    """Changes whenever the judged sets of a model may have changed; cheap. A key for caches."""
    if model.dataset_id is None:
        return (model.id,)
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, model.dataset_id)
        alike = look_alikes.look_alikes_state(db, dataset.id)
    return (model.id, dataset.version, dataset.class_verdicts, alike)


@dataclass(frozen=True)
class ThresholdGoal:
    """What a rule must reach; rates in [0, 1].

    Attributes:
        max_escape: escape at most this.
        max_overkill: overkill at most this; with both, a review zone is left in between.
        proven: the one-sided exact bound keeps the limits, not just the rate seen.
        guarantee: the limits hold also for the choice itself.
        scenario: the line, for the least cost.
        with_person: whether the rule of least cost may have a review zone.
        class_error: of the images predicted as a class at most this share is wrong; less
            confident ones go to inspector review.
        confidence: of bounds and promises.
    """

    max_escape: float | None = None
    max_overkill: float | None = None
    proven: bool = False
    guarantee: bool = False
    scenario: Scenario | None = None
    with_person: bool = True
    class_error: float | None = None
    confidence: float = CONFIDENCE


@dataclass(frozen=True)
class ThresholdChoice:
    """A rule that was chosen, and why; `is_kept`: the one before is as good here, and safer."""

    point: OperatingPoint
    chosen_by: str
    promise: Guarantee | None = None
    least: LeastCost | None = None
    is_kept: bool = False


def choose(basis: Basis, goal: ThresholdGoal) -> ThresholdChoice:
    """The rule that reaches the goal on these (validation) parts.

    Raises:
        ConfigError: if there is no goal, goals contradict each other, or no useful rule reaches it.
    """
    choice = _chosen(basis, goal)
    point = replace(choice.point, parts=basis.combine)
    promise = choice.promise and replace(choice.promise, point=point)
    return replace(
        choice,
        point=point,
        promise=promise,
        least=choice.least and replace(choice.least, point=point),
    )


def _chosen(basis: Basis, goal: ThresholdGoal) -> ThresholdChoice:
    _refuse_contradiction(goal)
    if goal.scenario is not None:
        least = least_cost(basis.scores, goal.scenario, with_person=goal.with_person)
        return ThresholdChoice(least.point, "least cost", least=least)
    if goal.class_error is not None:
        judged = basis.judged
        limits = class_thresholds_for_error(judged.probabilities, judged.targets, goal.class_error)
        words = (
            f"at most {exact_percent(goal.class_error)} wrong in each predicted class, measured on "
            "images and not proven"
        )
        return ThresholdChoice(OperatingPoint(class_thresholds=limits), words)
    if goal.guarantee:
        return _promised(basis, goal)
    bound = goal.confidence if goal.proven else None
    point = choose_point(
        basis.scores, max_escape=goal.max_escape, max_overkill=goal.max_overkill, confidence=bound
    )
    proven = f", proven at {exact_percent(goal.confidence)}" if goal.proven else ""
    words = _limits_in_words(goal) + proven
    refuse_same_for_all(point, basis.scores, (goal.max_escape, goal.max_overkill), words)
    return ThresholdChoice(point, words)


def _refuse_contradiction(goal: ThresholdGoal) -> None:
    limits = goal.max_escape is not None or goal.max_overkill is not None
    goals = {
        "the lowest cost": goal.scenario is not None,
        "a threshold per class": goal.class_error is not None,
        "limits on escape or overkill": limits or goal.guarantee or goal.proven,
    }
    asked = [goal for goal, is_asked in goals.items() if is_asked]
    if len(asked) > 1:
        raise ConfigError(
            f"A threshold can be chosen for {' or for '.join(asked)}, not for both.",
            "Choose one. Proofs and guarantees belong to limits.",
        )


def _promised(basis: Basis, goal: ThresholdGoal) -> ThresholdChoice:
    if goal.max_escape is None:
        raise ConfigError("A guarantee needs a limit on the escape rate.", "Set one, such as 1%.")
    promise = guarantee(
        basis.scores,
        max_escape=goal.max_escape,
        max_overkill=goal.max_overkill,
        confidence=goal.confidence,
    )
    words = f"guarantee: {_limits_in_words(goal)} at {exact_percent(goal.confidence)}"
    return ThresholdChoice(promise.point, words, promise=promise)


def _limits_in_words(goal: ThresholdGoal) -> str:
    limits = (("escapes", goal.max_escape), ("false rejects", goal.max_overkill))
    return ", ".join(f"{what} at most {exact_percent(v)}" for what, v in limits if v is not None)


def save_rule(
    workspace: Workspace,
    basis: Basis,
    choice: ThresholdChoice,
    *,
    confidence: float = CONFIDENCE,
    scenario: Scenario | None = None,
    person: str = "",
    seen: DecisionRule | Literal["any"] | None = "any",
) -> DecisionRule:
    """Keep a rule with its model, replacing an earlier one; the same rule keeps its time.

    Where the test results are open, the test judges it, and this is recorded.
    `seen` is the saved rule that whoever saves knows of; `any`: whatever it is.

    Raises:
        ConfigError: if the rule promises what cannot be guaranteed, or decides nothing.
        OvertakenError: if another one was saved meanwhile than `seen`.
    """
    refuse_impossible(choice.point, basis.outcome(choice.point), basis.unit, choice.promise)
    judged = basis.judged
    rule = DecisionRule(
        point=choice.point,
        class_names=judged.class_names,
        verdicts=judged.verdicts,
        chosen_by=choice.chosen_by,
        confidence=confidence,
        saved_at=utc_now(),
        scenario=scenario,
        unit=basis.unit,
    )
    with connect(workspace) as db, transaction(db):
        text = judgement.operating_point(db, judged.model.id)
        earlier = readable_rule(text)
        if earlier is not None and earlier.same_decisions(rule):
            rule = replace(rule, saved_at=earlier.saved_at, chosen_by=earlier.chosen_by)
        elif earlier is not None and seen not in ("any", earlier):
            raise OvertakenError("Another threshold was saved meanwhile.", "Replace or keep it.")
        judgement.save_operating_point(db, judged.model.id, rule_to_json(rule))
        record_saved_rule(db, judged.model, person)
    return rule


def saved_rule(workspace: Workspace, model_id: str) -> DecisionRule | None:
    """The rule kept with a model, by its id or name; None if nobody chose one.

    Raises:
        NotFoundError: if there is no such model.
        ConfigError: if what is kept cannot be read.
    """
    with connect(workspace) as db:
        text = judgement.operating_point(db, models.find_model(db, model_id).id)
    return rule_from_json(text) if text else None


class Hidden(StrEnum):
    """Why test results are not shown."""

    SEALED = "sealed"  # until somebody opens them
    UNSEEN = "unseen"  # nobody has viewed them, and nobody has asked to
    DRAFT = "draft"  # the rule is not saved: the test gives the verdict on a saved rule
    MISSING = "missing"


@dataclass(frozen=True)
class OnTest:
    """The test images for the verdict on a rule, or why they are not shown."""

    basis: Basis | None
    reason: str = ""
    hidden: Hidden | None = None


def verdict_on_test(
    workspace: Workspace,
    model: Model,
    point: OperatingPoint,
    *,
    is_saved: bool,
    asked: str = "",
    person: str = "",
    load: Callable[[Workspace, str, Subset], Basis] = load_basis,
) -> OnTest:
    """The test images for the verdict on a rule; one that somebody asks about is a decision.

    A saved one was recorded when it was saved, or when the results were opened.

    Args:
        workspace: where the model lives.
        model: whose test images.
        point: the rule.
        is_saved: whether it is the saved one; a draft is not judged unless somebody asks.
        asked: why somebody asks to view them, even for a draft, or if nobody has before.
        person: who, as entered.
        load: gives the basis; a page has one with a memory.
    """
    access = access_to_test(workspace, model)
    if access is ResultsAccess.SEALED:
        return OnTest(None, "The test results are sealed.", Hidden.SEALED)
    if not is_saved and not asked:
        words = (
            "Save the threshold to see its result on the test images. Thresholds tuned while "
            "viewing the test results would prove nothing."
        )
        return OnTest(None, words, Hidden.DRAFT)
    if access is ResultsAccess.NOT_VIEWED and not asked:
        return OnTest(None, "The test results have not been viewed yet.", Hidden.UNSEEN)
    try:
        basis = load(workspace, model.id, Subset.TEST)
    except TouchstoneError as err:
        return OnTest(None, err.message, Hidden.MISSING)
    if asked:
        open_results(workspace, [model], asked, person=person)
        words, subject = rule_decision(point)
        record_decision(workspace, model, words, *subject, person=person)
    return OnTest(basis)
