"""Which part a new image shows: by its folder, a pattern in its name, or a column of a table."""

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from core.data.groups import Names, groups_by_folder, groups_by_pattern
from core.data.importing.tables.columns import PATH_WORDS, column_word
from core.data.importing.tables.files import MAX_TABLE_BYTES, read_table_file
from core.data.importing.tables.path_index import PathFit, PathIndex
from core.data.patterns import PathPattern
from core.domain.names import known_name
from core.domain.splits import Grouping, GroupKind
from core.errors import ConfigError, SplitError
from core.files import plain_cell, read_user_file

_FOUND = (PathFit.EXACT, PathFit.ENDING, PathFit.WITHOUT_EXTENSION)
_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class PartSource:
    """What tells the part of an image; `table` is the file that a column stands in."""

    grouping: Grouping
    table: Path | None = None

    @property
    def option(self) -> str:
        """As it is typed: `folder`, `regex:PATTERN`, `column:NAME`."""
        grouping = self.grouping
        if grouping.kind is GroupKind.ATTRIBUTE:
            return f"{GroupKind.COLUMN.value}:{grouping.value}"
        return grouping.option


def part_source(option: str, table: Path | None = None) -> PartSource:
    """What `folder`, `regex:PATTERN` or `column:NAME` means.

    Raises:
        ConfigError: if it is none of these, the pattern is broken, or a column has no table.
    """
    kind, _, value = option.partition(":")
    if kind == GroupKind.FOLDER and not value:
        return PartSource(Grouping(GroupKind.FOLDER))
    if kind == GroupKind.PATTERN and value:
        PathPattern(value, needs="group")
        return PartSource(Grouping(GroupKind.PATTERN, value))
    if kind == GroupKind.COLUMN and value:
        if table is None:
            raise ConfigError(
                f"The table with the column '{value}' is missing.", "Give it with --part-table."
            )
        return PartSource(Grouping(GroupKind.ATTRIBUTE, value), table)
    raise ConfigError(
        f"Parts cannot be told by '{option}'.",
        "Use folder, regex: and a pattern with a named group (?P<group>…), or column: and the "
        "name of a column of --part-table.",
    )


def part_ids(source: PartSource, names: Sequence[str]) -> Names:
    """The part of each image; None for those that stand alone.

    Args:
        source: what tells the part.
        names: paths of the images, all below one folder or all absolute.

    Raises:
        ConfigError: if no image has a part by this rule, or the table cannot be read.
    """
    if not names:
        return []
    try:
        match source.grouping.kind:
            case GroupKind.FOLDER:
                return groups_by_folder(names, ())
            case GroupKind.PATTERN:
                return groups_by_pattern(names, source.grouping.value)
            case GroupKind.ATTRIBUTE:
                assert source.table is not None
                return _by_table(source.table, source.grouping.value, names)
            case GroupKind.COLUMN | GroupKind.LOOK_ALIKES:
                raise ValueError("not known of new images")
            case _:
                assert_never(source.grouping.kind)
    except SplitError as err:
        is_folder = source.grouping.kind is GroupKind.FOLDER
        message = "No image lies in a folder of its own part." if is_folder else err.message
        hint = "Put the images of each part into one folder." if is_folder else err.hint
        raise ConfigError(message, hint) from err


def _by_table(table: Path, column: str, names: Sequence[str]) -> Names:
    header, rows = _read(table)
    title = known_name(column, header)
    if title is None:
        raise ConfigError(
            f"{table.name} has no column '{column}'.", f"Its columns are: {', '.join(header)}."
        )
    at = header.index(title)
    words = [column_word(name) for name in header]
    path = next((words.index(word) for word in PATH_WORDS if word in words), 0)
    paths = [row[path] for row in rows]
    spelled = [name.replace(os.sep, "/") for name in names]
    index = PathIndex(spelled, paths)
    parts: dict[str, str] = {}
    for row in rows:
        match = index.find(row[path])
        if match.fit in _FOUND and row[at].strip():
            parts[match.name] = row[at].strip()
    if not parts:
        raise ConfigError(
            f"{table.name} names none of the images.",
            f"Its column '{header[path]}' must hold their file names.",
        )
    return [parts.get(name) for name in spelled]


def _read(table: Path) -> tuple[list[str], list[list[str]]]:
    """The titles and the rows of a table, all of equal length."""
    try:
        content = read_user_file(table, most_bytes=MAX_TABLE_BYTES)
    except OSError as err:
        raise ConfigError(
            f"{table} cannot be read: {err.strerror or err}.", "Give a CSV or Excel file."
        ) from err
    text = read_table_file(content).text
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    lines = [
        [plain_cell(cell) for cell in row]
        for row in csv.reader(io.StringIO(text), delimiter=delimiter)
    ]
    if not lines:
        raise ConfigError(f"{table.name} is empty.", "Its first line has the titles.")
    header = [title.strip() for title in lines[0]]
    return header, [(row + [""] * len(header))[: len(header)] for row in lines[1:] if any(row)]
