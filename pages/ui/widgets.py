"""What several pages show: headings, empty states, job progress, galleries."""

import html
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from enum import StrEnum
from typing import Any, assert_never

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.domain.configs.augment import AugmentConfig
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.train import TrainConfig
from core.domain.datasets import Sample, Skipped
from core.domain.jobs import Job, JobStatus
from core.domain.models import Model
from core.files import CsvDelimiter
from core.workflows import job_words, jobs
from core.workflows.inventory import Level
from core.workspace import Workspace
from pages.ui import components, context, errors, routes, state, text
from pages.ui.places import Place
from pages.ui.shell import running, steps

GALLERY_PAGE = 48
SKIPPED_SHOWN = 200


def page_heading(place: Place, sentence: str) -> None:
    """The steps of the page's door; the page itself is the heading, the sentence its tooltip."""
    steps.heading(place, sentence)


def empty_state(
    icon: str,
    title: str,
    sentence: str,
    *links: tuple[Place, str],
    query: Mapping[str, str] | None = None,
) -> None:
    """What is missing here, and links (page, label) to where it is made, with parameters."""
    with st.container(border=True, horizontal_alignment="center", key=f"empty_{links[0][0][:-3]}"):
        st.markdown(f"## :material/{icon}: {title}", text_alignment="center")
        st.markdown(sentence, text_alignment="center")
        with st.container(horizontal=True, horizontal_alignment="center"):
            for place, label in dict.fromkeys(map(_first_possible, links)):
                st.page_link(place, label=label, icon=place.icon, query_params=query)


def why(key: str, words: str = "Why?") -> DeltaGenerator:
    """A small button with the reasons behind it, for whoever asks; the same on every page.

    On findings, a component of ours (`findings.js`), the same button is drawn in HTML.
    """
    return st.popover(words, type="tertiary", icon=":material/help:", key=key)


def _first_possible(link: tuple[Place, str]) -> tuple[Place, str]:
    """A link, or the step before it that is still missing: images, then a split."""
    place, choice = link[0], context.current()
    if place.level in (Level.DATASET, Level.SPLIT) and choice.dataset is None:
        return Place.IMPORT, "Import images"
    if place.level is Level.SPLIT and choice.split is None:
        return Place.SPLIT, "Split the images"
    return link


def status_badge(status: JobStatus) -> None:
    st.badge(status.value, color=text.STATUS_COLOURS[status])


def job_progress(job: Job) -> None:
    """Status, phase, bar and time of one job."""
    running.is_on_page(job)
    match job.status:
        case JobStatus.QUEUED:
            waiting = jobs.waiting_for(state.workspace(), job)
            words = job_words.waiting_in_words(waiting) if waiting else "Starting"
            st.progress(job.share, text=f"{text.plain(words)} …")
        case JobStatus.RUNNING:
            _running(job)
        case JobStatus.COMPLETED:
            pass
        case JobStatus.FAILED:
            st.error(_end_in_words(job))
            if job.result.get("changed") or job.result.get("missing"):
                st.page_link(
                    Place.DATASETS,
                    label="Decide about these images",
                    icon=Place.DATASETS.icon,
                    query_params={"dataset": str(job.result.get("dataset_id", ""))},
                )
        case JobStatus.PAUSED:
            st.info("Paused; the device is free. Resume continues exactly where it was.")
        case JobStatus.STOPPED | JobStatus.INTERRUPTED:
            st.warning(_end_in_words(job))
        case _:
            assert_never(job.status)
    warnings(job)


def warnings(job: Job) -> None:
    """What a job warned of."""
    for warning in job.warnings:
        st.warning(text.plain(warning), icon=":material/warning:")


def _running(job: Job) -> None:
    now = time.time()
    st.progress(job.share, text=text.plain(job_words.progress_in_words(job, now=now)))
    if jobs.is_unresponsive(job, now=now):
        st.warning("The worker has stopped responding. It may be short of memory.")


def _end_in_words(job: Job) -> str:
    reason = job.error or "The job was stopped."
    return f"{text.plain(reason)}\n\n{text.plain(job.hint or '')}"


def follow(
    workspace: Workspace, subject_id: str, draw: Callable[[Job], None], *, every_s: float = 1.0
) -> Job | None:
    """Redraw a job while it is active, and the whole page once when it ends."""
    first = jobs.latest(workspace, subject_id)
    if first is None:
        return None
    started_active = first.status.is_active

    @errors.shown()
    def live() -> None:
        job = jobs.latest(workspace, subject_id)
        if job is None:
            return
        draw(job)
        if started_active and not job.status.is_active:
            st.rerun()

    st.fragment(live, run_every=every_s if started_active else None)()
    return first


