"""Versions: history, undo, compare, export."""

from collections.abc import Callable

import streamlit as st

from core.domain.datasets import Dataset, DatasetVersion
from core.errors import TouchstoneError
from core.workflows.data import edits, splits, versions
from core.workflows.data.exports import ExportFormat
from core.workflows.data.versions import Change, ChangeKind, VersionComparison
from core.workspace import Workspace
from pages.ui import components, context, errors, image_words, routes, state, text, widgets
from pages.ui.places import Place

KIND_WORDS = {
    ChangeKind.ADDED: ("Added", "Images that only the newer version has."),
    ChangeKind.REMOVED: ("Removed", "Images that only the older version has."),
    ChangeKind.RELABELLED: ("Relabeled", "Images with another class."),
    ChangeKind.REGROUPED: ("Reassigned", "Images with the same class but another part."),
}


def act(edit: Callable[[], DatasetVersion]) -> None:
    """Apply an edit and show its summary, or why it is not possible."""
    try:
        made = edit()
    except TouchstoneError as err:
        errors.show(err)
    else:
        st.toast(text.plain(made.summary), icon=":material/check:")
        st.rerun()


def history(workspace: Workspace, dataset: Dataset, listed: list[DatasetVersion]) -> None:
    last = versions.next_undo(workspace, dataset.id)
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            "Undo",
            icon=":material/undo:",
            key="undo",
            disabled=last is None,
            type="primary",
            help="Undoes the newest change.",
        ):
            act(lambda: edits.undo(workspace, dataset.id))
        st.caption(f"Undoes: {text.plain(last.summary)}" if last else "Nothing to undo.")
    st.dataframe(
        {
            "version": [v.number for v in listed],
            "time": [text.when(v.created_at) for v in listed],
            "change": [v.summary for v in listed],
            "images": [v.sample_count for v in listed],
            "classes": [len(v.class_names) for v in listed],
            "content": [v.digest[:12] for v in listed],
        },
        hide_index=True,
        height=min(420, 38 + 35 * len(listed)),
        column_config={
            "content": st.column_config.TextColumn(
                "content", help="Versions with the same code have the same images and labels."
            )
        },
    )
    if len(listed) > 1:
        go_back(workspace, dataset, listed)


def go_back(workspace: Workspace, dataset: Dataset, listed: list[DatasetVersion]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        older = {v.number: v for v in listed if v.number != dataset.version}
        number = st.selectbox(
            "Restore version",
            list(older),
            key="back_to",
            width=400,
            format_func=lambda n: words(older[n]),
            help="Makes a new version that equals this one. You can undo it.",
        )
        if st.button("Restore", icon=":material/settings_backup_restore:", key="go_back"):
            act(lambda: versions.go_back(workspace, dataset.id, number))


def words(version: DatasetVersion) -> str:
    return f"{version.number} · {version.summary}"


@st.fragment
@errors.shown()
def comparison(workspace: Workspace, dataset: Dataset, listed: list[DatasetVersion]) -> None:
    st.subheader("Compare")
    if len(listed) < 2:
        st.info("There is only one version. Every edit makes a new one.")
        return
    known = {v.number: v for v in listed}
    numbers = list(known)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        before = st.selectbox(
            "From",
            numbers,
            index=1,
            key=f"from_{dataset.version}",
            width=400,
            format_func=lambda n: words(known[n]),
            help="Earlier version.",
        )
        after = st.selectbox(
            "To",
            numbers,
            index=0,
            key=f"to_{dataset.version}",
            width=400,
            format_func=lambda n: words(known[n]),
            help="Later version.",
        )
    compared = versions.compare(workspace, dataset.id, before, after)
    cells = st.columns(len(KIND_WORDS))
    for cell, (kind, (title, meaning)) in zip(cells, KIND_WORDS.items(), strict=True):
        cell.metric(title, f"{compared.counts[kind]:,}", border=True, help=meaning)
    if compared.classes_before != compared.classes_after:
        st.markdown(f"Classes: {names(compared.classes_before)} → {names(compared.classes_after)}")
    if compared.older.class_verdicts != compared.newer.class_verdicts:
        st.markdown("The verdicts (OK, NOK) of some classes differ.")
    if compared.older.digest == compared.newer.digest:
        st.success(
            "Both versions have the same images with the same labels.", icon=":material/check:"
        )
    for kind, (title, _) in KIND_WORDS.items():
        if compared.counts[kind]:
            changed(workspace, compared, kind, title)


def names(class_names: tuple[str, ...], limit: int = 12) -> str:
    first = ", ".join(text.plain(name) for name in class_names[:limit])
    return first + (f" and {len(class_names) - limit} more" if len(class_names) > limit else "")


def changed(
    workspace: Workspace, compared: VersionComparison, kind: ChangeKind, title: str
) -> None:
    st.markdown(f"**{title}**")
    key = f"changed_{kind}_{compared.older.number}_{compared.newer.number}"
    page = st.session_state.get(f"{key}_page", 1)
    changes = versions.changed_samples(
        workspace,
        compared,
        kind,
        limit=widgets.GALLERY_PAGE,
        offset=(page - 1) * widgets.GALLERY_PAGE,
    )
    components.gallery([tile(change) for change in changes], key)
    pages = -(-compared.counts[kind] // widgets.GALLERY_PAGE)
    if pages > 1:
        with st.container(horizontal=True, horizontal_alignment="center"):
            st.pagination(pages, width="stretch", key=f"{key}_page")


def tile(change: Change) -> components.Tile:
    sample = change.sample
    return components.Tile(
        key=str(sample.id),
        url=routes.thumbnail_url(sample.id, sample.sha256),
        title=image_words.change_words(change),
        hint=sample.name or sample.path,
        detail=(sample.name or sample.path).split("/")[-1],
    )


@st.fragment
@errors.shown()
def export(workspace: Workspace, dataset: Dataset, listed: list[DatasetVersion]) -> None:
    st.subheader("Export")
    known = {v.number: v for v in listed}
    made = {s.id: s.name for s in splits.list_splits(workspace, dataset.id)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        number = st.selectbox(
            "Version",
            list(known),
            key=f"export_{dataset.version}",
            width=400,
            format_func=lambda n: words(known[n]),
            help="Version to export.",
        )
        split = st.selectbox(
            "Split",
            [None, *made],
            key="export_split",
            width=260,
            format_func=lambda i: made[i] if i else "without a split",
            help="The subsets become the top folders, and columns of the table.",
        )
        delimiter = widgets.csv_delimiter("export_delimiter")
        for file_format in ExportFormat:
            st.link_button(
                file_format.label,
                icon=":material/folder_zip:" if file_format.has_images else ":material/table:",
                url=routes.export_url(dataset.id, file_format, number, split, delimiter),
            )
    st.caption(
        "The ZIP file has one folder per class and the table labels.csv, and can be imported "
        "again. Excluded images are left out."
    )


def page(workspace: Workspace) -> None:
    dataset = context.dataset(workspace)
    if dataset is None:
        widgets.empty_state(
            "history",
            "No versions yet",
            "Import images first.",
            (Place.IMPORT, "Import images"),
        )
        return
    listed = versions.list_versions(workspace, dataset.id)
    history(workspace, dataset, listed)
    comparison(workspace, dataset, listed)
    export(workspace, dataset, listed)


widgets.page_heading(Place.VERSIONS, "View, compare, restore and export the versions of a dataset.")
page(state.workspace())
