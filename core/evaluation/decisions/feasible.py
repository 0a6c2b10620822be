"""Rules that are not worth keeping: impossible promises, and rules that decide nothing."""

from typing import Literal

from core.errors import ConfigError
from core.evaluation.decisions.guarantee import Guarantee
from core.evaluation.decisions.outcome import OperatingPoint, Outcome, PartScores
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


def refuse_same_for_all(
    point: OperatingPoint,
    scores: PartScores,
    limits: tuple[float | None, float | None],
    in_words: str,
) -> None:
    """Accept a rule that was chosen for limits, unless it decides all parts alike.

    Args:
        point: the rule.
        scores: of the validation parts that it was chosen on.
        limits: on escapes and on false rejects, in [0, 1]; None where there is none.
        in_words: the same.

    Raises:
        ConfigError: if it accepts or rejects every part, whatever it looks like.
    """
    always = _same_for_all(point)
    if always is None:
        return
    if 1 in limits:
        raise ConfigError(
            f"Every threshold keeps a limit of 100%; the one chosen for it {always} every part.",
            "Choose a limit below 100%.",
        )
    if not len(scores.nok) or not len(scores.ok):
        missing = "good" if len(scores.nok) else "defective"
        raise ConfigError(
            f"Without {missing} validation parts, the threshold chosen for the limit ({in_words}) "
            f"{always} every part.",
            f"Train on a split that has {missing} parts in validation.",
        )
    without = {"accepts": "accepting", "rejects": "rejecting"}[always]
    raise ConfigError(
        f"No threshold keeps the limit ({in_words}) without {without} every validation part, so "
        "this model cannot keep it.",
        "Choose a larger limit, set the other limit too, so that doubtful parts go to inspector "
        "review, or train a better model.",
    )


def _same_for_all(point: OperatingPoint) -> Literal["accepts", "rejects"] | None:
    """What a single threshold does to all parts, if it does the same to all."""
    if point.class_thresholds or point.accept_below is None or point.reject_from is None:
        return None
    if point.reject_from <= 0:
        return "rejects"
    return "accepts" if point.accept_below > 1 else None
