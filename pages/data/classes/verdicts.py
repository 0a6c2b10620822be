"""Which classes are good and which defective: one click each, saved together as one version."""

import streamlit as st

from core.domain.datasets import Dataset, Verdict
from core.domain.keeping.people import Right
from core.errors import TouchstoneError
from core.words import joined
from core.workflows.data import datasets, edits
from core.workspace import Workspace
from pages.ui import context, errors, text
from pages.ui.people import rights
from pages.ui.places import Place

_TALL = 8  # classes; more stand in two columns
_PAGE = 100  # classes; more are turned over
_NAMED = 3

Verdicts = dict[str, Verdict | None]


@st.fragment
@errors.shown()
def show(workspace: Workspace, dataset: Dataset) -> None:
    """Choose OK or NOK for every class; nothing is kept before it is saved."""
    st.header("Good or defective")
    st.caption("OK: good part, NOK: defective part. Results then count escapes and false rejects.")
    chosen = _draft(dataset)
    _classes(workspace, dataset, chosen)
    _actions(workspace, dataset, chosen)


def _key(dataset: Dataset, what: str) -> str:
    """Why with the version: another one has other verdicts, and perhaps other classes."""
    return f"verdicts_{what}_{dataset.id}_{dataset.version}"


def _draft(dataset: Dataset) -> Verdicts:
    """What was chosen and perhaps not saved yet; the same object until the dataset changes.

    Why not the widgets alone: those of another page of classes or of a closed tab forget.
    """
    chosen: Verdicts = st.session_state.setdefault(
        _key(dataset, "draft"), dict(zip(dataset.class_names, dataset.verdicts, strict=True))
    )
    return chosen


def _classes(workspace: Workspace, dataset: Dataset, chosen: Verdicts) -> None:
    names, page = list(chosen), 1
    pages = -(-len(names) // _PAGE)
    if pages > 1:
        page = st.pagination(pages, key=_key(dataset, "page"))
    first = (page - 1) * _PAGE
    shown = range(first, min(first + _PAGE, len(names)))
    counts = datasets.class_counts(workspace, dataset)
    half = len(shown) if len(shown) <= _TALL else -(-len(shown) // 2)
    with st.container(key="verdicts_rows"):
        for column, part in zip(
            st.columns(2, gap="large"), (shown[:half], shown[half:]), strict=True
        ):
            with column, st.container(gap="xsmall"):
                for position in part:
                    _row(dataset, names[position], position, counts[names[position]], chosen)


def _row(dataset: Dataset, name: str, position: int, images: int, chosen: Verdicts) -> None:
    key = _key(dataset, str(position))
    st.session_state[key] = chosen[name]

    def keep() -> None:
        chosen[name] = st.session_state[key]

    with st.container(horizontal=True, vertical_alignment="center", key=f"row_{key}"):
        st.markdown(
            f"{text.plain(name)}  \n:small[:gray[{text.count(images, 'image')}]]", width="stretch"
        )
        st.segmented_control(
            f"Verdict of {text.plain(name)}",
            list(Verdict),
            key=key,
            label_visibility="collapsed",
            on_change=keep,
            disabled=rights.reason_against(Right.DATA) is not None,
        )


def _actions(workspace: Workspace, dataset: Dataset, chosen: Verdicts) -> None:
    """How many are open, the rest at once, saving, and the way back."""
    is_changed = tuple(chosen.values()) != dataset.verdicts
    still_open = [name for name, verdict in chosen.items() if verdict is None]
    with st.container(horizontal=True, vertical_alignment="center", key="verdicts_bar"):
        st.markdown(_state(dataset, still_open, is_changed=is_changed), width="stretch")
        if still_open:
            _all_others(dataset, chosen)
        back = Place.at(st.query_params.get("back", ""))
        if st.button(
            "Save verdicts",
            type="primary" if is_changed or not back else "secondary",
            icon=":material/save:",
            key="save_verdicts",
            **rights.only(Right.DATA, disabled=not is_changed),
        ):
            _save(workspace, dataset, chosen)
        if back and st.button(
            f"Back to {back.label}",
            type="secondary" if is_changed else "primary",
            icon=":material/arrow_back:",
            key="back_from_verdicts",
        ):
            st.switch_page(back, query_params=context.link())


def _state(dataset: Dataset, still_open: list[str], *, is_changed: bool) -> str:
    total = len(dataset.class_names)
    if still_open:
        verb = "has" if len(still_open) == 1 else "have"
        words = f"{len(still_open):,} of {text.count(total, 'class')} {verb} no verdict yet."
    else:
        words = "Every class has a verdict."
    if is_changed:
        return f"{words} :gray[Not saved.]"
    if st.session_state.get("verdicts_saved") == (dataset.id, dataset.version):
        return f":material/check_circle: **Saved.** {words}"
    return words


def _all_others(dataset: Dataset, chosen: Verdicts) -> None:
    def give(verdict: Verdict) -> None:
        chosen.update({name: verdict for name, given in chosen.items() if given is None})

    for verdict in Verdict:
        st.button(
            f"All others {verdict}",
            key=f"others_{verdict}",
            on_click=give,
            args=(verdict,),
            **rights.only(Right.DATA, help=f"Sets every class without a verdict to {verdict}."),
        )


def _save(workspace: Workspace, dataset: Dataset, chosen: Verdicts) -> None:
    try:
        made = edits.set_verdicts(workspace, dataset.id, chosen)
    except TouchstoneError as err:
        errors.show(err)
        return
    st.session_state["verdicts_saved"] = (dataset.id, made.number)
    still_open = [text.plain(name) for name, verdict in chosen.items() if verdict is None]
    rest = f" Still open: {_some(still_open)}." if still_open else ""
    st.toast(f"Verdicts saved.{rest}", icon=":material/check:")
    st.rerun()


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return joined([*names[:_NAMED], f"{more:,} more"] if more > 1 else names)
