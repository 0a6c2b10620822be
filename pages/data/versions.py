"""Versions: the history of a dataset as a timeline; undo, restore, compare, export."""

from itertools import pairwise

import streamlit as st

from core.domain.datasets import Dataset, DatasetVersion, EditAction
from core.domain.keeping.people import Right
from core.workflows.data import edits, splits, versions
from core.workflows.data.exports import ExportFormat
from core.workflows.data.versions import Change, ChangeKind, VersionComparison
from core.workspace import Workspace
from pages.data.classes.editing import act
from pages.ui import components, context, errors, image_words, routes, state, text, widgets
from pages.ui.people import rights
from pages.ui.places import Place

PER_PAGE = 15
_COMPARED = "history_compared"
KIND_WORDS = {
    ChangeKind.ADDED: "added",
    ChangeKind.REMOVED: "removed",
    ChangeKind.RELABELLED: "relabeled",
    ChangeKind.REGROUPED: "given another part",
}
ICONS = {
    EditAction.IMPORT: "upload",
    EditAction.ADD: "add_photo_alternate",
    EditAction.RELABEL: "label",
    EditAction.EXCLUDE: "hide_image",
    EditAction.RESTORE: "image",
    EditAction.GROUP: "group_work",
    EditAction.SEPARATE: "call_split",
    EditAction.ADD_CLASS: "new_label",
    EditAction.RENAME_CLASS: "edit",
    EditAction.MERGE_CLASSES: "merge",
    EditAction.VERDICTS: "rule",
    EditAction.REPLACE: "published_with_changes",
    EditAction.UNDO: "undo",
}


def history(workspace: Workspace, dataset: Dataset, listed: list[DatasetVersion]) -> None:
    """What happened to the dataset, newest first; each version can be restored and compared."""
    undoable = versions.next_undo(workspace, dataset.id)
    pages = -(-len(listed) // PER_PAGE)
    page = 1
    if pages > 1:
        place = next((i for i, v in enumerate(listed) if v.number == _linked_version()), 0)
        page = st.pagination(
            pages, default=place // PER_PAGE + 1, key="history_page", bind="query-params"
        )
    older = {newer.number: before for newer, before in pairwise(listed)}
    first = (min(page, pages) - 1) * PER_PAGE
    with st.container(border=True, gap="xsmall", key="timeline"):
        for version in listed[first : first + PER_PAGE]:
            event(workspace, dataset, version, older.get(version.number), undoable)


def _linked_version() -> int | None:
    """The version that the context bar opened."""
    number = st.query_params.get("version", "")
    return int(number) if number.isdecimal() else None


def event(
    workspace: Workspace,
    dataset: Dataset,
    version: DatasetVersion,
    before: DatasetVersion | None,
    undoable: DatasetVersion | None,
) -> None:
    """One line of the timeline."""
    number = version.number
    is_current = number == dataset.version
    with st.container(horizontal=True, vertical_alignment="center", key=f"version_{number}"):
        st.markdown(
            f":material/{ICONS[version.action]}: **{text.plain(version.summary)}**  \n"
            f":gray[version {number} · {text.when(version.created_at)} · {size(version, before)}]",
            width="stretch",
        )
        if is_current:
            st.badge("current", color="green")
        elif number == _linked_version():
            st.badge("chosen", color="blue")
        if undoable is not None and number == undoable.number:
            label = f"Undo {text.plain(version.summary)}"
            if st.button(
                "Undo", icon=":material/undo:", key="undo", **rights.only(Right.DATA, help=label)
            ):
                act(workspace, dataset.id, lambda: edits.undo(workspace, dataset.id))
        if before is not None:
            st.button(
                "Changes",
                key=f"changes_{number}",
                type="tertiary",
                icon=":material/difference:",
                help=f"Compares version {number} with the one before.",
                on_click=st.session_state.update,
                args=({"from": before.number, "to": number},),
            )
        if not is_current and st.button(
            "Restore",
            key=f"restore_{number}",
            type="tertiary",
            icon=":material/settings_backup_restore:",
            **rights.only(
                Right.DATA, help="Makes a new version that equals this one. You can undo it."
            ),
        ):
            act(workspace, dataset.id, lambda: versions.go_back(workspace, dataset.id, number))


def size(version: DatasetVersion, before: DatasetVersion | None) -> str:
    """Images of a version, and how many more or fewer than before."""
    words = text.count(version.sample_count, "image")
    gained = version.sample_count - before.sample_count if before else 0
    return f"{words} ({gained:+,})" if gained else words


@st.fragment
@errors.shown()
def comparison(workspace: Workspace, dataset: Dataset, listed: list[DatasetVersion]) -> None:
    """What differs between two versions."""
    if len(listed) < 2:
        return
    st.header("Changes")
    numbers = [v.number for v in listed]
    _follow_link(numbers[0])
    for key, usual in (("from", numbers[1]), ("to", numbers[0])):
        if st.session_state.get(key, usual) not in numbers:
            st.session_state[key] = usual
    with st.container(horizontal=True, vertical_alignment="bottom"):
        before, after = (
            st.selectbox(
                label,
                numbers,
                index=index,
                key=key,
                bind="query-params",
                width=180,
                format_func=lambda n: f"version {n}",
            )
            for label, key, index in (("From", "from", 1), ("To", "to", 0))
        )
    compared = versions.compare(workspace, dataset.id, before, after)
    different = [
        f"**{compared.counts[kind]:,}** {word}"
        for kind, word in KIND_WORDS.items()
        if compared.counts[kind]
    ]
    if different:
        st.markdown(" · ".join(different))
    elif compared.older.digest == compared.newer.digest:
        st.markdown(":material/check: The same images with the same labels.")
    if compared.classes_before != compared.classes_after:
        st.markdown(f"Classes: {names(compared.classes_before)} → {names(compared.classes_after)}")
    if compared.older.class_verdicts != compared.newer.class_verdicts:
        st.markdown("The verdicts (OK, NOK) of some classes differ.")
    for kind, word in KIND_WORDS.items():
        if compared.counts[kind]:
            changed(workspace, compared, kind, word.capitalize())


def _follow_link(current: int) -> None:
    """Compare the version that the context bar opened with the current one, until others are."""
    linked = _linked_version()
    if linked == st.session_state.get(_COMPARED):
        return
    st.session_state[_COMPARED] = linked
    if linked is not None and 0 < linked < current and "from" not in st.query_params:
        st.session_state.update({"from": linked, "to": current})


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
    st.header("Export")
    known = {v.number: v for v in listed}
    made = {s.id: s.name for s in splits.list_splits(workspace, dataset.id)}
    with st.container(horizontal=True, vertical_alignment="bottom", key="export_row"):
        number = st.selectbox(
            "Version",
            list(known),
            key=f"export_{dataset.version}",
            width=180,
            format_func=lambda n: f"version {n}",
            help="Version to export.",
        )
        split = st.selectbox(
            "Split",
            [None, *made],
            key=f"export_split_{dataset.id}",
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
    st.caption("One folder per class and labels.csv; can be imported again. No excluded images.")


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
