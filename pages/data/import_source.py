"""The part of the import form that chooses source and name, and lists the files."""

import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path

import streamlit as st

from core.data.importing.encodings import ENCODINGS, encoding_words
from core.data.importing.listing import Listing
from core.data.importing.plan import ImportPlan
from core.data.importing.preview import preview_images
from core.data.importing.walk import SourceNames
from core.domain.keeping.people import Right
from core.domain.names import name_key
from core.errors import TouchstoneError
from core.workflows import folders
from core.workflows.data import datasets, uploads
from core.workspace import Workspace, folders_are_closed
from pages.data import import_rules
from pages.ui import errors, inference, state, text
from pages.ui.components import zip_upload
from pages.ui.folder_picker import folder_field

SOURCES = {
    "folder": "Folder on the server",
    "zip": "ZIP file",
    "files": "Upload images",
}
MOST_SAMPLES = 12  # classes of which a picture is shown
LISTING_S = 1.0  # a shorter listing needs no progress bar
NAME = "name"  # in the link: the name that somebody typed
_OF_ONE_IMPORT = (
    *("zip", "files_signature", "files_folder", "listing", "plans", "own_name"),
    *("folder", "pattern", "labels", "leave_out", "keep_split", "keep_companions", "combined"),
)


@dataclass(frozen=True)
class ImportSource:
    """Where the images are; `shown` is what the user calls it, `name` suits a dataset or is ''."""

    place: Path
    is_upload: bool
    shown: str
    name: str


@dataclass
class SourceListing:
    """One listing of a source; it is repeated after a while, less often for large sources."""

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

    def is_of(self, place: Path, zip_encoding: str | None) -> bool:
        same = self.listing.source == place.resolve()
        return same and self.listing.zip_encoding == zip_encoding


def choose_source(workspace: Workspace) -> ImportSource | None:
    """The chosen source; None until there is one."""
    kind = st.segmented_control(
        "Where are the images?",
        list(SOURCES),
        default="zip" if folders_are_closed() else "folder",
        required=True,
        format_func=SOURCES.__getitem__,
        key="source_kind",
        bind="query-params",
        help="A folder is used in place: nothing is copied or changed. Single files suit a few "
        "hundred images; a folder or ZIP file is faster and keeps file dates.",
    )
    if kind == "folder":
        return _folder()
    return _zip(workspace) if kind == "zip" else _files(workspace)


def _folder() -> ImportSource | None:
    typed = folder_field(
        "Folder",
        "folder",
        right=Right.DATA,
        placeholder="/data/parts",
        help="The folder with your class folders, or a ZIP file of them, on the machine that runs "
        "Touchstone.",
        with_zips=True,
        in_link=True,
    )
    if not typed:
        return None
    path = Path(typed).expanduser()
    if not path.is_absolute():
        st.error("Enter the full path, starting at the root of the disk.", icon=":material/error:")
        return None
    return ImportSource(path, False, str(path), path.name)


def offer_ways(workspace: Workspace, source: ImportSource, plan: ImportPlan) -> None:
    """What to do with images that lie in no class folder: what was given is often one of them."""
    st.markdown(
        f"**{text.count(plan.flat, 'image')}** lie directly in "
        f"**{text.plain(Path(source.shown).name)}**, not in class folders."
    )
    with st.container(horizontal=True):
        _offer_folder_above(workspace, source)
        import_rules.offer_one_class()


def _offer_folder_above(workspace: Workspace, source: ImportSource) -> None:
    """A button that takes the folder above instead, if that has class folders."""
    above = source.place.parent
    if source.is_upload or not source.place.is_dir():
        return
    try:
        classes = folders.open_folder(workspace, above).counts().class_folders
    except TouchstoneError:  # outside of what may be read: then it is no offer
        return
    if classes < 2:
        return

    def choose() -> None:
        st.session_state["folder"] = str(above)

    st.button(
        f"Use the folder above ({text.count(classes, 'class')})",
        type="primary",
        icon=":material/drive_folder_upload:",
        key="use_folder_above",
        on_click=choose,
    )


def _zip(workspace: Workspace) -> ImportSource | None:
    uploaded = zip_upload("zip_upload")
    if uploaded:
        st.session_state.zip = uploaded
    kept = st.session_state.get("zip")
    if not kept:
        return None
    place = workspace.uploads / Path(kept["upload"]).name
    if not place.exists():
        del st.session_state.zip
        return None
    st.success(f"{text.plain(kept['name'])} is on the server.", icon=":material/check:")
    return ImportSource(place, True, kept["name"], Path(kept["name"]).stem)


def _files(workspace: Workspace) -> ImportSource | None:
    whole = st.toggle("Upload a folder with class folders", value=True, key="whole")
    files = st.file_uploader(
        "Images", accept_multiple_files="directory" if whole else True, key=f"files_{whole}"
    )
    if not files:
        return None
    uploads.refuse_many_files(workspace, len(files))
    signature = [file.file_id for file in files]
    if st.session_state.get("files_signature") != signature:
        folder = uploads.new_upload_folder(workspace)
        for file in files:
            uploads.store_upload(folder, file.name, file.getvalue())
        st.session_state.files_signature, st.session_state.files_folder = signature, folder
    folder = st.session_state.files_folder
    if not folder.exists():
        return None
    shown = text.count(len(files), "uploaded file")
    return ImportSource(folder, True, shown, _folder_of(file.name for file in files))


