"""The form that asks for a split, and the settings it takes over from an existing one."""

import json
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import assert_never

import streamlit as st

from core.data.split_request import MAX_FOLDS, SplitRequest
from core.domain.datasets import Dataset
from core.domain.findings import QualityCheck
from core.domain.splits import (
    Grouping,
    GroupKind,
    OrderBy,
    SmallClasses,
    Split,
    SplitMethod,
    Subset,
)
from core.errors import TouchstoneError
from core.workflows.data import quality, splits
from core.workspace import Workspace
from pages.ui import errors, state, text
from pages.ui.places import Place

METHODS = {
    SplitMethod.FRACTIONS: "Percentages",
    SplitMethod.COUNTS: "Counts",
    SplitMethod.FOLDS: "Folds",
}
NO_GROUPING, PATTERN = "none", GroupKind.PATTERN.value
CHANCE = "chance"
NEW_TEST = ""
ORDERS = {CHANCE: "random", OrderBy.NAME.value: "by name", OrderBy.DATE.value: "by file date"}
# Why here and not in the widgets: a split can fill the form, and Streamlit takes one or the other.
DEFAULTS: Mapping[str, object] = {
    "method": SplitMethod.FRACTIONS,
    "bounds": (60, 80),
    "sealed_bound": 75,
    "folds": 5,
    "fold_test": 20,
    "seed": 42,
    "order": CHANCE,
    "keep_test": NEW_TEST,
    "leave_out_small": False,
}


MOST_SEED = 2**31 - 1
LINK = "form"
_FREE = ("grouping", "pattern", "per_class")  # without a usual value
_COUNTS = tuple(f"count_{s.value}_{each}" for s in Subset for each in (False, True))
_RANGES: Mapping[str, tuple[int, int]] = {
    "sealed_bound": (5, 95),
    "folds": (2, MAX_FOLDS),
    "fold_test": (0, 50),
    "seed": (0, MOST_SEED),
    **dict.fromkeys(_COUNTS, (0, 10_000_000)),
}


class View(StrEnum):
    """What the page shows."""

    SAVED = "saved"
    NEW = "new"


def choose_request(
    workspace: Workspace, dataset: Dataset, sealed: Split | None
) -> SplitRequest | None:
    """The request in the form; None where its numbers are not possible yet, which it says."""
    method = st.segmented_control(
        "Divide by",
        list(METHODS),
        required=True,
        key="method",
        format_func=METHODS.__getitem__,
        help="Percentages: every class in the same proportions. Counts: a fixed number of images. "
        "Folds: several runs, each validated on another part of the images, show how much a "
        "result varies.",
    )
    try:
        kept = sealed or _kept(workspace, dataset)
        request = _sizes(method or SplitMethod.FRACTIONS, dataset, kept)
        group_by = _grouping(workspace, dataset, quality.last_check(workspace, dataset.id))
        with st.expander("More options", key="split_options"):
            order_by, seed, leave_out = _options()
        return replace(
            request,
            keep_test=kept.name if kept and not sealed else "",
            small_classes=SmallClasses.LEAVE_OUT if leave_out else SmallClasses.TRAIN,
            group_by=group_by,
            seed=seed,
            order_by=None if order_by == CHANCE else OrderBy(order_by),
        )
    except TouchstoneError as err:
        errors.show(err)
        return None


def _options() -> tuple[str, int, bool]:
    """What most splits leave as it is: the order, the seed, and what becomes of small classes."""
    order_by = st.selectbox(
        "Assign images",
        list(ORDERS),
        format_func=ORDERS.__getitem__,
        key="order",
        help="By name or file date: in each class, the first or oldest images train and the "
        "last or newest test, as in production, where today's model judges tomorrow's parts.",
    )
    seed = st.number_input(
        "Seed", 0, MOST_SEED, key="seed", help="The same seed gives the same split."
    )
    leave_out = st.checkbox(
        "Leave out classes with too few images",
        key="leave_out_small",
        help="Off: if a class has fewer images or parts than there are subsets, all its images "
        "train the model and none test it. On: the split does not use this class.",
    )
    return order_by, int(seed), leave_out


def restore() -> None:
    """Fill what is not set yet: from the link after a reload, else as usual."""
    linked = _linked()
    for key in (*DEFAULTS, *linked):
        st.session_state.setdefault(key, linked.get(key, DEFAULTS.get(key)))


def keep_in_link() -> None:
    """Write what differs from the usual into the link, so that a reload keeps it."""
    changed = {
        key: st.session_state[key]
        for key in (*DEFAULTS, *_FREE, *_COUNTS)
        if st.session_state.get(key) not in (None, "", DEFAULTS.get(key))
    }
    words = json.dumps(changed, separators=(",", ":")) if changed else ""
    state.put_words(LINK, words)


