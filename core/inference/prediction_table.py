"""Predictions as rows of a table: the same columns for uploads, folders and the command line."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from core.domain.models import PartDecision, Prediction
from core.files import Cell

UNFAMILIAR = "unfamiliar_score"
COLUMNS = ("path", "class", "confidence", "decision", UNFAMILIAR, "part", "part decision", "error")
_OF_PARTS = ("part", "part decision")
# The decision on a part, by its id; None for images that stand alone.
PartDecisions = Callable[[str | None], PartDecision | None]


def prediction_rows(
    predictions: Iterable[Prediction],
    class_names: Sequence[str],
    *,
    with_decision: bool,
    with_unfamiliar: bool = False,
    part_decision: PartDecisions | None = None,
) -> Iterator[Sequence[Cell]]:
    """The header, then one row per image: `COLUMNS`, then the confidence of every class.

    Args:
        predictions: taken one at a time.
        class_names: in the order of the columns.
        with_decision: whether there is the column "decision".
        with_unfamiliar: whether there is the column "unfamiliar_score"; above 1 the image is unlike
            the training images.
        part_decision: the decision on a part; None: there are no columns of parts.
    """
    absent = {*(() if with_decision else ("decision",)), *(() if part_decision else _OF_PARTS)}
    absent |= set() if with_unfamiliar else {UNFAMILIAR}
    yield [*(name for name in COLUMNS if name not in absent), *class_names]
    for item in predictions:
        confidences = dict(item.confidences)
        yield [
            item.path,
            item.class_name,
            item.confidence,
            *([item.decision] if with_decision else []),
            *([item.unfamiliar] if with_unfamiliar else []),
            *([item.part, part_decision(item.part)] if part_decision else []),
            item.error,
            *(confidences.get(name) for name in class_names),
        ]


def columns_of(header: Sequence[str]) -> list[str]:
    """Which of `COLUMNS` a table has; the columns of the classes follow them.

    Why by position: a class may be called "error" or "part" too.
    """
    names: list[str] = []
    for name in COLUMNS:
        if header[len(names) : len(names) + 1] == [name]:
            names.append(name)
    return names
