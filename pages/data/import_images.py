"""Import: choose a source, review what would be imported, then import it."""

import zlib
from dataclasses import replace
from pathlib import Path

import streamlit as st

from core.data.importing.plan import ImportPlan, PlanChoiceKind, refuse_empty_import
from core.data.importing.planner import plan_names
from core.data.importing.rules import ImportRules
from core.data.importing.walk import SourceNames
from core.domain.datasets import Dataset, LabelSource, Skipped
from core.domain.jobs import Job, JobStatus
from core.domain.keeping.people import Right
from core.domain.splits import Subset
from core.errors import ArchiveError, TouchstoneError
from core.workflows import jobs
from core.workflows.data import datasets, image_facts, splits
from core.workflows.use import models
from core.workspace import Workspace
from pages.data import import_rules, import_source, import_table, import_unfamiliar
from pages.data.import_source import ImportSource
from pages.ui import context, errors, state, text, widgets
from pages.ui.components import chart
from pages.ui.figures import dataset_charts
from pages.ui.people import rights
from pages.ui.places import Place
from pages.ui.shell import importing

# Users try these rules out, so their result is shown next to them.
SHOWN_AT_ONCE = (LabelSource.PATTERN, LabelSource.TABLE, LabelSource.FOLDER_LEVEL)
PLANS_KEPT = 6


def show_plan(plan: ImportPlan, place: Path, zip_encoding: str) -> None:
    counts = plan.class_counts
    left, right = st.columns([3, 2], gap="large")
    with left:
        chart(
            dataset_charts.class_counts(counts),
            "plan_counts",
            description="Images per class",
        )
    with right:
        import_source.sample_images(plan, place, zip_encoding)


def form(workspace: Workspace) -> None:
    with st.container(key="import_source"):
        source = import_source.choose_source(workspace)
        labels = import_rules.choose_label_source()
        table = import_table.upload_table() if labels is LabelSource.TABLE else None
        into = choose_target(workspace)
        rule_place = st.container()
    if source is None or (labels is LabelSource.TABLE and table is None):
        return
    try:
        listing = import_source.listed(source.place)
        if listing is not None:
            mark, names = listing
            with rule_place:
                import_source.choose_zip_encoding(source.place, names)
                rules = import_rules.choose_rules(labels, names.names, table, source.name)
                rules = replace(rules, zip_encoding=names.zip_encoding)
                first = planned(mark, names, rules, into)
                if labels in SHOWN_AT_ONCE:
                    import_rules.preview_table(first.preview)
            review(workspace, source, mark, names, rules, into)
    except TouchstoneError as err:
        st.session_state.pop("listing", None)
        errors.show(_renamed(err, source))
        if import_source.forget_zip_encoding(source.place):
            return  # the names may be in another encoding
        if source.is_upload and isinstance(err, ArchiveError):
            models.remove_file(source.place)  # no other choice on this page can fix it


def choose_target(workspace: Workspace) -> Dataset | None:
    """The dataset to which the images are added; None: a new one."""
    existing = {dataset.id: dataset for dataset in datasets.list_datasets(workspace)}
    if not existing:
        return None
    if st.session_state.get(importing.TARGET) not in ("", *existing):
        wanted = st.query_params.get(importing.TARGET)
        st.session_state[importing.TARGET] = wanted if wanted in existing else ""
    chosen = st.selectbox(
        "Add to",
        ["", *existing],
        format_func=lambda key: existing[key].name if key else importing.NEW,
        key=importing.TARGET,
        help="Adding makes a new version. Images that the dataset already has are left out.",
    )
    return existing[chosen] if chosen else None


