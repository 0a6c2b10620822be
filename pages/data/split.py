"""Split: decide once which images train the model and which judge it."""

import streamlit as st

from core.data.split_request import SplitRequest
from core.domain.datasets import Dataset
from core.domain.keeping.people import Right
from core.domain.splits import Split
from core.errors import TouchstoneError
from core.workflows.data import certificates, splits
from core.workflows.data.split_plans import plan_split
from core.workspace import Workspace
from pages.data import split_form, split_preview, split_saved
from pages.data.split_form import View
from pages.ui import context, errors, open_findings, state, text, widgets
from pages.ui.people import rights
from pages.ui.places import Place

LINK = "naming"  # in the link: name and seal of a split that is not made yet
MOST_NAME = 100  # characters
VIEWS = {View.SAVED: "Saved splits", View.NEW: "New split"}


def new_split(workspace: Workspace, dataset: Dataset) -> None:
    """The form and a preview of what it makes."""
    settings: SplitRequest | None = st.session_state.pop("split_prefill", None)
    if settings is not None:
        split_form.prefill(settings)
    split_form.restore()
    sealed = splits.sealed_split(workspace, dataset)
    open_findings.show(workspace, dataset, "Duplicates and look-alikes decide how to split.")
    # The preview stands first; what it shows is asked for beside it, or below it on a phone.
    shown, asked = st.columns([3, 2], gap="large")
    with asked, st.container(border=True, key="split_form"):
        request = split_form.choose_request(workspace, dataset, sealed)
        _finish(workspace, dataset, request, sealed)
    with shown:
        if sealed:
            st.info(
                f"The test set of **{text.plain(sealed.name)}** is sealed: new splits of this "
                "version keep it. The seal does not bind other versions of the dataset.",
                icon=":material/lock:",
            )
        if request:
            split_preview.preview(workspace, dataset, request, sealed)
    split_form.keep_in_link()


def _finish(
    workspace: Workspace, dataset: Dataset, request: SplitRequest | None, sealed: Split | None
) -> None:
    """Name, seal and the button."""
    keys = {"name": f"split_name_{dataset.id}", "seal": f"seal_{dataset.id}"}
    typed = state.draft(LINK, dataset.id)
    st.session_state.setdefault(keys["name"], typed.get("name", "")[:MOST_NAME])
    st.session_state.setdefault(keys["seal"], typed.get("seal") == "yes")
    name = st.text_input(
        "Name",
        key=keys["name"],
        placeholder="named after its settings",
        help="Name of the split in lists.",
        max_chars=MOST_NAME,
    )
    seal = not sealed and st.toggle(
        "Seal the test set",
        key=keys["seal"],
        disabled=not _has_test(request),
        help="Later splits of this version of the dataset keep this test set, so that no test "
        "image ever trains a model. Criteria and threshold are sealed in Sign-off. This cannot be "
        "undone.",
    )
    asked = {field: st.session_state[key] for field, key in keys.items()}
    state.keep_draft(LINK, dataset.id, {field: value for field, value in asked.items() if value})
    if request and st.button(
        "Split",
        type="primary",
        icon=":material/call_split:",
        key="do_split",
        **rights.only(Right.DATA),
    ):
        _make(workspace, dataset, request, name, seal=seal)


def _has_test(request: SplitRequest | None) -> bool:
    return request is not None and (bool(request.keep_test) or request.shares[2] > 0)


def _make(
    workspace: Workspace, dataset: Dataset, request: SplitRequest, name: str, *, seal: bool
) -> None:
    try:
        plan = plan_split(workspace, dataset.id, request)
        split = splits.store_split(
            workspace, plan, name=name or None, seal=seal and _has_test(request)
        )
    except TouchstoneError as err:
        errors.show(err)
        return
    context.open_split(split.id)
    st.session_state["split_view_next"] = View.SAVED
    st.rerun()


def page(workspace: Workspace) -> None:
    """The open split of the dataset, or the form for a new one."""
    dataset = context.dataset(workspace)
    if dataset is None:
        widgets.empty_state(
            "call_split",
            "Nothing to split yet",
            "Import images first.",
            (Place.IMPORT, "Import images"),
        )
        return
    existing = splits.list_splits(workspace, dataset.id)
    if not existing:
        new_split(workspace, dataset)
        return
    next_view = st.session_state.pop("split_view_next", None)
    linked = View.NEW if st.query_params.get("view") == View.NEW else View.SAVED
    st.session_state["split_view"] = next_view or st.session_state.get("split_view") or linked
    view = st.segmented_control(
        "View",
        list(VIEWS),
        required=True,
        key="split_view",
        format_func=VIEWS.__getitem__,
        label_visibility="collapsed",
    )
    if view == View.NEW:
        st.query_params["view"] = View.NEW
        new_split(workspace, dataset)
        return
    for name in ("view", split_form.LINK, LINK):
        st.query_params.pop(name, None)
    split = context.split(workspace) or existing[0]
    open_findings.show_serious(workspace, dataset)
    split_saved.show(workspace, dataset, certificates.certified(workspace, split))
    if len(existing) > 1:
        split_saved.overview(existing)


widgets.page_heading(
    Place.SPLIT, "Divide the images so that no image is used for both training and testing."
)
page(state.workspace())
