"""Import: choose a source, see what would happen, then do it."""

from pathlib import Path

import streamlit as st

from core.data.importers import ImportPlan
from core.data.labels import table_text
from core.data.preview import preview_pictures
from core.domain import Job, JobStatus, LabelSource
from core.errors import ArchiveError, TouchstoneError
from core.workflows import datasets, jobs, models
from core.workspace import Workspace
from pages.ui import errors, figures, inference, state, text, widgets
from pages.ui.components import chart, zip_upload

SOURCES = {
    "folder": "Folder on the server",
    "zip": "ZIP file",
    "files": "Upload pictures",
}
LABEL_WORDS = {
    LabelSource.LAST_FOLDER: "the folder it lies in",
    LabelSource.FILE_NAME: "the whole file name",
    LabelSource.FILE_NAME_REMOVE_INDEX: "the file name without its trailing number",
    LabelSource.CSV: "a table (CSV: path, label)",
}


def choose_source(workspace: Workspace) -> tuple[Path, bool, str] | None:
    """(place, is an upload, what to call it), once there is one."""
    kind = st.segmented_control(
        "Where are the pictures?", list(SOURCES), default="folder", required=True,
        format_func=SOURCES.__getitem__, key="source_kind",
        help="A folder is used in place: nothing is copied or changed. A ZIP is streamed to the "
        "server's disk. Uploading single files suits a few hundred pictures.",
    )  # fmt: skip
    if kind == "folder":
        return _folder()
    return _zip(workspace) if kind == "zip" else _files(workspace)


def _folder() -> tuple[Path, bool, str] | None:
    typed = st.text_input(
        "Folder", key="folder", placeholder="/data/parts",
        help="The path on the machine that runs Touchstone: the folder that holds your class "
        "folders. Pictures stay where they are and are never changed.",
    )  # fmt: skip
    if not typed.strip():
        return None
    path = Path(typed.strip().strip('"')).expanduser()
    if not path.is_absolute():
        st.error("Please give the full path, from the root of the disk.", icon=":material/error:")
        return None
    return path, False, str(path)


def _zip(workspace: Workspace) -> tuple[Path, bool, str] | None:
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
    return place, True, kept["name"]


def _files(workspace: Workspace) -> tuple[Path, bool, str] | None:
    st.caption(
        "For a few hundred pictures. For thousands, use a ZIP or a folder on the server: they are "
        "many times faster."
    )
    whole = st.toggle("Upload a whole folder with its class folders", value=True, key="whole")
    uploads = st.file_uploader(
        "Pictures", accept_multiple_files="directory" if whole else True, key=f"files_{whole}"
    )
    if not uploads:
        return None
    signature = [file.file_id for file in uploads]
    if st.session_state.get("files_signature") != signature:
        folder = datasets.new_upload_folder(workspace)
        for file in uploads:
            datasets.store_upload(folder, file.name, file.getvalue())
        st.session_state.files_signature, st.session_state.files_folder = signature, folder
    folder = st.session_state.files_folder
    return (folder, True, text.count(len(uploads), "uploaded file")) if folder.exists() else None


def choose_labels() -> tuple[LabelSource, str | None]:
    labels = st.selectbox(
        "The class of a picture is", list(LABEL_WORDS), format_func=LABEL_WORDS.__getitem__,
        key="labels",
        help="For example 'parts/crack/0001.png': the folder gives crack. 'crack_0001.png': the "
        "file name without its number gives crack.",
    )  # fmt: skip
    if labels is not LabelSource.CSV:
        return labels, None
    table = st.file_uploader(
        "Label table", type=["csv", "txt", "tsv"], key="table",
        help="Two columns: the path of a picture below the source, and its label; comma, "
        "semicolon or tab between them, a header line is optional.",
    )  # fmt: skip
    return labels, table_text(table.getvalue()) if table else None


def show_plan(plan: ImportPlan, place: Path) -> None:
    counts = plan.class_counts
    st.markdown(
        f"**{text.count(len(plan.candidates), 'picture')}** in "
        f"**{text.count(len(counts), 'class')}** would be imported."
    )
    st.caption(
        "So far only names were looked at. The import decodes every picture; those that cannot be "
        "read are left out and listed with the reason."
    )
    left, right = st.columns([3, 2], gap="large")
    with left:
        chart(figures.class_counts(counts, dark=state.is_dark()), "plan_counts",
              description="Pictures per class")  # fmt: skip
    with right:
        _sample_pictures(plan, place)
    small = [name for name, count in counts.items() if count < 3]
    if small:
        st.warning(
            f"Too few pictures to be split three ways: {text.plain(', '.join(small[:10]))}. "
            "Leave these classes out, or add pictures."
        )
    widgets.skipped_files(plan.skipped, "would be skipped")


def _sample_pictures(plan: ImportPlan, place: Path) -> None:
    chosen = list({item.label: item for item in reversed(plan.candidates)}.values())[:6]
    pictures = previews(str(place), tuple(item.path for item in chosen))
    columns = st.columns(3)
    for position, (item, picture) in enumerate(zip(chosen, pictures, strict=True)):
        if picture is not None:
            columns[position % 3].image(picture, caption=text.plain(item.label), width="stretch")


