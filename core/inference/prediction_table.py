"""Predictions as rows of a table: the same columns for uploads, folders and the command line."""

from collections.abc import Iterable, Iterator, Sequence

from core.domain.models import Prediction
from core.files import Cell

COLUMNS = ("path", "class", "confidence", "decision", "error")


def prediction_rows(
    predictions: Iterable[Prediction], class_names: Sequence[str], *, with_decision: bool
) -> Iterator[Sequence[Cell]]:
    """The header, then one row per image: `COLUMNS`, then the confidence of every class.

    Args:
        predictions: taken one at a time.
        class_names: in the order of the columns.
        with_decision: whether there is the column "decision".
    """
    yield [*(name for name in COLUMNS if with_decision or name != "decision"), *class_names]
    for item in predictions:
        confidences = dict(item.confidences)
        yield [
            item.path,
            item.class_name,
            item.confidence,
            *([item.decision] if with_decision else []),
            item.error,
            *(confidences.get(name) for name in class_names),
        ]
