"""One card per dataset: its classes, how far it is, the next step and its best model."""

import html
from itertools import groupby

import streamlit as st

from core.domain.datasets import Dataset
from core.domain.models import ModelStanding
from core.domain.stages.states import DatasetStages, StageState, StageStatus
from core.workflows import board
from core.workflows.board import BestModel, BoardEntry, CardFacts, MosaicImage
from core.workspace import Workspace
from pages.ui import routes, state, text
from pages.ui import stage_words as words
from pages.ui.places import Place


@st.cache_data(show_spinner=False, max_entries=500, ttl=60)
def _facts(_workspace: Workspace, root: str, _dataset: Dataset, key: str) -> CardFacts:
    # Why a minute: whether a folder can be reached changes without anybody telling.
    return board.card_facts(_workspace, _dataset)


@st.cache_data(show_spinner=False, max_entries=500)
def _best(_workspace: Workspace, root: str, _entry: BoardEntry, key: str) -> BestModel | None:
    return board.best_model(_workspace, _entry.dataset, _entry.models)


def card(entry: BoardEntry, *, is_first: bool, is_wide: bool = False) -> None:
    """`is_first`: its next step is the main button of the page; `is_wide`: it has larger images."""
    workspace, dataset = state.workspace(), entry.dataset
    root = str(workspace.root)
    facts = _facts(workspace, root, dataset, f"{dataset.id} {dataset.version} {dataset.name}")
    with st.container(border=True, key=f"card_{dataset.id}", gap="small", height="stretch"):
        mosaic(facts, is_wide=is_wide)
        with st.container(gap=None):
            st.header(text.plain(dataset.name), anchor=False)
            st.caption(_facts_in_words(entry, facts))
        if facts.missing_folder is not None:
            _unreachable(dataset)
        stage_bar(entry.stages)
        best = _best(workspace, root, entry, board.best_model_key(workspace, entry))
        if best is not None:
            with st.container(key=f"best_{dataset.id}"):
                _best_line(best)
        _next_step(entry, is_first=is_first)


def mosaic(facts: CardFacts, *, is_wide: bool) -> None:
    """Images of the classes side by side, fetched by the browser as they come into view."""
    figures = []
    for name, own in groupby(facts.mosaic, key=lambda image: image.class_name):
        images = list(own)
        caption = html.escape(f"{name} {images[0].images:,}")
        pictures = "".join(_picture(image) for image in images)
        figures.append(
            f'<figure style="flex: {len(images)}" title="{caption}">{pictures}'
            f"<figcaption>{caption}</figcaption></figure>"
        )
    wide = f' wide" style="--images: {len(facts.mosaic)}' if is_wide else ""
    st.html(f'<div class="mosaic{wide}">{"".join(figures)}</div>')


def _picture(image: MosaicImage) -> str:
    source = html.escape(routes.thumbnail_url(image.sample_id, image.sha256))
    alt = html.escape(f"Image of class {image.class_name}")
    return f'<img loading="lazy" src="{source}" alt="{alt}">'


def _facts_in_words(entry: BoardEntry, facts: CardFacts) -> str:
    dataset = entry.dataset
    counts = [
        text.count(dataset.sample_count, "image"),
        text.count(len(dataset.class_names), "class"),
    ]
    if facts.parts:
        # Why: two confirmed look-alikes are one part, and 299 images are not.
        some = facts.images_of_parts < dataset.sample_count
        of = f"{text.count(facts.images_of_parts, 'image')} of " if some else ""
        counts.append(of + text.count(facts.parts, "part"))
    return " · ".join([*counts, f"last activity {text.when(entry.active_at)}"])


def _unreachable(dataset: Dataset) -> None:
    st.page_link(
        Place.DATASETS,
        label=":orange[Its folder cannot be reached.] Say where it is now",
        icon=":material/folder_off:",
        query_params={"dataset": dataset.id},
    )


def stage_bar(stages: DatasetStages) -> None:
    """Five links, one per stage; icon and line tell the status, the tooltip the reason."""
    with st.container(horizontal=True, gap=None, key=f"stages_{stages.dataset_id}"):
        for item in stages.states.values():
            is_next = item.stage is stages.next_step.stage
            # Why: what is blocked and can be mended now stands out as any next step does.
            stands_out = is_next and item.status is StageStatus.BLOCKED
            look = StageStatus.CURRENT.value if stands_out else item.status.value
            look = "failed" if words.is_failed(item) else look
            with st.container(key=f"stage_{look}_{item.stage}_{stages.dataset_id}"):
                _segment(item, stages)


def _segment(item: StageState, stages: DatasetStages) -> None:
    link = words.link_of(stages.next_step)
    is_next = item.stage is stages.next_step.stage
    place = link.place if is_next else words.STAGE_PLACES[item.stage]
    about = {"model": item.model_id} if item.model_id else {}
    st.page_link(
        place,
        label=words.stage_in_words(item),
        icon=words.stage_icon(item),
        help=f"{words.STATUS_WORDS[item.status].capitalize()}. "
        f"{text.plain(words.reason_in_words(item))}",
        width="stretch",
        query_params=link.query if is_next else {"dataset": stages.dataset_id, **about},
    )


def _best_line(best: BestModel) -> None:
    score = "" if best.val_macro_f1 is None else f"macro F1\u00a0{text.decimal(best.val_macro_f1)}"
    state, icon = words.STANDINGS[best.standing], ":material/trophy:"
    if best.standing in (ModelStanding.PASSED, ModelStanding.BLOCKED, ModelStanding.VOID):
        # Why first: what the test said decides, whatever validation promised.
        by, icon = state.words, state.icon
    elif best.missed is None:
        by = f"{score} on validation" if score else "no validation images"
    elif not best.missed:
        by = "meets the criteria on validation"
    else:
        by = f"{words.misses_in_words(best.missed)} on validation"
    st.page_link(
        Place.EVALUATE,
        label=f"{text.plain(best.name)} · {text.plain(by)}",
        icon=icon,
        help=state.tip
        if icon == state.icon
        else "The best model: by your release criteria if there are any, else by macro F1. Models "
        "of leaking splits do not count.",
        query_params={"model": best.model_id},
    )


def _next_step(entry: BoardEntry, *, is_first: bool) -> None:
    step = entry.stages.next_step
    link = words.link_of(step)
    reason = words.reason_in_words(entry.stages.states[step.stage])
    with st.container(
        horizontal=True, wrap=False, vertical_alignment="center", key=f"step_{entry.dataset.id}"
    ):
        st.markdown(text.plain(reason), width="stretch")
        if st.button(
            link.label,
            icon=link.place.icon,
            type="primary" if is_first else "secondary",
            key=f"next_{entry.dataset.id}",
        ):
            st.switch_page(link.place, query_params=link.query)
