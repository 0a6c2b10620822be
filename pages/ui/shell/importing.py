"""What the page Import is about: a dataset that gets more images, or one that is not there yet."""

import streamlit as st

from core.domain.jobs import JobStatus
from core.workflows import jobs
from core.workflows.inventory import Inventory, Item, Level
from core.workspace import Workspace
from pages.ui.places import Place

TARGET = "into"  # the box "Add to" of the form: a dataset id, or empty for a new dataset
JOB = "import"  # of the link: the import that is followed
NEW = "New dataset"


def subject(workspace: Workspace, inventory: Inventory, place: Place) -> Item | str | None:
    """The dataset that gets the images, or what one is called that is not there yet.

    None: what is open, as on all other pages.
    """
    if place is not Place.IMPORT or next(inventory.all(Level.DATASET), None) is None:
        return None
    if followed := st.query_params.get(JOB):
        return _of_job(workspace, inventory, followed)
    wanted = st.session_state.get(TARGET, st.query_params.get(TARGET))
    return _dataset(inventory, wanted) or NEW


def _of_job(workspace: Workspace, inventory: Inventory, followed: str) -> Item | str | None:
    job = jobs.latest(workspace, followed)
    if job is None:
        return None
    if into := job.payload.get("into"):
        return _dataset(inventory, str(into))
    return None if job.status is JobStatus.COMPLETED else str(job.payload["name"])


def _dataset(inventory: Inventory, item_id: str | None) -> Item | None:
    item = inventory.find(item_id)
    return item if item and item.level is Level.DATASET else None
