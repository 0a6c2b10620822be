"""Label tables: read whatever people have, and say how it was understood."""

import csv
import io
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import PurePosixPath

from core.data.exports import TITLES
from core.data.importing.labels import MAX_LABEL, Labelled, normal_name, normal_path, subset_of_word
from core.data.importing.rules import Delimiter, TableRules
from core.data.importing.table_columns import (
    LABEL_WORDS,
    PATH_WORDS,
    column_word,
    find_roles,
    label_key,
    number_of,
)
from core.data.pixels.images import EXTENSIONS
from core.errors import ImportSourceError
from core.files import plain_cell

_LOOK_ROWS = 2000  # enough to guess by
_LOOSELY = re.compile(r"[,;\t]| +")  # between cells, before it is known what is
_NO_LABEL = "the table has no label for it"


@dataclass(frozen=True)
class Table:
    """A table as it was understood; columns are positions, None where there is none.

    `numbers` are the lines of its file that the rows come from, counted from 1. `comments` is how
    many lines above it were no part of it, `cut_off` are lines at its end that are none: number and
    text. `rivals` and `one_hot` say why the label column is doubtful; see `Roles`.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...]
    delimiter: Delimiter
    has_header: bool
    path: int
    label: int
    group: int | None
    split: int | None
    rivals: tuple[int, ...] = ()
    one_hot: tuple[int, ...] = ()
    comments: int = 0
    cut_off: tuple[tuple[int, str], ...] = ()

    @property
    def further(self) -> list[int]:
        """Columns without a part to play; they become attributes of the images.

        Those that every export writes say nothing that an import does not know.
        """
        used = {self.path, self.label, self.group, self.split}
        is_export = {"path", "label", "name", "sha256"} <= set(self.columns)
        return [
            position
            for position, title in enumerate(self.columns)
            if position not in used and not (is_export and title in TITLES)
        ]

    @property
    def labels(self) -> Counter[str]:
        """How often each label is there, as written."""
        return Counter(row[self.label].strip() for row in self.rows)

    @property
    def labels_are_numbers(self) -> bool:
        """Whether every label is a number."""
        return all(number_of(label) is not None for label in self.labels)


@dataclass(frozen=True)
class TableMatch:
    """What a table says of the files: by file name; listed paths without a file; how it matched."""

    by_name: dict[str, Labelled]
    missing: tuple[str, ...]
    without_extension: int
    by_base_name: int


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


def read_table(rules: TableRules, names: Sequence[str] = ()) -> Table:
    """Split a table into cells and find its header and columns, as far as the rules leave it open.

    Args:
        rules: the text, and what a person decided.
        names: of the files below the source; they tell which column holds paths.

    Raises:
        ImportSourceError: if there are no two columns, or a line is too short.
        ConfigError: if a chosen column does not exist.
    """
    is_path = _path_test(names)
    text, comments = _without_comments(rules.text.removeprefix("\ufeff"), is_path)
    delimiter = rules.delimiter or _delimiter(text, is_path)
    lines = _lines(text, delimiter)
    rows = [cells for _, cells in lines]
    if not rows or len(rows[0]) < 2:
        raise ImportSourceError(
            "The table needs two columns: the path of an image and its label.",
            "Example line: images/0001.png,crack",
        )
    header = _has_header(rows, is_path) if rules.header is None else rules.header
    width = max(map(len, rows[:_LOOK_ROWS]))
    columns = _titles([cell.strip() for cell in rows[0]] if header else [], width)
    body = lines[1:] if header else lines
    if not body:
        raise ImportSourceError(
            "The table has a header and nothing below it.",
            "If its first line is an image, say that the table has no header.",
        )
    look = [cells for _, cells in body[:_LOOK_ROWS]]
    found = find_roles(rules, columns, look, header=header, is_path=is_path)
    needed = max(found.path, found.label, found.group or 0, found.split or 0)
    body, cut_off = _without_end(body, needed, is_path)
    return Table(
        columns=columns,
        rows=tuple(tuple(cells + [""] * (width - len(cells))) for _, cells in body),
        numbers=tuple(number for number, _ in body),
        delimiter=delimiter,
        has_header=header,
        comments=comments,
        cut_off=cut_off,
        **vars(found),
    )


def refuse_unclear_label(table: Table) -> None:
    """Raise where only chance says which column holds the label.

    Raises:
        ImportSourceError: with the columns that could.
    """
    how = "on the command line with --label-column and its name"
    if table.one_hot:
        names = [table.columns[i] for i in table.one_hot]
        raise ImportSourceError(
            f"The table has {len(names)} columns of 0 and 1 ({_listed(names)}) and none that holds "
            "the class itself.",
            "Give it one column with the name of the class, or choose the one of them that "
            f"counts, {how}.",
        )
    if table.rivals:
        names = [table.columns[i] for i in (table.label, *table.rivals)]
        raise ImportSourceError(
            f"Several columns of the table could hold the class: {_listed(names)}.",
            f"Choose one, {how}, or call it 'label' in the header.",
        )


def _listed(names: Sequence[str], limit: int = 12) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def match_table(table: Table, rules: TableRules, names: Sequence[str]) -> TableMatch:
    """Compare a table with the files: exact paths first, then without extension, then base names.

    A base name counts only where one file has it.

    Raises:
        ImportSourceError: if one image has two labels, groups or subsets.
    """
    ways = _name_indexes(names)
    label_of = _label_words(rules)
    by_name: dict[str, Labelled] = {}
    missing: list[str] = []
    used: Counter[int] = Counter()
    for number, row in zip(table.numbers, table.rows, strict=True):
        path = normal_path(row[table.path])
        way, name = _find(path, ways)
        labelled = _labelled_row(table, row, number, label_of)
        if name is None:
            missing.append(path)
            continue
        _refuse_contradiction(path, by_name.setdefault(name, labelled), labelled)
        used[way] += 1
    return TableMatch(by_name, tuple(dict.fromkeys(missing)), used[2], used[3] + used[4])


def _refuse_contradiction(path: str, one: Labelled, other: Labelled) -> None:
    for what, first, second in (
        ("labels", one.label, other.label),
        ("groups", one.group, other.group),
        ("subsets", one.subset, other.subset),
    ):
        if first != second:
            said = " and ".join(f"'{value}'" if value else "none" for value in (first, second))
            raise ImportSourceError(
                f"The table gives {path} two {what}: {said}.", "Keep one of the lines."
            )


def not_in_table() -> Labelled:
    """What is said of a file that the table does not name."""
    return Labelled(reason=_NO_LABEL)


def _labelled_row(
    table: Table, row: Sequence[str], number: int, label_of: Callable[[str], Labelled]
) -> Labelled:
    labelled = label_of(row[table.label])
    if labelled.label and len(labelled.label) > MAX_LABEL:
        raise ImportSourceError(
            f"The label in line {number} of the table is longer than {MAX_LABEL} characters.",
            "Check that the columns are path and label, in this order or with a header.",
        )
    attributes = ((normal_name(table.columns[i]), normal_name(row[i])) for i in table.further)
    return replace(
        labelled,
        group=None if table.group is None else normal_name(row[table.group]) or None,
        subset=None if table.split is None else subset_of_word(row[table.split]),
        attributes=tuple((key, value) for key, value in attributes if key and value),
    )


def _label_words(rules: TableRules) -> Callable[[str], Labelled]:
    """The function from a cell to a class."""
    names = {label_key(cell): normal_name(name) for cell, name in rules.class_map}

    def label_of(cell: str) -> Labelled:
        label = normal_name(cell)
        number = number_of(label)
        if rules.bins and number is not None:
            place = sum(number >= edge for edge in rules.bins)
            return Labelled(normal_name(rules.bin_names[place]))
        if rules.bins:
            return Labelled(reason=f"its label '{label}' in the table is no number")
        if names:
            named = names.get(label_key(label))
            return (
                Labelled(named)
                if named
                else Labelled(reason=f"the label '{label}' was given no class name")
            )
        return Labelled(label) if label else not_in_table()

    return label_of


def _lines(text: str, delimiter: Delimiter) -> list[tuple[int, list[str]]]:
    """Number, from 1, and cells of every line that is not empty."""
    if delimiter is Delimiter.BLANKS:
        text = "\n".join(line.replace("\t", " ").strip() for line in text.splitlines())
    lines = io.StringIO(text, newline="")  # the reader knows all line ends itself
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


def _without_comments(text: str, is_path: Callable[[str], bool]) -> tuple[str, int]:
    """The text with lines above the table that begin with # emptied, and how many these are.

    Emptied, so that all lines keep their numbers. A header that is marked like this stays.
    """
    lines = text.splitlines(keepends=True)

    def is_comment(line: str) -> bool:
        return line.startswith("#") and not is_path(_LOOSELY.split(line)[0])

    above = list(takewhile(lambda line: not line.strip() or is_comment(line), lines))
    marked = [number for number, line in enumerate(above) if line.startswith("#")]
    if not marked:
        return text, 0
    after = lines[len(above)] if len(above) < len(lines) else ""
    last = marked.pop()
    words = {column_word(cell) for cell in _LOOSELY.split(above[last].lstrip("#").strip())}
    is_header = words & {*PATH_WORDS} and words & {*LABEL_WORDS}
    kept = above[last].lstrip("#") if is_header and any(map(is_path, _LOOSELY.split(after))) else ""
    emptied = ["\n"] * last + [kept or "\n"] + above[last + 1 :]
    return "".join(emptied + lines[len(above) :]), len(marked) + (not kept)


def _delimiter(text: str, is_path: Callable[[str], bool]) -> Delimiter:
    """The one that gives lines of equal length, with a path in them."""
    start = "\n".join(line for line in text[:100_000].splitlines()[:50] if line.strip())

    def worth(delimiter: Delimiter) -> tuple[int, ...]:
        rows = [cells for _, cells in _lines(start, delimiter)]
        if not rows or len(rows[0]) < 2:
            return (0,)
        has_path = any(is_path(cell) for row in rows[1:] or rows for cell in row)
        if delimiter is Delimiter.BLANKS and not has_path:
            return (0,)  # any sentence has blanks
        widths = {len(row) for row in rows}
        return (1, has_path, len(widths) == 1, delimiter is not Delimiter.BLANKS, min(widths))

    order = (Delimiter.TAB, Delimiter.SEMICOLON, Delimiter.COMMA, Delimiter.BLANKS)
    return max(order, key=worth)


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
    """The lines without short ones at the end that name no image, such as `total`; and those."""
    end = len(lines)
    while end > 1 and len(lines[end - 1][1]) <= needed and not any(map(is_path, lines[end - 1][1])):
        end -= 1
    for number, cells in lines[:end]:
        if len(cells) <= needed:
            raise ImportSourceError(
                f"Line {number} of the table has too few columns: {cells}.",
                "Every line needs a path and a label.",
            )
    return lines[:end], tuple((number, " ".join(cells).strip()) for number, cells in lines[end:])


def _path_test(names: Sequence[str]) -> Callable[[str], bool]:
    """Whether a cell names an image: one of the files, or by its extension."""
    known = set().union(*_name_indexes(names)) if names else set()

    def is_path(cell: str) -> bool:
        text = cell.strip()
        if not text:
            return False
        return PurePosixPath(text).suffix.lower() in EXTENSIONS or text.casefold() in known

    return is_path


def _name_indexes(names: Sequence[str]) -> list[dict[str, str]]:
    """From what a table may write to the file; the ambiguous is left out. Best way first.

    The whole path; in other capital letters; without extension; the base name with and without it.
    """
    paths = {unicodedata.normalize("NFC", name): name for name in names}
    spellings: list[Callable[[str], str]] = [
        str.casefold,
        lambda path: _without_extension(path.casefold()),
        lambda path: path.casefold().rpartition("/")[2],
        lambda path: _without_extension(path.casefold().rpartition("/")[2]),
    ]
    return [paths, *[_unique(paths, spelling) for spelling in spellings]]


def _unique(paths: Mapping[str, str], spelling: Callable[[str], str]) -> dict[str, str]:
    found: dict[str, list[str]] = defaultdict(list)
    for path, name in paths.items():
        found[spelling(path)].append(name)
    return {key: names[0] for key, names in found.items() if len(names) == 1}


def _without_extension(path: str) -> str:
    folder, slash, base = path.rpartition("/")
    stem, dot, suffix = base.rpartition(".")
    return folder + slash + (stem if dot and stem and f".{suffix}" in EXTENSIONS else base)


def _find(path: str, ways: Sequence[Mapping[str, str]]) -> tuple[int, str | None]:
    base = path.rpartition("/")[2]
    folded = path.casefold()
    bare = _without_extension
    tries = (path, folded, bare(folded), base.casefold(), bare(base.casefold()))
    for way, (key, index) in enumerate(zip(tries, ways, strict=True)):
        if key in index:
            return way, index[key]
    return 0, None
