"""Class names from file paths and tables."""

import csv
import io
import re
import unicodedata
from collections.abc import Callable
from pathlib import PurePosixPath

from core.domain import LabelSource
from core.errors import ImportSourceError

MAX_LABEL = 200  # a class name must fit a model file and a chart
_TRAILING_INDEX = re.compile(r"[\d_]+$")


def label_from_path(path: PurePosixPath, source: LabelSource) -> str | None:
    """The class of a picture by its path below the source folder; None where there is none.

    `last_folder`: `pills/crack/12.png` -> `crack`. `file_name`: -> `12`.
    `file_name_remove_index`: the base name without all trailing digits and underscores,
    `crack_20180101.png` -> `crack`.
    """
    if source is LabelSource.LAST_FOLDER:
        label = path.parent.name
    elif source is LabelSource.FILE_NAME:
        label = path.stem
    else:
        label = _TRAILING_INDEX.sub("", path.stem)
    return normal_name(label) or None


def normal_name(text: str) -> str:
    """One spelling of a name: composed Unicode, no control characters, no outer blanks."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(c for c in composed if unicodedata.category(c)[0] != "C").strip()


def labels_from_table(text: str) -> dict[str, str]:
    """Path -> class from a table with the columns path and label, with or without a header.

    Comma, semicolon and tab are understood. With a header naming `path` (or `file`, `image`) and
    `label` (or `class`), those columns are used; else the first two.

    Raises:
        ImportSourceError: if there are no two columns, or one path has two labels.
    """
    rows = _rows(text.removeprefix("\ufeff"))
    if not rows or len(rows[0]) < 2:
        raise ImportSourceError(
            "The table needs two columns: the path of a picture and its label.",
            "Example line: images/0001.png,crack",
        )
    path_column, label_column, has_header = _columns(rows[0])
    labels: dict[str, str] = {}
    for number, row in enumerate(rows[has_header:], start=1 + has_header):
        if len(row) <= max(path_column, label_column):
            raise ImportSourceError(
                f"Line {number} of the table has too few columns: {row}.",
                "Every line needs a path and a label.",
            )
        path = normal_path(row[path_column])
        label = normal_name(row[label_column])
        if len(label) > MAX_LABEL:
            raise ImportSourceError(
                f"The label in line {number} of the table is longer than {MAX_LABEL} characters.",
                "Check that the columns are path and label, in this order or with a header.",
            )
        if labels.setdefault(path, label) != label:
            raise ImportSourceError(
                f"The table gives {path} two labels: '{labels[path]}' and '{label}'.",
                "Keep one of the lines.",
            )
    return labels


def table_text(content: bytes) -> str:
    """The text of a table file: UTF-8 or UTF-16, else as western spreadsheet programs write it.

    Raises:
        ImportSourceError: if it is no text.
    """
    try:
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            return content.decode("utf-16")
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            return content.decode("cp1252")
    except UnicodeDecodeError as err:
        raise ImportSourceError(
            "The table is no readable text.", "Save it as CSV with the encoding UTF-8."
        ) from err


def normal_path(text: str) -> str:
    """A relative path as tables and archives write it, with forward slashes."""
    return str(PurePosixPath(unicodedata.normalize("NFC", text.strip().replace("\\", "/"))))


def labeller(source: LabelSource, table: str | None) -> Callable[[PurePosixPath], str | None]:
    """The function that finds the class of a relative path for a label source.

    Raises:
        ImportSourceError: if the source is a table and none, or a broken one, is given.
    """
    if source is not LabelSource.CSV:
        return lambda path: label_from_path(path, source)
    if table is None:
        raise ImportSourceError(
            "Labels from a table need the table.", "Give a CSV file with the columns path, label."
        )
    labels = labels_from_table(table)
    return lambda path: labels.get(normal_path(str(path))) or None


def _rows(text: str) -> list[list[str]]:
    lines = io.StringIO(text, newline="")  # the reader knows all line ends itself
    try:
        return [row for row in csv.reader(lines, delimiter=_delimiter(text)) if any(row)]
    except csv.Error as err:
        raise ImportSourceError(
            f"The table cannot be read: {err}.", "Save it as CSV in UTF-8, one picture per line."
        ) from err


def _delimiter(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(",;\t", key=first.count)


def _columns(first_row: list[str]) -> tuple[int, int, int]:
    names = [cell.strip().lower() for cell in first_row]
    path = next((names.index(n) for n in ("path", "file", "image", "filename") if n in names), None)
    label = next((names.index(n) for n in ("label", "class", "class_name") if n in names), None)
    if path is None or label is None:
        return 0, 1, 0
    return path, label, 1