def review(
    workspace: Workspace,
    source: ImportSource,
    mark: str,
    names: SourceNames,
    rules: ImportRules,
    into: Dataset | None,
) -> None:
    """What would be imported, the choices that can be changed, and the button."""
    first = planned(mark, names, rules, into)
    kinds = {decision.kind for decision in first.decisions}
    with st.container():
        st.header("What would be imported", anchor=False)
        decisions = st.container()
        keep_split, companions = import_rules.change_decisions(kinds, adding=into is not None)
        rules = replace(rules, keep_split=keep_split, keep_companions=companions)
        if PlanChoiceKind.COMBINED_LABELS in kinds:
            rules = replace(rules, combined=import_rules.choose_combined())
        rules = replace(rules, leave_out=_left_out(planned(mark, names, rules, into)))
        plan = planned(mark, names, rules, into)
        with decisions:
            if plan.flat:
                import_source.offer_ways(workspace, source, plan)
                return
            st.markdown(
                f"**{text.count(len(plan.candidates), 'image')}** in "
                f"**{text.count(len(plan.class_counts), 'class')}** would be imported."
            )
            import_rules.show_decisions(plan)
            if plan.class_level is not None:
                import_rules.offer_level(names.names, plan.class_level)
        refuse_empty_import(Path(source.shown).name, plan)
        import_rules.say_small_classes(plan)
        widgets.skipped_files(plan.skipped, "would be skipped")
    # Why before the pictures: with many classes the button was out of sight.
    with st.container():
        if into is None:
            rules = replace(rules, ok_classes=_ok_classes(plan))
            name = import_source.choose_name(workspace, source)
        else:
            name = into.name
            _say_new_classes(plan, into)
        problem = st.container()  # above the button: what is below it may be out of sight
        if st.button(
            "Import" if into is None else "Add",
            type="primary",
            icon=":material/download_done:",
            key="do_import",
            **rights.only(
                Right.DATA,
                help="Say first what names with several labels are." if plan.combined else None,
                disabled=bool(plan.combined),
            ),
        ):
            try:
                start(workspace, source, rules, name, into)
            except ArchiveError:
                raise  # the source cannot be used at all
            except TouchstoneError as err:
                with problem:
                    errors.show(_renamed(err, source))
    show_plan(plan, source.place, rules.zip_encoding)
    if rules.labels not in SHOWN_AT_ONCE:
        with st.expander(f"Preview of {text.count(len(plan.preview), 'file name')}"):
            import_rules.preview_table(plan.preview)


def _left_out(plan: ImportPlan) -> tuple[str, ...]:
    classes = list(plan.class_counts)
    if len(classes) < 2:
        return ()
    return tuple(
        sorted(
            st.multiselect(
                "Classes to leave out",
                classes,
                key="leave_out",
                bind="query-params",
                placeholder="none",
                help="Images of these classes are not imported.",
            )
        )
    )


def _ok_classes(plan: ImportPlan) -> tuple[str, ...] | None:
    """The classes that count as OK; None if the suggestion by name is unchanged."""
    classes = list(plan.class_counts)
    chosen = st.multiselect(
        "Classes that count as OK",
        classes,
        default=list(plan.ok_classes),
        key=f"ok_{zlib.crc32(repr(classes).encode())}",
        bind="query-params",
        placeholder="decide later",
        help="Classes of good parts: needed for escapes and false rejects. Can be changed later.",
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
            f"New classes: {text.plain(', '.join(new[:10]))}. Check their spelling.",
            icon=":material/new_label:",
        )


def start(
    workspace: Workspace,
    source: ImportSource,
    rules: ImportRules,
    name: str,
    into: Dataset | None,
) -> None:
    place, is_upload, shown = source.place, source.is_upload, source.shown
    if into is None:
        job = datasets.start_import(
            workspace, place, name, rules, consume=is_upload, shown_source=shown
        )
    else:
        job = datasets.start_adding(
            workspace, place, into.id, rules, consume=is_upload, shown_source=shown
        )
    import_source.forget()
    st.query_params[importing.JOB] = job.subject_id
    st.rerun()


def planned(mark: str, names: SourceNames, rules: ImportRules, into: Dataset | None) -> ImportPlan:
    """The plan for these rules; the last few are kept, since every rerun needs them again."""
    plans: dict[tuple[str, ImportRules, tuple[str, ...] | None], ImportPlan]
    plans = st.session_state.setdefault("plans", {})
    known = None if into is None else into.class_names
    key = (mark, rules, known)
    if key not in plans:
        with st.spinner("Reading the file names …"):
            plans[key] = plan_names(
                names, rules, adding=into is not None, known_classes=known or ()
            )
        while len(plans) > PLANS_KEPT:
            plans.pop(next(iter(plans)))
    return plans[key]


def _renamed(err: TouchstoneError, source: ImportSource) -> TouchstoneError:
    """The error with the user's name of an upload instead of ours."""
    shown = Path(source.shown).name
    return TouchstoneError(err.message.replace(source.place.name, shown), err.hint)


