"""The images behind a number: a sorted gallery, and a drawer to look closer and to correct.

What is corrected there makes a version of the dataset; this session's corrections can be undone
one after the other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.domain.datasets import DatasetVersion
from core.domain.jobs import Job, JobStatus
from core.domain.models import Model
from core.domain.signoff import MarkKind
from core.domain.splits import Subset
from core.evaluation.measures.views import Order, sorted_images
from core.workflows import jobs
from core.workflows.data import datasets, edits, versions
from core.workflows.results import evaluation, focus
from core.workflows.results.evaluation import JudgedSample, Judgement
from core.workflows.use import models
from core.workspace import Workspace
from pages.ui import components, errors, judged, routes, text, widgets

PAGE = 48
MOST_REVIEWED = 2000
MOST_KEYS = 9
ORDER_WORDS = {
    Order.CONFIDENT: "confidence",
    Order.UNSURE: "margin",
    Order.LOSS: "loss",
    Order.FOCUS: "heatmap focus",
}
MARKS = {
    MarkKind.WRONG_LABEL: (
        "Label is wrong",
        "flag",
        "W",
        "⚑",
        "For a person to decide later; the label stays as it is.",
    ),
    MarkKind.LIMIT_SAMPLE: (
        "Limit sample",
        "contrast",
        "L",
        "◐",
        "Just good enough, or just too bad: shows where the line is.",
    ),
    MarkKind.GOLDEN: (
        "Golden sample",
        "star",
        "G",
        "★",
        "A model must judge it right to be released (Sign-off page).",
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


def panel(
    workspace: Workspace,
    found: Judgement,
    positions: NDArray[np.int64],
    *,
    key: str,
    order: Order = Order.CONFIDENT,
) -> None:
    """Images at these positions, sorted and paged; a click opens the drawer."""
    if not len(positions):
        st.info("No image here.")
        return
    chosen = _order(key, order) if len(positions) > 1 else order
    values = _explained(workspace, found, positions) if chosen is Order.FOCUS else None
    positions = sorted_images(
        positions,
        chosen,
        confidence=found.confidence,
        margin=found.margin,
        loss=found.loss,
        focus=values,
    )
    pages = -(-len(positions) // PAGE)
    page = min(st.session_state.get(f"{key}_page", 1), pages)
    shown = evaluation.judged_images(workspace, found, positions[(page - 1) * PAGE : page * PAGE])
    marks = evaluation.marks(workspace, found.judged.dataset.id)
    focus_of = (
        {}
        if values is None
        else dict(
            zip(
                found.judged.sample_ids[positions].tolist(), values[positions].tolist(), strict=True
            )
        )
    )
    tiles = [
        _tile(
            item,
            found.judged.class_names,
            marks.get(item.sample.id, set()),
            chosen,
            focus_of.get(item.sample.id),
        )
        for item in shown
    ]
    clicked = components.gallery(tiles, key, side_px=104)
    if pages > 1:
        st.pagination(pages, width="stretch", key=f"{key}_page")
    if clicked is not None:
        ids = found.judged.sample_ids[positions]
        at = int(np.flatnonzero(ids == int(clicked))[0])
        start = max(0, at - MOST_REVIEWED // 2)
        kept = tuple(int(i) for i in ids[start : start + MOST_REVIEWED])
        st.session_state.review = Review(
            found.judged.model.id, found.judged.subset, kept, at - start
        )
        drawer(workspace)


def _order(key: str, usual: Order) -> Order:
    chosen: Order = st.segmented_control(
        "Sort by",
        list(Order),
        default=usual,
        required=True,
        key=f"{key}_order",
        format_func=ORDER_WORDS.__getitem__,
        help="Confidence: of the predicted class, highest first. Margin: how far the next class is "
        "behind, closest first. Loss: how little the true class was believed, hardest first. "
        "Heatmap focus: how small the region is that the model looks at, least focused first; "
        "where it looks everywhere, it is often right by luck or by a shortcut.",
    )
    return chosen


def _explained(
    workspace: Workspace, found: Judgement, positions: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Focus of the heatmaps [N]; missing ones are asked for, and followed until they are there."""
    values = focus.focus_values(workspace, found)
    missing = focus.unexplained(found, values, positions)
    if not len(missing):
        if len(positions) > focus.MOST_EXPLAINED:
            st.caption(
                f"Heatmaps of the {focus.MOST_EXPLAINED} most confident images; the "
                "others come last."
            )
        return values
    subject = focus.job_subject(found.judged.model.id)
    job = jobs.latest(workspace, subject)
    # Why asked again: what did not end well is not started in a circle.
    failed = job is not None and not job.status.is_active and job.status is not JobStatus.COMPLETED
    if failed and job is not None:
        widgets.job_progress(job)
        if not st.button(
            "Compute the missing heatmaps", icon=":material/refresh:", key=f"explain_{subject}"
        ):
            return values
    if job is None or not job.status.is_active:
        focus.start_explaining(workspace, found, missing)
    widgets.follow(workspace, subject, lambda job: _explaining(workspace, job))
    return values


