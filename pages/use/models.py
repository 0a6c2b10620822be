"""Models: list, download, rename, delete, upload."""

import streamlit as st

from core.domain.models import Model
from core.errors import TouchstoneError
from core.inference import service
from core.models.catalog import network_title
from core.workflows.data import uploads
from core.workflows.use import models
from core.workspace import Workspace
from pages.ui import context, errors, inference, routes, state, text, widgets
from pages.ui.places import Place


@st.dialog("Rename model")
@errors.shown()
def rename(model: Model) -> None:
    name = st.text_input("New name", value=model.name, max_chars=100)
    if st.button("Rename", type="primary", key="rename_now"):
        try:
            models.rename_model(state.workspace(), model.id, name)
        except TouchstoneError as err:
            errors.show(err)
        else:
            st.rerun()


@st.dialog("Delete model")
@errors.shown()
def confirm_delete(model: Model) -> None:
    st.markdown(
        f"Delete **{text.plain(model.name)}** with its weights and results? This cannot be undone. "
        "If in doubt, download it first."
    )
    if st.button("Delete", type="primary", icon=":material/delete:", key="delete_now"):
        models.delete_model(state.workspace(), model.id)
        st.query_params.clear()
        st.rerun()


def upload(workspace: Workspace) -> None:
    with st.expander("Upload a model"):
        file = st.file_uploader(
            "Model file",
            type=["safetensors"],
            key=f"model_{st.session_state.get('uploads', 0)}",
            help="A file downloaded from a Models page. It contains weights, classes, network and "
            "preprocessing, but no code.",
        )
        if file and st.button("Add to this workspace", type="primary", key="add"):
            folder = uploads.new_upload_folder(workspace)
            try:
                kept = uploads.store_upload(folder, file.name, file.getbuffer())
                with st.spinner("Checking the model …"):
                    added = models.upload_model(
                        workspace,
                        kept,
                        check=lambda path, runtimes: inference.call(
                            service.check_bundle, path, runtimes
                        ),
                    )
            except TouchstoneError as err:
                errors.show(err)
                return
            finally:
                models.remove_file(folder)
            st.session_state.uploads = st.session_state.get("uploads", 0) + 1
            st.query_params["model"] = added.id
            st.toast(f"{text.plain(added.name)} was added.")
            st.rerun()


def table(listed: list[Model]) -> None:
    st.dataframe(
        {
            "name": [m.name for m in listed],
            "dataset": [m.dataset_name or "–" for m in listed],
            "network": [network_title(m.network) for m in listed],
            "classes": [len(m.class_names) for m in listed],
            "validation macro F1": [m.val_macro_f1 for m in listed],
            "size": [text.size(m.size_bytes) for m in listed],
            "created": [text.when(m.created_at) for m in listed],
        },
        hide_index=True,
        placeholder="–",
        column_config={
            "validation macro F1": st.column_config.NumberColumn(
                format="%.3f",
                help="On the images used to choose settings, so slightly optimistic. Every view of "
                "test results is recorded, so this list does not show them: see Evaluate.",
            ),
        },
    )


def details(workspace: Workspace, model: Model) -> None:
    pixels = model.preprocess
    with st.container(border=True):
        st.subheader(text.plain(model.name))
        st.markdown(
            f"Classes: {', '.join(f'**{text.plain(name)}**' for name in model.class_names[:30])}"
            f"{' …' if len(model.class_names) > 30 else ''}"
        )
        st.caption(
            f"{text.plain(network_title(model.network))} · {pixels.image_size_px} px, "
            f"{pixels.resize_mode}, {pixels.channels} · {text.size(model.size_bytes)} · "
            f"sha256 {model.sha256[:16]}…"
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button("Evaluate", icon=":material/grid_on:", key="evaluate"):
                st.switch_page(Place.EVALUATE, query_params={"model": model.id})
            if st.button("Sign-off and report", icon=":material/verified:", key="signoff"):
                st.switch_page(Place.SIGN_OFF, query_params={"model": model.id})
            if st.button("Predict", icon=":material/image_search:", key="predict"):
                st.switch_page(Place.PREDICT, query_params={"model": model.id})
            st.link_button(
                "Download",
                routes.model_url(model.id),
                icon=":material/download:",
                help="One safetensors file with everything needed to use the model.",
            )
            if st.button("Rename", icon=":material/edit:", key="rename"):
                rename(model)
            if st.button("Delete", icon=":material/delete:", key="delete"):
                confirm_delete(model)


def page(workspace: Workspace) -> None:
    listed = models.list_models(workspace)
    if not listed:
        widgets.empty_state(
            "deployed_code",
            "No model yet",
            "Train one, or upload one below.",
            (Place.TRAIN, "Train a model"),
        )
        upload(workspace)
        return
    table(listed)
    model = context.model(workspace)
    if model is not None:
        details(workspace, model)
    upload(workspace)


widgets.page_heading(Place.MODELS, "All models that were trained here or uploaded.")
page(state.workspace())
