"""The part of the import form that chooses the source of the classes, and previews them."""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

import streamlit as st

from core.data.importing.labels import folder_at
from core.data.importing.plan import ImportPlan, PlanChoiceKind, PreviewRow
from core.data.importing.rules import (
    NO_COLUMN,
    Delimiter,
    ImportRules,
    TableRules,
    read_class_map,
    read_edges,
    read_names,
)
from core.data.importing.tables.table import Table, read_table, refuse_unclear_label, table_text
from core.domain.datasets import LabelSource
from pages.ui import text

LABEL_WORDS = {
    LabelSource.LAST_FOLDER: "folder of the image",
    LabelSource.FOLDER_LEVEL: "folder further up",
    LabelSource.FILE_NAME_REMOVE_INDEX: "file name without trailing number",
    LabelSource.FILE_NAME: "whole file name",
    LabelSource.PATTERN: "pattern in the path",
    LabelSource.TABLE: "label table (CSV or text)",
}
FIRST_PATTERN = r"(?P<label>[^/]+)/[^/]+$"
FEW_LABELS = 12
_DECISION_ICONS = {
    PlanChoiceKind.HIDDEN: "visibility_off",
    PlanChoiceKind.COMPANIONS: "layers_clear",
    PlanChoiceKind.READY_SPLIT: "call_split",
    PlanChoiceKind.SUBSET_CLASSES: "warning",
    PlanChoiceKind.FOLDER_LEVEL: "folder_open",
    PlanChoiceKind.TABLE: "table",
    PlanChoiceKind.TABLE_MATCH: "link",
    PlanChoiceKind.LABEL_COLUMN: "warning",
    PlanChoiceKind.NUMBER_LABELS: "pin",
    PlanChoiceKind.OK_CLASSES: "verified",
}


def choose_label_source() -> LabelSource:
    chosen = st.selectbox(
        "Source of the classes",
        list(LABEL_WORDS),
        format_func=LABEL_WORDS.__getitem__,
        key="labels",
        help="The folder of 'parts/crack/0001.png' gives the class crack, as does the file name "
        "'crack_0001.png' without its number. Use a pattern or a label table for anything else.",
    )
    return LabelSource(chosen)


def upload_table() -> str | None:
    """The text of the label table, once there is one."""
    table = st.file_uploader(
        "Label table",
        type=["csv", "txt", "tsv"],
        key="table",
        help="One image per line: its path below the source, its label, and optional further "
        "columns, separated by comma, semicolon, tab or spaces. A header line is optional.",
    )
    return table_text(table.getvalue()) if table else None


def choose_rules(labels: LabelSource, names: Sequence[str], table_text: str | None) -> ImportRules:
    """The rules of this form, without the choices that follow later.

    Raises:
        ConfigError: if an entry is invalid.
        ImportSourceError: if the table cannot be read.
    """
    match labels:
        case LabelSource.PATTERN:
            return ImportRules(labels, pattern=_pattern())
        case LabelSource.FOLDER_LEVEL:
            return ImportRules(labels, level=_level(names))
        case LabelSource.TABLE:
            table = None if table_text is None else _table(table_text, names)
            return ImportRules(labels, table=table)
        case LabelSource.LAST_FOLDER | LabelSource.FILE_NAME | LabelSource.FILE_NAME_REMOVE_INDEX:
            return ImportRules(labels)
        case _:
            assert_never(labels)


def _pattern() -> str:
    return st.text_input(
        "Pattern",
        value=FIRST_PATTERN,
        max_chars=300,
        key="pattern",
        live=True,
        help="Regular expression searched in the path below the source. The group (?P<label>…) is "
        "the class, (?P<group>…) optionally the part. Example: (?P<label>[a-z]+)_part(?P<group>"
        "[0-9]+) for crack_part12_3.png.",
    )