def _explaining(workspace: Workspace, job: Job) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch"):
            widgets.job_progress(job)
        if job.status.is_active and st.button("Stop", icon=":material/stop:", key="stop_explain"):
            jobs.stop(workspace, job.id)


def _tile(
    item: JudgedSample,
    names: Sequence[str],
    marks: set[MarkKind],
    order: Order,
    focused: float | None,
) -> components.Tile:
    wrong = item.target != item.predicted
    signs = "".join(MARKS[kind][3] for kind in MarkKind if kind in marks)
    value = {
        Order.CONFIDENT: f"{item.confidence:.1%}",
        Order.UNSURE: f"margin {item.margin:.1%}",
        Order.LOSS: f"loss {item.loss:.2f}",
        Order.FOCUS: _focus_words(focused),
    }[order]
    return components.Tile(
        key=str(item.sample.id),
        url=routes.thumbnail_url(item.sample.id, item.sample.sha256),
        title=f"{signs} {value}".strip(),
        detail=f"{names[item.target]} → {names[item.predicted]}" if wrong else names[item.target],
        hint="\n".join([item.sample.path, *(MARKS[kind][0] for kind in MarkKind if kind in marks)]),
        tone="wrong" if wrong else "",
    )


def _focus_words(value: float | None) -> str:
    if value is None or not np.isfinite(value):
        return "no heatmap yet"
    return "unreadable" if value < 0 else f"focus {value:.0%}"


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
    found = judged.judgement(workspace, model, review.subset)
    at = np.flatnonzero(found.judged.sample_ids == review.sample_id)
    _walk(review)
    if not len(at):
        st.info("This image has left the dataset. It can be brought back by Undo.")
        undo_button(workspace, found.judged.dataset.id, key="drawer_undo")
        return
    (item,) = evaluation.judged_images(workspace, found, at)
    _corrections(workspace, found, item)
    _evidence(workspace, model, item)


def _walk(review: Review) -> None:
    """To the image before and after this one."""
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
    """Another image of the review; past the end the drawer closes."""
    review: Review = st.session_state.review
    at = review.at + step
    inside = 0 <= at < len(review.sample_ids)
    st.session_state.review = (
        Review(review.model_id, review.subset, review.sample_ids, at) if inside else None
    )


def _corrections(workspace: Workspace, found: Judgement, item: JudgedSample) -> None:
    dataset_id, sample_id = found.judged.dataset.id, item.sample.id
    names = found.judged.dataset.class_names
    with st.container(border=True, key="corrections"):
        follows = (
            "Numbers follow at once"
            if found.judged.version is None
            else ("These numbers stay with the labels of the training, since classes were merged")
        )
        st.markdown(
            "**The right class is …**",
            help="Gives the image another class in the "
            f"dataset, as a new version that can be undone. {follows}; "
            "models that are trained already stay as they are.",
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
                help="Leave it out of the dataset; it stays stored.",
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
        placeholder="another class",
        key=f"class_{sample_id}",
        format_func=lambda i: names[i],
        label_visibility="collapsed",
    )
    given = st.button(
        "Give this class",
        icon=":material/check:",
        key="give_class",
        disabled=chosen is None or chosen == label,
    )
    return chosen if given else None


