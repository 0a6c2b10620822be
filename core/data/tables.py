"""Label tables: read whatever people have, and say how it was understood."""

import csv
import io
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from core.data.images import EXTENSIONS
from core.data.labels import MAX_LABEL, Labelled, normal_name, normal_path, subset_of_word
from core.data.rules import NO_COLUMN, Delimiter, TableRules
from core.errors import ConfigError, ImportSourceError

_LOOK_ROWS = 2000  # enough to guess by
_PATH_WORDS = ("path", "file", "image", "filename", "file_name", "filepath", "file_path",
               "image_path", "image_name", "img", "picture", "name", "bild", "datei")  # fmt: skip
_LABEL_WORDS = ("label", "class", "class_name", "classname", "category", "target", "labels",
                "class_id", "defect", "verdict", "result", "y", "klasse")  # fmt: skip
_GROUP_WORDS = ("group", "part", "part_id", "group_id", "serial", "serial_number", "lot", "batch",
                "patient", "patient_id", "object_id", "teil", "los")  # fmt: skip
_SPLIT_WORDS = ("split", "subset", "set", "partition", "phase", "usage")
_NO_LABEL = "the table has no label for it"


@dataclass(frozen=True)
class Table:
    """A table as it was understood; columns are positions, None where there is none."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    first_line: int
    delimiter: Delimiter
    has_header: bool
    path: int
    label: int
    group: int | None
    split: int | None

    @property
    def further(self) -> list[int]:
        """Columns without a part to play; they become attributes of the pictures."""
        used = {self.path, self.label, self.group, self.split}
        return [position for position in range(len(self.columns)) if position not in used]

    @property
    def labels(self) -> Counter[str]:
        """How often each label is there, as written."""
        return Counter(row[self.label].strip() for row in self.rows)

    @property
    def labels_are_numbers(self) -> bool:
        """Whether every label is a number."""
        return all(_number(label) is not None for label in self.labels)


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
    text = rules.text.removeprefix("\ufeff")
    is_path = _path_test(names)
    delimiter = rules.delimiter or _delimiter(text, is_path)
    rows = _rows(text, delimiter)
    if not rows or len(rows[0]) < 2:
        raise ImportSourceError(
            "The table needs two columns: the path of a picture and its label.",
            "Example line: images/0001.png,crack",
        )
    header = _has_header(rows, is_path) if rules.header is None else rules.header
    width = max(map(len, rows[:_LOOK_ROWS]))
    titles = [cell.strip() for cell in rows[0]] if header else []
    columns = _titles(titles, width)
    body = rows[1:] if header else rows
    if not body:
        raise ImportSourceError(
            "The table has a header and nothing below it.",
            "If its first line is a picture, say that the table has no header.",
        )
    table = _with_columns(rules, columns, body, delimiter, header=header, is_path=is_path)
    _refuse_short_lines(table, body)
    return replace(table, rows=tuple(tuple(row + [""] * (width - len(row))) for row in body))


def match_table(table: Table, rules: TableRules, names: Sequence[str]) -> TableMatch:
    """Compare a table with the files: exact paths first, then without extension, then base names.

    A base name counts only where one file has it.

    Raises:
        ImportSourceError: if one picture has two labels.
    """
    ways = _name_indexes(names)
    label_of = _label_words(rules)
    by_name: dict[str, Labelled] = {}
    missing: list[str] = []
    used: Counter[int] = Counter()
    for number, row in enumerate(table.rows, start=table.first_line):
        path = normal_path(row[table.path])
        way, name = _find(path, ways)
        labelled = _labelled_row(table, row, number, label_of)
        if name is None:
            missing.append(path)
            continue
        if by_name.setdefault(name, labelled).label != labelled.label:
            raise ImportSourceError(
                f"The table gives {path} two labels: '{by_name[name].label}' and "
                f"'{labelled.label}'.",
                "Keep one of the lines.",
            )
        used[way] += 1
    return TableMatch(by_name, tuple(dict.fromkeys(missing)), used[2], used[3] + used[4])


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
    names = {_key(cell): normal_name(name) for cell, name in rules.class_map}

    def label_of(cell: str) -> Labelled:
        label = normal_name(cell)
        number = _number(label)
        if rules.bins and number is not None:
            place = sum(number >= edge for edge in rules.bins)
            return Labelled(normal_name(rules.bin_names[place]))
        if rules.bins:
            return Labelled(reason=f"its label '{label}' in the table is no number")
        if names:
            named = names.get(_key(label))
            return Labelled(named) if named else Labelled(
                reason=f"the label '{label}' was given no class name"
            )  # fmt: skip
        return Labelled(label) if label else not_in_table()

    return label_of


def _key(cell: str) -> str | float:
    """Equal for labels that mean the same: 1, 1.0 and 01."""
    number = _number(cell)
    return normal_name(cell) if number is None else number


def _number(text: str) -> float | None:
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return value if value - value == 0 else None  # neither infinite nor NaN


def _rows(text: str, delimiter: Delimiter) -> list[list[str]]:
    if delimiter is Delimiter.BLANKS:
        text = "\n".join(line.replace("\t", " ").strip() for line in text.splitlines())
    lines = io.StringIO(text, newline="")  # the reader knows all line ends itself
    try:
        reader = csv.reader(lines, delimiter=delimiter.character, skipinitialspace=True)
        return [row for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as err:
        raise ImportSourceError(
            f"The table cannot be read: {err}.", "Save it as CSV in UTF-8, one picture per line."
        ) from err


def _delimiter(text: str, is_path: Callable[[str], bool]) -> Delimiter:
    """The one that gives lines of equal length, with a path in them."""
    start = "\n".join(line for line in text[:100_000].splitlines()[:50] if line.strip())

    def worth(delimiter: Delimiter) -> tuple[int, ...]:
        rows = _rows(start, delimiter)
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
    words = {_word(cell) for cell in first}
    if words & {*_PATH_WORDS} and words & {*_LABEL_WORDS}:
        return True
    return len(rows) > 1 and any(map(is_path, rows[1]))


def _titles(titles: Sequence[str], width: int) -> tuple[str, ...]:
    named = [*titles, *[""] * (width - len(titles))][:width]
    return tuple(title or f"column {i}" for i, title in enumerate(named, start=1))


def _with_columns(
    rules: TableRules,
    columns: tuple[str, ...],
    body: Sequence[Sequence[str]],
    delimiter: Delimiter,
    *,
    header: bool,
    is_path: Callable[[str], bool],
) -> Table:
    look = body[:_LOOK_ROWS]
    words = [_word(title) for title in columns] if header else [""] * len(columns)
    specs = (rules.path_column, rules.label_column, rules.group_column, rules.split_column)
    asked = [_asked(spec, columns) for spec in specs]
    path, label, group, split = asked
    taken = {position for position in asked if position is not None}
    if path is None:
        path = _named(words, _PATH_WORDS, taken)
        path = _path_column(look, len(columns), taken, is_path) if path is None else path
        taken.add(path)
    if group is None and rules.group_column is None:
        group = _named(words, _GROUP_WORDS, taken)
        taken |= {group} if group is not None else set()
    if label is None:
        label = _named(words, _LABEL_WORDS, taken)
        taken |= {label} if label is not None else set()
    if split is None and rules.split_column is None:
        split = _named(words, _SPLIT_WORDS, taken)
        split = _split_column(look, len(columns), taken) if split is None else split
        taken |= {split} if split is not None else set()
    if label is None:
        label = _label_column(look, len(columns), taken)
    return Table(columns, (), 1 + header, delimiter, header, path, label, group, split)


def _asked(spec: str | None, columns: Sequence[str]) -> int | None:
    if spec is None or spec == NO_COLUMN:
        return None
    titles = [title.lower() for title in columns]
    if spec.lower() in titles:
        return titles.index(spec.lower())
    if spec.isdecimal() and 1 <= int(spec) <= len(columns):
        return int(spec) - 1
    raise ConfigError(
        f"The table has no column '{spec}'.", f"Its columns are: {', '.join(columns)}."
    )


def _word(title: str) -> str:
    return title.strip().lower().replace(" ", "_").replace("-", "_")


def _named(words: Sequence[str], wanted: Iterable[str], taken: set[int]) -> int | None:
    return next((words.index(w) for w in wanted if w in words and words.index(w) not in taken),
                None)  # fmt: skip


def _path_column(
    rows: Sequence[Sequence[str]], width: int, taken: set[int], is_path: Callable[[str], bool]
) -> int:
    """The column with most paths; the first free one where none has any."""
    free = [position for position in range(width) if position not in taken]
    hits = {i: sum(is_path(row[i]) for row in rows if len(row) > i) for i in free}
    return max(free, key=lambda i: (hits[i], -i)) if free else 0


def _split_column(rows: Sequence[Sequence[str]], width: int, taken: set[int]) -> int | None:
    for position in range(width):
        values = {row[position] for row in rows if len(row) > position}
        if position not in taken and len(values) > 1 and all(map(subset_of_word, values)):
            return position
    return None


def _label_column(rows: Sequence[Sequence[str]], width: int, taken: set[int]) -> int:
    """The first free column whose values repeat, else the first free one."""
    free = [position for position in range(width) if position not in taken]
    if not free:
        raise ConfigError("The table has no column left for the label.", "Choose other columns.")
    for position in free:
        values = {row[position] for row in rows if len(row) > position}
        if 1 < len(values) <= len(rows) / 2:
            return position
    return free[0]


def _refuse_short_lines(table: Table, body: Sequence[Sequence[str]]) -> None:
    needed = max(table.path, table.label, table.group or 0, table.split or 0)
    for number, row in enumerate(body, start=table.first_line):
        if len(row) <= needed:
            raise ImportSourceError(
                f"Line {number} of the table has too few columns: {list(row)}.",
                "Every line needs a path and a label.",
            )


def _path_test(names: Sequence[str]) -> Callable[[str], bool]:
    """Whether a cell names a picture: one of the files, or by its extension."""
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
