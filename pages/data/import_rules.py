"""The part of the import form that says where classes come from, and shows what that makes."""

import time
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

import streamlit as st

from core.data.importing.labels import folder_at
from core.data.importing.listing import Listing
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
from core.data.importing.tables import Table, read_table, refuse_unclear_label, table_text
from core.domain.datasets import LabelSource
from pages.ui import text

LABEL_WORDS = {
    LabelSource.LAST_FOLDER: "the folder it lies in",
    LabelSource.FOLDER_LEVEL: "a folder further up",
    LabelSource.FILE_NAME_REMOVE_INDEX: "the file name without its trailing number",
    LabelSource.FILE_NAME: "the whole file name",
    LabelSource.PATTERN: "a pattern in its path",
    LabelSource.TABLE: "a table (CSV or text)",
}
FIRST_PATTERN = r"(?P<label>[^/]+)/[^/]+$"
FEW_LABELS = 12
_SAID = {
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


@dataclass
class SourceListing:
    """One look at the names of a source; it is repeated after a while, large ones less often."""

    listing: Listing
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    began: float = field(default_factory=time.monotonic)
    took_s: float | None = None

    @property
    def is_old(self) -> bool:
        age_s = time.monotonic() - self.began
        if self.took_s is None and self.listing.wait(0):
            self.took_s = age_s
        return self.took_s is not None and age_s > max(60.0, 30 * self.took_s)


def choose_label_source() -> LabelSource:
    chosen = st.selectbox(
        "The class of an image is",
        list(LABEL_WORDS),
        format_func=LABEL_WORDS.__getitem__,
        key="labels",
        help="For example 'parts/crack/0001.png': the folder gives crack. 'crack_0001.png': the "
        "file name without its number gives crack. For everything else there are patterns and "
        "tables.",
    )
    return LabelSource(chosen)


def upload_table() -> str | None:
    """The text of the label table, once there is one."""
    table = st.file_uploader(
        "Label table",
        type=["csv", "txt", "tsv"],
        key="table",
        help="One image per line: its path below the source, its label, and more columns if you "
        "like. Comma, semicolon, tab or blanks between them; a header line is optional.",
    )
    return table_text(table.getvalue()) if table else None


def choose_rules(labels: LabelSource, names: Sequence[str], table_text: str | None) -> ImportRules:
    """The rules of this form, without what is decided later.

    Raises:
        ConfigError: if what was typed makes no sense.
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
        help="A regular expression, searched in the path below the source, with forward slashes. "
        "What the named group (?P<label>…) finds is the class; (?P<group>…) may name the part, so "
        "that its images stay together in a split. Examples: (?P<label>[a-z]+)_part(?P<group>"
        "[0-9]+) for crack_part12_3.png, or ^(?P<label>[^/]+)/ for the top folder.",
    )


def _level(names: Sequence[str]) -> int:
    deepest = max(names, key=lambda name: name.count("/"), default="")
    depth = deepest.count("/")
    levels = [*range(1, depth + 1), *range(-1, -depth - 1, -1)] or [-1]
    return int(
        st.selectbox(
            "Which folder",
            levels,
            key=f"level_{depth}",
            format_func=lambda level: _level_words(level, folder_at(deepest, level) or "none"),
            help="Counted from the source downwards, or from the image upwards: the same where "
            "all images lie equally deep.",
        )
    )


def _level_words(level: int, example: str) -> str:
    if level > 0:
        return f"{level} below the source, for example {example}"
    above = {-1: "the one it lies in", -2: "the one above"}.get(level, f"{-level - 1} further up")
    return f"{above}, for example {example}"


def _table(table_text: str, names: Sequence[str]) -> TableRules:
    """How the table is read: found by looking, and everything can be changed."""
    mark = zlib.crc32(table_text.encode("utf-8", "replace"))
    left, right = st.columns(2)
    delimiter = left.selectbox(
        "Between the columns",
        [None, *Delimiter],
        key=f"delimiter_{mark}",
        format_func=lambda item: item.value if item else "found by looking",
        help="Change it when the columns below are cut in the wrong places.",
    )
    header = right.selectbox(
        "First line",
        [None, True, False],
        key=f"header_{mark}",
        format_func={
            None: "found by looking",
            True: "names of the columns",
            False: "an image already",
        }.__getitem__,
        help="Whether the first line names the columns or is an image like the others.",
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
        "Where it lies below the source, with or without extension.",
    )
    label = _column(
        columns[1],
        "Class",
        table,
        None if table.roles.one_hot else table.roles.label,
        f"label_{key}",
        "The class of the image: a name or a number.",
    )
    group = _column(
        columns[2],
        "Group",
        table,
        table.roles.group,
        f"group_{key}",
        "Part, serial number or lot: images of one group stay on one side of a split.",
        optional=True,
    )
    split = _column(
        columns[3],
        "Subset",
        table,
        table.roles.split,
        f"split_{key}",
        "Says train, val or test, where the table comes with a split.",
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
    found: int | None,
    key: str,
    help: str,
    *,
    optional: bool = False,
) -> str:
    """The number of the chosen column as text, or that there is none."""
    options = [None, *range(len(table.columns))] if optional else [*range(len(table.columns))]
    chosen = place.selectbox(
        title,
        options,
        index=options.index(found) if found in options else None,
        key=key,
        help=help,
        placeholder="choose one",
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
    st.caption(f"The first {len(rows)} of {len(table.rows):,} lines.")


def _named_numbers(rules: TableRules, table: Table, key: str) -> TableRules:
    """Names for labels that are numbers."""
    if not table.labels_are_numbers:
        return rules
    counts = sorted(table.labels.items(), key=lambda item: float(item[0].replace(",", ".")))
    few = len(counts) <= FEW_LABELS
    how = st.segmented_control(
        "The labels are numbers",
        ["keep", "names", "bins"],
        required=True,
        default="keep" if few else "bins",
        key=f"numbers_{key}",
        format_func={
            "keep": "Keep them",
            "names": "Give them names",
            "bins": "Make ranges",
        }.__getitem__,
        help="Ranges suit measured values: a score from 0 to 1 becomes ok below 0.5 and bad from "
        "there on.",
    )
    if how == "names":
        return _names_of(rules, counts, key, few=few)
    if how == "bins":
        left, right = st.columns(2)
        edges = left.text_input(
            "Edges",
            value="0.5",
            key=f"edges_{key}",
            help="Where one range ends and the next begins, rising, with "
            "commas between. A value on an edge belongs above it.",
        )
        names = right.text_input(
            "Names of the ranges",
            value="ok, bad",
            key=f"bins_{key}",
            help="From the lowest to the highest, one more than edges.",
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
            help="Pairs of number and class name, with commas between. Numbers "
            "without a name are left out.",
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
                help="The class name for this number; empty leaves its images out.",
            ),
        )
        for i, (label, n) in enumerate(counts)
    ]
    return replace(rules, class_map=tuple((a, b.strip()) for a, b in named if b.strip()))


def preview_table(rows: Sequence[PreviewRow]) -> None:
    """What the rule makes of some names."""
    columns = {
        "file": [row.name for row in rows],
        "class": [row.label or "" for row in rows],
        "group": [row.group or "" for row in rows],
        "subset": [row.subset or "" for row in rows],
        "left out, because": [row.reason or "" for row in rows],
    }
    shown = {title: cells for title, cells in columns.items() if title == "class" or any(cells)}
    with st.container(key="rule_preview"):
        st.dataframe(
            shown, hide_index=True, height=318, alt="What the rule makes of some file names"
        )
        fits = sum(row.label is not None for row in rows)
        st.caption(f"{fits} of {text.count(len(rows), 'image')}, spread over all, get a class.")


def show_decisions(plan: ImportPlan) -> None:
    """What was decided without asking, in sentences."""
    with st.container(gap="xxsmall"):
        for decision in plan.decisions:
            icon = f":material/{_SAID[decision.kind]}:"
            st.markdown(f"{icon} {text.plain(decision.sentence)}")


def change_decisions(kinds: set[PlanChoiceKind], *, adding: bool) -> tuple[bool, bool]:
    """(keep the delivered split, keep companions), as far as there is something to change."""
    keep_split, keep_companions = True, False
    with st.container(horizontal=True):
        if PlanChoiceKind.READY_SPLIT in kinds and not adding:
            keep_split = st.toggle(
                "Keep the delivered split",
                value=True,
                key="keep_split",
                help="Results can be compared with those that others published for it. Leaks "
                "between its subsets are counted and shown. Off: make your own split later.",
            )
        if PlanChoiceKind.COMPANIONS in kinds:
            keep_companions = st.toggle(
                "Import the accompanying images too",
                value=False,
                key="keep_companions",
                help="Masks show where a defect is; as images of their own they would teach the "
                "network nothing but to know a mask. Turn on only where these are photographs.",
            )
    return keep_split, keep_companions