def _mark_buttons(workspace: Workspace, dataset_id: str, sample_id: int) -> None:
    given = evaluation.marks(workspace, dataset_id).get(sample_id, set())
    for kind, (label, icon, shortcut, _, help_text) in MARKS.items():
        on = kind in given
        if st.button(
            label,
            icon=f":material/{icon}:",
            key=f"mark_{kind}",
            shortcut=shortcut,
            type="primary" if on else "secondary",
            help=help_text,
        ):
            evaluation.mark(workspace, [sample_id], kind, on=not on)
            st.rerun()


def _edit(act: Callable[[], DatasetVersion]) -> None:
    """Correct, remember it for Undo, go on to the next image, and show the new counts."""
    version = act()
    mine: set[Any] = st.session_state.setdefault("my_edits", set())
    mine.add((version.dataset_id, version.number))
    st.toast(
        f"{text.plain(version.summary)}. Version {version.number} of the dataset.",
        icon=":material/history:",
    )
    _go(1)
    st.rerun()


def undo_button(workspace: Workspace, dataset_id: str, *, key: str) -> None:
    """Takes back this session's newest correction; not there where there is none."""
    newest = _undoable(workspace, dataset_id)
    if newest is None:
        return
    if st.button(
        "Undo",
        icon=":material/undo:",
        key=key,
        shortcut="U" if key == "undo" else None,
        help=f"Takes back: {text.plain(newest.summary)}",
    ):
        edits.undo(workspace, dataset_id)
        st.rerun()


def _undoable(workspace: Workspace, dataset_id: str) -> DatasetVersion | None:
    newest = versions.next_undo(workspace, dataset_id)
    mine: set[Any] = st.session_state.get("my_edits", set())
    return newest if newest and (dataset_id, newest.number) in mine else None


def recent_edit(workspace: Workspace, dataset_id: str) -> None:
    """What this session corrected last, with the way back."""
    newest = _undoable(workspace, dataset_id)
    if newest is None:
        return
    dataset = datasets.find_dataset(workspace, dataset_id)
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="recent_edit"):
        st.markdown(
            f":material/history: **{text.plain(newest.summary)}** · version {dataset.version} of "
            "the dataset. The model stays as it was trained.",
            width="stretch",
        )
        undo_button(workspace, dataset_id, key="undo")


def _evidence(workspace: Workspace, model: Model, item: JudgedSample) -> None:
    names = model.class_names
    true = names[item.target]
    ranked = sorted(zip(names, item.probabilities, strict=True), key=lambda pair: -pair[1])
    path = workspace.resolve(item.sample.path)
    key = f"why_{item.sample.id}"
    _verdict(item, names)
    left, right = st.columns([3, 5], gap="medium")
    if path.is_file():
        left.image(str(path), width="stretch")
    else:
        left.warning("The file is not there any more; only its stored confidences are.")
    left.caption(text.plain(item.sample.path))
    with right:
        widgets.confidences(ranked, true_class=true, key="why")
        if path.is_file():
            widgets.heatmaps(workspace, model, path, ranked, true_class=true, key=key)


def _verdict(item: JudgedSample, names: tuple[str, ...]) -> None:
    true, predicted = text.plain(names[item.target]), text.plain(names[item.predicted])
    if item.target == item.predicted:
        st.success(
            f"Right: **{true}**, {item.confidence:.1%} confident.", icon=":material/check_circle:"
        )
    else:
        st.error(
            f"Wrong: predicted **{predicted}** ({item.confidence:.1%}), but it is **{true}** "
            f"({item.probabilities[item.target]:.1%}).",
            icon=":material/cancel:",
        )
