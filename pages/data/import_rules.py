"""The part of the import form that chooses the source of the classes, and previews them."""

from collections.abc import Sequence
from typing import assert_never

import streamlit as st

from core.data.importing.labels import folder_at
from core.data.importing.plan import ImportPlan, PlanChoiceKind, PreviewRow
from core.data.importing.rules import CombinedLabels, ImportRules
from core.domain.datasets import LabelSource
from pages.data import import_table
from pages.ui import text

LABEL_WORDS = {
    LabelSource.LAST_FOLDER: "folder of the image",
    LabelSource.FOLDER_LEVEL: "folder further up",
    LabelSource.FILE_NAME_REMOVE_INDEX: "file name without trailing number",
    LabelSource.FILE_NAME: "whole file name",
    LabelSource.PATTERN: "pattern in the path",
    LabelSource.TABLE: "label table (CSV, Excel or JSON)",
    LabelSource.ONE_CLASS: "none: all images are one class",
}
FIRST_PATTERN = r"(?P<label>[^/]+)/[^/]+$"
COMBINED_WORDS = {
    CombinedLabels.KEEP: "Classes of their own",
    CombinedLabels.FIRST: "Only the first label",
    CombinedLabels.LEAVE_OUT: "Leave these images out",
}
_DECISION_ICONS = {
    PlanChoiceKind.HIDDEN: "visibility_off",
    PlanChoiceKind.LEFT_OUT: "link_off",
    PlanChoiceKind.ZIP_NAMES: "translate",
    PlanChoiceKind.COMPANIONS: "layers_clear",
    PlanChoiceKind.READY_SPLIT: "call_split",
    PlanChoiceKind.SUBSET_CLASSES: "warning",
    PlanChoiceKind.FOLDER_LEVEL: "folder_open",
    PlanChoiceKind.TABLE: "table",
    PlanChoiceKind.TABLE_MATCH: "link",
    PlanChoiceKind.TABLE_UNCLEAR: "warning",
    PlanChoiceKind.ENCODING: "translate",
    PlanChoiceKind.DECIMAL: "pin",
    PlanChoiceKind.LABEL_COLUMN: "warning",
    PlanChoiceKind.NUMBER_LABELS: "pin",
    PlanChoiceKind.COMBINED_LABELS: "help",
    PlanChoiceKind.CLASS_SPELLINGS: "spellcheck",
    PlanChoiceKind.OK_CLASSES: "verified",
    PlanChoiceKind.ONE_CLASS: "verified",
    PlanChoiceKind.CLASS_LEVEL: "warning",
}


def choose_label_source() -> LabelSource:
    chosen = st.selectbox(
        "Source of the classes",
        list(LABEL_WORDS),
        format_func=LABEL_WORDS.__getitem__,
        key="labels",
        bind="query-params",
        help="'parts/crack/0001.png' is crack by its folder; 'crack_0001.png' by its file name "
        "without the number.",
    )
    return LabelSource(chosen)


def choose_rules(
    labels: LabelSource, names: Sequence[str], table: bytes | None, source_name: str
) -> ImportRules:
    """The rules of this form, without the choices that follow later.

    Args:
        labels: where the classes come from.
        names: of the files.
        table: the label table, if there is one.
        source_name: suggested for the class, if there is one for all images.

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
            rules = None if table is None else import_table.choose_table(table, names)
            return ImportRules(labels, table=rules)
        case LabelSource.ONE_CLASS:
            return ImportRules(labels, class_name=_class_name(source_name or "good"))
        case LabelSource.LAST_FOLDER | LabelSource.FILE_NAME | LabelSource.FILE_NAME_REMOVE_INDEX:
            return ImportRules(labels)
        case _:
            assert_never(labels)


def _class_name(suggested: str) -> str:
    return st.text_input(
        "Name of the class", suggested, max_chars=100, key=f"class_name_{suggested}", width=420
    )


def _pattern() -> str:
    return st.text_input(
        "Pattern",
        value=FIRST_PATTERN,
        max_chars=300,
        key="pattern",
        bind="query-params",
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
            key=_level_key(names),
            format_func=lambda level: _level_words(level, folder_at(deepest, level) or "none"),
            help="Counted from the source downwards or from the image upwards.",
        )
    )


def _level_key(names: Sequence[str]) -> str:
    return f"level_{max((name.count('/') for name in names), default=0)}"


def _level_words(level: int, example: str) -> str:
    if level > 0:
        return f"level {level} below the source, for example {example}"
    if level == -1:
        return f"folder of the image, for example {example}"
    return f"{text.count(-level - 1, 'level')} above it, for example {example}"


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


def say_small_classes(plan: ImportPlan) -> None:
    """Classes that a split could not divide."""
    small = [name for name, count in plan.class_counts.items() if count < 3]
    if small:
        st.warning(
            f"Classes with too few images for a split: {text.plain(', '.join(small[:10]))}. "
            "Leave them out, or add images."
        )


def offer_level(names: Sequence[str], level: int) -> None:
    """A button that takes the classes from another level of folders."""

    def choose() -> None:
        st.session_state["labels"] = LabelSource.FOLDER_LEVEL
        st.session_state[_level_key(names)] = level

    place = f"level {level}" if level > 0 else f"{text.count(-level - 1, 'level')} above"
    st.button(
        f"Take the classes from {place}",
        icon=":material/folder_open:",
        key="use_level",
        on_click=choose,
    )


def offer_one_class() -> None:
    """A button that gives all images one class, which has then a name of its own."""

    def choose() -> None:
        st.session_state["labels"] = LabelSource.ONE_CLASS

    st.button("Import as one class", icon=":material/label:", key="use_one_class", on_click=choose)


def change_decisions(kinds: set[PlanChoiceKind], *, adding: bool) -> tuple[bool, bool]:
    """Whether to keep the delivered split, and the masks and annotations, if there are any."""
    keep_split, keep_companions = True, False
    with st.container(horizontal=True):
        if PlanChoiceKind.READY_SPLIT in kinds and not adding:
            keep_split = st.toggle(
                "Keep the delivered split",
                value=True,
                key="keep_split",
                bind="query-params",
                help="Results stay comparable with others on this split. Its leaks are shown.",
            )
        if PlanChoiceKind.COMPANIONS in kinds:
            keep_companions = st.toggle(
                "Import masks as images",
                value=False,
                key="keep_companions",
                bind="query-params",
                help="Turn on only if these files are photographs, not drawings of defects.",
            )
    return keep_split, keep_companions


def choose_combined() -> CombinedLabels | None:
    """What class names that look like several labels are; None until somebody says it."""
    return st.segmented_control(
        "Names with several labels",
        list(COMBINED_WORDS),
        format_func=COMBINED_WORDS.__getitem__,
        key="combined",
        bind="query-params",
        help="A classifier gives each image one class; 'crack|stain' has two labels.",
    )
