"""Predict: classify new images, uploaded or in a folder on the server."""

from enum import StrEnum
from typing import assert_never

import streamlit as st

from core.workflows import stages
from core.workspace import Workspace
from pages.ui import context, inference, stage_words, state, widgets
from pages.ui.places import Place
from pages.use import predict_folder, predict_history, predict_watched
from pages.use.predict_uploads import uploaded_images


class Source(StrEnum):
    """Where new images come from."""

    UPLOAD = "upload"
    CAMERA = "camera"
    FOLDER = "folder"
    WATCHED = "watched"
    HISTORY = "history"


_SOURCES = {
    Source.UPLOAD: "Upload images",
    Source.CAMERA: "Camera",
    Source.FOLDER: "Folder on the server",
    Source.WATCHED: "Watched folder",
    Source.HISTORY: "History",
}


def page(workspace: Workspace) -> None:
    model = context.model(workspace)
    if model is None:
        widgets.empty_state(
            "image_search",
            "No model yet",
            "Train one, or upload a model file.",
            (Place.TRAIN, "Train a model"),
            (Place.MODELS, "Upload a model"),
        )
        return
    inference.warm_up(workspace, model)
    with st.container(horizontal=True, vertical_alignment="center"):
        source = st.segmented_control(
            "Source",
            list(Source),
            required=True,
            key="source",
            bind="query-params",
            default=Source.FOLDER if st.query_params.get("batch") else Source.UPLOAD,
            label_visibility="collapsed",
            format_func=_SOURCES.__getitem__,
        )
        st.space("stretch")
        stage_words.standing_badge(stages.standing(workspace, model))
    match Source(source):
        case Source.UPLOAD:
            uploaded_images(workspace, model)
        case Source.CAMERA:
            uploaded_images(workspace, model, camera=True)
        case Source.FOLDER:
            predict_folder.whole_folder(workspace, model)
        case Source.WATCHED:
            predict_watched.watched_folder(model)
        case Source.HISTORY:
            predict_history.show(workspace)
        case _:
            assert_never(source)


widgets.page_heading(Place.PREDICT, "Classify new images, and see which regions decide.")
page(state.workspace())