def config_fields(
    config: TrainConfig | PreprocessConfig | AugmentConfig, names: Sequence[str], *, key: str
) -> dict[str, Any]:
    """Form fields made from a config's own titles, ranges and help; gives the new values."""
    known = {item.name: item for item in fields(config)}
    return {
        name: _field(getattr(config, name), dict(known[name].metadata), f"{key}_{name}")
        for name in names
    }


def _field(value: Any, about: dict[str, Any], key: str) -> Any:
    title, help_text = about["title"], about["help"]
    if isinstance(value, bool):
        return st.toggle(title, value=value, help=help_text, key=key)
    if isinstance(value, StrEnum):
        options = list(type(value))
        return st.selectbox(
            title,
            options,
            index=options.index(value),
            help=help_text,
            key=key,
            format_func=lambda item: item.value.replace("_", " "),
        )
    if isinstance(value, int):
        return st.number_input(
            title,
            int(about["low"]),
            int(about["high"]),
            value,
            int(about["step"] or 1),
            help=help_text,
            key=key,
        )
    if about["step"]:
        return st.slider(
            title,
            float(about["low"]),
            float(about["high"]),
            float(value),
            float(about["step"]),
            help=help_text,
            key=key,
        )
    return st.number_input(
        title,
        float(about["low"]),
        float(about["high"]),
        float(value),
        step=float(value) / 10 or 0.001,
        format="%.6g",
        help=help_text,
        key=key,
    )


def paged_samples(
    load: Callable[[int, int], tuple[list[Sample], int]],
    tile: Callable[[Sample], components.Tile],
    *,
    key: str,
) -> Sample | None:
    """A gallery of samples with pages; gives the one just clicked, once."""
    page = st.session_state.get(f"{key}_page", 1)
    samples, total = load(GALLERY_PAGE, (page - 1) * GALLERY_PAGE)
    pages = max(1, math.ceil(total / GALLERY_PAGE))
    if page > pages:
        st.session_state[f"{key}_page"] = 1
        st.rerun()
    if not samples:
        st.info("No images match.")
        return None
    clicked = components.gallery([tile(sample) for sample in samples], key)
    if pages > 1:
        with st.container(horizontal=True, horizontal_alignment="center"):
            st.pagination(pages, width="stretch", key=f"{key}_page")
    return next((s for s in samples if str(s.id) == clicked), None)


def skipped_files(skipped: Sequence[Skipped], words: str) -> None:
    """Files that were or would be left out, with the reason, folded away."""
    if not skipped:
        return
    with st.expander(f"{text.count(len(skipped), 'file')} {words}"):
        shown = skipped[:SKIPPED_SHOWN]
        st.dataframe(
            {"file": [s.path for s in shown], "reason": [s.reason for s in shown]}, hide_index=True
        )
        if len(skipped) > len(shown):
            st.caption(f"Not listed: {len(skipped) - len(shown):,} more.")


def csv_delimiter(key: str) -> CsvDelimiter:
    """Which character separates the cells of a CSV file."""
    delimiters = list(CsvDelimiter)
    return st.selectbox(
        "CSV delimiter",
        delimiters,
        key=key,
        bind="query-params",
        width=160,
        format_func=lambda item: f"{item.value.capitalize()} ( {item.character} )",
        help="Choose Semicolon if your spreadsheet program uses a decimal comma.",
    )


def sample_tile(sample: Sample, class_names: Sequence[str]) -> components.Tile:
    name = class_names[sample.label] if sample.label is not None else "no label"
    file_name = sample.path.replace("\\", "/").rsplit("/", 1)[-1]
    return components.Tile(
        key=str(sample.id),
        url=routes.thumbnail_url(sample.id, sample.sha256),
        title=name,
        detail=file_name,
        hint=f"{sample.path}\n{sample.width} × {sample.height}",
    )


def whole_image(sample: Sample, *, model: Model | None = None, width_px: int | None = None) -> None:
    """An image with the pixels that are read from its file: by a model, else for its dataset.

    Why no st.image: it makes its own smaller copy of large images, and fails for some formats.
    """
    url = html.escape(routes.image_url(sample.id, sample.sha256, model=model))
    width = "100%" if width_px is None else f"{width_px}px"
    style = f"width:{width};max-width:100%;border-radius:8px;display:block"
    st.html(f"<img src='{url}' alt='The image' style='{style}'>")
