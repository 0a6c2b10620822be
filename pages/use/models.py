"""Models: what was trained or uploaded, how far each is, and what one does with it."""

import math

import streamlit as st

from core.domain.keeping.people import Right
from core.domain.models import Belongings, Model, ModelFormat, ModelStage, ModelStanding
from core.errors import TouchstoneError
from core.inference import service
from core.models.catalog import network_title
from core.words import joined
from core.workflows import stages
from core.workflows.data import uploads
from core.workflows.results import thresholds
from core.workflows.training import refit
from core.workflows.use import exporting, models
from core.workspace import Workspace
from pages.ui import errors, inference, routes, stage_words, state, text, widgets
from pages.ui.people import rights
from pages.ui.places import Place
from pages.ui.shell import deleted
from pages.use import model_stage

PAGE = 12
_EXPORTED = {
    ModelFormat.OPENVINO: "OpenVINO",
    ModelFormat.INT8: "OpenVINO, 8 bits",
    ModelFormat.ONNX: "ONNX",
}


@st.dialog("Rename model")
@errors.shown()
def rename(model: Model) -> None:
    name = st.text_input("New name", value=model.name, max_chars=100, key=f"name_{model.id}")
    if st.button("Rename", type="primary", key="rename_now"):
        try:
            models.rename_model(state.workspace(), model.id, name)
        except TouchstoneError as err:
            errors.show(err)
        else:
            st.rerun()


@st.dialog("Export model")
@errors.shown()
def export(model: Model) -> None:
    """A folder that runs without Touchstone; made, checked and then offered."""
    chosen = st.segmented_control(
        "For",
        list(_EXPORTED),
        default=ModelFormat.OPENVINO,
        required=True,
        key="export_format",
        format_func=lambda item: _EXPORTED[item],
        help="8 bits: about twice as fast on a CPU, calibrated on training images. Some decisions "
        "may change; they are listed.",
    )
    st.caption("Network, threshold and an example, checked on images of its dataset before.")
    made = st.session_state.get("exported")
    if made is None or made[0] != (model.id, chosen):
        if st.button("Export", type="primary", icon=":material/output:", key="export_now"):
            with st.spinner("Exporting and checking …"):
                content, check = exporting.export_archive(
                    state.workspace(), model, chosen, call=inference.call
                )
            st.session_state.exported = ((model.id, chosen), content, check)
            st.rerun(scope="fragment")
        return
    _, content, check = made
    words = text.plain(exporting.check_in_words(check))
    (st.warning if check.changed else st.success)(f"{words[:1].upper()}{words[1:]}")
    if check.changed:
        st.dataframe({"decided differently": list(check.changed)}, hide_index=True)
    if check.changed_parts:
        st.dataframe({"parts decided differently": list(check.changed_parts)}, hide_index=True)
    st.download_button(
        "Download ZIP",
        content,
        f"{model.name} {chosen}.zip",
        "application/zip",
        type="primary",
        icon=":material/download:",
        on_click="ignore",
        key="export_zip",
    )


@st.dialog("Delete model")
@errors.shown()
def confirm_delete(model: Model, own: Belongings) -> None:
    if model.stage is ModelStage.RELEASED:
        st.warning("This model is released.")
    takes = [f"its weights ({text.size(model.size_bytes)})"]
    if own.results:
        takes.append(f"its results on {text.count(own.results, 'image')}")
    if own.has_rule:
        takes.append("its threshold")
    if own.is_sealed:
        takes.append("its sealed test")
    st.markdown(f"Deletes **{text.plain(model.name)}** with {joined(takes)}.")
    st.caption(
        "It stays in the bin for 30 days (page Health). Dataset, run, downloaded files and "
        "reports stay."
    )
    if st.button("Delete", type="primary", icon=":material/delete:", key="delete_now"):
        deleted.leave(models.delete_model(state.workspace(), model.id), Place.MODELS)


def upload(workspace: Workspace) -> None:
    with st.expander("Upload a model"):
        file = st.file_uploader(
            "Model file",
            type=["safetensors"],
            key=f"model_{st.session_state.get('uploads', 0)}",
            help="A file downloaded from a Models page. It contains weights, classes, network, "
            "preprocessing and threshold, but no code.",
        )
        if file and st.button(
            "Add to this workspace", type="primary", key="add", **rights.only(Right.TRAIN)
        ):
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
            rule = thresholds.saved_rule(workspace, added.id)
            st.toast(f"{text.plain(added.name)} was added{', with its threshold' if rule else ''}.")
            st.rerun()


