"""Import: choose a source, see what would happen, then do it."""

import zlib
from dataclasses import replace
from pathlib import Path

import streamlit as st

from core.data.importing.listing import Listing
from core.data.importing.plan import ImportPlan, SourceNames, plan_names, refuse_empty_import
from core.data.importing.preview import preview_images
from core.data.importing.rules import ImportRules
from core.domain.datasets import Dataset, LabelSource, Skipped
from core.domain.jobs import Job, JobStatus
from core.domain.splits import Subset
from core.errors import ArchiveError, TouchstoneError
from core.workflows import jobs
from core.workflows.data import datasets, splits
from core.workflows.use import models
from core.workspace import Workspace
from pages.data import import_rules
from pages.data.import_rules import SourceListing
from pages.ui import errors, inference, state, text, widgets
from pages.ui.components import chart, zip_upload
from pages.ui.figures import dataset_charts
from pages.ui.places import Place

SOURCES = {
    "folder": "Folder on the server",
    "zip": "ZIP file",
    "files": "Upload images",
}
# These rules are tried out, so what they make is shown where they are typed.
SHOWN_AT_ONCE = (LabelSource.PATTERN, LabelSource.TABLE, LabelSource.FOLDER_LEVEL)
LOOK_S = 1.0  # shorter looks need no progress
PLANS_KEPT = 6


def choose_source(workspace: Workspace) -> tuple[Path, bool, str] | None:
    """(place, is an upload, what to call it), once there is one."""
    kind = st.segmented_control(
        "Where are the images?",
        list(SOURCES),
        default="folder",
        required=True,
        format_func=SOURCES.__getitem__,
        key="source_kind",
        help="A folder is used in place: nothing is copied or changed. A ZIP is streamed to the "
        "server's disk. Uploading single files suits a few hundred images.",
    )
    if kind == "folder":
        return _folder()
    return _zip(workspace) if kind == "zip" else _files(workspace)


