"""The drawer of one image: what the model says and why, and what a person says.

A correction makes a new version of the dataset; this session's corrections can be undone one after
the other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from core.domain.datasets import DatasetVersion
from core.domain.models import Model
from core.domain.signoff import MarkKind
from core.domain.splits import Subset
from core.workflows import files
from core.workflows.data import datasets, edits, versions
from core.workflows.results import evaluation
from core.workflows.results.evaluation import JudgedSample
from core.workflows.results.judging import JudgedSet
from core.workflows.use import models
from core.workspace import Workspace
from pages.ui import errors, judged, text, widgets

MOST_KEYS = 9


@dataclass(frozen=True)
class MarkStyle:
    """How a mark is shown: its name, button and sign on a tile."""

    label: str
    icon: str
    shortcut: str
    sign: str
    help: str


MARKS = {
    MarkKind.WRONG_LABEL: MarkStyle(
        "Label is wrong",
        "flag",
        "W",
        "⚑",
        "Marks the image for a later decision. Its label stays as it is.",
    ),
    MarkKind.LIMIT_SAMPLE: MarkStyle(
        "Limit sample",
        "contrast",
        "L",
        "◐",
        "Just acceptable or just not acceptable: shows where the line is.",
    ),
    MarkKind.GOLDEN: MarkStyle(
        "Golden sample",
        "star",
        "G",
        "★",
        "A model must judge this image correctly to be released (Sign-off page).",
    ),
}


@dataclass(frozen=True)
class Review:
    """The image that is open in the drawer, and those before and after it."""

    model_id: str
    subset: Subset
    sample_ids: tuple[int, ...]
    at: int

    @property
    def sample_id(self) -> int:
        return self.sample_ids[self.at]


def reopen(workspace: Workspace) -> None:
    """Keep the drawer open after a rerun of the whole page; call once, at its end."""
    if st.session_state.get("review") is not None:
        drawer(workspace)


def close() -> None:
    """Forget the open image."""
    st.session_state.review = None


@st.dialog("Why this decision?", width="large", position="right", on_dismiss=close)
@errors.shown()
def drawer(workspace: Workspace) -> None:
    """The open image: what the model says and why, and what a person says."""
    review: Review = st.session_state.review
    judged.cancel_prefetch()  # one correction follows another; no tab is reachable
    model = models.find_model(workspace, review.model_id)
    judgement = judged.judgement(workspace, model, review.subset)
    at = np.flatnonzero(judgement.sample_ids == review.sample_id)
    _walk(review)
    if not len(at):
        st.info("This image is no longer in the dataset. Undo brings it back.")
        undo_button(workspace, judgement.dataset.id, key="drawer_undo")
        return
    (item,) = evaluation.judged_images(workspace, judgement, at)
    _corrections(workspace, judgement, item)
    _evidence(workspace, model, item)


def _walk(review: Review) -> None:
    """Buttons to the image before and after this one."""
    with st.container(horizontal=True, vertical_alignment="center"):
        steps = (("Previous", "arrow_back", "Left", -1), ("Next", "arrow_forward", "Right", 1))
        for label, icon, shortcut, step in steps:
            there = 0 <= review.at + step < len(review.sample_ids)
            if st.button(
                label,
                icon=f":material/{icon}:",
                key=f"review_{label.lower()}",
                shortcut=shortcut,
                disabled=not there,
            ):
                _go(step)
                st.rerun(scope="fragment")
        st.caption(f"{review.at + 1} of {len(review.sample_ids):,}")


def _go(step: int) -> None:
    """To another image of the review; past the end the drawer closes."""
    review: Review = st.session_state.review
    at = review.at + step
    inside = 0 <= at < len(review.sample_ids)
    st.session_state.review = replace(review, at=at) if inside else None


def _corrections(workspace: Workspace, judgement: JudgedSet, item: JudgedSample) -> None:
    dataset_id, sample_id = judgement.dataset.id, item.sample.id
    names = judgement.dataset.class_names
    with st.container(border=True, key="corrections"):
        effect = (
            "The results are updated at once."
            if judgement.version is None
            else "These results keep the labels used in training: classes have been merged since."
        )
        st.markdown(
            "**The correct class is …**",
            help="Relabels the image in the dataset as a new version, which can be undone. "
            f"{effect} Trained models do not change.",
        )
        wanted = _class_choice(names, item.sample.label, sample_id)
        if wanted is not None:
            _edit(lambda: edits.relabel(workspace, dataset_id, {sample_id: wanted}))
        with st.container(horizontal=True):
            _mark_buttons(workspace, dataset_id, sample_id)
            if st.button(
                "Exclude",
                icon=":material/block:",
                key="exclude",
                shortcut="X",
                help="Leaves the image out of the dataset; the file stays stored.",
            ):
                _edit(lambda: edits.exclude(workspace, dataset_id, [sample_id]))
            undo_button(workspace, dataset_id, key="drawer_undo")


def _class_choice(names: Sequence[str], label: int | None, sample_id: int) -> int | None:
    """The class that was just given to the image; number keys for the first nine."""
    if len(names) <= MOST_KEYS:
        with st.container(horizontal=True):
            for index, name in enumerate(names):
                if st.button(
                    text.plain(name),
                    key=f"class_{index}",
                    shortcut=str(index + 1),
                    type="primary" if index == label else "secondary",
                    disabled=index == label,
                ):
                    return index
        return None
    chosen = st.selectbox(
        "Class",
        range(len(names)),
        index=None,
        placeholder="Choose a class",
        key=f"class_{sample_id}",
        format_func=lambda i: names[i],
        label_visibility="collapsed",
    )
    given = st.button(
        "Assign this class",
        icon=":material/check:",
        key="give_class",
        disabled=chosen is None or chosen == label,
    )
    return chosen if given else None


def _mark_buttons(workspace: Workspace, dataset_id: str, sample_id: int) -> None:
    given = evaluation.marks(workspace, dataset_id).get(sample_id, set())
    for kind, style in MARKS.items():
        is_on = kind in given
        if st.button(
            style.label,
            icon=f":material/{style.icon}:",
            key=f"mark_{kind}",
            shortcut=style.shortcut,
            type="primary" if is_on else "secondary",
            help=style.help,
        ):
            evaluation.mark(workspace, [sample_id], kind, on=not is_on)
            st.rerun()


def _edit(act: Callable[[], DatasetVersion]) -> None:
    """Correct, remember it for Undo, go on to the next image and show the new counts."""
    version = act()
    _own_edits().add((version.dataset_id, version.number))
    st.toast(
        f"{text.plain(version.summary)} (dataset version {version.number}).",
        icon=":material/history:",
    )
    _go(1)
    st.rerun()


def undo_button(workspace: Workspace, dataset_id: str, *, key: str) -> None:
    """A button that undoes this session's newest correction, if there is one."""
    newest = _undoable(workspace, dataset_id)
    if newest is None:
        return
    if st.button(
        "Undo",
        icon=":material/undo:",
        key=key,
        shortcut="U" if key == "undo" else None,
        help=f"Undoes: {text.plain(newest.summary)}",
    ):
        edits.undo(workspace, dataset_id)
        st.rerun()