@st.cache_data(max_entries=20, ttl=60, show_spinner=False)
def previews(place: str, names: tuple[str, ...]) -> list[bytes | None]:
    # Why elsewhere: these files are not checked yet, and a bad one may crash its reader.
    return inference.call(preview_pictures, Path(place), list(names))


def form(workspace: Workspace) -> None:
    with st.container(border=True):
        source = choose_source(workspace)
        labels, table = choose_labels()
    if source is None:
        st.caption(
            "Choose a source: what would be imported is shown before anything is stored. Pictures "
            "can be JPEG, PNG, BMP, TIFF (8 and 16 bit), WebP or GIF."
        )
        return
    place, is_upload, shown = source
    if labels is LabelSource.CSV and table is None:
        st.caption("Choose the label table to go on.")
        return
    try:
        with st.spinner("Looking at the files …"):
            everything = planned(str(place), labels, table)
    except TouchstoneError as err:
        errors.show(_renamed(err, place, shown))
        if is_upload and isinstance(err, ArchiveError):
            models.remove_file(place)  # no other choice on this page can make it work
        return
    left_out: list[str] = []
    with st.container(border=True):
        st.subheader("What would be imported")
        if len(everything.class_counts) > 2:
            left_out = st.multiselect(
                "Leave out classes", list(everything.class_counts), key="leave_out",
                placeholder="none", help="Pictures of these classes are not imported.",
            )  # fmt: skip
        plan = everything.without(left_out)
        if len(plan.class_counts) < 2:
            st.warning("A classifier needs at least two classes: leave out fewer.")
            return
        show_plan(plan, place)
    with st.container(border=True):
        name = st.text_input("Name of the dataset", value=_suggested_name(shown), max_chars=100,
                             key="dataset_name", help="How it is called from now on.")  # fmt: skip
        if st.button("Import", type="primary", icon=":material/download_done:", key="do_import"):
            job = datasets.start_import(
                workspace, place, name, labels, table=table, leave_out=left_out,
                consume=is_upload, shown_source=shown,
            )  # fmt: skip
            for key in ("zip", "files_signature", "files_folder"):
                st.session_state.pop(key, None)
            st.query_params["import"] = job.subject_id
            st.rerun()


@st.cache_data(max_entries=8, ttl=30, show_spinner=False)
def planned(place: str, labels: LabelSource, table: str | None) -> ImportPlan:
    return datasets.preview_import(Path(place), labels, table=table)


def _renamed(err: TouchstoneError, place: Path, shown: str) -> TouchstoneError:
    """The error with the user's own name of an upload in place of ours."""
    return TouchstoneError(err.message.replace(place.name, Path(shown).name), err.hint)


def _suggested_name(shown: str) -> str:
    return Path(shown).stem.replace("_", " ").strip() or "My pictures"


def progress(workspace: Workspace, subject_id: str) -> None:
    def draw(job: Job) -> None:
        verb = "Importing" if job.status.is_active else "Import of"
        st.subheader(f"{verb} {text.plain(str(job.payload['name']))}")
        widgets.job_progress(job)
        if job.status.is_active and st.button("Stop", icon=":material/stop:", key="stop"):
            jobs.stop(workspace, job.id)

    with st.container(border=True):
        job = widgets.follow(workspace, subject_id, draw, every_s=0.7)
    if job is None:
        st.warning("There is no such import.")
    elif job.status is JobStatus.COMPLETED:
        _done(workspace, subject_id)
    elif not job.status.is_active:
        st.info("Nothing was stored.")
        if st.button("Back to the form", icon=":material/arrow_back:"):
            del st.query_params["import"]
            st.rerun()


def _done(workspace: Workspace, subject_id: str) -> None:
    dataset = datasets.find_dataset(workspace, subject_id)
    st.success(
        f"**{text.plain(dataset.name)}** has {text.count(dataset.sample_count, 'picture')} in "
        f"{text.count(len(dataset.class_names), 'class')}.", icon=":material/check_circle:",
    )  # fmt: skip
    widgets.skipped_files(dataset.skipped, "skipped")
    with st.container(horizontal=True):
        if st.button("Next: split the pictures", type="primary", icon=":material/call_split:",
                     key="to_split"):  # fmt: skip
            st.switch_page("split.py", query_params={"dataset": dataset.id})
        if st.button("Check the pictures for faults", icon=":material/troubleshoot:",
                     key="to_quality"):  # fmt: skip
            st.switch_page("quality.py", query_params={"dataset": dataset.id})
        if st.button("Look at the pictures", icon=":material/photo_library:", key="to_pictures"):
            st.switch_page("datasets.py", query_params={"dataset": dataset.id})
        if st.button("Import more", icon=":material/upload:", key="more"):
            del st.query_params["import"]
            st.rerun()


widgets.page_heading(
    "Import pictures", "Bring labelled pictures in. Nothing is stored before you have seen it."
)
if st.query_params.get("import"):
    progress(state.workspace(), st.query_params["import"])
else:
    form(state.workspace())
