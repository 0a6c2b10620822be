"""The path of a folder on the server: typed, or chosen in a dialog that shows its folders.

Where ZIP files may be used too, it shows these as well.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import streamlit as st

from core.data.folders.counting import FolderCounts
from core.data.folders.listing import (
    FolderListing,
    FolderProblem,
    FolderState,
    Subfolder,
    trail_of,
)
from core.data.folders.places import FolderPlace, PlaceKind
from core.data.folders.reading import FolderReading
from core.domain.keeping.people import Right
from core.errors import PathNotAllowedError, TouchstoneError
from core.workflows import folders
from pages.ui import errors, state, text
from pages.ui.components import FolderView, folder_view
from pages.ui.people import rights

_BROWSING, _LAST, _CHOSEN = "browsing", "browsed_last", "browsed_paths"
_VIEW = "folder_view"


@dataclass
class Browsing:
    """What the open dialog shows, and for which field.

    Attributes:
        key: of the text field.
        with_zips: whether ZIP files may be chosen too.
        places: where one can begin.
        reading: of the open folder.
        number: grows with each folder, so that a click on what is no longer shown does nothing.
        is_over: whether a folder was taken.
    """

    key: str
    with_zips: bool
    places: list[FolderPlace]
    reading: FolderReading
    number: int = 0
    is_over: bool = False
    listing: FolderListing | None = None


def folder_field(
    label: str,
    key: str,
    *,
    right: Right,
    placeholder: str,
    help: str,
    with_zips: bool = False,
    in_link: bool = False,
) -> str:
    """A text field for the path of a folder, and a button that opens the dialog.

    Args:
        label: of the field.
        key: of the field; the button is `browse_` and this key.
        right: for what the folder is needed.
        placeholder: an example.
        help: its tooltip.
        with_zips: whether it may be a ZIP file too.
        in_link: whether the link of the page names it, so that a reload keeps it.

    Returns:
        The path without outer blanks and quotes; a chosen one as it is. Empty, and the reason is
        shown, where its drive does not answer.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"folder_of_{key}"):
        typed = st.text_input(
            label,
            key=key,
            placeholder=placeholder,
            help=help,
            bind="query-params" if in_link else None,
        )
        closed = folders.reason_closed()
        if st.button(
            "Browse",
            icon=":material/folder_open:",
            key=f"browse_{key}",
            **rights.only(
                right,
                help=text.plain(closed) if closed else "Shows the folders of the server.",
                disabled=closed is not None,
            ),
        ):
            _begin(key, typed, with_zips=with_zips)
    chosen: dict[str, str] = st.session_state.get(_CHOSEN, {})
    # Why: a folder may have a blank at the end of its name.
    entered = typed if typed == chosen.get(key) else typed.strip().strip('"').strip()
    if path := _absolute(entered):
        try:
            folders.refuse_silent(path)
        except TouchstoneError as err:
            errors.show(err)
            return ""
    return entered


def _begin(key: str, typed: str, *, with_zips: bool) -> None:
    """Open the dialog at the folder in the field, else at the last one, else where one begins."""
    workspace = state.workspace()
    begun = folders.places_to_begin(workspace)
    wanted = [_absolute(typed), st.session_state.get(_LAST), *(place.path for place in begun[:1])]
    for path in filter(None, wanted):
        reading = folders.open_folder(workspace, path, nearest=True)
        try:
            reading.listing()
        except TouchstoneError:  # outside, or on a drive that does not answer
            continue
        st.session_state[_BROWSING] = Browsing(key, with_zips, begun, reading)
        _dialog()
        return
    raise PathNotAllowedError("No folder of the server can be opened.", "Enter its path instead.")


def _absolute(typed: str) -> Path | None:
    try:
        path = Path(typed.strip().strip('"')).expanduser()
    except RuntimeError:  # no such user
        return None
    return path if path.is_absolute() else None


@st.dialog("Browse the server", width=800, icon=":material/folder_open:")
@errors.shown()
def _dialog() -> None:
    browsing: Browsing = st.session_state[_BROWSING]
    if browsing.is_over:
        st.rerun()
    listing = None
    try:
        listing = browsing.reading.listing()
        problem = _problem_in_words(listing)
    except TouchstoneError as err:
        problem = str(err)
    browsing.listing = listing
    folder_view(_shown(browsing, listing, problem), _VIEW, on_open=_open, on_use=_use)
    with st.container(horizontal=True, vertical_alignment="center", key="folder_foot"):
        counted = st.container(width="stretch").empty()
        counted.caption("Counting images …" if listing and not listing.problem else "")
        st.button(
            "Use this folder",
            type="primary",
            icon=":material/check:",
            key="use_folder",
            on_click=_use,
            disabled=listing is None or listing.problem is not None,
        )
    # Why last: the folders are there to be clicked while their images are counted.
    if listing and not listing.problem:
        counted.markdown(_counts_in_words(browsing.reading.counts()))


