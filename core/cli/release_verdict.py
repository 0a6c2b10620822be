"""A release verdict at a terminal: pass or block, why, and what it leaves open."""

from core.cli.output import say
from core.evaluation.release.check import ReleaseVerdict
from core.evaluation.release.words import (
    not_applicable_in_words,
    reasons_in_words,
    remarks_in_words,
)


def show_verdict(verdict: ReleaseVerdict) -> None:
    """Print it, a sentence a line."""
    say(verdict.outcome.value)
    for sentence in (
        *reasons_in_words(verdict),
        *not_applicable_in_words(verdict),
        *remarks_in_words(verdict),
    ):
        say(f"  {sentence}")