def _level(names: Sequence[str]) -> int:
    deepest = max(names, key=lambda name: name.count("/"), default="")
    depth = deepest.count("/")
    levels = [*range(1, depth + 1), *range(-1, -depth - 1, -1)] or [-1]
    return int(
        st.selectbox(
            "Class folder",
            levels,
            key=f"level_{depth}",
            format_func=lambda level: _level_words(level, folder_at(deepest, level) or "none"),
            help="Counted from the source downwards or from the image upwards.",
        )
    )


def _level_words(level: int, example: str) -> str:
    if level > 0:
        return f"level {level} below the source, for example {example}"
    if level == -1:
        return f"folder of the image, for example {example}"
    return f"{text.count(-level - 1, 'level')} above it, for example {example}"


def _table(table_text: str, names: Sequence[str]) -> TableRules:
    """How the table is read: detected, and everything can be changed."""
    mark = zlib.crc32(table_text.encode("utf-8", "replace"))
    left, right = st.columns(2)
    delimiter = left.selectbox(
        "Delimiter",
        [None, *Delimiter],
        key=f"delimiter_{mark}",
        format_func=lambda item: item.value if item else "detect",
        help="Change this if the columns below are divided in the wrong places.",
    )
    header = right.selectbox(
        "First line",
        [None, True, False],
        key=f"header_{mark}",
        format_func={
            None: "detect",
            True: "column titles",
            False: "an image",
        }.__getitem__,
        help="Whether the first line contains column titles or an image.",
    )
    table = read_table(TableRules(table_text, delimiter=delimiter, header=header), names)
    key = f"{mark}_{delimiter}_{header}"
    columns = st.columns(4)
    path = _column(
        columns[0],
        "Path",
        table,
        table.roles.path,
        f"path_{key}",
        "Path of the image below the source, with or without extension.",
    )
    label = _column(
        columns[1],
        "Class",
        table,
        None if table.roles.one_hot else table.roles.label,
        f"label_{key}",
        "Class of the image: a name or a number.",
    )
    group = _column(
        columns[2],
        "Part",
        table,
        table.roles.group,
        f"group_{key}",
        "Part, serial number or lot. A split keeps the images of one part together.",
        optional=True,
    )
    split = _column(
        columns[3],
        "Subset",
        table,
        table.roles.split,
        f"split_{key}",
        "Contains train, val or test, if the table comes with a split.",
        optional=True,
    )
    chosen = TableRules(
        table_text,
        delimiter=delimiter,
        header=header,
        path_column=path,
        label_column=label,
        group_column=group,
        split_column=split,
        label_guessed=bool(table.roles.rivals) and label == str(table.roles.label + 1),
    )
    _show_table(table)
    if label == NO_COLUMN:
        refuse_unclear_label(table)
    return _named_numbers(chosen, read_table(chosen, names), key)


def _column(
    place: "st.delta_generator.DeltaGenerator",
    title: str,
    table: Table,
    detected: int | None,
    key: str,
    help: str,
    *,
    optional: bool = False,
) -> str:
    """The number of the chosen column as text, or NO_COLUMN."""
    options = [None, *range(len(table.columns))] if optional else [*range(len(table.columns))]
    chosen = place.selectbox(
        title,
        options,
        index=options.index(detected) if detected in options else None,
        key=key,
        help=help,
        placeholder="choose a column",
        format_func=lambda i: "none" if i is None else table.columns[i],
    )
    return NO_COLUMN if chosen is None else str(chosen + 1)


def _show_table(table: Table) -> None:
    rows = table.rows[:5]
    unique = len(set(table.columns)) == len(table.columns)
    st.dataframe(
        {
            title if unique else f"{i + 1}: {title}": [row[i] for row in rows]
            for i, title in enumerate(table.columns)
        },
        hide_index=True,
        height="content",
    )
    st.caption(f"First {len(rows)} of {text.count(len(table.rows), 'line')}.")


