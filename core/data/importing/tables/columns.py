"""Which column of a label table contains the path, the label, the group and the subset."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.data.importing.labels import subset_of_word
from core.data.importing.rules import FLAG_COLUMNS, NO_COLUMN, TableRules
from core.data.importing.tables.numbers import label_key, number_of
from core.data.importing.tables.path_index import has_image_ending
from core.domain.names import name_key
from core.errors import ConfigError

PATH_WORDS = (
    "path",
    "file",
    "image",
    "filename",
    "file_name",
    "filepath",
    "file_path",
    "image_path",
    "image_name",
    "img",
    "picture",
    "name",
    "bild",
    "datei",
)
LABEL_WORDS = (
    "label",
    "class",
    "class_name",
    "classname",
    "category",
    "target",
    "labels",
    "class_id",
    "defect",
    "verdict",
    "result",
    "y",
    "klasse",
    "choice",
    "choices",
)
_LABEL_PARTS = (
    "label",
    "class",
    "category",
    "defect",
    "verdict",
    "result",
    "grade",
    "target",
    "type",
)  # most specific first
# Columns such as `labelled_by` and `defect_size` describe the label; they are not the label.
_BESIDE_LABEL = {"by", "at", "date", "time", "size", "count", "area", "score", "confidence"}
# What labeling programs write beside it.
_BOOKKEEPING = {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"}
_GROUP_WORDS = (
    "group",
    "part",
    "part_id",
    "group_id",
    "serial",
    "serial_number",
    "lot",
    "batch",
    "patient",
    "patient_id",
    "object_id",
    "teil",
    "los",
)
_SPLIT_WORDS = ("split", "subset", "set", "partition", "phase", "usage")

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Roles:
    """Positions of columns; None if there is none.

    `rivals` are columns that could be the label as well; the first of them was chosen. `one_hot`
    are columns of 0 and 1, one for each class, if no column contains the class itself. Both are
    empty if a column title or the user has decided, unless for these columns.
    """

    path: int
    label: int
    group: int | None
    split: int | None
    rivals: tuple[int, ...] = ()
    one_hot: tuple[int, ...] = ()


def find_roles(
    rules: TableRules,
    columns: Sequence[str],
    rows: Rows,
    *,
    header: bool,
    is_path: Callable[[str], bool],
) -> Roles:
    """The role of each column, as far as the rules do not state it.

    Args:
        rules: the user's choices.
        columns: their titles.
        rows: cells of some lines, without the header; some may be short.
        header: whether the titles come from the table.
        is_path: whether a cell names an image.

    Raises:
        ConfigError: if a chosen column does not exist, or none remains for the label.
    """
    words = [column_word(title) for title in columns] if header else [""] * len(columns)
    specs = (rules.path_column, rules.label_column, rules.group_column, rules.split_column)
    chosen = [_chosen(spec, columns) for spec in specs]
    path, label, group, split = chosen
    taken = {position for position in chosen if position is not None}
    if path is None:
        path = _named(words, PATH_WORDS, taken)
        path = _path_column(rows, len(columns), taken, is_path) if path is None else path
        taken.add(path)
    if group is None and rules.group_column is None:
        group = _named(words, _GROUP_WORDS, taken)
        taken |= {group} if group is not None else set()
    if label is None and rules.label_column != FLAG_COLUMNS:
        label = _named(words, LABEL_WORDS, taken)
        taken |= {label} if label is not None else set()
    if split is None and rules.split_column is None:
        named = _named(words, _SPLIT_WORDS, taken)
        has_subsets = named is not None and any(
            subset_of_word(row[named]) for row in rows if len(row) > named
        )
        split = named if has_subsets else _split_column(rows, len(columns), taken)
        taken |= {split} if split is not None else set()
    if label is not None:
        return Roles(path, label, group, split)
    free = [i for i in range(len(columns)) if i not in taken and words[i] not in _BOOKKEEPING]
    free = free or [i for i in range(len(columns)) if i not in taken]
    cells = {i: [row[i].strip() for row in rows if len(row) > i and row[i].strip()] for i in free}
    if rules.label_column == FLAG_COLUMNS:
        flags = _flag_columns(cells)
        if len(flags) < 2:
            raise ConfigError(
                "The table has no columns of 0 and 1, one for each class.",
                "Choose the column with the class.",
            )
        return Roles(path, flags[0], group, split, one_hot=flags)
    fitting = {i: of for i, of in cells.items() if _fits(rules, of)}
    label, rivals, one_hot = _guessed_label(words, fitting or cells, len(rows))
    return Roles(path, label, group, split, rivals, one_hot)


def column_word(title: str) -> str:
    """A title in a uniform spelling: `File Name` and `file-name` become `file_name`."""
    return name_key(title).replace(" ", "_").replace("-", "_")


def _chosen(spec: str | None, columns: Sequence[str]) -> int | None:
    if spec in (None, NO_COLUMN, FLAG_COLUMNS):
        return None
    if spec in columns:
        return columns.index(spec)
    titles = [name_key(title) for title in columns]
    if name_key(spec) in titles:
        return titles.index(name_key(spec))
    if spec.isdecimal() and 1 <= int(spec) <= len(columns):
        return int(spec) - 1
    raise ConfigError(
        f"The table has no column '{spec}'.", f"Its columns are: {', '.join(columns)}."
    )


def _named(words: Sequence[str], candidates: Iterable[str], taken: set[int]) -> int | None:
    return next(
        (words.index(w) for w in candidates if w in words and words.index(w) not in taken), None
    )


def _path_column(
    rows: Sequence[Sequence[str]], width: int, taken: set[int], is_path: Callable[[str], bool]
) -> int:
    """The column with the most paths, endings of images first; the first free one if none has any.

    Why endings: a running number may be the name of a file without its extension.
    """
    free = [position for position in range(width) if position not in taken]
    hits = {i: sum(is_path(row[i]) for row in rows if len(row) > i) for i in free}
    ends = {i: sum(has_image_ending(row[i]) for row in rows if len(row) > i) for i in free}
    return max(free, key=lambda i: (ends[i], hits[i], -i)) if free else 0


def _split_column(rows: Sequence[Sequence[str]], width: int, taken: set[int]) -> int | None:
    for position in range(width):
        values = {row[position] for row in rows if len(row) > position}
        if position not in taken and len(values) > 1 and all(map(subset_of_word, values)):
            return position
    return None


def _fits(rules: TableRules, cells: Sequence[str]) -> bool:
    """Whether these can be labels, given the names or ranges that the user has chosen."""
    if rules.bins:
        return all(number_of(cell) is not None for cell in cells)
    known = {label_key(label) for label, _ in rules.class_map}
    return not known or any(label_key(cell) in known for cell in cells)


def _guessed_label(
    words: Sequence[str], cells: Mapping[int, Sequence[str]], n: int
) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """The label among the free columns, its rivals, and the columns of 0 and 1 instead of it.

    Args:
        words: of all columns.
        cells: of the free columns, without empty ones.
        n: lines.
    """
    if not cells:
        raise ConfigError("No column of the table is left for the label.", "Choose other columns.")
    zero_one = _flag_columns(cells)
    named = [i for i in cells if _label_rank(words[i]) is not None]
    clear = [i for i in named if i not in zero_one or len(zero_one) == 1]
    has_text = any(map(_is_text, cells.values()))
    if len(zero_one) > 1 and not clear and (len(named) > 1 or not has_text):
        return zero_one[0], (), zero_one
    repeating = [i for i, of in cells.items() if 1 < len(set(of)) <= n / 2]
    if named:
        best = min(clear or named, key=lambda i: (i not in repeating, _label_rank(words[i]), i))
        return best, (), ()
    different = [i for i, of in cells.items() if len(set(of)) > 1]
    first, *rivals = repeating or different or cells
    return first, tuple(rivals), ()


def _flag_columns(cells: Mapping[int, Sequence[str]]) -> tuple[int, ...]:
    """The columns of 0 and 1 only."""
    return tuple(
        i for i, of in cells.items() if of and {number_of(cell) for cell in of} <= {0.0, 1.0}
    )


def _label_rank(word: str) -> tuple[bool, int] | None:
    """How well a column title fits the label, the best first; None: not at all.

    A whole word (`result_text`) fits better than a part of one (`imagelabels`).
    """
    whole = word.split("_")
    if _BESIDE_LABEL & set(whole):
        return None
    return min(
        ((part not in whole, place) for place, part in enumerate(_LABEL_PARTS) if part in word),
        default=None,
    )


def _is_text(cells: Sequence[str]) -> bool:
    """Whether these could be class names: not all are numbers, and some of them repeat."""
    return len(set(cells)) < len(cells) and any(number_of(cell) is None for cell in cells)
