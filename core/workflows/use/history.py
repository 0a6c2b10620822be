"""What single images were predicted to be: kept, to be searched; the images themselves are not."""

from collections.abc import Iterator, Sequence

from core.domain.ids import utc_now
from core.domain.keeping.people import Right
from core.domain.models import Model, PastPrediction, Prediction
from core.domain.record import in_utc
from core.files import Cell, CsvDelimiter, csv_lines
from core.store import batches
from core.store.database import connect, transaction
from core.store.people import guard
from core.workspace import Workspace

MOST_KEPT = 100_000
COLUMNS = (
    "time (UTC)",
    "model",
    "path",
    "class",
    "confidence",
    "decision",
    "unfamiliar_score",
    "part",
    "error",
)


def remember(workspace: Workspace, model: Model, items: Sequence[Prediction]) -> None:
    """Add predictions with the decisions that they got; the oldest make room."""
    with connect(workspace) as db, transaction(db):
        batches.remember(db, model.id, model.name, utc_now(), items, MOST_KEPT)


def search(
    workspace: Workspace, text: str = "", *, limit: int = 100, offset: int = 0
) -> tuple[list[PastPrediction], int]:
    """A page of the history, newest first, and how many match.

    Args:
        workspace: whose history.
        text: part of a path, class, part, model or decision.
        limit: predictions of the page.
        offset: predictions before it.
    """
    with connect(workspace) as db:
        return batches.history(db, text=text.strip(), limit=limit, offset=offset)


def forget(workspace: Workspace) -> int:
    """Remove the history; gives how many predictions it had.

    Raises:
        NotAllowedError: if whoever acts may not delete for good.
    """
    with connect(workspace) as db, transaction(db):
        guard.require(db, Right.DELETE, "predicted_images")
        return batches.forget_history(db)


def as_csv(
    items: Sequence[PastPrediction], *, delimiter: CsvDelimiter = CsvDelimiter.COMMA
) -> bytes:
    """Predictions of the history as a CSV file."""
    return b"".join(csv_lines(rows(items), delimiter=delimiter))


def rows(items: Sequence[PastPrediction]) -> Iterator[Sequence[Cell]]:
    """`COLUMNS`, then one row per prediction."""
    yield COLUMNS
    for past in items:
        item = past.item
        yield [
            in_utc(past.at),
            past.model_name,
            item.path,
            item.class_name,
            item.confidence,
            item.decision,
            item.unfamiliar,
            item.part,
            item.error,
        ]
