"""The images behind a number: a sorted, paged gallery; a click opens the image dialog."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from core.domain.jobs import Job, JobStatus
from core.domain.keeping.people import Right
from core.domain.signoff import MarkKind
from core.evaluation.measures.views import Order, sorted_images
from core.workflows import jobs
from core.workflows.results import evaluation, focus
from core.workflows.results.evaluation import JudgedSample
from core.workflows.results.focus import Region
from core.workflows.results.judging import JudgedSet
from core.workspace import Workspace
from pages.ui import components, heat_region, routes, state, text, widgets
from pages.ui.people import rights
from pages.ui.viewer.marks import MARKS
from pages.ui.viewer.viewing import of_samples

PAGE = 48
ORDER_WORDS = {
    Order.CONFIDENT: "Most confident first",
    Order.UNSURE: "Smallest margin first",
    Order.LOSS: "Highest loss first",
    Order.FOCUS: "Least focused heatmap first",
    Order.REGION: "Most heat in a region first",
}
_LINK_NAMES = {
    Order.CONFIDENT: "confidence",
    Order.UNSURE: "margin",
    Order.LOSS: "loss",
    Order.FOCUS: "focus",
    Order.REGION: "region",
}
_OWNER = "panel_in_link"  # key of the panel that order and page in the link belong to


def panel(
    workspace: Workspace,
    judgement: JudgedSet,
    positions: NDArray[np.int64],
    *,
    key: str,
    order: Order = Order.CONFIDENT,
    sort_in: DeltaGenerator | None = None,
) -> None:
    """Images at these positions, sorted and paged; a click opens the image dialog.

    Args:
        workspace: where the images are known.
        judgement: what they were judged by.
        positions: in the judgement.
        key: of the widgets.
        order: the usual one.
        sort_in: where the box for another order stands; None: above the images.
    """
    if not len(positions):
        st.caption("There are no such images.")
        return
    with sort_in or st.container():
        chosen = _order(key, order) if len(positions) > 1 else order
    focused = in_region = region = None
    by = chosen
    match chosen:
        case Order.FOCUS:
            values = focus.focus_values(workspace, judgement)
            focused = _explained(workspace, judgement, positions, values)
        case Order.REGION:
            region = _region(workspace, judgement, positions, key)
            values = focus.region_shares(workspace, judgement, region or focus.WHOLE)
            in_region = _explained(workspace, judgement, positions, values)
            by = chosen if region else order
        case Order.CONFIDENT | Order.UNSURE | Order.LOSS:
            pass
        case _:
            assert_never(chosen)
    ordered = sorted_images(
        positions,
        by,
        confidence=judgement.confidence,
        margin=judgement.margin,
        loss=judgement.loss,
        focus=focused,
        region=in_region,
    )
    shown = _Shown(by, in_region if focused is None else focused, region)
    _page(workspace, judgement, ordered, shown, key)


@dataclass(frozen=True)
class _Shown:
    """What tiles show: by what they are sorted, its values [N] of heatmaps, a region of these."""

    order: Order
    heat: NDArray[np.float64] | None
    region: Region | None


def _page(
    workspace: Workspace,
    judgement: JudgedSet,
    ordered: NDArray[np.int64],
    shown: _Shown,
    key: str,
) -> None:
    """One page of tiles."""
    pages = -(-len(ordered) // PAGE)
    page = _page_in_link(key, pages)
    positions = ordered[(page - 1) * PAGE : page * PAGE]
    marks = evaluation.marks(workspace, judgement.dataset.id)
    values = np.full(len(positions), np.nan) if shown.heat is None else shown.heat[positions]
    heat_by_id = dict(zip(judgement.sample_ids[positions].tolist(), values, strict=True))
    by_heat = shown.heat is not None
    heated = focus.heated_ids(workspace, judgement.model) if by_heat else set()
    tiles = [
        _tile(
            item,
            judgement,
            marks.get(item.sample.id, set()),
            shown,
            heat_by_id[item.sample.id],
            is_heated=item.sample.id in heated,
        )
        for item in evaluation.judged_images(workspace, judgement, positions)
    ]
    ids = judgement.sample_ids[ordered].tolist()
    viewing = of_samples(ids, [judgement.model], at=(page - 1) * PAGE)
    components.gallery(tiles, key, side_px=104, viewing=viewing)
    if pages > 1:
        widget = f"{key}_page"
        st.session_state[widget] = page
        st.pagination(
            pages,
            width="stretch",
            key=widget,
            on_change=lambda: _note(key, page=str(st.session_state[widget])),
        )


def _note(key: str, **values: str | None) -> None:
    """Put order or page of this panel into the link."""
    st.session_state[_OWNER] = key
    state.put(**values)


def _is_in_link(key: str) -> bool:
    """Whether the link speaks of this panel, and not of the one that was shown before it."""
    owner: str = st.session_state.setdefault(_OWNER, key)
    return owner == key


def _page_in_link(key: str, pages: int) -> int:
    asked = st.query_params.get("page", "") if _is_in_link(key) else ""
    return min(max(int(asked), 1), pages) if asked.isdecimal() and len(asked) < 9 else 1


def _order(key: str, usual: Order) -> Order:
    by_name = {name: order for order, name in _LINK_NAMES.items()}
    asked = by_name.get(st.query_params.get("sort", "")) if _is_in_link(key) else None
    widget = f"{key}_order"
    st.session_state[widget] = asked or usual

    def note() -> None:
        chosen = Order(st.session_state[widget])
        _note(key, sort=None if chosen is usual else _LINK_NAMES[chosen], page=None)

    orders: Sequence[Order] = list(Order)
    chosen: Order = st.selectbox(
        "Sort by",
        orders,
        key=widget,
        format_func=ORDER_WORDS.__getitem__,
        label_visibility="collapsed",
        width=220,
        on_change=note,
    )
    return chosen


def _region(
    workspace: Workspace, judgement: JudgedSet, positions: NDArray[np.int64], key: str
) -> Region | None:
    """The region that was drawn, and the picture to draw it on; None: there is none yet."""
    asked = st.query_params.get("region", "") if _is_in_link(key) else ""
    region = heat_region.read(asked)
    heat_region.field(
        workspace,
        judgement,
        positions,
        region,
        key=f"{key}_region",
        note=lambda drawn: _note(key, region=drawn, page=None),
    )
    return heat_region.as_fractions(region) if region else None


def _explained(
    workspace: Workspace,
    judgement: JudgedSet,
    positions: NDArray[np.int64],
    values: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Values of the heatmaps [N]; missing ones are computed by a job that is followed here."""
    missing = focus.unexplained(judgement, values, positions)
    if not len(missing):
        if len(positions) > focus.MOST_EXPLAINED:
            st.caption(
                f"Heatmaps are computed for the {focus.MOST_EXPLAINED} most confident images; "
                "the others come last."
            )
        return values
    subject = focus.job_subject(judgement.model.id)
    job = jobs.latest(workspace, subject)
    # Why a button: a job that failed would otherwise be started again and again.
    failed = job is not None and not job.status.is_active and job.status is not JobStatus.COMPLETED
    if failed and job is not None:
        widgets.job_progress(job)
        if not st.button(
            "Compute the missing heatmaps",
            icon=":material/refresh:",
            key=f"explain_{subject}",
            **rights.only(Right.SIGN_OFF),
        ):
            return values
    is_active = job is not None and job.status.is_active
    if not is_active and (reason := rights.reason_against(Right.SIGN_OFF)):
        st.caption(text.plain(reason))
        return values
    if not is_active:
        focus.start_explaining(workspace, judgement, missing)
    widgets.follow(workspace, subject, lambda job: _explaining(workspace, job))
    return values


