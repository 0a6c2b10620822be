"""The region of heatmaps that a person draws; images are then sorted by their heat in it."""

import base64
import io
from collections.abc import Callable

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from core.data.pixels.preprocess import placement
from core.domain.datasets import Sample
from core.domain.models import Model
from core.inference.overlay import heat_layer
from core.words import count
from core.workflows.results import evaluation, focus
from core.workflows.results.focus import AverageHeat, Region
from core.workflows.results.judging import JudgedSet
from core.workspace import Workspace
from pages.ui import components, routes, text

_LAYER_PX = 168
_SIDES = ("Left", "Top", "Right", "Bottom")
# Left, top, right and bottom in percent of what the network sees; in links as 10-0-60-50.
Drawn = tuple[int, int, int, int]


def read(link: str) -> Drawn | None:
    """The region in a link; None where there is none, or no such region can be."""
    sides = [int(side) for side in link.split("-") if side.isdecimal() and len(side) <= 3]
    if len(sides) != 4:
        return None
    left, top, right, bottom = sides
    is_region = left < right <= 100 and top < bottom <= 100
    return (left, top, right, bottom) if is_region else None


def written(region: Drawn) -> str:
    """A region as it stands in links."""
    return "-".join(map(str, region))


def as_fractions(region: Drawn) -> Region:
    """The same in [0, 1]."""
    left, top, right, bottom = (side / 100 for side in region)
    return left, top, right, bottom


def field(
    workspace: Workspace,
    judged: JudgedSet,
    positions: NDArray[np.int64],
    region: Drawn | None,
    *,
    key: str,
    note: Callable[[str | None], None],
) -> None:
    """The average heatmap of images over one of them, to draw on, and what is in the region.

    Args:
        workspace: where images and heatmaps are kept.
        judged: the images.
        positions: of those that are listed.
        region: as it is now; None: none yet.
        key: of the widgets.
        note: is told the region for the link; None: it was cleared.
    """
    average = focus.average_heat(workspace, judged, positions)
    first = evaluation.judged_images(workspace, judged, positions[:1])

    def drawn() -> None:
        sides = st.session_state[key].drawn
        note(written((sides[0], sides[1], sides[2], sides[3])) if sides else None)

    with st.container(horizontal=True, gap="medium", vertical_alignment="center", key=f"{key}_row"):
        with st.container(width=240):
            components.region_field(
                _picture(judged.model, first[0].sample if first else None, average, region),
                key,
                on_drawn=drawn,
            )
        with st.container(width=260):
            st.caption(_words(average, region))
            with st.container(horizontal=True, gap="small"):
                _exact(region, key, note)
                st.button(
                    "Clear",
                    icon=":material/close:",
                    key=f"{key}_clear",
                    disabled=region is None,
                    on_click=lambda: note(None),
                )


def outline(model: Model, sample: Sample, region: Region) -> tuple[float, float, float, float]:
    """Where a region lies on the square tile of an image: left, top, width, height in percent."""
    size = sample.width, sample.height
    left, top, right, bottom = focus.region_on_image(model, size, region)
    wide, high = (100 * side / max(size) for side in size)
    across, down = (100 - wide) / 2, (100 - high) / 2
    return across + left * wide, down + top * high, (right - left) * wide, (bottom - top) * high


def _words(average: AverageHeat, region: Drawn | None) -> str:
    images = count(average.images, "image")
    if not average.images:
        return "Drag over the image to draw a region. Heatmaps follow."
    if region is None:
        return f"Average heatmap of {images}. Drag over it to draw a region."
    share = focus.share_inside(average.cells, as_fractions(region))
    left, top, right, bottom = region
    area = (right - left) * (bottom - top) / 10_000
    return (
        f"**{text.whole_percent(share)}** of the average heat of {images} is in this region, "
        f"{text.whole_percent(area)} of the area."
    )


def _exact(region: Drawn | None, key: str, note: Callable[[str | None], None]) -> None:
    """The sides of the region as numbers, for the keyboard."""
    now = region or (0, 0, 100, 100)
    keys = [f"{key}_{side.lower()}" for side in _SIDES]

    def changed() -> None:
        left, top, right, bottom = (int(st.session_state[name]) for name in keys)
        note(written((left, top, right, bottom)))

    low = (0, 0, now[0] + 1, now[1] + 1)
    high = (now[2] - 1, now[3] - 1, 100, 100)
    with st.popover("Exact", icon=":material/straighten:"):
        st.caption("In percent of what the network sees.")
        for at, side in enumerate(_SIDES):
            st.session_state[keys[at]] = now[at]
            st.number_input(
                f"{side} (%)",
                min_value=low[at],
                max_value=high[at],
                step=1,
                key=keys[at],
                on_change=changed,
            )


def _picture(
    model: Model, sample: Sample | None, average: AverageHeat, region: Drawn | None
) -> components.RegionField:
    """An image as the network sees it with the average heatmap over it."""
    layer = _layer(average) if average.images else ""
    label = "Region of the heatmap: draw it, or use the arrow keys"
    nowhere = (0.0, 0.0, 100.0, 100.0)
    if sample is None:
        return components.RegionField("", nowhere, (0, 0, 0, 0), layer, region, label)
    place = placement((sample.width, sample.height), model.preprocess)
    square, seen = place.square, place.seen
    wide, high = square[2] - square[0], square[3] - square[1]
    return components.RegionField(
        routes.thumbnail_url(sample.id, sample.sha256),
        (-100 * square[0] / wide, -100 * square[1] / high, 100 / wide, 100 / high),
        (100 * seen[1], 100 * (1 - seen[2]), 100 * (1 - seen[3]), 100 * seen[0]),
        layer,
        region,
        label,
    )


def _layer(average: AverageHeat) -> str:
    """The average heatmap as a PNG in an address."""
    buffer = io.BytesIO()
    Image.fromarray(heat_layer(average.cells, _LAYER_PX)).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