def _linked() -> dict[str, object]:
    """The settings in the link; what is not possible there is left out."""
    try:
        stored = json.loads(st.query_params.get(LINK, "{}"))
    except ValueError:
        return {}
    if not isinstance(stored, dict):
        return {}
    read = {key: _read(key, value) for key, value in stored.items()}
    return {key: value for key, value in read.items() if value is not None}


def _read(key: str, value: object) -> object:
    """One setting from a link; None if it cannot be that."""
    match key, value:
        case "method", str() if value in list(METHODS):
            return SplitMethod(value)
        case "order", str() if value in ORDERS:
            return value
        case "bounds", [int(low), int(high)] if (
            low % 5 == high % 5 == 0 and 5 <= low <= high <= 100
        ):
            return low, high
        case (("leave_out_small" | "per_class"), bool()):
            return value
        case (("grouping" | "pattern" | "keep_test"), str()):
            return value
        case str(), int() if key in _RANGES and _RANGES[key][0] <= value <= _RANGES[key][1]:
            return value
        case _:
            return None


def _kept(workspace: Workspace, dataset: Dataset) -> Split | None:
    """The split whose test set the new one keeps; None where its test images are new."""
    tested = {s.name: s for s in splits.list_splits(workspace, dataset.id) if s.fractions[2] > 0}
    if not tested:
        return None
    if st.session_state.get("keep_test") not in tested:
        st.session_state["keep_test"] = NEW_TEST
    chosen = st.selectbox(
        "Test images",
        [NEW_TEST, *tested],
        format_func=lambda name: f"those of “{name}”" if name else "new, from all images",
        key="keep_test",
        help="Keep the test images of a split, such as one that came with the images, and divide "
        "only the others. Images identical or similar to them are left out.",
    )
    return tested.get(chosen)


def _sizes(method: SplitMethod, dataset: Dataset, kept: Split | None) -> SplitRequest:
    match method:
        case SplitMethod.COUNTS:
            return _counts(dataset, kept)
        case SplitMethod.FOLDS:
            return _folds(kept)
        case SplitMethod.FRACTIONS:
            return _shares(kept)
        case SplitMethod.PROVIDED:
            raise ValueError("nobody asks for a split that came with the images")
        case _:
            assert_never(method)


def _grouping(
    workspace: Workspace, dataset: Dataset, check: QualityCheck | None
) -> Grouping | None:
    """What is kept together, with a warning where images of one part may be divided."""
    known = {grouping.option: grouping for grouping in splits.groupings(workspace, dataset.id)}
    titles = {
        NO_GROUPING: "identical files only",
        **{option: _grouping_title(grouping) for option, grouping in known.items()},
        PATTERN: _grouping_title(Grouping(GroupKind.PATTERN)),
    }
    if st.session_state.get("grouping") not in titles:
        found_some = check is not None and check.groups > 0
        st.session_state["grouping"] = GroupKind.LOOK_ALIKES.value if found_some else NO_GROUPING
    chosen = st.selectbox(
        "Keep together",
        list(titles),
        format_func=titles.__getitem__,
        key="grouping",
        help="Images of one part belong in the same subset; otherwise the test images resemble "
        "those the model was trained on.",
    )
    if chosen == NO_GROUPING:
        warning = splits.flattery_warning(check)
        if warning:
            st.warning(text.plain(warning), icon=":material/content_copy:")
    if check is None and chosen in (NO_GROUPING, GroupKind.LOOK_ALIKES.value):
        st.page_link(
            Place.QUALITY,
            label="Run the quality check",
            icon=":material/troubleshoot:",
            query_params={"dataset": dataset.id},
        )
    return _pattern() if chosen == PATTERN else known.get(chosen)


def _grouping_title(grouping: Grouping) -> str:
    match grouping.kind:
        case GroupKind.LOOK_ALIKES:
            return "look-alikes (from the quality check)"
        case GroupKind.FOLDER:
            return "images in one folder below the class folder"
        case GroupKind.COLUMN:
            return "images of one part (part, lot or serial number)"
        case GroupKind.ATTRIBUTE:
            return f"the same value in column “{grouping.value}”"
        case GroupKind.PATTERN:
            return "a pattern in the file name"
        case _:
            assert_never(grouping.kind)


def _pattern() -> Grouping | None:
    pattern = st.text_input(
        "Pattern",
        key="pattern",
        placeholder=r"(?P<group>part\d+)",
        max_chars=300,
        help="A regular expression with a named group 'group', searched in the path below the "
        "dataset folder. Images that do not match stand alone.",
    )
    if pattern.strip():
        return Grouping(GroupKind.PATTERN, pattern.strip())
    st.caption(
        "Enter what the file names of one part have in common, for `part12_a.jpg`: "
        r"`(?P<group>part\d+)`. Until then, images are not grouped."
    )
    return None