def _named_numbers(rules: TableRules, table: Table, key: str) -> TableRules:
    """Names for labels that are numbers."""
    if not table.labels_are_numbers:
        return rules
    counts = sorted(table.labels.items(), key=lambda item: float(item[0].replace(",", ".")))
    few = len(counts) <= FEW_LABELS
    how = st.segmented_control(
        "Number labels",
        ["keep", "names", "bins"],
        required=True,
        default="keep" if few else "bins",
        key=f"numbers_{key}",
        format_func={
            "keep": "Keep numbers",
            "names": "Name them",
            "bins": "Divide into ranges",
        }.__getitem__,
        help="Use ranges for measured values: for example, scores below 0.5 become ok, all others "
        "bad.",
    )
    if how == "names":
        return _names_of(rules, counts, key, few=few)
    if how == "bins":
        left, right = st.columns(2)
        edges = left.text_input(
            "Edges",
            value="0.5",
            key=f"edges_{key}",
            help="Limits between the ranges, ascending, separated by commas. A value on a limit "
            "belongs to the range above.",
        )
        names = right.text_input(
            "Names of the ranges",
            value="ok, bad",
            key=f"bins_{key}",
            help="From the lowest range to the highest; one more name than limits.",
        )
        return replace(rules, bins=read_edges(edges), bin_names=read_names(names))
    return rules


def _names_of(
    rules: TableRules, counts: Sequence[tuple[str, int]], key: str, *, few: bool
) -> TableRules:
    if not few:
        typed = st.text_input(
            "Names",
            value="0=ok, 1=bad",
            key=f"names_{key}",
            help="Pairs of number and class name, separated by commas. Images with other numbers "
            "are left out.",
        )
        return replace(rules, class_map=read_class_map(typed))
    columns = st.columns(4)
    named = [
        (
            label,
            columns[i % 4].text_input(
                f"{text.plain(label)} ({text.count(n, 'line')})",
                value=label,
                max_chars=100,
                key=f"name_{i}_{key}",
                help="Class name for this number. Leave empty to leave its images out.",
            ),
        )
        for i, (label, n) in enumerate(counts)
    ]
    return replace(rules, class_map=tuple((a, b.strip()) for a, b in named if b.strip()))


def preview_table(rows: Sequence[PreviewRow]) -> None:
    """What the rules make of some file names."""
    columns = {
        "file": [row.name for row in rows],
        "class": [row.label or "" for row in rows],
        "part": [row.group or "" for row in rows],
        "subset": [row.subset or "" for row in rows],
        "reason for leaving it out": [row.reason or "" for row in rows],
    }
    filled = {title: cells for title, cells in columns.items() if title == "class" or any(cells)}
    with st.container(key="rule_preview"):
        st.dataframe(
            filled, hide_index=True, height=318, alt="Classes of some file names by these rules"
        )
        labelled = sum(row.label is not None for row in rows)
        st.caption(f"{labelled} of {text.count(len(rows), 'example')} have a class.")


def show_decisions(plan: ImportPlan) -> None:
    """The choices that the import made by itself."""
    with st.container(gap="xxsmall"):
        for decision in plan.decisions:
            icon = f":material/{_DECISION_ICONS[decision.kind]}:"
            st.markdown(f"{icon} {text.plain(decision.sentence)}")


def change_decisions(kinds: set[PlanChoiceKind], *, adding: bool) -> tuple[bool, bool]:
    """Whether to keep the delivered split, and the masks and annotations, if there are any."""
    keep_split, keep_companions = True, False
    with st.container(horizontal=True):
        if PlanChoiceKind.READY_SPLIT in kinds and not adding:
            keep_split = st.toggle(
                "Keep the delivered split",
                value=True,
                key="keep_split",
                help="Makes results comparable with others on this split. Leaks between its "
                "subsets are shown. Turn off to make your own split later.",
            )
        if PlanChoiceKind.COMPANIONS in kinds:
            keep_companions = st.toggle(
                "Import masks as images",
                value=False,
                key="keep_companions",
                help="Masks show where a defect is and would teach the network to recognize masks. "
                "Turn on only if these files are photographs.",
            )
    return keep_split, keep_companions
