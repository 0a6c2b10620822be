"""S9: with import roots set, what Touchstone put there itself is read, and links lead nowhere."""

import shutil
from pathlib import Path

import pytest

from core.data.importing.preview import preview_images
from core.data.importing.walk import source_roots
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import LabelSource
from core.errors import PathNotAllowedError, UnreadableImageError
from core.worker.predict_job import _pixels
from core.workflows import jobs
from core.workflows.data import datasets, uploads
from core.workspace import IMPORT_ROOTS_VARIABLE


@pytest.fixture
def rooted(tmp_path, monkeypatch):
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    monkeypatch.setenv(IMPORT_ROOTS_VARIABLE, str(allowed))
    return allowed


def test_an_uploaded_zip_is_imported_although_the_workspace_is_no_root(
    workspace, class_folders, rooted
):
    # "…/uploads/… is not in a folder that Touchstone may read": the demo and every upload failed.
    upload = Path(shutil.make_archive(str(workspace.uploads / "zip-1"), "zip", class_folders))
    assert uploads.start_listing(workspace, upload).names().names
    job = datasets.start_import(workspace, upload, "Mine", LabelSource.LAST_FOLDER, consume=True)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    assert datasets.find_dataset(workspace, "Mine").sample_count == 18
    for elsewhere in (class_folders, workspace.root, workspace.uploads / ".." / "workspace.db"):
        with pytest.raises(PathNotAllowedError):
            uploads.start_listing(workspace, elsewhere)


def test_a_link_that_appears_after_the_listing_does_not_lead_outside(rooted, class_folders):
    # A batch prediction and the preview opened whatever stood there when they came to it.
    folder = rooted / "new"
    shutil.copytree(class_folders, folder)
    inside, linked = sorted(folder.rglob("*.png"))[:2]
    linked.unlink()
    linked.symlink_to(next(class_folders.rglob("*.png")))
    roots = source_roots(folder)
    config = PreprocessConfig(image_size_px=32)
    assert _pixels(inside, config, roots).shape == (32, 32, 3)
    with pytest.raises(UnreadableImageError, match="outside of the folders"):
        _pixels(linked, config, roots)
    names = [str(path.relative_to(folder)) for path in (inside, linked)]
    assert [small is None for small in preview_images(folder, names)] == [False, True]
