"""Is a flipped part the same part? Asked once per dataset, with images of it."""

import html
from dataclasses import replace

import streamlit as st

from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import Dataset, Orientation
from core.domain.keeping.people import Right
from core.workflows.data.datasets import orientation_of, save_orientation
from core.workspace import Workspace
from pages.training import preview, setting_fields
from pages.ui.people import rights

QUESTIONS = {
    "flip_horizontal": ("Left to right", "scaleX(-1)"),
    "flip_vertical": ("Top to bottom", "scaleY(-1)"),
    "rotate_quarter": ("Quarter turn", "rotate(90deg)"),
}
_SAME, _OTHER = "Yes", "No"


def question(workspace: Workspace, dataset: Dataset, pixels: PreprocessConfig) -> None:
    """The three questions, or in one line what was answered."""
    answers = orientation_of(workspace, dataset.id)
    with st.expander(
        _title(answers), icon=":material/flip:", expanded=not answers.is_answered, key="orientation"
    ):
        st.caption(
            "Could a real part lie like this and keep its class? Then training uses such images. "
            "Unanswered counts as no."
        )
        # Why the second class: it is more often one with something to see on it than the first.
        shown = preview.urls(workspace, dataset, pixels, at_most=2)[-1:]
        for column, name in zip(st.columns(len(QUESTIONS)), QUESTIONS, strict=True):
            with column:
                _ask(workspace, dataset, answers, name, shown)


def _title(answers: Orientation) -> str:
    if answers.is_answered:
        names = ("flipped left to right", "flipped top to bottom", "turned")
        given = zip(names, QUESTIONS, strict=True)
        same = [words for words, name in given if getattr(answers, name)]
        return f"Same part: {', '.join(same)}" if same else "Parts have a fixed orientation"
    return "Is a flipped part the same part?"


def _ask(
    workspace: Workspace,
    dataset: Dataset,
    answers: Orientation,
    name: str,
    shown: list[tuple[str, str]],
) -> None:
    title, transform = QUESTIONS[name]
    pictures = "".join(
        "<figure style='margin:0;flex:1 1 0;min-width:0'>"
        f"<img src='{url}' alt='{html.escape(label, quote=True)}, {words}' style='width:100%;"
        f"aspect-ratio:1;border-radius:6px;display:block;transform:{how}'>"
        f"<figcaption style='font-size:.75rem;padding-top:.15rem'>{words}</figcaption></figure>"
        for label, url in shown
        for words, how in (
            ("as is", "none"),
            ("turned" if "rotate" in name else "flipped", transform),
        )
    )
    st.html(f"<div style='display:flex;gap:.3rem'>{pictures}</div>")
    known: bool | None = getattr(answers, name)
    key = f"orientation_{dataset.id}_{name}"
    st.session_state[key] = None if known is None else _SAME if known else _OTHER

    def store() -> None:
        chosen = st.session_state[key]
        answer = None if chosen is None else chosen == _SAME
        save_orientation(workspace, dataset.id, replace(answers, **{name: answer}))
        setting_fields.forget_field(name)

    options = [_SAME, _OTHER]
    st.segmented_control(title, options, key=key, on_change=store, **rights.only(Right.DATA))