def card(model: Model, own: Belongings, standing: ModelStanding) -> None:
    """One model: what matters, what one does with it, and apart from that the deletion.

    `standing` is how far its sign-off is.
    """
    with st.container(border=True, key=f"card_{model.id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{text.plain(model.name)}**", width="stretch")
            model_stage.badge(model)
            stage_words.standing_badge(standing)
        st.caption(" · ".join(_facts(model)))
        if model.note:
            st.markdown(text.plain(model.note))
        with st.container(horizontal=True, vertical_alignment="center", key=f"actions_{model.id}"):
            _actions(model, standing)
            st.space("stretch")
            if st.button(
                "Delete",
                type="tertiary",
                icon=":material/delete:",
                key=f"delete_{model.id}",
                **rights.only(Right.TRAIN, help="Asks first, and says what goes with it."),
            ):
                confirm_delete(model, own)


def _facts(model: Model) -> list[str]:
    facts = [text.plain(model.dataset_name or "uploaded")]
    if model.is_detector:
        facts.append("knows good images only")
    if model.val_macro_f1 is not None:
        facts.append(f"validation F1 {text.decimal(model.val_macro_f1)}")
    facts.append(text.plain(network_title(model.network)))
    facts.append(text.count(len(model.class_names), "class"))
    facts.append(text.size(model.size_bytes))
    facts.append(text.when(model.created_at))
    return facts


def _actions(model: Model, standing: ModelStanding) -> None:
    here = {"model": model.id}
    if st.button("Predict", icon=Place.PREDICT.icon, key=f"predict_{model.id}"):
        st.switch_page(Place.PREDICT, query_params=here)
    if model.dataset_id and st.button(
        "Results", icon=Place.EVALUATE.icon, key=f"evaluate_{model.id}"
    ):
        st.switch_page(Place.EVALUATE, query_params=here)
    if news := refit.news_of_model(state.workspace(), model):
        _refit(model, news)
    st.link_button(
        "Download",
        routes.model_url(model.id),
        icon=":material/download:",
        help="One safetensors file with everything needed to use the model, threshold included.",
    )
    if st.button(
        "Export",
        icon=":material/output:",
        key=f"export_{model.id}",
        help="For programs without Touchstone: OpenVINO, ONNX or 8 bits, checked against this "
        "model.",
    ):
        st.session_state.pop("exported", None)
        export(model)
    model_stage.release_or_restore(model, standing)
    with st.popover("More", type="tertiary", icon=":material/more_horiz:"):
        with st.container(horizontal=True):
            if st.button(
                "Rename",
                icon=":material/edit:",
                key=f"rename_{model.id}",
                **rights.only(Right.TRAIN),
            ):
                rename(model)
            model_stage.retire_or_note(model)
        _details(model)


def _refit(model: Model, news: str) -> None:
    if st.button(
        "Refit",
        icon=":material/autorenew:",
        key=f"refit_{model.id}",
        **rights.only(
            Right.TRAIN,
            help=f"Since this model: {text.plain(news)}. No image changes its subset. Seconds for "
            "quick models; others train on.",
        ),
    ):
        started = refit.refit(state.workspace(), str(model.run_id))
        st.switch_page(Place.RUNS, query_params={"run": started.run.id})


def _details(model: Model) -> None:
    pixels = model.preprocess
    names = ", ".join(f"**{text.plain(name)}**" for name in model.class_names[:30])
    st.markdown(f"Classes: {names}{' …' if len(model.class_names) > 30 else ''}")
    st.caption(
        f"{pixels.image_size_px} px, {pixels.resize_mode}, {pixels.channels} · sha256 "
        f"{model.sha256[:16]}…"
    )


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
    owned, standings = models.belongings_of_all(workspace), stages.standings(workspace)
    wanted = st.text_input(
        "Search",
        key="find",
        bind="query-params",
        icon=":material/search:",
        placeholder="Name, dataset or network",
        label_visibility="collapsed",
        width=320,
    )
    stage = model_stage.choose(listed)
    shown = [m for m in listed if _matches(m, wanted) and stage in (None, m.stage)]
    # Why first: a link to one model shows it without a search.
    linked = st.query_params.get("model")
    shown.sort(key=lambda m: (m.id != linked, m.stage is not ModelStage.RELEASED))
    page = st.session_state.get("models_page", 1)
    start = PAGE * (min(page, math.ceil(len(shown) / PAGE) or 1) - 1)
    for model in shown[start : start + PAGE]:
        standing = standings.get(model.id, ModelStanding.ELSEWHERE)
        card(model, owned.get(model.id, Belongings()), standing)
    if not shown:
        st.caption("No model matches.")
    if len(shown) > PAGE:
        st.pagination(math.ceil(len(shown) / PAGE), key="models_page")
    upload(workspace)


def _matches(model: Model, wanted: str) -> bool:
    about = f"{model.name} {model.dataset_name} {network_title(model.network)} {model.note}".lower()
    return all(word in about for word in wanted.lower().split())


widgets.page_heading(Place.MODELS, "All models that were trained here or uploaded.")
page(state.workspace())