def _explaining(workspace: Workspace, job: Job) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch"):
            widgets.job_progress(job)
        if job.status.is_active and st.button(
            "Stop", icon=":material/stop:", key="stop_explain", **rights.to_stop(job)
        ):
            jobs.stop(workspace, job.id)


def _tile(
    item: JudgedSample,
    judgement: JudgedSet,
    marks: set[MarkKind],
    shown: _Shown,
    heat: float,
    *,
    is_heated: bool,
) -> components.Tile:
    sample, model, names = item.sample, judgement.model, judgement.class_names
    url = (
        routes.heated_url(sample.id, sample.sha256, model.id)
        if is_heated
        else routes.thumbnail_url(sample.id, sample.sha256)
    )
    is_wrong = item.target != item.predicted
    shown_marks = [style for kind, style in MARKS.items() if kind in marks]
    signs = "".join(style.sign for style in shown_marks)
    true, predicted = names[item.target], names[item.predicted]
    return components.Tile(
        key=str(sample.id),
        url=url,
        title=f"{signs} {_value_words(item, shown.order, heat)}".strip(),
        detail=f"{true} → {predicted}" if is_wrong else true,
        hint="\n".join([sample.path, *(style.label for style in shown_marks)]),
        tone="wrong" if is_wrong else "",
        outline=heat_region.outline(model, sample, shown.region) if shown.region else None,
    )


def _value_words(item: JudgedSample, order: Order, heat: float) -> str:
    """What the images are sorted by."""
    match order:
        case Order.CONFIDENT:
            return text.confidence(item.confidence)
        case Order.UNSURE:
            return f"margin {text.percent(item.margin)}"
        case Order.LOSS:
            return f"loss {text.decimal(item.loss, 2)}"
        case Order.FOCUS:
            return _focus_words(heat)
        case Order.REGION:
            return _share_words(heat)
        case _:
            assert_never(order)


def _share_words(value: float) -> str:
    if not np.isfinite(value):
        return "no heatmap yet"
    return "unreadable" if value < 0 else f"heat {text.whole_percent(value)}"


def _focus_words(value: float) -> str:
    if not np.isfinite(value):
        return "no heatmap yet"
    return "unreadable" if value < 0 else f"focus {text.whole_percent(value)}"
