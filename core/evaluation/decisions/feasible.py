"""Rules that are not worth keeping: impossible promises, and rules that decide nothing."""

from core.errors import ConfigError
from core.evaluation.decisions.guarantee import Guarantee
from core.evaluation.decisions.outcome import OperatingPoint, Outcome
from core.evaluation.measures.parts import Unit


def refuse_impossible(
    point: OperatingPoint, outcome: Outcome, unit: Unit, promise: Guarantee | None = None
) -> None:
    """Accept a rule that does something.

    Args:
        point: the rule.
        outcome: what it does to the validation parts.
        unit: what these are counted in.
        promise: that the rule was chosen for, if any.

    Raises:
        ConfigError: if its guarantee is impossible, it decides no validation part by itself, or
            it decides all parts alike, whatever they look like.
    """
    if promise is not None and not promise.is_possible:
        raise ConfigError(
            f"This guarantee is impossible: {promise.remarks[0]}",
            "Choose a larger limit or a lower confidence, or collect more images: Plan says "
            "how many.",
        )
    if outcome.n and not outcome.automatic.k:
        raise ConfigError(
            f"This rule decides nothing: all {outcome.n:,} validation {unit.word} would go to "
            "inspector review.",
            "Choose a larger limit or other thresholds, or train a better model.",
        )
    always = _same_for_all(point)
    if always is not None:
        raise ConfigError(
            f"This threshold {always} every part, whatever its image shows.",
            "Choose a threshold above 0 and at most 100%, or check the limits and costs that it "
            "was chosen for.",
        )


def _same_for_all(point: OperatingPoint) -> str | None:
    """What a single threshold does to all parts, if it does the same to all."""
    if point.class_thresholds or point.accept_below is None or point.reject_from is None:
        return None
    if point.reject_from <= 0:
        return "rejects"
    return "accepts" if point.accept_below > 1 else None