def progress(workspace: Workspace, subject_id: str) -> None:
    def draw(job: Job) -> None:
        name = text.plain(str(job.payload["name"]))
        adding = bool(job.payload.get("into"))
        if job.status.is_active:
            st.subheader(f"Adding images to {name}" if adding else f"Importing {name}")
        else:
            st.subheader(f"Images added to {name}" if adding else f"Import of {name}")
        widgets.job_progress(job)
        if job.status.is_active and st.button(
            "Stop", icon=":material/stop:", key="stop", **rights.to_stop(job)
        ):
            jobs.stop(workspace, job.id)

    job = jobs.latest(workspace, subject_id)
    if job is None or job.status is not JobStatus.COMPLETED:  # else a frame around nothing
        with st.container(border=True):
            job = widgets.follow(workspace, subject_id, draw, every_s=0.7)
    if job is None:
        st.warning("There is no such import.")
    elif job.status is JobStatus.COMPLETED:
        _open_once(job)
        _done(workspace, job)
    elif not job.status.is_active:
        st.info("Nothing was stored.")
        if st.button("Back to the import form", icon=":material/arrow_back:"):
            del st.query_params[importing.JOB]
            st.rerun()


def _open_once(job: Job) -> None:
    """Make the dataset of an import the open one, on every page; once, so that another can be."""
    if st.session_state.get("import_opened") == job.subject_id:
        return
    st.session_state.import_opened = job.subject_id
    dataset_id = str(job.result["dataset_id"])
    opened = context.current().dataset
    if opened is None or opened.id != dataset_id:
        st.query_params.from_dict({"import": job.subject_id, "dataset": dataset_id})
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
    widgets.warnings(job)
    import_unfamiliar.show(workspace, job.subject_id, dataset.id)
    if scale := image_facts.scale_in_words(dataset):
        st.caption(scale)
    split_id = job.result.get("split_id")
    if split_id:
        _say_delivered(workspace, dataset, str(split_id))
    _next_steps(dataset)


def _added(dataset: Dataset, job: Job) -> None:
    added, there = job.result["added"], job.result["already_there"]
    if added:
        st.success(
            f"Added {text.count(added, 'image')} to **{text.plain(dataset.name)}**, which is now "
            f"version {job.result['version']} with {text.count(dataset.sample_count, 'image')}. "
            "The new images are in no split yet. Make a new split to train on them.",
            icon=":material/check_circle:",
        )
    else:
        st.info(f"**{text.plain(dataset.name)}** already has all of these images.")
    if added and there:
        st.caption(f"Already in the dataset: {text.count(there, 'image')}.")
    skipped = [Skipped(path, reason) for path, reason in job.result["skipped"]]
    widgets.skipped_files(skipped, "skipped")


def _say_delivered(workspace: Workspace, dataset: Dataset, split_id: str) -> None:
    split = splits.find_split(workspace, dataset.id, split_id)
    counts = splits.subset_counts(workspace, dataset, split.id)
    sizes = ", ".join(f"{sum(by_class.values()):,} {subset}" for subset, by_class in counts.items())
    across = split.certificate.exact_across if split.certificate else 0
    kept = f"The delivered split is kept: {sizes}."
    if across:
        st.warning(
            f"{kept} Images in more than one subset, byte for byte: {across:,}. Results on this "
            "split are too good.",
            icon=":material/content_copy:",
        )
    else:
        st.info(
            f"{kept} No file is in two subsets. The quality check also finds look-alikes.",
            icon=":material/call_split:",
        )
    if not sum(counts[Subset.VALIDATION].values()):
        st.warning(
            "This split has no validation images, but training needs some. “Make validation "
            "images” on the Split page takes them from its training images.",
            icon=":material/warning:",
        )


def _next_steps(dataset: Dataset) -> None:
    with st.container(horizontal=True):
        if st.button(
            "Next: check the quality",
            type="primary",
            icon=":material/troubleshoot:",
            key="to_quality",
        ):
            st.switch_page(Place.QUALITY, query_params={"dataset": dataset.id})
        if st.button("Split the dataset", icon=":material/call_split:", key="to_split"):
            st.switch_page(Place.SPLIT, query_params={"dataset": dataset.id})
        if st.button("View the images", icon=":material/photo_library:", key="to_pictures"):
            st.switch_page(Place.DATASETS, query_params={"dataset": dataset.id})
        if st.button("Import more images", icon=":material/upload:", key="more"):
            del st.query_params[importing.JOB]
            st.rerun()


widgets.page_heading(
    Place.IMPORT, "Import labeled images. You see the result before anything is stored."
)
if st.query_params.get(importing.JOB):
    progress(state.workspace(), st.query_params[importing.JOB])
else:
    form(state.workspace())