def _folder() -> tuple[Path, bool, str] | None:
    typed = st.text_input(
        "Folder",
        key="folder",
        placeholder="/data/parts",
        help="The path on the machine that runs Touchstone: the folder that holds your class "
        "folders. Images stay where they are and are never changed.",
    )
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
        "For a few hundred images. For thousands, use a ZIP or a folder on the server: they are "
        "many times faster, and keep the dates of the files."
    )
    whole = st.toggle("Upload a whole folder with its class folders", value=True, key="whole")
    uploads = st.file_uploader(
        "Images", accept_multiple_files="directory" if whole else True, key=f"files_{whole}"
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


def listed(place: Path) -> tuple[str, SourceNames] | None:
    """The names in a source and a mark for this look at it; None while it is under way."""
    kept: SourceListing | None = st.session_state.get("look")
    if kept is None or kept.listing.source != place.resolve() or kept.is_old:
        if kept is not None:
            kept.listing.stop()
        kept = st.session_state.look = SourceListing(datasets.start_listing(place))
    if kept.listing.wait(LOOK_S):
        return kept.mark, kept.listing.names()
    _wait_for(kept.listing)
    return None


def _wait_for(listing: Listing) -> None:
    @errors.shown()
    def live() -> None:
        if listing.wait(0):
            st.rerun()
        st.progress(0.0, text=f"Looking at the files … {listing.count:,} so far")

    st.fragment(live, run_every=0.5)()


def show_plan(plan: ImportPlan, place: Path) -> None:
    counts = plan.class_counts
    left, right = st.columns([3, 2], gap="large")
    with left:
        chart(
            dataset_charts.class_counts(counts, dark=state.is_dark()),
            "plan_counts",
            description="Images per class",
        )
    with right:
        _sample_images(plan, place)
    small = [name for name, count in counts.items() if count < 3]
    if small:
        st.warning(
            f"Too few images to be split three ways: {text.plain(', '.join(small[:10]))}. "
            "Leave these classes out, or add images."
        )
    widgets.skipped_files(plan.skipped, "would be skipped")


def _sample_images(plan: ImportPlan, place: Path) -> None:
    chosen = list({item.label: item for item in reversed(plan.candidates)}.values())[:6]
    images = previews(str(place), tuple(item.path for item in chosen))
    shown = [(item, p) for item, p in zip(chosen, images, strict=True) if p is not None]
    for start in range(0, len(shown), 3):
        for column, (item, image) in zip(st.columns(3), shown[start : start + 3], strict=False):
            column.image(image, caption=text.plain(item.label), width="stretch")


@st.cache_data(max_entries=20, ttl=60, show_spinner=False)
def previews(place: str, names: tuple[str, ...]) -> list[bytes | None]:
    # Why elsewhere: these files are not checked yet, and a bad one may crash its reader.
    return inference.call(preview_images, Path(place), list(names))


def form(workspace: Workspace) -> None:
    with st.container(border=True):
        source = choose_source(workspace)
        labels = import_rules.choose_label_source()
        table = import_rules.upload_table() if labels is LabelSource.TABLE else None
        into = choose_target(workspace)
        rule_place = st.container()
    if source is None:
        st.caption(
            "Choose a source: what would be imported is shown before anything is stored. Images "
            "can be JPEG, PNG, BMP, TIFF (8 and 16 bit), WebP or GIF."
        )
        return
    if labels is LabelSource.TABLE and table is None:
        st.caption("Choose the label table to go on.")
        return
    place, is_upload, shown = source
    try:
        found = listed(place)
        if found is not None:
            mark, names = found
            with rule_place:
                rules = import_rules.choose_rules(labels, names.names, table)
                first = planned(mark, names, rules, into)
                if labels in SHOWN_AT_ONCE:
                    import_rules.preview_table(first.preview)
            review(workspace, source, mark, names, rules, into)
    except TouchstoneError as err:
        st.session_state.pop("look", None)
        errors.show(_renamed(err, place, shown))
        if is_upload and isinstance(err, ArchiveError):
            models.remove_file(place)  # no other choice on this page can make it work


def choose_target(workspace: Workspace) -> Dataset | None:
    """The dataset that the images are added to; None: a new one."""
    existing = {dataset.id: dataset for dataset in datasets.list_datasets(workspace)}
    if not existing:
        return None
    wanted = st.query_params.get("into")
    options = [None, *existing]
    chosen = st.selectbox(
        "They become",
        options,
        index=options.index(wanted) if wanted in existing else 0,
        format_func=lambda key: f"part of {existing[key].name}" if key else "a new dataset",
        key="into",
        help="Images can be added to a dataset at any time: that makes a new version of it. "
        "Those that it has already, byte by byte, are left out.",
    )
    return existing[chosen] if chosen else None


def review(
    workspace: Workspace,
    source: tuple[Path, bool, str],
    mark: str,
    names: SourceNames,
    rules: ImportRules,
    into: Dataset | None,
) -> None:
    """What would be imported; the decisions that can be changed; the button."""
    place, _, shown = source
    first = planned(mark, names, rules, into)
    kinds = {decision.kind for decision in first.decisions}
    with st.container(border=True):
        st.subheader("What would be imported")
        decisions = st.container()
        keep_split, companions = import_rules.change_decisions(kinds, adding=into is not None)
        rules = replace(rules, keep_split=keep_split, keep_companions=companions)
        rules = replace(rules, leave_out=_left_out(planned(mark, names, rules, into)))
        plan = planned(mark, names, rules, into)
        with decisions:
            st.markdown(
                f"**{text.count(len(plan.candidates), 'image')}** in "
                f"**{text.count(len(plan.class_counts), 'class')}** would be imported."
            )
            import_rules.show_decisions(plan)
            st.caption(
                "So far only names were looked at. The import decodes every image; those that "
                "cannot be read are left out and listed with the reason."
            )
        refuse_empty_import(Path(shown).name, plan, adding=into is not None)
        show_plan(plan, place)
        if rules.labels not in SHOWN_AT_ONCE:
            with st.expander(f"How {text.count(len(plan.preview), 'file name')} would be read"):
                import_rules.preview_table(plan.preview)
    with st.container(border=True):
        if into is None:
            rules = replace(rules, ok_classes=_ok_classes(plan))
            name = st.text_input(
                "Name of the dataset",
                value=_suggested_name(shown),
                max_chars=100,
                key="dataset_name",
                help="How it is called from now on.",
            )
        else:
            name = into.name
            _say_new_classes(plan, into)
        if st.button(
            "Import" if into is None else "Add",
            type="primary",
            icon=":material/download_done:",
            key="do_import",
        ):
            start(workspace, source, rules, name, into)


def _left_out(plan: ImportPlan) -> tuple[str, ...]:
    classes = list(plan.class_counts)
    if len(classes) < 2:
        return ()
    return tuple(
        sorted(
            st.multiselect(
                "Leave out classes",
                classes,
                key="leave_out",
                placeholder="none",
                help="Images of these classes are not imported.",
            )
        )
    )


def _ok_classes(plan: ImportPlan) -> tuple[str, ...] | None:
    """The classes that count as OK; None where the proposal by name stands."""
    classes = list(plan.class_counts)
    chosen = st.multiselect(
        "Classes that count as OK",
        classes,
        default=list(plan.ok_classes),
        key=f"ok_{zlib.crc32(repr(classes).encode())}",
        placeholder="none: decide later",
        help="Good parts, as opposed to all kinds of defects. With this, reports also say how many "
        "bad parts would pass and how many good ones would be rejected. A class whose name says so "
        "is proposed; it can be changed at any time.",
    )
    return None if tuple(chosen) == plan.ok_classes else tuple(chosen)


def _say_new_classes(plan: ImportPlan, into: Dataset) -> None:
    new = [name for name in plan.class_counts if name not in into.class_names]
    st.markdown(
        f"Added to **{text.plain(into.name)}**, which has "
        f"{text.count(into.sample_count, 'image')} so far."
    )
    if new:
        st.warning(
            f"New in this dataset: {text.plain(', '.join(new[:10]))}. Are they spelled right? "
            "The other classes keep their places.",
            icon=":material/new_label:",
        )


def start(
    workspace: Workspace,
    source: tuple[Path, bool, str],
    rules: ImportRules,
    name: str,
    into: Dataset | None,
) -> None:
    place, is_upload, shown = source
    if into is None:
        job = datasets.start_import(
            workspace, place, name, rules, consume=is_upload, shown_source=shown
        )
    else:
        job = datasets.start_adding(
            workspace, place, into.id, rules, consume=is_upload, shown_source=shown
        )
    for key in ("zip", "files_signature", "files_folder", "look", "plans"):
        st.session_state.pop(key, None)
    st.query_params["import"] = job.subject_id
    st.rerun()


def planned(mark: str, names: SourceNames, rules: ImportRules, into: Dataset | None) -> ImportPlan:
    """The plan for these rules; the last few are kept, since every widget asks for them again."""
    plans: dict[tuple[str, ImportRules, bool], ImportPlan]
    plans = st.session_state.setdefault("plans", {})
    key = (mark, rules, into is not None)
    if key not in plans:
        with st.spinner("Looking at the names …"):
            plans[key] = plan_names(names, rules, adding=into is not None)
        while len(plans) > PLANS_KEPT:
            plans.pop(next(iter(plans)))
    return plans[key]


def _renamed(err: TouchstoneError, place: Path, shown: str) -> TouchstoneError:
    """The error with the user's own name of an upload in place of ours."""
    return TouchstoneError(err.message.replace(place.name, Path(shown).name), err.hint)


def _suggested_name(shown: str) -> str:
    return Path(shown).stem.replace("_", " ").strip() or "My images"


def progress(workspace: Workspace, subject_id: str) -> None:
    def draw(job: Job) -> None:
        name = text.plain(str(job.payload["name"]))
        adding = bool(job.payload.get("into"))
        if job.status.is_active:
            st.subheader(f"Adding to {name}" if adding else f"Importing {name}")
        else:
            st.subheader(f"Images for {name}" if adding else f"Import of {name}")
        widgets.job_progress(job)
        if job.status.is_active and st.button("Stop", icon=":material/stop:", key="stop"):
            jobs.stop(workspace, job.id)

    with st.container(border=True):
        job = widgets.follow(workspace, subject_id, draw, every_s=0.7)
    if job is None:
        st.warning("There is no such import.")
    elif job.status is JobStatus.COMPLETED:
        _done(workspace, job)
    elif not job.status.is_active:
        st.info("Nothing was stored.")
        if st.button("Back to the form", icon=":material/arrow_back:"):
            del st.query_params["import"]
            st.rerun()


def _done(workspace: Workspace, job: Job) -> None:
    dataset = datasets.find_dataset(workspace, str(job.result["dataset_id"]))
    if job.payload.get("into"):
        _added(dataset, job)
    else:
        st.success(
            f"**{text.plain(dataset.name)}** has {text.count(dataset.sample_count, 'image')} in "
            f"{text.count(len(dataset.class_names), 'class')}.",
            icon=":material/check_circle:",
        )
        widgets.skipped_files(dataset.skipped, "skipped")
    split_id = job.result.get("split_id")
    if split_id:
        _say_delivered(workspace, dataset, str(split_id))
    _next_steps(dataset)


def _added(dataset: Dataset, job: Job) -> None:
    added, there = job.result["added"], job.result["already_there"]
    known = f" {text.count(there, 'image')} it had already." if there else ""
    if added:
        st.success(
            f"**{text.plain(dataset.name)}** got {text.count(added, 'image')} and is now version "
            f"{job.result['version']}, with {text.count(dataset.sample_count, 'image')}.{known} "
            "They are in no split yet: make a new one to train on them.",
            icon=":material/check_circle:",
        )
    else:
        st.info(f"Nothing new for **{text.plain(dataset.name)}**.{known}")
    skipped = [Skipped(path, reason) for path, reason in job.result["skipped"]]
    widgets.skipped_files(skipped, "skipped")


def _say_delivered(workspace: Workspace, dataset: Dataset, split_id: str) -> None:
    split = splits.find_split(workspace, dataset.id, split_id)
    counts = splits.subset_counts(workspace, dataset, split.id)
    sizes = ", ".join(f"{sum(by_class.values()):,} {subset}" for subset, by_class in counts.items())
    across = split.certificate.exact_across if split.certificate else 0
    said = f"The delivered split is kept: {sizes}."
    if across:
        st.warning(
            f"{said} {text.count(across, 'image')} of it {'is' if across == 1 else 'are'} in "
            "more than one subset, byte by byte: its results promise too much.",
            icon=":material/content_copy:",
        )
    else:
        st.info(
            f"{said} No file is in two subsets. Images that only look alike are found by the "
            "quality check.",
            icon=":material/call_split:",
        )
    if not sum(counts[Subset.VALIDATION].values()):
        st.warning(
            "It has no validation images, and training needs some: make a split of your "
            "own on the Split page.",
            icon=":material/warning:",
        )


def _next_steps(dataset: Dataset) -> None:
    with st.container(horizontal=True):
        if st.button(
            "Next: check the images for faults",
            type="primary",
            icon=":material/troubleshoot:",
            key="to_quality",
        ):
            st.switch_page(Place.QUALITY, query_params={"dataset": dataset.id})
        if st.button("Split the images", icon=":material/call_split:", key="to_split"):
            st.switch_page(Place.SPLIT, query_params={"dataset": dataset.id})
        if st.button("Look at the images", icon=":material/photo_library:", key="to_pictures"):
            st.switch_page(Place.DATASETS, query_params={"dataset": dataset.id})
        if st.button("Import more", icon=":material/upload:", key="more"):
            del st.query_params["import"]
            st.rerun()


widgets.page_heading(
    "Import images", "Bring labelled images in. Nothing is stored before you have seen it."
)
if st.query_params.get("import"):
    progress(state.workspace(), st.query_params["import"])
else:
    form(state.workspace())
