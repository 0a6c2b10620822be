"""Keeping the threshold at hand where a chosen one counts the same and is less safe."""

from dataclasses import replace

from core.evaluation.decisions.outcome import OperatingPoint
from core.workflows.results.thresholds import Basis, ThresholdChoice, ThresholdGoal


def safer(
    basis: Basis, goal: ThresholdGoal, choice: ThresholdChoice, present: OperatingPoint
) -> ThresholdChoice:
    """The choice, or `present` where it decides all these parts alike and suits the goal better.

    Of thresholds that count the same, new defective parts escape least by the lowest, and new good
    ones are rejected least by the highest.
    """
    limits_one = (goal.max_escape is None) != (goal.max_overkill is None) and not goal.guarantee
    now, then = present.accept_below, choice.point.accept_below
    if not limits_one or present.has_person_zone or now is None or then is None:
        return choice
    if now >= then if goal.max_overkill is None else now <= then:
        return choice
    kept, other = basis.outcome(present), basis.outcome(choice.point)
    if (kept.ok, kept.nok) != (other.ok, other.nok):
        return choice
    return replace(choice, point=replace(present, parts=basis.combine), is_kept=True)
