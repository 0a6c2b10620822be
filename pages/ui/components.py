"""Small components of ours: charts that can be clicked and updated, galleries, a ZIP upload.

Streamlit's own charts report no clicks on heatmaps and flicker when data changes; its uploader
holds whole files in memory. Their HTML, CSS and JavaScript lie in `assets`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from core.administration import limits_of
from core.domain.configs.administration import GB
from core.workflows.data.uploads import zip_advice
from pages.ui.figures.theme import style_sheet
from pages.ui.routes import PLOTLY_SMALL_URL, PLOTLY_URL, UPLOAD_HEADER
from pages.ui.viewer.viewing import Tone, Viewing

_ASSETS = Path(__file__).parent / "assets"
SMALL_TRACES = frozenset({"bar", "heatmap", "pie", "scatter"})  # as in packaging/plotly/small.cjs


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


_chart = st.components.v2.component(
    "touchstone_chart",
    html=_asset("chart.html"),
    css=style_sheet() + _asset("chart.css"),
    js=_asset("chart.js"),
    isolate_styles=False,
)
_images = st.components.v2.component(
    "touchstone_images",
    html=_asset("images.html"),
    css=_asset("images.css"),
    js=_asset("images.js"),
)
_region = st.components.v2.component(
    "touchstone_region",
    html=_asset("region.html"),
    css=_asset("region.css"),
    js=_asset("region.js"),
)
_findings = st.components.v2.component(
    "touchstone_findings",
    html=_asset("findings.html"),
    css=_asset("findings.css"),
    js=_asset("findings.js"),
)
_upload = st.components.v2.component(
    "touchstone_upload",
    html=_asset("upload.html"),
    css=_asset("upload.css"),
    js=_asset("upload.js"),
)
_frame = st.components.v2.component(
    "touchstone_frame",
    html=_asset("frame.html"),
    js=_asset("frame.js"),
    isolate_styles=False,
)
_rests = st.components.v2.component("touchstone_rests", js=_asset("rests.js"))
_classes = st.components.v2.component(
    "touchstone_classes",
    html="<div class='ts-classes'></div>",
    css=_asset("classes.css"),
    js=_asset("classes.js"),
)
_folders = st.components.v2.component(
    "touchstone_folders",
    html="<div class='ts-folders'></div>",
    css=_asset("folders.css"),
    js=_asset("folders.js"),
)


@dataclass(frozen=True)
class Tile:
    """One image of a gallery; texts are shown literally, `icon` is a Material symbol on it.

    `outline`: left, top, width and height of a region to mark, in percent of the square tile.
    """

    key: str
    url: str
    title: str
    detail: str = ""
    hint: str = ""
    tone: Tone = ""
    icon: str = ""
    outline: tuple[float, float, float, float] | None = None


def frame(address: Mapping[str, str] | None, tips: Mapping[str, str], *, door: int | None) -> None:
    """Keys for every page, and what else the frame does in the browser; nothing of it is seen.

    Args:
        address: parameters that the link of this page must have; it is completed in place, without
            a step for the Back button. None leaves it alone.
        tips: key of a container or widget -> its tooltip.
        door: which link of the menu is the present one, from 0; None: none is.
    """
    data = {
        "address": address,
        "seen": st.query_params.to_dict(),  # Why: after a change of these the link is read again.
        "tips": dict(tips),
        "door": door,
        "landmarks": {"doors": "Pages", "steps": "Steps"},
        "ahead": [PLOTLY_SMALL_URL],
    }
    _frame(key="frame", data=data)


def rests(key: str) -> bool:
    """Whether this run was asked for by a browser that has just drawn its first page."""
    return bool(_rests(key=key, on_rests_change=lambda: None).rests)


def chart(figure: go.Figure, key: str, *, description: str) -> None:
    """A Plotly chart that keeps its zoom and does not flicker when its data changes."""
    _mount_chart(figure, key, description=description)


def selectable_chart(figure: go.Figure, key: str, *, description: str) -> tuple[int, ...] | None:
    """A Plotly chart in which points are chosen by lasso or box; gives their customdata."""
    _mount_chart(figure, key, description=description, select=True)
    chosen = (st.session_state.get(key) or {}).get("chosen")
    return tuple(int(i) for i in chosen["ids"]) if chosen else None


def clickable_matrix(
    figure: go.Figure,
    key: str,
    *,
    description: str,
    cell: tuple[int, int] | None,
    zoom: bool = False,
) -> None:
    """A Plotly heatmap whose cells can be clicked, tapped and reached by arrow keys.

    With `zoom` the wheel zooms, dragging moves, and a double click shows everything again.
    """
    rows = figure.data[0].z
    grid = (len(rows), len(rows[0]))
    _mount_chart(figure, key, description=description, cell=cell, grid=grid, zoom=zoom)


def clickable_rows(
    figure: go.Figure, key: str, *, description: str, rows: int, row: int | None
) -> None:
    """A Plotly chart with one bar per row (y = 0, 1, …) whose rows can be clicked, as cells are."""
    cell = None if row is None else (row, 0)
    _mount_chart(figure, key, description=description, cell=cell, grid=(rows, 1))


def clicked_cell(key: str) -> tuple[int, int, int] | None:
    """Row, column and time of the last click in a matrix; read it before mounting."""
    state = st.session_state.get(key)
    cell = state.get("cell") if state else None
    return (int(cell[0]), int(cell[1]), int(cell[2])) if cell else None


def clicked_row(key: str, count: int) -> int | None:
    """The row of `clickable_rows` that was clicked last, of so many."""
    clicked = clicked_cell(key)
    return clicked[0] if clicked and clicked[0] < count else None


def gallery(
    tiles: Sequence[Tile], key: str, *, side_px: int = 120, viewing: Viewing | None = None
) -> str | None:
    """A grid of images; gives the key of the one just clicked, once.

    Args:
        tiles: in their order.
        key: of the widget.
        side_px: least width of a tile.
        viewing: with it a click opens the image dialog in the browser, and only the dialog's
            further button reports an image here.
    """
    answer: Any = _images(
        key=key,
        data={
            "items": [asdict(tile) for tile in tiles],
            "side": side_px,
            "editing": None,
            "viewing": viewing.as_data if viewing else None,
        },
        on_open_change=lambda: None,
    )
    return str(answer.open) if answer.open is not None else None


def editable_gallery(
    items: Sequence[Mapping[str, object]],
    editing: Mapping[str, object],
    viewing: Viewing,
    key: str,
    *,
    side_px: int,
    on_turn: Callable[[], None],
) -> bool:
    """A grid of images to select and relabel by keyboard; True once after edits.

    Args:
        items: as the fields of `Tile`, with `excluded` (yes or no) in addition.
        editing: what `createEditor` of `images.js` reads: dataset, classes, page, …
        viewing: of the image dialog that a click opens.
        key: of the widget; the page asked for is `st.session_state[key].turn` in `on_turn`.
        side_px: least width of a tile.
        on_turn: called when the keyboard walks past the first or last image.
    """
    answer: Any = _images(
        key=key,
        data={"items": items, "side": side_px, "editing": editing, "viewing": viewing.as_data},
        on_edited_change=lambda: None,
        on_turn_change=on_turn,
    )
    return answer.edited is not None


@dataclass(frozen=True)
class RegionField:
    """A square picture on which a person draws one rectangle.

    Attributes:
        picture: address of the image.
        place: its left, top, width and height, in percent of the square.
        seen: how much of it is cut off at the top, right, bottom and left, in percent of it.
        layer: address of a square image over it; empty: none.
        region: left, top, right, bottom of the rectangle, in percent of the square; None: none.
        label: what is drawn, for screen readers.
    """

    picture: str
    place: tuple[float, float, float, float]
    seen: tuple[float, float, float, float]
    layer: str
    region: tuple[int, int, int, int] | None
    label: str


def region_field(field: RegionField, key: str, *, on_drawn: Callable[[], None]) -> None:
    """Mount it; in `on_drawn`, `st.session_state[key].drawn` is a new region, or [] for none."""
    _region(key=key, data=asdict(field), on_drawn_change=on_drawn)


def class_table(
    rows: Sequence[Mapping[str, object]],
    key: str,
    *,
    sort: str,
    chosen: str | None,
    on_sort: Callable[[], None],
    on_chosen: Callable[[], None],
) -> None:
    """A table of rates by class; `st.session_state[key]` has `sort` or `chosen` in the callbacks.

    Args:
        rows: name, count, and for recall and precision value, low, high, shown and words each.
        key: of the widget.
        sort: "worst" (as given), or a column, with a `-` behind it where the largest come first.
        chosen: the name of the open class.
        on_sort: called after another column was chosen.
        on_chosen: called after a class was clicked: `chosen` is its name and the time.
    """
    _classes(
        key=key,
        data={"rows": list(rows), "sort": sort, "chosen": chosen},
        on_sort_change=on_sort,
        on_chosen_change=on_chosen,
    )


@dataclass(frozen=True)
class FolderView:
    """A folder to walk on from; all texts are shown literally.

    Attributes:
        number: comes back with each click, and tells which folder it was in.
        trail: names of the folders down to the open one.
        places: icon (a Material symbol), name and path of where one can begin.
        place: position of the place that is open; None: none is.
        folders: name of each, and why it cannot be opened, or "".
        archives: the same of ZIP files.
        problem: why there are no folders; "" if there is no reason.
        notes: what is not shown.
    """

    number: int
    trail: Sequence[str]
    places: Sequence[tuple[str, str, str]]
    place: int | None
    folders: Sequence[tuple[str, str]]
    archives: Sequence[tuple[str, str]]
    problem: str
    notes: Sequence[str]


def folder_view(
    view: FolderView, key: str, *, on_open: Callable[[], None], on_use: Callable[[], None]
) -> None:
    """Trail, places and subfolders, by mouse and by keys.

    Args:
        view: what is shown.
        key: of the widget; in `on_open`, `st.session_state[key].open` is what was opened ("trail",
            "place", "folder" or "archive"), its position, and the number of the view.
        on_open: called after a click.
        on_use: called where somebody takes the open folder by key.
    """
    _folders(key=key, data=asdict(view), on_open_change=on_open, on_use_change=on_use)


def findings(data: Mapping[str, object], key: str) -> None:
    """Findings as cards of two images that open large; `findings.js` says what it reads.

    What people ask for is `asked_of_findings`, to be read before mounting: each request comes again
    until its id is among `handled` of the data.
    """
    _findings(key=key, data=dict(data), on_requests_change=lambda: None)


def asked_of_findings(key: str) -> object:
    """The requests of `findings`, as they come from the browser; None before the first."""
    state = st.session_state.get(key)
    return state.get("requests") if state else None


def zip_upload(key: str) -> dict[str, str] | None:
    """An upload that streams to disk; gives `{upload, name}` once when it is complete."""
    answer: Any = _upload(
        key=key,
        data={
            "url": "/uploads/zip",
            "header": UPLOAD_HEADER,
            "limit": int(limits_of().zip_upload_gb * GB),
            "advice": zip_advice(),
        },
        on_uploaded_change=lambda: None,
    )
    return dict(answer.uploaded) if answer.uploaded else None


def library_of(figure: go.Figure) -> str:
    """The address of the smallest plotly.js that draws this figure."""
    is_small = all(trace.type in SMALL_TRACES for trace in figure.data)
    return PLOTLY_SMALL_URL if is_small else PLOTLY_URL


def _mount_chart(
    figure: go.Figure,
    key: str,
    *,
    description: str,
    cell: tuple[int, int] | None = None,
    grid: tuple[int, int] | None = None,
    select: bool = False,
    zoom: bool = False,
) -> None:
    library = library_of(figure)
    data = {
        "figure": figure.to_json(),
        "library": library,
        "libraryIsModule": library == PLOTLY_SMALL_URL,
        "select": select,
        "zoom": zoom,
        "description": description,
        "cell": list(cell) if cell else None,
        "grid": list(grid) if grid else None,
    }
    _chart(
        key=key,
        data=data,
        # Why: the page keeps its place while the library loads.
        height=figure.layout.height or "content",
        on_cell_change=lambda: None,
        on_chosen_change=lambda: None,
    )
