"""Label tables: any common CSV or text file, and how it was read."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from core.data.exports import TITLES
from core.data.importing.rules import FLAG_COLUMNS, DecimalMark, Delimiter, TableKind, TableRules
from core.data.importing.tables.columns import (
    LABEL_WORDS,
    PATH_WORDS,
    Roles,
    column_word,
    find_roles,
)
from core.data.importing.tables.numbers import decimal_mark, number_of
from core.data.importing.tables.path_index import has_image_ending, known_spellings
from core.errors import ImportSourceError
from core.files import plain_cell
from core.words import listed

_SAMPLE_ROWS = 2000  # enough to detect the columns
_SEPARATOR_LINE = re.compile(r'\A"?sep=([,;\t ])"?(?=\r|\n)', re.IGNORECASE)
_ANY_DELIMITER = re.compile(r"[,;\t]| +")  # before the delimiter is known


@dataclass(frozen=True)
class Table:
    """A table as it was read.

    `numbers` are the lines of the file that the rows come from, counted from 1. `comments` counts
    the lines above the table that do not belong to it, `cut_off` holds those at its end: number
    and text. `decimal` is the decimal mark of the labels, None if none of them needs one;
    `decimal_guessed`: the labels would also allow the other.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...]
    delimiter: Delimiter
    has_header: bool
    roles: Roles
    comments: int = 0
    cut_off: tuple[tuple[int, str], ...] = ()
    decimal: DecimalMark | None = None
    decimal_guessed: bool = False

    @property
    def further(self) -> list[int]:
        """Columns without a role; they become attributes of the images.

        The columns that every export writes are left out: an import knows them anyway.
        """
        roles = self.roles
        used = {roles.path, roles.label, roles.group, roles.split}
        if roles.label not in roles.one_hot:
            used |= set(roles.one_hot)
        is_export = {"path", "label", "name", "sha256"} <= set(self.columns)
        return [
            position
            for position, title in enumerate(self.columns)
            if position not in used and not (is_export and title in TITLES)
        ]

    @property
    def labels(self) -> Counter[str]:
        """How often each label occurs, as written."""
        return Counter(row[self.roles.label].strip() for row in self.rows)

    @property
    def labels_are_numbers(self) -> bool:
        """Whether every label is a number."""
        return all(number_of(label, self.decimal) is not None for label in self.labels)


def read_table(rules: TableRules, names: Sequence[str] = ()) -> Table:
    """Split a table into cells; detect its header and columns where the rules do not state them.

    Args:
        rules: the text, and the user's choices.
        names: of the files below the source; they show which column contains paths.

    Raises:
        ImportSourceError: if there are fewer than two columns, or a line is too short.
        ConfigError: if a chosen column does not exist.
    """
    is_path = _path_test(names)
    stated, text = _stated_delimiter(rules.text.removeprefix("\ufeff"))
    text, comments = _without_comments(text, is_path)
    is_text = rules.kind is TableKind.TEXT
    chosen = rules.delimiter or stated
    delimiter = (chosen or _delimiter(text, is_path)) if is_text else Delimiter.COMMA
    lines = _lines(text, delimiter)
    rows = [cells for _, cells in lines]
    if not rows or len(rows[0]) < 2:
        raise ImportSourceError(
            "The table needs at least two columns: the path of an image and its label.",
            "Example of a line: images/0001.png,crack",
        )
    header = _has_header(rows, is_path) if rules.header is None else rules.header
    width = max(map(len, rows[:_SAMPLE_ROWS]))
    columns = _titles([cell.strip() for cell in rows[0]] if header else [], width)
    body = lines[1:] if header else lines
    if not body:
        raise ImportSourceError(
            "The table has a header but no lines below it.",
            "If the first line is an image, state that the table has no header.",
        )
    sample = [cells for _, cells in body[:_SAMPLE_ROWS]]
    roles = find_roles(rules, columns, sample, header=header, is_path=is_path)
    needed = max(roles.path, roles.label, roles.group or 0, roles.split or 0)
    body, cut_off = _without_end(body, needed, is_path)
    if rules.label_column == FLAG_COLUMNS:
        flagged = [_flagged(cells, roles.one_hot, columns) for _, cells in body]
        roles = replace(roles, label=width)
        body = [
            (number, [*_wide(cells, width), label])
            for (number, cells), label in zip(body, flagged, strict=True)
        ]
        columns, width = (*columns, "class"), width + 1
    labels = (cells[roles.label] for _, cells in body)
    detected = decimal_mark(labels, delimiter if is_text else None)
    return Table(
        columns=columns,
        rows=tuple(tuple(_wide(cells, width)) for _, cells in body),
        numbers=tuple(number for number, _ in body),
        delimiter=delimiter,
        has_header=header,
        roles=roles,
        comments=comments,
        cut_off=cut_off,
        decimal=rules.decimal or (detected[0] if detected else None),
        decimal_guessed=rules.decimal is None and detected is not None and not detected[1],
    )


def refuse_unclear_label(table: Table) -> None:
    """Raise if it is unclear which column contains the label.

    Raises:
        ImportSourceError: with the possible columns.
    """
    roles = table.roles
    if roles.label in roles.one_hot:
        names = [table.columns[i] for i in roles.one_hot]
        raise ImportSourceError(
            f"The table has {len(names)} columns of 0 and 1 ({listed(names)}), but no column with "
            "the class itself.",
            "Choose one of them, or that the class is the title of the column with 1 (on the "
            "command line: --label-column NAME, or '*').",
        )
    if roles.rivals:
        names = [table.columns[i] for i in (roles.label, *roles.rivals)]
        raise ImportSourceError(
            f"Several columns of the table could contain the class: {listed(names)}.",
            "Choose one (on the command line: --label-column NAME), or name it 'label' in the "
            "header.",
        )


