"""The part of the import form that reads the label table; all that is detected can be changed."""

import zlib
from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from core.data.importing.encodings import ENCODINGS, encoding_words
from core.data.importing.rules import (
    FLAG_COLUMNS,
    NO_COLUMN,
    DecimalMark,
    Delimiter,
    TableKind,
    TableRules,
    read_class_map,
    read_edges,
    read_names,
)
from core.data.importing.tables.files import TableFile, read_table_file
from core.data.importing.tables.numbers import number_of
from core.data.importing.tables.table import Table, read_table, refuse_unclear_label
from core.workflows.data import uploads
from pages.ui import text

FEW_LABELS = 12
DECIMAL_WORDS = {
    DecimalMark.POINT: "point: 1,234.5",
    DecimalMark.COMMA: "comma: 1.234,5",
}


def upload_table() -> bytes | None:
    """The content of the label table, once there is one."""
    table = st.file_uploader(
        "Label table",
        type=["csv", "txt", "tsv", "xlsx", "xlsm", "json", "jsonl"],
        key="table",
        help="CSV, Excel, or JSON of a labeling program. One image per line: its path, its label, "
        "and optional further columns. A header line is optional.",
    )
    return table.getvalue() if table else None


@st.cache_data(max_entries=4, show_spinner="Reading the table …")
def _file(content: bytes, encoding: str | None, sheet: str | None) -> TableFile:
    return read_table_file(content, encoding=encoding, sheet=sheet)


def choose_table(content: bytes, names: Sequence[str]) -> TableRules:
    """How the table is read, as detected or chosen.

    Raises:
        ConfigError: if an entry is invalid.
        ImportSourceError: if the table cannot be read.
    """
    mark = zlib.crc32(content)
    is_text = _file(content, None, None).kind is TableKind.TEXT
    left, *middle, right = st.columns(3 if is_text else 2)
    file = _choose_file(left, content, mark)
    rules = uploads.table_rules_of(file)
    delimiter = None
    for place in middle:
        delimiter = place.selectbox(
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
    rules = replace(rules, delimiter=delimiter, header=header)
    table = read_table(rules, names)
    key = f"{mark}_{file.sheet}_{delimiter}_{header}"
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
        None if table.roles.label in table.roles.one_hot else table.roles.label,
        f"label_{key}",
        "Class of the image: a name or a number.",
        flags=bool(table.roles.one_hot),
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
    chosen = replace(
        rules,
        path_column=path,
        label_column=label,
        group_column=group,
        split_column=split,
        label_guessed=bool(table.roles.rivals) and label == str(table.roles.label + 1),
    )
    _show_table(table)
    if label == NO_COLUMN:
        refuse_unclear_label(table)
    table = read_table(chosen, names)
    if table.labels_are_numbers and table.decimal is not None:
        chosen = replace(chosen, decimal=_choose_decimal(table.decimal, f"{key}_{label}"))
        table = read_table(chosen, names)
    return _named_numbers(chosen, table, key)


def _choose_file(
    place: "st.delta_generator.DeltaGenerator", content: bytes, mark: int
) -> TableFile:
    """The table with the chosen encoding or sheet."""
    detected = _file(content, None, None)
    if detected.kind is TableKind.EXCEL:
        sheet = place.selectbox(
            "Sheet",
            detected.sheets,
            index=detected.sheets.index(detected.sheet),
            key=f"sheet_{mark}",
            help="Sheet of the workbook with the labels. Formulas count with their saved values.",
        )
        return _file(content, None, sheet)
    encoding = place.selectbox(
        "Encoding",
        [None, *ENCODINGS],
        key=f"encoding_{mark}",
        format_func=lambda name: (
            encoding_words(name) if name else f"detected: {encoding_words(detected.encoding)}"
        ),
        help="Change this if letters in the rows below are wrong.",
    )
    return _file(content, encoding, None) if encoding else detected


def _choose_decimal(detected: DecimalMark, key: str) -> DecimalMark | None:
    return st.selectbox(
        "Decimal mark",
        [None, *DECIMAL_WORDS],
        key=f"decimal_{key}",
        width=320,
        format_func=lambda mark: (
            DECIMAL_WORDS[mark] if mark else f"detected: {DECIMAL_WORDS[detected]}"
        ),
        help="Whether 1,234 is one thousand or a little more than one. Decided by all numbers of "
        "the column.",
    )


def _column(
    place: "st.delta_generator.DeltaGenerator",
    title: str,
    table: Table,
    detected: int | None,
    key: str,
    help: str,
    *,
    optional: bool = False,
    flags: bool = False,
) -> str:
    """The number of the chosen column as text, NO_COLUMN, or FLAG_COLUMNS where these exist."""
    options = [None, *range(len(table.columns))] if optional else [*range(len(table.columns))]
    titles = [*table.columns]
    if flags:
        options.append(len(titles))
        titles.append("title of the column with 1")
    chosen = place.selectbox(
        title,
        options,
        index=options.index(detected) if detected in options else None,
        key=key,
        help=help,
        placeholder="choose a column",
        format_func=lambda i: "none" if i is None else titles[i],
    )
    if chosen == len(table.columns):
        return FLAG_COLUMNS
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
    counts = sorted(table.labels.items(), key=lambda item: number_of(item[0], table.decimal) or 0)
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
