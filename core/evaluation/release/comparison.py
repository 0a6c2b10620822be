"""Two models, or a model and a person, on the same parts: who is better, and what is new.

Only the parts on which they differ tell anything. n counts parts: a part is right if all its
images are.

Source: McNemar 1947 in its exact form; Newcombe 1998 for the difference.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.evaluation.decisions.outcome import NOK, OK, Decision, Decisions
from core.evaluation.measures.intervals import CONFIDENCE, Estimate, paired_difference
from core.evaluation.measures.parts import Parts, choose, units

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class PairedTable:
    """Parts by who is right; `difference` is the share of right parts, second minus first.

    `p_value` is that of McNemar's exact test: how likely such a difference is by chance alone.
    """

    both_right: int
    only_first_right: int
    only_second_right: int
    neither_right: int
    p_value: float
    difference: Estimate

    @property
    def n(self) -> int:
        """Parts compared."""
        return self.both_right + self.only_first_right + self.only_second_right + self.neither_right


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Exact two-sided p of so many parts on which just one of two is right; 1 for none."""
    from scipy.special import bdtr

    n = only_first + only_second
    return min(1.0, 2 * float(bdtr(min(only_first, only_second), n, 0.5))) if n else 1.0


def paired_table(
    first_wrong: NDArray[np.bool_],
    second_wrong: NDArray[np.bool_],
    parts: Parts | None = None,
    confidence: float = CONFIDENCE,
) -> PairedTable:
    """Compare two on the same images [N].

    Raises:
        ValueError: if the lengths differ.
    """
    if len(first_wrong) != len(second_wrong):
        raise ValueError(f"lengths differ: {len(first_wrong)}, {len(second_wrong)}")
    counted = units(len(first_wrong), parts)
    first, second = ~counted.highest(first_wrong), ~counted.highest(second_wrong)
    both, only_first = int((first & second).sum()), int((first & ~second).sum())
    only_second, neither = int((~first & second).sum()), int((~first & ~second).sum())
    return PairedTable(
        both,
        only_first,
        only_second,
        neither,
        mcnemar_p(only_first, only_second),
        paired_difference(both, only_second, only_first, neither, confidence),
    )


@dataclass(frozen=True)
class Comparison:
    """Classes compared; `new_errors` and `fixed_errors` are positions of images.

    Like the table they tell of parts: new are the wrong images of parts that were right so far.
    """

    table: PairedTable
    new_errors: Positions
    fixed_errors: Positions


def compare_predictions(
    first: NDArray[np.integer[Any]],
    second: NDArray[np.integer[Any]],
    targets: NDArray[np.int64],
    parts: Parts | None = None,
    confidence: float = CONFIDENCE,
) -> Comparison:
    """Predicted classes [N] of two models on the same images.

    Raises:
        ValueError: if the lengths differ.
    """
    first_wrong, second_wrong = first != targets, second != targets
    return Comparison(
        paired_table(first_wrong, second_wrong, parts, confidence),
        new_errors=_newly(first_wrong, second_wrong, parts),
        fixed_errors=_newly(second_wrong, first_wrong, parts),
    )


def _newly(before: NDArray[np.bool_], after: NDArray[np.bool_], parts: Parts | None) -> Positions:
    """Positions with the event in parts that did not have it before on any image."""
    if parts is None:
        return np.flatnonzero(after & ~before)
    return np.flatnonzero(after & ~np.isin(parts, parts[before]))


@dataclass(frozen=True)
class DecisionComparison:
    """OK / NOK decisions compared; a part to a person is neither an escape nor a false reject.

    `escapes` compares on defective parts (right: not accepted), `false_rejects` on good parts
    (right: not rejected). The lists are positions of images, of parts that newly escape, or are
    newly rejected, whose every image was right so far.
    """

    escapes: PairedTable
    false_rejects: PairedTable
    new_escapes: Positions
    fixed_escapes: Positions
    new_false_rejects: Positions
    fixed_false_rejects: Positions


def compare_decisions(
    first: Decisions,
    second: Decisions,
    truth: NDArray[np.int8],
    parts: Parts | None = None,
    confidence: float = CONFIDENCE,
) -> DecisionComparison:
    """Decisions [N] of two models, or of one model under two rules, on the same images.

    Args:
        first: what was used so far, from `core.evaluation.decisions.decide`.
        second: what is to come.
        truth: [N], from `core.evaluation.decisions.truths`.
        parts: [N] part numbers; None: every image is its own part.
        confidence: of the differences' intervals.
    """
    tables, new, fixed = [], [], []
    for kind, mistake in ((NOK, Decision.ACCEPT), (OK, Decision.REJECT)):
        of_kind = truth == kind
        before, after = of_kind & (first == mistake), of_kind & (second == mistake)
        tables.append(
            paired_table(before[of_kind], after[of_kind], choose(parts, of_kind), confidence)
        )
        new.append(_newly(before, after, parts))
        fixed.append(_newly(after, before, parts))
    return DecisionComparison(tables[0], tables[1], new[0], fixed[0], new[1], fixed[1])