def _flagged(cells: Sequence[str], flags: Sequence[int], columns: Sequence[str]) -> str:
    """The titles of the columns with 1; several are joined as labels."""
    on = [columns[i] for i in flags if i < len(cells) and number_of(cells[i]) == 1]
    return "|".join(on)


def _wide(cells: list[str], width: int) -> list[str]:
    return cells + [""] * (width - len(cells))


def _lines(text: str, delimiter: Delimiter) -> list[tuple[int, list[str]]]:
    """Number, from 1, and cells of every line that is not empty."""
    if delimiter is Delimiter.BLANKS:
        text = "\n".join(line.replace("\t", " ").strip() for line in text.splitlines())
    lines = io.StringIO(text, newline="")  # the reader handles all line ends itself
    try:
        reader = csv.reader(lines, delimiter=delimiter.character, skipinitialspace=True)
        return [
            (reader.line_num, [plain_cell(cell) for cell in row])
            for row in reader
            if any(cell.strip() for cell in row)
        ]
    except csv.Error as err:
        raise ImportSourceError(
            f"The table cannot be read: {err}.", "Save it as CSV in UTF-8, one image per line."
        ) from err


def _stated_delimiter(text: str) -> tuple[Delimiter | None, str]:
    """The delimiter in a first line `sep=;`, as Excel writes it; and the text with it emptied."""
    match = _SEPARATOR_LINE.match(text)
    if match is None:
        return None, text
    stated = next((item for item in Delimiter if item.character == match[1]), None)
    return stated, text[match.end() :]


def _without_comments(text: str, is_path: Callable[[str], bool]) -> tuple[str, int]:
    """The text with the comment lines (#) above the table emptied, and their number.

    Emptied instead of removed, so that all lines keep their numbers. A header that begins with #
    stays.
    """
    lines = text.splitlines(keepends=True)

    def is_comment(line: str) -> bool:
        return line.startswith("#") and not is_path(_ANY_DELIMITER.split(line)[0])

    above = list(takewhile(lambda line: not line.strip() or is_comment(line), lines))
    marked = [number for number, line in enumerate(above) if line.startswith("#")]
    if not marked:
        return text, 0
    after = lines[len(above)] if len(above) < len(lines) else ""
    last = marked.pop()
    words = {column_word(cell) for cell in _ANY_DELIMITER.split(above[last].lstrip("#").strip())}
    is_header = words & {*PATH_WORDS} and words & {*LABEL_WORDS}
    kept = (
        above[last].lstrip("#")
        if is_header and any(map(is_path, _ANY_DELIMITER.split(after)))
        else ""
    )
    emptied = ["\n"] * last + [kept or "\n"] + above[last + 1 :]
    return "".join(emptied + lines[len(above) :]), len(marked) + (not kept)


def _delimiter(text: str, is_path: Callable[[str], bool]) -> Delimiter:
    """The delimiter that gives lines of equal length with a path in them."""
    start = "\n".join(line for line in text[:100_000].splitlines()[:50] if line.strip())

    def score(delimiter: Delimiter) -> tuple[int, ...]:
        rows = [cells for _, cells in _lines(start, delimiter)]
        if not rows or len(rows[0]) < 2:
            return (0,)
        has_path = any(is_path(cell) for row in rows[1:] or rows for cell in row)
        if delimiter is Delimiter.BLANKS and not has_path:
            return (0,)  # any sentence contains blanks
        widths = {len(row) for row in rows}
        return (1, has_path, len(widths) == 1, delimiter is not Delimiter.BLANKS, min(widths))

    order = (Delimiter.TAB, Delimiter.SEMICOLON, Delimiter.COMMA, Delimiter.BLANKS)
    return max(order, key=score)


def _has_header(rows: Sequence[Sequence[str]], is_path: Callable[[str], bool]) -> bool:
    first = [cell.strip() for cell in rows[0]]
    if any(map(is_path, first)):
        return False
    words = {column_word(cell) for cell in first}
    if words & {*PATH_WORDS} and words & {*LABEL_WORDS}:
        return True
    return len(rows) > 1 and any(map(is_path, rows[1]))


def _titles(titles: Sequence[str], width: int) -> tuple[str, ...]:
    named = [*titles, *[""] * (width - len(titles))][:width]
    return tuple(title or f"column {i}" for i, title in enumerate(named, start=1))


def _without_end(
    lines: list[tuple[int, list[str]]], needed: int, is_path: Callable[[str], bool]
) -> tuple[list[tuple[int, list[str]]], tuple[tuple[int, str], ...]]:
    """The lines without short ones at the end that name no image, such as `total`; and these."""
    end = len(lines)
    while end > 1 and len(lines[end - 1][1]) <= needed and not any(map(is_path, lines[end - 1][1])):
        end -= 1
    for number, cells in lines[:end]:
        if len(cells) <= needed:
            raise ImportSourceError(
                f"Line {number} of the table has too few columns: {' | '.join(cells)}",
                "Every line needs a path and a label.",
            )
    return lines[:end], tuple((number, " ".join(cells).strip()) for number, cells in lines[end:])


def _path_test(names: Sequence[str]) -> Callable[[str], bool]:
    """The function that tells whether a cell names an image, by the files or by its extension."""
    known = known_spellings(names)

    def is_path(cell: str) -> bool:
        text = cell.strip()
        if not text:
            return False
        return text.casefold() in known or has_image_ending(text)

    return is_path