def _folder_of(names: Iterable[str]) -> str:
    """The folder that holds all uploaded files; '' if there is none."""
    tops = {name.partition("/")[0] if "/" in name else "" for name in names}
    return tops.pop() if len(tops) == 1 else ""


def listed(place: Path) -> tuple[str, SourceNames] | None:
    """A mark for this listing and the names in the source; None while it is still running."""
    kept: SourceListing | None = st.session_state.get("listing")
    encoding = _chosen_zip_encoding(place)
    if kept is None or kept.is_old or not kept.is_of(place, encoding):
        if kept is not None:
            kept.listing.stop()
        listing = uploads.start_listing(state.workspace(), place, zip_encoding=encoding)
        kept = st.session_state.listing = SourceListing(listing)
    if kept.listing.wait(LISTING_S):
        return kept.mark, kept.listing.names()
    _wait_for(kept.listing)
    return None


def _wait_for(listing: Listing) -> None:
    @errors.shown()
    def live() -> None:
        if listing.wait(0):
            st.rerun()
        st.progress(0.0, text=f"Listing files … {listing.count:,} so far")

    st.fragment(live, run_every=0.5)()


def choose_zip_encoding(place: Path, names: SourceNames) -> None:
    """The encoding of names in a ZIP file that are not marked as UTF-8; kept for this source."""
    chosen = _chosen_zip_encoding(place)
    if names.zip_encoding in ("", "utf-8") and chosen is None:
        return
    options = [None, *ENCODINGS]
    detect = "detect" if chosen else f"detected: {encoding_words(names.zip_encoding)}"
    key = f"zip_encoding_{place.name}"

    def keep() -> None:
        st.session_state.zip_encoding = (str(place), st.session_state[key])

    st.selectbox(
        "Encoding of file names",
        options,
        index=options.index(chosen) if chosen in options else 0,
        key=key,
        on_change=keep,
        width=420,
        format_func=lambda name: encoding_words(name) if name else detect,
        help="The ZIP file does not say how its file names are written. Change this if letters in "
        "the names below are wrong.",
    )


def forget_zip_encoding(place: Path) -> bool:
    """Go back to the detected encoding; whether another one was chosen."""
    chosen = _chosen_zip_encoding(place) is not None
    st.session_state.pop("zip_encoding", None)
    st.session_state.pop(f"zip_encoding_{place.name}", None)
    return chosen


def _chosen_zip_encoding(place: Path) -> str | None:
    kept: tuple[str, str | None] = st.session_state.get("zip_encoding", ("", None))
    return kept[1] if kept[0] == str(place) else None


def sample_images(plan: ImportPlan, place: Path, zip_encoding: str) -> None:
    """A picture of each class, in the order of their names; of very many classes only the first."""
    every = {item.label: item for item in reversed(plan.candidates)}
    chosen = [every[label] for label in sorted(every)][:MOST_SAMPLES]
    images = _previews(str(place), tuple(item.path for item in chosen), zip_encoding)
    shown = [(item, p) for item, p in zip(chosen, images, strict=True) if p is not None]
    wide = 3 if len(shown) <= 6 else 4
    for start in range(0, len(shown), wide):
        row = shown[start : start + wide]
        for column, (item, image) in zip(st.columns(wide), row, strict=False):
            column.image(
                image, caption=text.plain(item.label), width="stretch", output_format="PNG"
            )
    if len(every) > len(chosen):
        st.caption(f"The first {len(chosen)} of {len(every):,} classes.")


@st.cache_data(max_entries=20, ttl=60, show_spinner=False)
def _previews(place: str, names: tuple[str, ...], zip_encoding: str) -> list[bytes | None]:
    # Why in another process: these files are not checked yet, and one may crash its reader.
    return inference.call(preview_images, Path(place), list(names), zip_encoding or None)


def choose_name(workspace: Workspace, source: ImportSource) -> str:
    """The name of the new dataset: it follows the source until somebody types another one."""

    def keep() -> None:
        st.session_state.own_name = st.session_state.dataset_name
        state.put_words(NAME, st.session_state.own_name)

    own: str = st.session_state.get("own_name", st.query_params.get(NAME, ""))[:100]
    st.session_state.dataset_name = own or _suggested_name(workspace, source)
    return st.text_input("Name of the dataset", max_chars=100, key="dataset_name", on_change=keep)


def _suggested_name(workspace: Workspace, source: ImportSource) -> str:
    """After the source, else the label table; a number where a dataset has that name."""
    table = st.session_state.get("table")
    wanted = source.name or (Path(table.name).stem if table else "")
    base = wanted.replace("_", " ").strip()[:90] or "My images"
    taken = {name_key(dataset.name) for dataset in datasets.list_datasets(workspace)}
    numbered = (f"{base} {number}" for number in count(2))
    return next(name for name in chain([base], numbered) if name_key(name) not in taken)


def forget() -> None:
    """Forget what was uploaded and typed for an import that has started.

    Why the fields too: those in the link outlast the form, and the next import is another one.
    """
    for key in [str(key) for key in st.session_state]:
        if key in _OF_ONE_IMPORT or key.startswith("ok_"):
            del st.session_state[key]
    state.put_words(NAME, "")
