"""The decision rule as it is kept with a model: limits, who chose them, the verdicts they rest on.

It stands alone: it decides on an image from its confidences without the dataset, which may be
gone. Written as JSON, because the store and a seal keep it as text.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, assert_never

import numpy as np

from core.domain.datasets import Verdict
from core.domain.models import PartDecision, Prediction
from core.domain.parts import ANY_IMAGE, part_rule
from core.errors import ConfigError, TouchstoneError
from core.evaluation.decisions.costs import Costs, Scenario
from core.evaluation.decisions.outcome import Decision, OperatingPoint, decide
from core.evaluation.measures.intervals import CONFIDENCE
from core.evaluation.measures.parts import Unit
from core.words import exact_percent

_PART_DECISIONS = {
    Decision.ACCEPT: PartDecision.ACCEPT,
    Decision.PERSON: PartDecision.REVIEW,
    Decision.REJECT: PartDecision.REJECT,
}


@dataclass(frozen=True)
class DecisionRule:
    """An operating point with everything needed to apply and to explain it.

    Attributes:
        point: the limits.
        class_names: of the model, by class index.
        verdicts: by class, as they were when the rule was chosen.
        chosen_by: in words, such as "escapes at most 1%".
        confidence: of the bounds that were shown.
        saved_at: when; UTC.
        scenario: the line whose PPM and costs were shown; None if nobody entered one.
        unit: what the counts behind it were; None in rules of before.
    """

    point: OperatingPoint
    class_names: tuple[str, ...]
    verdicts: tuple[Verdict | None, ...]
    chosen_by: str
    confidence: float
    saved_at: float
    scenario: Scenario | None = None
    unit: Unit | None = None

    def decide(self, confidences: Mapping[str, float]) -> Decision:
        """What happens to a part of which this image was taken.

        Args:
            confidences: class name -> probability; of all classes of the model.
        """
        row = [[confidences.get(name, 0.0) for name in self.class_names]]
        return Decision(int(decide(self.point, np.array(row, np.float32), self.verdicts)[0]))

    def decided(self, item: Prediction) -> Prediction:
        """The prediction with its decision; an unreadable image gets none."""
        if item.error is not None:
            return item
        return replace(item, decision=part_decision(self.decide(dict(item.confidences))))

    @property
    def in_words(self) -> str:
        """The limits as a sentence."""
        return point_in_words(self.point)

    def same_decisions(self, other: "DecisionRule") -> bool:
        """Whether both always decide alike; who chose them, when and why does not matter."""
        return (self.point, self.class_names, self.verdicts) == (
            other.point,
            other.class_names,
            other.verdicts,
        )


def part_decision(decision: Decision | int) -> PartDecision:
    """The decision on a part, from its number in an array of decisions."""
    return _PART_DECISIONS[Decision(int(decision))]


def decision_in_words(decision: PartDecision) -> str:
    """What happens to a part, in words."""
    match decision:
        case PartDecision.ACCEPT:
            return "accept"
        case PartDecision.REVIEW:
            return "inspector review"
        case PartDecision.REJECT:
            return "reject"
        case _:
            assert_never(decision)


def point_in_words(point: OperatingPoint) -> str:
    """The thresholds as a sentence."""
    if point.accept_below is None or point.reject_from is None:
        words = "The verdict of the predicted class decides."
    elif point.accept_below == point.reject_from:
        words = f"Reject at {as_limit(point.reject_from)} NOK confidence or more, otherwise accept."
    else:
        words = (
            f"Accept below {as_limit(point.accept_below)} NOK confidence, "
            f"{_rejecting(point.reject_from)}, inspector review in between."
        )
    if point.class_thresholds:
        words += " A prediction below the threshold of its own class goes to inspector review."
    return f"{words} {point.parts.in_words}".rstrip()


def _rejecting(reject_from: float) -> str:
    return f"reject at {as_limit(reject_from)} or more" if reject_from <= 1 else "reject nothing"


def as_limit(value: float) -> str:
    """A limit of a probability as percent with every digit: what is shown is what is applied."""
    if value <= 0:
        return "0%"
    if value >= 1:
        return "100%" if value == 1 else "more than 100%"
    words = exact_percent(value)
    return words if "." in words else words.replace("%", ".0%")


def rule_to_json(rule: DecisionRule) -> str:
    """The rule as text."""
    values = {
        "accept_below": rule.point.accept_below,
        "reject_from": rule.point.reject_from,
        "class_thresholds": list(rule.point.class_thresholds),
        "class_names": list(rule.class_names),
        "verdicts": list(rule.verdicts),
        "chosen_by": rule.chosen_by,
        "chosen_on": "validation",
        "confidence": rule.confidence,
        "saved_at": rule.saved_at,
        "scenario": asdict(rule.scenario) if rule.scenario else None,
        "unit": rule.unit.value if rule.unit else None,
    }
    if rule.point.parts != ANY_IMAGE:  # else as it was written before there was a choice
        values["parts"] = rule.point.parts.text
    return json.dumps(values, sort_keys=True)


def rule_from_json(text: str) -> DecisionRule:
    """The rule that `rule_to_json` wrote.

    Raises:
        ConfigError: if the text is not a rule.
    """
    try:
        values = json.loads(text)
        return DecisionRule(
            point=OperatingPoint(
                values["accept_below"],
                values["reject_from"],
                tuple(values["class_thresholds"]),
                part_rule(str(values.get("parts", ANY_IMAGE.text))),
            ),
            class_names=tuple(values["class_names"]),
            verdicts=tuple(None if v is None else Verdict(v) for v in values["verdicts"]),
            chosen_by=str(values["chosen_by"]),
            confidence=float(values.get("confidence", CONFIDENCE)),
            saved_at=float(values["saved_at"]),
            scenario=_scenario(values["scenario"]) if values.get("scenario") else None,
            unit=Unit(values["unit"]) if values.get("unit") else None,
        )
    except (ValueError, TypeError, KeyError, AttributeError) as err:
        raise ConfigError(
            "The saved operating point of this model cannot be read.",
            "It may come from a newer version of Touchstone; choose it again.",
        ) from err


def same_rules(one: str | None, other: str | None) -> bool:
    """Whether two stored rules decide alike; when they were saved and why does not matter."""
    if not one or not other:
        return not one and not other
    return rule_from_json(one).same_decisions(rule_from_json(other))


def readable_rule(text: str | None) -> DecisionRule | None:
    """The rule of a text; None if there is none, or it cannot be read."""
    try:
        return rule_from_json(text) if text else None
    except TouchstoneError:
        return None


def _scenario(values: dict[str, Any]) -> Scenario:
    return Scenario(**{**values, "costs": Costs(**values["costs"])})
