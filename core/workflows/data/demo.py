"""The demo: rendered images of pills, ready to train."""

from core.data.importing.rules import ImportRules, rules_as_dict
from core.domain.datasets import LabelSource
from core.domain.ids import new_id
from core.domain.jobs import Job, JobKind
from core.store import datasets
from core.store import jobs as job_rows
from core.store.database import connect
from core.workflows import jobs
from core.workflows.data import uploads
from core.workspace import Workspace

DEMO_NAME = "Pill demo"
DEMO_SOURCE = "rendered demo images"


def start_demo(workspace: Workspace) -> Job:
    """Queue the drawing of the demo images and their import; a taken name gets a number.

    Raises:
        NotAllowedError: if whoever acts may not import.
    """
    uploads.refuse_readers(workspace)
    payload: dict[str, object] = {
        "source": str(uploads.new_upload_folder(workspace)),
        "draw": "pills",
        "rules": rules_as_dict(ImportRules(LabelSource.LAST_FOLDER)),
        "consume": True,
        "shown_source": DEMO_SOURCE,
        "name": _free_name(workspace),
        "into": None,
    }
    return jobs.submit(workspace, JobKind.IMPORT, new_id("ds"), payload)


def _free_name(workspace: Workspace) -> str:
    """One that no dataset has, and no import at work."""
    with connect(workspace) as db:
        waiting = {str(job.payload.get("name", "")) for job in job_rows.active_jobs(db)}
        name, number = DEMO_NAME, 2
        while name in waiting or datasets.dataset_name_taken(db, name):
            name, number = f"{DEMO_NAME} {number}", number + 1
    return name
