"""Versions: what was changed, take it back, compare, export."""

from collections.abc import Callable

import streamlit as st

from core.domain.datasets import Dataset, DatasetVersion
from core.errors import TouchstoneError
from core.workflows.data import datasets, edits, splits, versions
from core.workflows.data.versions import Change, ChangeKind, VersionComparison
from core.workspace import Workspace
from pages.ui import components, errors, image_words, routes, state, text, widgets
from pages.ui.places import Place

KIND_WORDS = {
    ChangeKind.ADDED: ("Added", "Images that the newer version has and the older one has not."),
    ChangeKind.REMOVED: ("Left out", "Images that only the older version has."),
    ChangeKind.RELABELLED: ("Relabelled", "Images with another class."),
    ChangeKind.REGROUPED: ("Regrouped", "Images with the same class in another group."),
}


def act(edit: Callable[[], DatasetVersion]) -> None:
    """Do an edit and show what it made, or why it could not be done."""
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
            help="Takes back the newest change that holds.",
        ):
            act(lambda: edits.undo(workspace, dataset.id))
        st.caption(f"Takes back: {text.plain(last.summary)}" if last else "Nothing to take back.")
    st.dataframe(
        {
            "version": [v.number for v in listed],
            "when": [text.when(v.created_at) for v in listed],
            "what": [v.summary for v in listed],
            "images": [v.sample_count for v in listed],
            "classes": [len(v.class_names) for v in listed],
            "content": [v.digest[:12] for v in listed],
        },
        hide_index=True,
        height=min(420, 38 + 35 * len(listed)),
        column_config={
            "content": st.column_config.TextColumn(
                "content", help="The same letters mean the same images under the same labels."
            )
        },
    )
    if len(listed) > 1:
        go_back(workspace, dataset, listed)


def go_back(workspace: Workspace, dataset: Dataset, listed: list[DatasetVersion]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        older = {v.number: v for v in listed if v.number != dataset.version}
        number = st.selectbox(
            "Go back to",
            list(older),
            key="back_to",
            width=400,
            format_func=lambda n: words(older[n]),
            help="Makes a new version that equals this one; nothing is lost, and it can be undone.",
        )
        if st.button("Go back", icon=":material/settings_backup_restore:", key="go_back"):
            act(lambda: versions.go_back(workspace, dataset.id, number))


def words(version: DatasetVersion) -> str:
    return f"{version.number} · {version.summary}"


@st.fragment
@errors.shown()
def comparison(workspace: Workspace, dataset: Dataset, listed: list[DatasetVersion]) -> None:
    st.subheader("Compare")
    if len(listed) < 2:
        st.info("There is one version only. Every edit makes another one.")
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
            help="The version to start from.",
        )
        after = st.selectbox(
            "To",
            numbers,
            index=0,
            key=f"to_{dataset.version}",
            width=400,
            format_func=lambda n: words(known[n]),
            help="The version to look at.",
        )
    found = versions.compare(workspace, dataset.id, before, after)
    cells = st.columns(len(KIND_WORDS))
    for cell, (kind, (title, meaning)) in zip(cells, KIND_WORDS.items(), strict=True):
        cell.metric(title, f"{found.counts[kind]:,}", border=True, help=meaning)
    if found.classes_before != found.classes_after:
        st.markdown(f"Classes: {names(found.classes_before)} → {names(found.classes_after)}")
    if found.older.class_verdicts != found.newer.class_verdicts:
        st.markdown("The verdicts OK and NOK of classes differ.")
    if found.older.digest == found.newer.digest:
        st.success("The same images under the same labels.", icon=":material/check:")
    for kind, (title, _) in KIND_WORDS.items():
        if found.counts[kind]:
            changed(workspace, found, kind, title)


def names(class_names: tuple[str, ...], limit: int = 12) -> str:
    shown = ", ".join(text.plain(name) for name in class_names[:limit])
    return shown + (f" and {len(class_names) - limit} more" if len(class_names) > limit else "")


def changed(workspace: Workspace, found: VersionComparison, kind: ChangeKind, title: str) -> None:
    st.markdown(f"**{title}**")
    key = f"changed_{kind}_{found.older.number}_{found.newer.number}"
    page = st.session_state.get(f"{key}_page", 1)
    shown = versions.changed_samples(
        workspace, found, kind, limit=widgets.GALLERY_PAGE, offset=(page - 1) * widgets.GALLERY_PAGE
    )
    components.gallery([tile(change) for change in shown], key)
    pages = -(-found.counts[kind] // widgets.GALLERY_PAGE)
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
            help="Which state of the dataset to take out.",
        )
        split = st.selectbox(
            "Split",
            [None, *made],
            key="export_split",
            width=260,
            format_func=lambda i: made[i] if i else "without a split",
            help="With a split, its subsets become the upper folders, and they "
            "and its folds columns of the table.",
        )
        delimiter = widgets.csv_delimiter("export_delimiter")
        st.link_button(
            "ZIP of class folders",
            icon=":material/folder_zip:",
            url=routes.export_url(dataset.id, "zip", number, split, delimiter),
        )
        st.link_button(
            "Table (CSV)",
            icon=":material/table:",
            url=routes.export_url(dataset.id, "csv", number, split, delimiter),
        )
    st.caption(
        "The ZIP holds one folder per class and the table labels.csv; excluded images stay out. "
        "It can be imported again. The table also has the verdicts of the classes and the columns "
        "of the table that the images were imported with."
    )


def page(workspace: Workspace) -> None:
    found = {d.id: d.name for d in datasets.list_datasets(workspace)}
    if not found:
        widgets.empty_state(
            "history",
            "No versions yet",
            "Import images first.",
            (Place.IMPORT, "Import images"),
        )
        return
    chosen = state.choose("dataset", found, label="Dataset", help="Whose versions to show.")
    dataset = datasets.find_dataset(workspace, chosen or "")
    listed = versions.list_versions(workspace, dataset.id)
    history(workspace, dataset, listed)
    comparison(workspace, dataset, listed)
    export(workspace, dataset, listed)


widgets.page_heading("Versions", "Every change is kept: look at it, take it back, take it out.")
page(state.workspace())
