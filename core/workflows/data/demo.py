"""The demo: rendered images of pills, ready to train."""

from collections.abc import Callable

from core.data.demo import write_demo_images
from core.domain.datasets import LabelSource
from core.domain.jobs import Job
from core.store import datasets
from core.store.database import connect
from core.workflows.data import uploads
from core.workflows.data.datasets import start_import
from core.workspace import Workspace

DEMO_NAME = "Pill demo"
DEMO_SOURCE = "rendered demo images"


def start_demo(
    workspace: Workspace, *, on_progress: Callable[[int, int], None] | None = None
) -> Job:
    """Draw the demo images and queue their import; a taken name gets a number."""
    folder = uploads.new_upload_folder(workspace)
    write_demo_images(folder, on_progress=on_progress)
    return start_import(
        workspace,
        folder,
        _free_name(workspace),
        LabelSource.LAST_FOLDER,
        consume=True,
        shown_source=DEMO_SOURCE,
    )


def _free_name(workspace: Workspace) -> str:
    with connect(workspace) as db:
        name, number = DEMO_NAME, 2
        while datasets.dataset_name_taken(db, name):
            name, number = f"{DEMO_NAME} {number}", number + 1
    return name
