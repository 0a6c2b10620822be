"""Lines of a label table matched with the files of a source."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from core.data.importing.labels import MAX_LABEL, Labelled, choices_in, subset_of_word
from core.data.importing.rules import DecimalMark, TableRules
from core.data.importing.tables.numbers import label_key, number_of
from core.data.importing.tables.path_index import FoundFile, PathFit, PathIndex
from core.data.importing.tables.table import Table
from core.domain.datasets import Skipped
from core.domain.names import name_key, normal_name, usual_spellings
from core.errors import ImportSourceError
from core.words import joined

NOT_IN_TABLE = Labelled(reason="The table has no label for this file.")
NO_FILE = "The table lists it, but there is no such file."


@dataclass(frozen=True)
class TableMatch:
    """What a table states about the files.

    `by_name` maps file names to labels. `missing` are paths in the table without a file, `unclear`
    those that could mean several files or one in another folder. `conflicts` are files of which the
    table says two things; they have a reason instead of a label. `without_extension` and
    `by_ending` count the lines that matched only in this way. `merged` maps spellings of labels to
    the one that is used, where they differ.
    """

    by_name: dict[str, Labelled]
    missing: tuple[str, ...] = ()
    unclear: tuple[Skipped, ...] = ()
    conflicts: tuple[str, ...] = ()
    without_extension: int = 0
    by_ending: int = 0
    merged: Mapping[str, str] | None = None


def match_table(table: Table, rules: TableRules, names: Sequence[str]) -> TableMatch:
    """Match a table with files by the longest common ending of their paths; see `PathIndex`.

    Raises:
        ImportSourceError: if a label is too long to be one.
    """
    paths = [row[table.roles.path] for row in table.rows]
    index = PathIndex(names, paths)
    labels = _labels(table, rules)
    folders = _Folders(table, labels)
    by_name: dict[str, Labelled] = {}
    conflicts: dict[str, None] = {}
    missing: list[str] = []
    unclear: list[Skipped] = []
    used: Counter[PathFit] = Counter()
    for path, row, labelled in zip(paths, table.rows, labels, strict=True):
        found = _find(index, path, labelled)
        reason = _why_unclear(found) or folders.why_elsewhere(found, row, labelled)
        if reason is not None:
            unclear.append(Skipped(path, reason))
        elif found.fit is PathFit.MISSING:
            missing.append(path)
        else:
            used[found.fit] += 1
            first = by_name.setdefault(found.name, labelled)
            if found.name not in conflicts and not labelled.reason:
                if contradiction := _contradiction(first, labelled):
                    conflicts[found.name] = None
                by_name[found.name] = Labelled(reason=contradiction) if contradiction else labelled
    # Why not single letters: their case may be all that tells them apart.
    words = (item.label for item in labels if item.label and len(item.label) > 1)
    spelled = usual_spellings(Counter(words))
    return TableMatch(
        {name: _respelled(item, spelled) for name, item in by_name.items()},
        tuple(dict.fromkeys(missing)),
        tuple(unclear),
        tuple(conflicts),
        used[PathFit.WITHOUT_EXTENSION],
        used[PathFit.ENDING],
        {label: other for label, other in spelled.items() if label != other},
    )


def _find(index: PathIndex, path: str, labelled: Labelled) -> FoundFile:
    """The file of a line; if several have its name, the one in the folder of its part or label."""
    found = index.find(path)
    if found.fit is not PathFit.AMBIGUOUS:
        return found
    for folder in (labelled.group, labelled.label):
        if folder and "/" not in folder:
            inside = index.find(f"{folder}/{path}")
            if inside.fit not in (PathFit.AMBIGUOUS, PathFit.OTHER_FOLDER, PathFit.MISSING):
                return inside
    return found


def _labels(table: Table, rules: TableRules) -> list[Labelled]:
    """What each line states, with parts spelled alike."""
    label_of = _label_reader(rules, table.decimal)
    group = table.roles.group
    groups = Counter(normal_name(row[group]) for row in table.rows) if group is not None else {}
    spelled = usual_spellings(groups)
    return [
        _labelled_row(table, row, number, label_of, spelled)
        for number, row in zip(table.numbers, table.rows, strict=True)
    ]


def _respelled(item: Labelled, spelled: Mapping[str, str]) -> Labelled:
    label = spelled.get(item.label or "", item.label)
    return item if label == item.label else replace(item, label=label)


def _why_unclear(found: FoundFile) -> str | None:
    match found.fit:
        case PathFit.EXACT | PathFit.ENDING | PathFit.WITHOUT_EXTENSION | PathFit.MISSING:
            return None
        case PathFit.AMBIGUOUS:
            return (
                f"The path fits {found.count} files, for example {found.name}. Write more of the "
                "path into the table."
            )
        case PathFit.OTHER_FOLDER:
            return f"The only file of this name is in another folder: {found.name}."
        case _:
            assert_never(found.fit)


def _contradiction(one: Labelled, other: Labelled) -> str | None:
    """Why two lines about one file cannot both be true; None if they can."""
    if one.reason:  # a line without a label contradicts nothing
        return None
    for what, first, second in (
        ("labels", one.label, other.label),
        ("parts", one.group, other.group),
        ("subsets", one.subset, other.subset),
    ):
        if _key(first or "") != _key(second or ""):
            values = joined([f"'{value}'" if value else "none" for value in (first, second)])
            return f"The table gives this file two {what}: {values}."
    return None


def _key(name: str) -> str:
    return name if len(name) == 1 else name_key(name)


class _Folders:
    """Folders that are named like the labels, parts or subsets of the table."""

    def __init__(self, table: Table, labels: Sequence[Labelled]) -> None:
        self._label = table.roles.label
        said = [
            {name_key(row[self._label]), name_key(item.label or "")}
            for row, item in zip(table.rows, labels, strict=True)
        ]
        # Why no numbers: the folder 1 is rather a lot than the label 1.
        self._labels = {key for keys in said for key in keys if number_of(key) is None}
        self._groups = {name_key(item.group) for item in labels if item.group}

    def why_elsewhere(self, found: FoundFile, row: Sequence[str], labelled: Labelled) -> str | None:
        """Why the folders of a file contradict a line whose path does not mention them."""
        folders = {name_key(folder) for folder in found.folders}
        said = {name_key(row[self._label]), name_key(labelled.label or "")}
        for what, known, own in (
            ("label", self._labels, said),
            ("part", self._groups, {name_key(labelled.group or "")}),
        ):
            named = folders & known
            if named and not named & own and any(own):
                return (
                    f"The only file of this name is in a folder named like another {what}: "
                    f"{found.name}. Write the folder into the table if this file is meant."
                )
        return None


def _labelled_row(
    table: Table,
    row: Sequence[str],
    number: int,
    label_of: Callable[[str], Labelled],
    groups: Mapping[str, str],
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
        group=None if roles.group is None else groups[normal_name(row[roles.group])] or None,
        subset=None if roles.split is None else subset_of_word(row[roles.split]),
        attributes=tuple((key, value) for key, value in attributes if key and value),
    )


def _label_reader(rules: TableRules, mark: DecimalMark | None) -> Callable[[str], Labelled]:
    """The function from the text of a cell to a class."""
    names = {label_key(cell, mark): normal_name(name) for cell, name in rules.class_map}

    def label_of(cell: str) -> Labelled:
        choices = choices_in(cell.strip())
        label = normal_name(cell if choices is None else "|".join(choices))
        if not label:
            return NOT_IN_TABLE
        if rules.bins:
            number = number_of(label, mark)
            if number is None:
                return Labelled(reason=f"The label '{label}' in the table is not a number.")
            place = sum(number >= edge for edge in rules.bins)
            return Labelled(normal_name(rules.bin_names[place]))
        if names:
            name = names.get(label_key(label, mark))
            return Labelled(name) if name else Labelled(reason=f"The label '{label}' has no name.")
        return Labelled(label)

    return label_of