def _shares(kept: Split | None) -> SplitRequest:
    if kept:
        train = st.slider(
            "Boundary between train and validation",
            5,
            95,
            step=5,
            format="%d%%",
            key="sealed_bound",
            help="The test set is kept; only the other images are divided. Left: train. Right: "
            "validation, used to choose settings and thresholds.",
        )
        st.markdown(
            f":gray[Train] **{train}%** · :gray[validation] **{100 - train}%** of the images "
            "outside the test set"
        )
        return SplitRequest((train / 100, (100 - train) / 100, 0.0))
    st.slider(
        "Boundaries between train, validation and test",
        5,
        100,
        step=5,
        format="%d%%",
        key="bounds",
        help="Left of the first handle: train. Between the handles: validation, which chooses "
        "settings and thresholds. Right of the second handle: test, which only judges the finished "
        "model.",
    )
    low, high = st.session_state.bounds
    st.markdown(
        f":gray[Train] **{low}%** · :gray[validation] **{high - low}%** · "
        f":gray[test] **{100 - high}%**"
    )
    if high == 100:
        st.warning("Without test images, the quality of the model cannot be measured.")
    return SplitRequest((low / 100, (high - low) / 100, (100 - high) / 100))


def _counts(dataset: Dataset, kept: Split | None) -> SplitRequest:
    per_class = st.toggle(
        "Counts per class",
        key="per_class",
        help="Off: the counts are totals, spread over the classes in proportion to their size.",
    )
    share = dataset.sample_count // (5 * (len(dataset.class_names) if per_class else 1))
    usual = {Subset.TRAIN: 3 * share, Subset.VALIDATION: share, Subset.TEST: share}
    if kept:
        usual.pop(Subset.TEST)
    for subset, n in usual.items():
        st.session_state.setdefault(_count_key(subset, per_class=per_class), n)
    counts = [
        int(
            column.number_input(
                subset.value.capitalize(),
                0,
                10_000_000,
                help="Number of images.",
                key=_count_key(subset, per_class=per_class),
            )
        )
        for column, subset in zip(st.columns(len(usual)), usual, strict=True)
    ]
    st.caption("Images beyond these counts are not used.")
    train, validation, test = (*counts, 0)[:3]
    return SplitRequest(counts=(train, validation, test), per_class=per_class)


def _count_key(subset: Subset, *, per_class: bool) -> str:
    return f"count_{subset.value}_{per_class}"


def _folds(kept: Split | None) -> SplitRequest:
    left, right = st.columns(2)
    folds = left.number_input(
        "Folds",
        2,
        MAX_FOLDS,
        key="folds",
        help="Number of equal folds. Each validates once while the others train; 5 is usual.",
    )
    test = 0
    if not kept:
        test = right.number_input(
            "Test, %",
            0,
            50,
            step=5,
            key="fold_test",
            help="Kept out of all folds to judge the final model. 0: no test set.",
        )
    st.caption(
        f"{folds} runs, each trained on {text.percent(1 - 1 / folds, of=folds)} of the images "
        "outside the test set. "
        "Start one or all on the Train page."
    )
    return SplitRequest((0.0, 0.0, test / 100), folds=int(folds))


def prefill(request: SplitRequest) -> None:
    """Fill the form with the settings of a split; before its widgets are drawn."""
    grouping = request.group_by
    is_pattern = grouping is not None and grouping.kind is GroupKind.PATTERN
    st.session_state.update(
        {
            "seed": request.seed,
            "order": request.order_by.value if request.order_by else CHANCE,
            "method": request.strategy.method,
            "grouping": PATTERN if is_pattern else grouping.option if grouping else NO_GROUPING,
            "pattern": grouping.value if grouping and is_pattern else "",
            "keep_test": request.keep_test,
            "leave_out_small": request.small_classes is SmallClasses.LEAVE_OUT,
            **_sizes_of(request),
        }
    )


def _sizes_of(request: SplitRequest) -> dict[str, object]:
    train, validation, test = (round(100 * share) for share in request.fractions)
    if request.folds:
        return {"folds": request.folds, "fold_test": test}
    if request.counts:
        names = [_count_key(subset, per_class=request.per_class) for subset in Subset]
        return {"per_class": request.per_class, **dict(zip(names, request.counts, strict=True))}
    return {
        "bounds": (train, train + validation),
        "sealed_bound": min(95, max(5, round(100 * train / (train + validation)))),
    }