def _undoable(workspace: Workspace, dataset_id: str) -> DatasetVersion | None:
    newest = versions.next_undo(workspace, dataset_id)
    return newest if newest and (dataset_id, newest.number) in _own_edits() else None


def _own_edits() -> set[tuple[str, int]]:
    """Dataset and version number of every correction of this session."""
    own: set[tuple[str, int]] = st.session_state.setdefault("my_edits", set())
    return own


def recent_edit(workspace: Workspace, dataset_id: str) -> None:
    """What this session corrected last, with a button to undo it."""
    newest = _undoable(workspace, dataset_id)
    if newest is None:
        return
    dataset = datasets.find_dataset(workspace, dataset_id)
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="recent_edit"):
        st.markdown(
            f":material/history: **{text.plain(newest.summary)}** (dataset version "
            f"{dataset.version}). The model itself does not change.",
            width="stretch",
        )
        undo_button(workspace, dataset_id, key="undo")


def _evidence(workspace: Workspace, model: Model, item: JudgedSample) -> None:
    names = model.class_names
    true = names[item.target]
    ranked = sorted(zip(names, item.probabilities, strict=True), key=lambda pair: -pair[1])
    path, reason = files.path_or_reason(workspace, item.sample)
    key = f"why_{item.sample.id}"
    _verdict(item, names)
    left, right = st.columns([3, 5], gap="medium")
    if path:
        with left:
            widgets.whole_image(item.sample, model=model)
    else:
        left.warning(f"{text.plain(reason)} Only its stored confidences are shown.")
    left.caption(text.plain(item.sample.path))
    with right:
        widgets.confidences(ranked, true_class=true, key="why")
        if path:
            widgets.heatmaps(workspace, model, path, ranked, true_class=true, key=key)


def _verdict(item: JudgedSample, names: tuple[str, ...]) -> None:
    true, predicted = text.plain(names[item.target]), text.plain(names[item.predicted])
    if item.target == item.predicted:
        st.success(
            f"Correct: **{true}**, with {item.confidence:.1%} confidence.",
            icon=":material/check_circle:",
        )
    else:
        st.error(
            f"Wrong: predicted **{predicted}** with {item.confidence:.1%} confidence; the true "
            f"class **{true}** has {item.probabilities[item.target]:.1%}.",
            icon=":material/cancel:",
        )
