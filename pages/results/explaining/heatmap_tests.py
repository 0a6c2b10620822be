"""The tab of the heatmaps: what each method is worth for this model, and where classes decide."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.domain.jobs import Job
from core.domain.keeping.people import Right
from core.domain.models import ColourMap, Model
from core.errors import NotFoundError
from core.inference.overlay import heat_layer
from core.words import NOTHING
from core.workflows import jobs
from core.workflows.results import heatmap_grades, heatmap_words
from core.workflows.results.heatmap_grades import GradedMethod, HeatmapTest, MeanHeat
from core.workspace import Workspace
from pages.ui import errors, state, text, widgets
from pages.ui.people import rights

_SIDE_PX = 168
_BACKGROUND = 96
_OF_CLASSES = (
    "Parts of images of one class are put into images of another so that the class follows. A "
    "heatmap must be hottest there. Regions are also removed in its order, and the last weights "
    "randomised."
)
_OF_GOOD_ONES = (
    "What stands out in one good image is put into another at another place, until the model calls "
    "it unlike the good ones. The heatmap, each place's distance to the good ones, must be hottest "
    "there."
)
_OF_CURVES = ("Deletion", "Random order", "Random weights")


@errors.shown()
def tests(workspace: Workspace, model: Model) -> None:
    """The grades of all methods, classes that decide at the border, and mean heat per class."""
    subject = heatmap_grades.job_subject(model.id)
    tested = heatmap_grades.heatmap_test(workspace, model)
    job = jobs.latest(workspace, subject)
    _where(model, tested)
    st.subheader(
        "Can the heatmaps be trusted?",
        help=_OF_GOOD_ONES if model.is_detector else _OF_CLASSES,
    )
    if tested is None and job is None:
        st.caption(
            "Not tested yet. It takes some minutes in the background and uses no test images."
        )
    if tested is not None:
        _border(tested)
        _methods(tested, of_detector=model.is_detector)
    is_active = job is not None and job.status.is_active
    if not is_active and st.button(
        "Test again" if tested else "Test the heatmaps",
        icon=":material/network_check:",
        type="secondary" if tested else "primary",
        key="test_heatmaps",
        **rights.only(Right.SIGN_OFF),
    ):
        _start(workspace, model)
        st.rerun()
    if job is not None:
        widgets.follow(workspace, subject, lambda job: _progress(workspace, job))
    if tested is not None:
        _mean_heat(tested.mean)


def _where(model: Model, tested: HeatmapTest | None) -> None:
    """Where heatmaps are seen, the way there, and which method to look at."""
    best = heatmap_grades.recommended(tested, model)
    name = heatmap_words.method_in_words(best, of_detector=model.is_detector)
    with st.container(horizontal=True, vertical_alignment="center", key="where_heatmaps"):
        st.markdown(
            f"Click any image to see its heatmap. Recommended for this model: **{name}**"
            f"{'' if tested else ', not tested yet'}.",
            width="content",
        )
        st.button(
            "See the images",
            icon=":material/photo_library:",
            key="to_heatmaps",
            on_click=state.put,
            kwargs={"tab": None},
        )


def _start(workspace: Workspace, model: Model) -> None:
    try:
        heatmap_grades.start_test(workspace, model)
    except NotFoundError as err:
        st.warning(f"{err.message} {err.hint}")


def _progress(workspace: Workspace, job: Job) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch"):
            widgets.job_progress(job)
        if job.status.is_active and st.button(
            "Stop", icon=":material/stop:", key="stop_grading", **rights.to_stop(job)
        ):
            jobs.stop(workspace, job.id)


def _border(tested: HeatmapTest) -> None:
    for finding in tested.border:
        st.warning(text.plain(heatmap_words.border_in_words(finding)), icon=":material/frame_bug:")
    if tested.mean and not tested.border:
        st.success("No class is decided at the border of its images.", icon=":material/check:")


def _methods(tested: HeatmapTest, *, of_detector: bool) -> None:
    rows = [_row(item, of_detector=of_detector) for item in tested.methods]
    if not any(item.grade.images for item in tested.methods):
        rows = [{k: v for k, v in row.items() if k not in _OF_CURVES} for row in rows]
    st.dataframe(
        rows,
        hide_index=True,
        width="stretch",
        column_config={
            "Found": st.column_config.TextColumn(
                help="What was planted is under the hottest place of the heatmap."
            ),
            "Chance": st.column_config.TextColumn(help="What a place chosen by chance would hit."),
            "Deletion": st.column_config.TextColumn(
                help="Mean confidence as the hottest regions go first; lower is better."
            ),
            "Random order": st.column_config.TextColumn(help="The same in a random order."),
            "Random weights": st.column_config.TextColumn(
                help="Rank correlation with the heatmap of a model whose last weights are random; "
                "near 1, a heatmap tells nothing of this model."
            ),
        },
    )
    st.caption(f"Tested {text.when(tested.tested_at)} on {tested.images:,} images.")


def _row(item: GradedMethod, *, of_detector: bool) -> dict[str, str]:
    grade = item.grade
    name = heatmap_words.method_in_words(item.method, of_detector=of_detector)
    if grade.problem:
        numbers = dict.fromkeys(("Found", "Chance", *_OF_CURVES, "Time"), NOTHING)
        return {"Method": name, **numbers, "Verdict": grade.problem}
    return {
        "Method": name,
        "Found": f"{grade.hits:,} of {grade.tried:,}",
        "Chance": f"{round(grade.chance * grade.tried):,}",
        "Deletion": text.decimal(grade.deletion, 2),
        "Random order": text.decimal(grade.deletion_random, 2),
        "Random weights": text.decimal(grade.likeness, 2),
        "Time": f"{text.decimal(grade.seconds, 2)} s",
        "Verdict": heatmap_words.trust_in_words(item.trust),
    }


def _mean_heat(means: tuple[MeanHeat, ...]) -> None:
    if not means:
        return
    st.subheader(
        "Where each class decides",
        help="The mean Grad-CAM of the images of a class, in what the network sees. What always "
        "lies at one place is no defect, or a defect that always lies there.",
    )
    with st.container(horizontal=True, gap="medium"):
        for item in means:
            with st.container(width=_SIDE_PX):
                st.image(drawn(item.values), width=_SIDE_PX)
                st.caption(f"{text.plain(item.class_name)} ({item.images:,})")


def drawn(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Mean heat [28, 28] as colours [168, 168, 3] on gray."""
    layer = heat_layer(values, _SIDE_PX, colours=ColourMap.CIVIDIS).astype(np.float64)
    opacity = layer[:, :, 3:] / 255
    mixed: NDArray[np.uint8] = (
        _BACKGROUND * (1 - opacity) + layer[:, :, :3] * opacity + 0.5
    ).astype(np.uint8)
    return mixed
