"""What a decision rule does to known parts, in a sentence; and what that proves."""

from core.evaluation.decisions.outcome import Outcome
from core.evaluation.measures.intervals import Rate
from core.evaluation.measures.parts import Unit
from core.words import joined, percent_at_most


def outcome_in_words(outcome: Outcome, unit: Unit) -> str:
    """Such as `7 of 40 defective parts escape, 1 of 20 good parts is rejected.` in one sentence."""
    said = [
        _counted(outcome.escape, f"defective {unit.word}", "escapes", "escape"),
        _counted(outcome.overkill, f"good {unit.word}", "is rejected", "are rejected"),
    ]
    reviewed = outcome.n - outcome.automatic.k
    if reviewed:
        said.append(f"{reviewed:,} of {outcome.n:,} to inspector review")
    sentence = ", ".join(said) + "."
    return sentence[:1].upper() + sentence[1:]


def _counted(rate: Rate, what: str, one: str, many: str) -> str:
    if not rate.n:
        return f"no {what}"
    return f"{rate.k:,} of {rate.n:,} {what} {one if rate.k == 1 else many}"


def bounds_in_words(outcome: Outcome) -> str:
    """`at most 31.3% of defects escape and 21.6% of good are rejected.`; one-sided, exact."""
    said = [
        f"{percent_at_most(upper)} {words}"
        for rate, words in (
            (outcome.escape, "of defects escape"),
            (outcome.overkill, "of good are rejected"),
        )
        if (upper := rate.upper(outcome.confidence)) is not None
    ]
    return f"at most {joined(said)}." if said else "nothing."
