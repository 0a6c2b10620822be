"""Lines of a label table matched with the files of a source."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from core.data.importing.labels import MAX_LABEL, Labelled, normal_name, normal_path, subset_of_word
from core.data.importing.name_index import matching_name, name_indexes
from core.data.importing.rules import TableRules
from core.data.importing.table_columns import label_key, number_of
from core.data.importing.tables import Table
from core.errors import ImportSourceError

NOT_IN_TABLE = Labelled(reason="The table has no label for this file.")


@dataclass(frozen=True)
class TableMatch:
    """What a table states about the files.

    `by_name` maps file names to labels, `missing` are paths in the table without a file.
    `without_extension` and `by_base_name` count the lines that matched only in this way.
    """

    by_name: dict[str, Labelled]
    missing: tuple[str, ...]
    without_extension: int
    by_base_name: int


def match_table(table: Table, rules: TableRules, names: Sequence[str]) -> TableMatch:
    """Match a table with files: exact paths first, then without extension, then file names.

    A file name alone counts only if it is unique.

    Raises:
        ImportSourceError: if one image has two labels, groups or subsets.
    """
    indexes = name_indexes(names)
    label_of = _label_reader(rules)
    by_name: dict[str, Labelled] = {}
    missing: list[str] = []
    used: Counter[int] = Counter()
    for number, row in zip(table.numbers, table.rows, strict=True):
        path = normal_path(row[table.roles.path])
        rank, name = matching_name(path, indexes)
        labelled = _labelled_row(table, row, number, label_of)
        if name is None:
            missing.append(path)
            continue
        _refuse_contradiction(path, by_name.setdefault(name, labelled), labelled)
        used[rank] += 1
    return TableMatch(by_name, tuple(dict.fromkeys(missing)), used[2], used[3] + used[4])


def _refuse_contradiction(path: str, one: Labelled, other: Labelled) -> None:
    for what, first, second in (
        ("labels", one.label, other.label),
        ("groups", one.group, other.group),
        ("subsets", one.subset, other.subset),
    ):
        if first != second:
            values = " and ".join(f"'{value}'" if value else "none" for value in (first, second))
            raise ImportSourceError(
                f"The table gives {path} two {what}: {values}.", "Keep only one of the lines."
            )


def _labelled_row(
    table: Table, row: Sequence[str], number: int, label_of: Callable[[str], Labelled]
) -> Labelled:
    roles = table.roles
    labelled = label_of(row[roles.label])
    if labelled.label and len(labelled.label) > MAX_LABEL:
        raise ImportSourceError(
            f"The label in line {number} of the table is longer than {MAX_LABEL} characters.",
            "Check that the columns are path and label, in this order or with a header.",
        )
    attributes = ((normal_name(table.columns[i]), normal_name(row[i])) for i in table.further)
    return replace(
        labelled,
        group=None if roles.group is None else normal_name(row[roles.group]) or None,
        subset=None if roles.split is None else subset_of_word(row[roles.split]),
        attributes=tuple((key, value) for key, value in attributes if key and value),
    )


def _label_reader(rules: TableRules) -> Callable[[str], Labelled]:
    """The function from the text of a cell to a class."""
    names = {label_key(cell): normal_name(name) for cell, name in rules.class_map}

    def label_of(cell: str) -> Labelled:
        label = normal_name(cell)
        if rules.bins:
            number = number_of(label)
            if number is None:
                return Labelled(reason=f"The label '{label}' in the table is not a number.")
            place = sum(number >= edge for edge in rules.bins)
            return Labelled(normal_name(rules.bin_names[place]))
        if names:
            name = names.get(label_key(label))
            return Labelled(name) if name else Labelled(reason=f"The label '{label}' has no name.")
        return Labelled(label) if label else NOT_IN_TABLE

    return label_of