def _open() -> None:
    """Open what was clicked: a part of the trail, a place, a folder; by its position.

    A ZIP file is taken at once: there is nothing in it to walk to.
    """
    browsing: Browsing = st.session_state[_BROWSING]
    kind, position, number = st.session_state[_VIEW].open
    if number != browsing.number:
        return  # of a folder that is no longer shown
    path = _paths(browsing)[kind][position]
    if kind == "archive":
        _take(browsing, path)
        return
    browsing.reading.stop()
    browsing.number += 1
    browsing.reading = folders.open_folder(state.workspace(), path)


def _paths(browsing: Browsing) -> dict[str, list[Path]]:
    listing = browsing.listing
    return {
        "place": [place.path for place in browsing.places],
        "trail": list(_trail(browsing)),
        "folder": [folder.path for folder in listing.folders] if listing else [],
        "archive": [archive.path for archive in _archives(browsing, listing)],
    }


def _archives(browsing: Browsing, listing: FolderListing | None) -> tuple[Subfolder, ...]:
    return listing.archives if listing and browsing.with_zips else ()


def _trail(browsing: Browsing) -> tuple[Path, ...]:
    """Down to the open folder, also where it does not answer."""
    return browsing.listing.trail if browsing.listing else trail_of(browsing.reading.path)


def _use() -> None:
    """Put the open folder into the field; the dialog closes."""
    browsing: Browsing = st.session_state[_BROWSING]
    listing = browsing.listing
    if listing is None or listing.problem is not None:
        return
    _take(browsing, listing.path)


def _take(browsing: Browsing, chosen: Path) -> None:
    browsing.reading.stop()
    path = str(chosen)
    st.session_state[browsing.key] = path
    st.session_state[_LAST] = browsing.listing.path if browsing.listing else chosen
    st.session_state.setdefault(_CHOSEN, {})[browsing.key] = path
    browsing.is_over = True


def _shown(browsing: Browsing, listing: FolderListing | None, problem: str | None) -> FolderView:
    here = listing.path if listing else browsing.reading.path
    return FolderView(
        number=browsing.number,
        trail=[_trail_name(path, first=n == 0) for n, path in enumerate(_trail(browsing))],
        places=[
            (_place_icon(place.kind), _place_name(place), text.visible(str(place.path)))
            for place in browsing.places
        ],
        place=next((n for n, p in enumerate(browsing.places) if p.path == here), None),
        folders=_rows(listing.folders if listing else ()),
        archives=_rows(_archives(browsing, listing)),
        problem=problem or "",
        notes=_notes(listing) if listing else [],
    )


def _rows(items: Iterable[Subfolder]) -> list[tuple[str, str]]:
    return [(text.visible(item.name), _state_in_words(item.state)) for item in items]


def _trail_name(path: Path, *, first: bool) -> str:
    """The outermost folder with its whole path, since nothing above it is shown."""
    return text.visible(str(path) if first or not path.name else path.name)


def _place_name(place: FolderPlace) -> str:
    match place.kind:
        case PlaceKind.HOME:
            return "Home"
        case PlaceKind.COMPUTER:
            return "Computer"
        case PlaceKind.ROOT | PlaceKind.DRIVE | PlaceKind.RECENT:
            return text.visible(place.path.name or str(place.path))
        case _:
            assert_never(place.kind)


def _place_icon(kind: PlaceKind) -> str:
    match kind:
        case PlaceKind.ROOT:
            return "folder_special"
        case PlaceKind.HOME:
            return "home"
        case PlaceKind.COMPUTER:
            return "computer"
        case PlaceKind.DRIVE:
            return "hard_drive"
        case PlaceKind.RECENT:
            return "history"
        case _:
            assert_never(kind)


def _state_in_words(state: FolderState) -> str:
    match state:
        case FolderState.OPEN:
            return ""
        case FolderState.NO_PERMISSION:
            return "no permission"
        case FolderState.NOT_UNICODE:
            return "name is not valid Unicode"
        case _:
            assert_never(state)


def _problem_in_words(listing: FolderListing) -> str | None:
    match listing.problem:
        case None:
            return None
        case FolderProblem.NO_PERMISSION:
            return "Touchstone has no permission to read this folder."
        case FolderProblem.MISSING:
            return "This folder no longer exists."
        case FolderProblem.NO_FOLDER:
            return "This is not a folder."
        case FolderProblem.UNREADABLE:
            return "This folder cannot be read. Its drive may not be connected."
        case _:
            assert_never(listing.problem)


def _notes(listing: FolderListing) -> list[str]:
    notes = []
    if listing.outside:
        links = text.count(listing.outside, "link")
        notes.append(f"Not shown: {links} to folders that Touchstone may not read.")
    if not listing.is_whole:
        notes.append("Not all folders are listed. Enter the path of a missing one.")
    return notes


def _counts_in_words(counts: FolderCounts) -> str:
    more = "" if counts.is_whole else "more than "
    images = f"**{more}{text.count(counts.images, 'image')}**"
    if not counts.images:
        return "No images" if counts.is_whole else "No images among the first files"
    if not counts.class_folders:
        return _capital(images)
    return _capital(f"**{more}{text.count(counts.class_folders, 'class folder')}**, {images}")


def _capital(words: str) -> str:
    return words.replace("**m", "**M", 1) if words.startswith("**m") else words
