"""Files of label tables: CSV in any encoding, Excel workbooks, and JSON of labeling programs."""

import csv
import datetime as dt
import io
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.data.importing.encodings import decoded
from core.data.importing.rules import TableKind
from core.data.importing.tables.label_exports import rows_of_json
from core.data.importing.tables.path_index import has_image_ending
from core.domain.names import known_name
from core.errors import ConfigError, ImportSourceError
from core.files import safe_cell
from core.words import listed

if TYPE_CHECKING:
    from openpyxl import Workbook

MAX_TABLE_BYTES = 200_000_000
MAX_UNPACKED_BYTES = 400_000_000
MAX_CELLS = 10_000_000
_SHEET_SAMPLE_ROWS = 50
_OLD_OFFICE = b"\xd0\xcf\x11\xe0"  # .xls, and workbooks with a password


@dataclass(frozen=True)
class TableFile:
    """A label table as text, and how it became text.

    `text` is CSV. `encoding` is that of a text file, `encoding_guessed`: others are nearly as
    likely. `sheets` are the names of the sheets of a workbook, `sheet` the one that was read.
    """

    text: str
    kind: TableKind = TableKind.TEXT
    encoding: str = ""
    encoding_guessed: bool = False
    sheets: tuple[str, ...] = ()
    sheet: str = ""


def read_table_file(
    content: bytes, *, encoding: str | None = None, sheet: str | None = None
) -> TableFile:
    """The table in a file, whatever its name says.

    Args:
        content: of the whole file.
        encoding: of a text file; None: detected.
        sheet: name or number, from 1, of a sheet in a workbook; None: the first with paths of
            images, else the first.

    Raises:
        ImportSourceError: if it is not a table that can be read, or larger than the limits.
        ConfigError: if there is no such encoding or sheet.
    """
    if len(content) > MAX_TABLE_BYTES:
        raise ImportSourceError(
            f"The table has {len(content) / 1e6:.0f} MB; the limit is {MAX_TABLE_BYTES / 1e6:.0f}.",
            "Keep only the columns for the path and the label.",
        )
    if content.startswith(b"PK\x03\x04"):
        return _workbook(content, sheet)
    if content.startswith(_OLD_OFFICE):
        raise ImportSourceError(
            "The table is an old Excel file (.xls) or protected by a password.",
            "Save it as .xlsx without a password, or as CSV.",
        )
    text = decoded(content, encoding)
    is_json = text.text.lstrip()[:1] in ("[", "{")
    rows = rows_of_json(text.text) if is_json else None
    return TableFile(
        text.text if rows is None else _csv(rows),
        TableKind.TEXT if rows is None else TableKind.JSON,
        text.encoding,
        not text.is_sure,
    )


def _workbook(content: bytes, wanted: str | None) -> TableFile:
    from openpyxl import load_workbook

    _refuse_bomb(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about drawings and formats, which are not read
            # Why data_only: the values that were saved count; no formula is computed.
            book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
            sheets = tuple(sheet.title for sheet in book.worksheets)
            for place in book.worksheets:
                place.reset_dimensions()  # those in the file may be wrong
            sheet = _chosen_sheet(sheets, wanted) if wanted else _likely_sheet(book, sheets)
            text = _csv(_cells(book[sheet].iter_rows(values_only=True)))
    except (ConfigError, ImportSourceError):
        raise
    except Exception as err:  # whatever a damaged workbook makes of the reader
        raise ImportSourceError(
            f"The table cannot be read as an Excel workbook: {err}.",
            "Open it in a spreadsheet program and save it as .xlsx or as CSV.",
        ) from err
    return TableFile(text, TableKind.EXCEL, sheets=sheets, sheet=sheet)


def _refuse_bomb(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            unpacked = sum(info.file_size for info in parts.infolist())
    except zipfile.BadZipFile as err:
        raise ImportSourceError(
            "The table is neither a text file nor an Excel workbook.", "Save it as .xlsx or as CSV."
        ) from err
    if unpacked > MAX_UNPACKED_BYTES:
        raise ImportSourceError(
            f"The workbook would unpack to {unpacked / 1e6:.0f} MB, which is not plausible.",
            "Keep only the sheet with the labels, and save it again.",
        )


def _likely_sheet(book: "Workbook", sheets: Sequence[str]) -> str:
    """The first sheet that names an image in one of its first rows, else the first of all."""
    if not sheets:
        raise ImportSourceError("The workbook has no sheet with cells.", "Save the table as CSV.")
    for sheet in sheets:
        rows = book[sheet].iter_rows(max_row=_SHEET_SAMPLE_ROWS, values_only=True)
        if any(has_image_ending(cell) for cells in _cells(rows) for cell in cells):
            return sheet
    return sheets[0]


def _chosen_sheet(sheets: Sequence[str], wanted: str) -> str:
    if name := known_name(wanted, sheets):
        return name
    if wanted.isdecimal() and 1 <= int(wanted) <= len(sheets):
        return sheets[int(wanted) - 1]
    raise ConfigError(
        f"The workbook has no sheet '{wanted}'.", f"Its sheets are: {listed(sheets)}."
    )


def _cells(rows: Iterable[Sequence[object]]) -> Iterator[list[str]]:
    """The cells as text, without the empty ones at the end of each row."""
    number = 0
    for row in rows:
        number += len(row)
        if number > MAX_CELLS:
            raise ImportSourceError(
                f"The sheet has more than {MAX_CELLS:,} cells.",
                "Keep only the columns for the path and the label.",
            )
        cells = [_text(value) for value in row]
        while cells and not cells[-1]:
            cells.pop()
        yield cells


def _text(value: object) -> str:
    """A cell as text, the same for all files: `2024-03-05`, `1234.5`, `7`, `TRUE`."""
    match value:
        case None:
            return ""
        case bool():
            return "TRUE" if value else "FALSE"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case dt.datetime() if value.time() == dt.time():
            return value.date().isoformat()
        case dt.datetime():
            return value.isoformat(sep=" ", timespec="seconds")
        case _:
            return " ".join(str(value).split())


def _csv(rows: Iterable[Sequence[str]]) -> str:
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    for row in rows:
        writer.writerow([safe_cell(cell) for cell in row])
    return lines.getvalue()
