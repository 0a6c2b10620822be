"""After images were added: which are unlike what a model of the dataset was trained on."""

import streamlit as st

from core.domain.findings import FindingKind
from core.domain.jobs import Job, JobStatus
from core.domain.keeping.people import right_to_queue
from core.errors import NotFoundError
from core.workflows.data import datasets
from core.workflows.use import alike, models, new_images
from core.workflows.use.new_images import NewImages, UnlikeImage
from core.workspace import Workspace
from pages.data.findings.words import FINDING_WORDS
from pages.ui import image_words, routes, text, widgets
from pages.ui.components import Tile, gallery
from pages.ui.people import rights
from pages.ui.places import Place
from pages.ui.viewer import about
from pages.ui.viewer.viewing import of_samples

_CHIP = FINDING_WORDS[FindingKind.UNFAMILIAR].chip  # as the link of Quality spells a kind


def show(workspace: Workspace, import_subject: str, dataset_id: str) -> None:
    """What a model says of the images of an import; nothing where there is no model to ask."""
    if new_images.comparison_of(workspace, import_subject) is None:
        return

    def draw(job: Job) -> None:
        if job.status.is_active:
            st.caption("Comparing the new images with what the model knows. You need not wait.")
        widgets.job_progress(job)

    subject = new_images.subject_of(import_subject)
    job = widgets.follow(workspace, subject, draw, every_s=0.7)
    if job is None or job.status.is_active:
        return
    if job.status is not JobStatus.COMPLETED:
        if st.button(
            "Compare again",
            icon=":material/refresh:",
            key="compare_again",
            **rights.only(right_to_queue(job.kind)),
        ):
            new_images.compare_again(workspace, job)
            st.rerun()
        return
    found = new_images.new_images(workspace, job)
    if found is not None:
        _result(workspace, dataset_id, found)


def _result(workspace: Workspace, dataset_id: str, found: NewImages) -> None:
    words = text.plain(new_images.in_words(found))
    if found.unfamiliar:
        st.warning(words, icon=about.UNFAMILIAR_ICON)
    else:
        st.success(words, icon=":material/check_circle:")
    if found.limit is not None:
        st.caption(alike.limit_in_words(found.limit, is_detector=found.is_detector))
    if found.unreadable:
        st.caption(f"{text.count(found.unreadable, 'image')} could not be read again.")
    if not found.most:
        return
    names = datasets.find_dataset(workspace, dataset_id).class_names
    try:
        judges = [models.find_model(workspace, found.model_id)]
    except NotFoundError:
        judges = []
    ids = [item.sample.id for item in found.most]
    tiles = [_tile(item, names) for item in found.most]
    gallery(tiles, "unfamiliar", side_px=104, viewing=of_samples(ids, judges))
    if st.button(
        "Review in Quality",
        icon=":material/troubleshoot:",
        key="unfamiliar_in_quality",
        help="There they can be excluded, or kept as they are.",
    ):
        st.switch_page(Place.QUALITY, query_params={"dataset": dataset_id, "kind": _CHIP})


def _tile(item: UnlikeImage, class_names: tuple[str, ...]) -> Tile:
    sample = item.sample
    return Tile(
        key=str(sample.id),
        url=routes.thumbnail_url(sample.id, sample.sha256),
        title=f"Score {text.decimal(item.score, 2)}",
        detail=image_words.class_name(sample, class_names),
        hint=sample.name or sample.path,
        tone="review",
        icon=about.UNFAMILIAR_SHAPE,
    )
