"""What kind of mistake every image is."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from core.evaluation.decisions.outcome import NOK, OK, Decision, Decisions

NO_MISTAKE = -1


class MistakeKind(IntEnum):
    """What kind of mistake it is, the most serious first."""

    ESCAPE = 0
    FALSE_REJECT = 1
    CONFUSION = 2


def mistake_kinds(
    right: NDArray[np.bool_],
    decisions: Decisions | None = None,
    truth: NDArray[np.int8] | None = None,
) -> NDArray[np.int8]:
    """The `MistakeKind` of every image [N]; `NO_MISTAKE` where there is none.

    An image can escape or be rejected though its class is right, where a threshold decides.

    Args:
        right: [N], whether the predicted class is the true one.
        decisions: [N], what the rule does with it; None without verdicts: all are confusions.
        truth: [N], from `core.evaluation.decisions.outcome.truths`; needed with decisions.
    """
    kinds = np.where(right, NO_MISTAKE, MistakeKind.CONFUSION).astype(np.int8)
    if decisions is not None and truth is not None:
        kinds[(truth == OK) & (decisions == Decision.REJECT)] = MistakeKind.FALSE_REJECT
        kinds[(truth == NOK) & (decisions == Decision.ACCEPT)] = MistakeKind.ESCAPE
    return kinds
