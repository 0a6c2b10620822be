"""The record of a workspace: reading and exporting it, and checking that nobody altered it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from core.data.file_checks import file_states
from core.domain.files import FileState
from core.domain.record import Alteration, Anchor, Fault, RecordedAction, RecordRow, in_utc
from core.errors import ConfigError
from core.files import Cell, write_csv
from core.store import datasets, versions
from core.store.database import connect, transaction
from core.store.keeping import names, record, verification
from core.worker.files.checks import known_file
from core.workflows.keeping.record_findings import findings_in_words
from core.workflows.keeping.record_values import ids_in
from core.workspace import Workspace

COLUMNS = (
    "number",
    "time (UTC)",
    "person",
    "action",
    "id",
    "name",
    "old",
    "new",
    "reason",
    "chain",
)


def read_anchor(text: str) -> Anchor:
    """The anchor that `Anchor.written` gave.

    Raises:
        ConfigError: if it has another form.
    """
    number, _, digest = text.strip().partition(":")
    if not number.isdigit() or not digest or set(digest.lower()) - set("0123456789abcdef"):
        raise ConfigError(
            f"'{text}' is no anchor.", "Give it as `touchstone verify` printed it: NUMBER:DIGEST."
        )
    return Anchor(int(number), digest.lower())


def entries(
    workspace: Workspace,
    *,
    text: str = "",
    actions: Sequence[RecordedAction] = (),
    limit: int = 100,
    offset: int = 0,
) -> tuple[list[RecordRow], int]:
    """A page of the record, newest first, and how many rows match.

    Args:
        workspace: whose record.
        text: part of a person, name, id, reason, or old or new value.
        actions: only these; empty: all.
        limit: rows of the page.
        offset: rows before it.
    """
    with connect(workspace) as db:
        return record.newest(
            db, text=text, actions=tuple(a.value for a in actions), limit=limit, offset=offset
        )


def names_in(workspace: Workspace, rows: Sequence[RecordRow]) -> dict[str, str]:
    """Id -> name of the things that the values of these rows mention, deleted ones too.

    A finding has no name: its key leads to what it is, unless it is gone.
    """
    with connect(workspace) as db:
        named = names.names_of(db, {key for row in rows for key in ids_in(row)})
        return named | findings_in_words(db, rows)


def anchor(workspace: Workspace) -> Anchor | None:
    """The newest row, to be written down outside; None: nothing is recorded."""
    with connect(workspace) as db:
        newest = record.head(db)
    return Anchor(newest.number, newest.digest) if newest else None


def note(
    workspace: Workspace,
    action: RecordedAction,
    subject: str = "",
    name: str = "",
    *,
    new: str | None = None,
) -> None:
    """Record what changes no stored row, such as an export."""
    with connect(workspace) as db, transaction(db):
        record.add(db, action, subject, name, new=new)


def export(workspace: Workspace, target: Path) -> int:
    """Write the whole record as CSV; gives the number of rows. Formulas of spreadsheets are quoted.

    Raises:
        OSError: if the file cannot be written.
    """
    with connect(workspace) as db:
        rows = list(record.every(db))
    write_csv(target, _table(rows))
    return len(rows)


def _table(rows: Sequence[RecordRow]) -> Iterator[Sequence[Cell]]:
    yield COLUMNS
    for row in rows:
        yield (
            row.number,
            in_utc(row.at),
            row.person,
            row.action,
            row.subject,
            row.name,
            row.old or "",
            row.new or "",
            row.reason,
            row.digest,
        )


def verify(
    workspace: Workspace,
    *,
    written_down: Anchor | None = None,
    image_files: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Alteration]:
    """What is not as it was recorded, the most serious first; empty: everything is.

    Args:
        workspace: to check.
        written_down: a row that was kept outside. Only this shows that the end of the record was
            cut off, or that all of it was written anew.
        image_files: also read every image file and compare it with what was imported.
        on_progress: told images checked and images in all.
    """
    with connect(workspace) as db:
        problems = list(verification.problems(db, written_down))
        ids = [dataset.id for dataset in datasets.list_datasets(db)]
    if image_files:
        for dataset_id in ids:
            problems += _image_files(workspace, dataset_id, on_progress)
    return problems


def _image_files(
    workspace: Workspace, dataset_id: str, on_progress: Callable[[int, int], None]
) -> Iterator[Alteration]:
    """Reads every file: a time that was set back must not hide another content."""
    with connect(workspace) as db:
        name = datasets.find_dataset(db, dataset_id).name
        samples = versions.samples_at(db, dataset_id)
    known = [replace(known_file(workspace, sample), time=None) for sample in samples]
    for sample, found in zip(samples, file_states(known, on_progress=on_progress), strict=True):
        if found.state is not FileState.SAME:
            yield Alteration(Fault.FILE, f"{name}: {sample.name}")
