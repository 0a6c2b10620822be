"""Models: what a model is for and what people wrote about it; changes are asked and recorded."""

import streamlit as st

from core.domain.keeping.people import Right
from core.domain.models import Model, ModelStage, ModelStanding
from core.errors import TouchstoneError
from core.workflows.use import registry
from pages.ui import errors, state, text
from pages.ui.people import rights
from pages.ui.places import Place
from pages.ui.text import BadgeColour

# ModelStage -> shape and colour of its badge.
STAGES: dict[ModelStage, tuple[str, BadgeColour]] = {
    ModelStage.CANDIDATE: (":material/science:", "gray"),
    ModelStage.RELEASED: (":material/rocket_launch:", "green"),
    ModelStage.RETIRED: (":material/inventory_2:", "gray"),
}
_HELP = {
    ModelStage.CANDIDATE: "Not released yet.",
    ModelStage.RELEASED: "Predict and `touchstone serve` offer it first.",
    ModelStage.RETIRED: "Kept for the record. Restore makes it a candidate again.",
}


def badge(model: Model) -> None:
    icon, colour = STAGES[model.stage]
    st.badge(model.stage.value, icon=icon, color=colour, help=_HELP[model.stage])


def choose(models: list[Model]) -> ModelStage | None:
    """Only the models of one stage; None: all. Nothing is asked while all are candidates."""
    counts = {stage: sum(m.stage is stage for m in models) for stage in ModelStage}
    if counts[ModelStage.CANDIDATE] == len(models):
        return None
    return st.pills(
        "Stage",
        [stage for stage in ModelStage if counts[stage]],
        key="stage",
        format_func=lambda stage: f"{STAGES[stage][0]} {stage.value} {counts[stage]:,}",
        label_visibility="collapsed",
    )


def release_or_restore(model: Model, standing: ModelStanding) -> None:
    """The button that brings a model into use."""
    if model.stage is ModelStage.CANDIDATE and st.button(
        "Release",
        icon=STAGES[ModelStage.RELEASED][0],
        key=f"release_{model.id}",
        **rights.only(Right.SIGN_OFF),
    ):
        _release(model, standing)
    if model.stage is ModelStage.RETIRED and st.button(
        "Restore",
        icon=":material/undo:",
        key=f"restore_{model.id}",
        **rights.only(Right.SIGN_OFF, help="A candidate again."),
    ):
        registry.set_stage(state.workspace(), model.id, ModelStage.CANDIDATE)
        st.rerun()


def retire_or_note(model: Model) -> None:
    """The buttons that are needed rarely."""
    if model.stage is not ModelStage.RETIRED and st.button(
        "Retire",
        icon=STAGES[ModelStage.RETIRED][0],
        key=f"retire_{model.id}",
        **rights.only(Right.SIGN_OFF),
    ):
        _retire(model)
    if st.button(
        "Note", icon=":material/sticky_note_2:", key=f"note_{model.id}", **rights.only(Right.TRAIN)
    ):
        _note(model)


@st.dialog("Release model")
@errors.shown()
def _release(model: Model, standing: ModelStanding) -> None:
    refusal = registry.refusal_to_release(standing)
    if refusal:
        st.warning(f"**{text.plain(model.name)}** cannot be released. {refusal}")
        if model.dataset_id is not None:
            st.page_link(
                Place.SIGN_OFF,
                label="Open Sign-off",
                icon=Place.SIGN_OFF.icon,
                query_params={"model": model.id},
            )
        return
    st.markdown(f"**{text.plain(model.name)}** becomes the model that Predict offers first.")
    for former in registry.retired_by_release(state.workspace(), model):
        st.caption(f"{text.plain(former.name)}, which is released now, is retired.")
    doubts = registry.doubts_about(state.workspace(), model)
    for doubt in doubts:
        st.warning(text.plain(doubt), icon=":material/report:")
    label = "Why release it nevertheless" if doubts else "Reason (optional)"
    if standing is ModelStanding.ELSEWHERE:
        label = "Where it was signed off"
    reason = st.text_input(label, max_chars=300, key=f"reason_{model.id}")
    if st.button("Release", type="primary", key="release_now"):
        _set(model, ModelStage.RELEASED, reason)


@st.dialog("Retire model")
@errors.shown()
def _retire(model: Model) -> None:
    st.markdown(f"**{text.plain(model.name)}** is no longer offered first. Nothing is deleted.")
    reason = st.text_input("Reason", max_chars=300, key=f"reason_{model.id}")
    if st.button("Retire", type="primary", key="retire_now"):
        _set(model, ModelStage.RETIRED, reason)


def _set(model: Model, stage: ModelStage, reason: str) -> None:
    try:
        registry.set_stage(state.workspace(), model.id, stage, reason)
    except TouchstoneError as err:
        errors.show(err)
    else:
        st.rerun()


@st.dialog("Note")
@errors.shown()
def _note(model: Model) -> None:
    written = st.text_area(
        f"About {text.plain(model.name)}",
        value=model.note,
        max_chars=registry.MAX_NOTE,
        key=f"note_{model.id}",
    )
    if st.button("Save", type="primary", key="note_now"):
        registry.set_note(state.workspace(), model.id, written)
        st.rerun()
