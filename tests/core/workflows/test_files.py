"""Files that changed, moved or went away after the import are noticed before they are used."""

import hashlib
import json
import os
import pickle
import shutil

import pytest
from typer.testing import CliRunner

from core.cli.app import app
from core.domain.datasets import Dataset, EditAction, Sample, SampleStatus
from core.domain.files import ChangedFiles
from core.domain.jobs import JobKind, JobStatus
from core.domain.splits import Subset
from core.errors import FilesChangedError, NotFoundError, TouchstoneError
from core.store import datasets as dataset_rows
from core.store import jobs as job_rows
from core.store import properties, versions
from core.store.database import connect, transaction
from core.worker.files import job as files_job
from core.worker.session import JobSession
from core.workflows import files
from core.workflows.data import datasets, edits, exports, splits
from core.workflows.data import versions as version_actions
from core.workflows.results import judging
from tests.conftest import copy_of, marked_image, save_image, write_class_folders


def _work(workspace, dataset, **what):
    """Do what a files job does, here and now: starting a worker takes seconds."""
    subject = files.job_subject(dataset.id)
    with connect(workspace) as db:
        job_rows.enqueue(db, JobKind.FILES, subject, {"dataset_id": dataset.id, **what}, now=1.0)
        job = job_rows.claim(db, "import", owner="me", now=2.0)
    try:
        files_job.run(JobSession(workspace, job, "me"))
    except TouchstoneError:
        with connect(workspace) as db:
            job_rows.finish(db, job.id, JobStatus.FAILED, owner="me", now=3.0)
        raise
    with connect(workspace) as db:
        return job_rows.find_job(db, job.id).result


def _check(workspace, dataset, answer=None):
    return _work(workspace, dataset, answer=answer)


def _move(workspace, dataset, folder, **more):
    return _work(workspace, dataset, folder=str(folder), **more)


def _used(workspace, dataset):
    with connect(workspace) as db:
        return {s.name: s for s in versions.samples_at(db, dataset.id)}


def _stored(workspace, folder, name="Set", **more):
    """A dataset of the images in class folders, as an import stores it."""
    samples = []
    names = ("deep/割れ", "größe falsch", "gut")
    for path in sorted(folder.rglob("*.png")):
        below = path.relative_to(folder)
        content, status = path.read_bytes(), path.stat()
        samples.append(
            Sample(
                0,
                workspace.stored(path),
                hashlib.sha256(content).hexdigest(),
                names.index(below.parent.as_posix()),
                64,
                32,
                "RGB",
                status.st_size,
                name=below.as_posix(),
                modified_at=status.st_mtime,
                file_time=status.st_mtime,
            )
        )
    dataset = Dataset(f"ds-{name}", name, names, str(folder), "digest", len(samples), 1.0)
    with connect(workspace) as db, transaction(db):
        dataset_rows.insert_dataset(db, dataset, samples)
    return dataset


@pytest.fixture
def imported(workspace, class_folders):
    return _stored(workspace, class_folders)


def _overwrite(folder, name, seed):
    """Another picture under the name of an image, as a camera or a person does it."""
    save_image(folder / name, marked_image("stripes", seed)[0])


def test_files_that_changed_are_named_before_they_are_used(workspace, imported, class_folders):
    # 40 good files that were overwritten with cracked ones trained to 50 % without a word.
    _overwrite(class_folders, "gut/pic 0 é.png", 1)
    (class_folders / "gut/pic 1 é.png").unlink()
    with pytest.raises(FilesChangedError) as caught:
        files.refuse_changed(workspace, imported.id, lambda *_: None)
    assert caught.value.changed == ("gut/pic 0 é.png",)
    assert caught.value.missing == ("gut/pic 1 é.png",)
    assert "2 of 18 images of 'Set' are not as imported" in caught.value.message
    assert '`touchstone files "Set" --changed new-version`' in caught.value.hint
    assert "--changed leave-out" in caught.value.hint
    assert pickle.loads(pickle.dumps(caught.value)).changed == caught.value.changed
    used = _used(workspace, imported)
    check = files.last_check(workspace, imported.id)
    assert check.changed == (used["gut/pic 0 é.png"].id,)
    assert check.missing == (used["gut/pic 1 é.png"].id,)
    with pytest.raises(FilesChangedError):
        files.usable_path(workspace, used["gut/pic 0 é.png"])
    with pytest.raises(NotFoundError):
        files.usable_path(workspace, used["gut/pic 1 é.png"])
    with pytest.raises(FilesChangedError):
        exports.refuse_changed(workspace, exports.plan_export(workspace, imported.id))


def test_new_content_becomes_a_new_version_that_can_be_undone(workspace, imported, class_folders):
    name = "gut/pic 0 é.png"
    before = _used(workspace, imported)
    edits.set_group(workspace, imported.id, {before[name].id: "part 1"})
    _overwrite(class_folders, name, 1)
    (class_folders / "gut/pic 1 é.png").unlink()
    (class_folders / "gut/pic 2 é.png").write_bytes(b"no image")
    result = _check(workspace, imported, ChangedFiles.NEW_VERSION)
    assert (result["replaced"], result["left_out"], result["version"]) == (1, 2, 3)
    today = datasets.find_dataset(workspace, "Set")
    assert (today.version, today.sample_count) == (3, 16)
    assert today.digest != imported.digest
    after = _used(workspace, imported)
    assert set(before) - set(after) == {"gut/pic 1 é.png", "gut/pic 2 é.png"}
    old, new = before[name], after[name]
    # Predictions and cached pixels of the old content stay with the old image.
    assert new.id != old.id
    assert new.sha256 != old.sha256
    assert (new.label, new.group, new.path, new.width) == (old.label, "part 1", old.path, 192)
    newest = version_actions.list_versions(workspace, imported.id)[0]
    assert newest.action is EditAction.REPLACE
    assert newest.summary == (
        "Took the new content of 1 image, left out 2 images whose files are missing or changed"
    )
    assert files.last_check(workspace, imported.id).is_clean
    again = _check(workspace, imported)
    assert (again["images"], again["changed"], again["missing"]) == (16, [], [])
    with connect(workspace) as db:
        assert dataset_rows.samples_by_id(db, [old.id])[0].status is SampleStatus.ABSENT
    edits.undo(workspace, imported.id)
    assert _used(workspace, imported)[name].id == old.id
    assert len(_check(workspace, imported)["changed"]) == 2  # asked about again


def test_changed_images_can_be_left_out(workspace, imported, class_folders):
    _overwrite(class_folders, "gut/pic 0 é.png", 1)
    result = _check(workspace, imported, ChangedFiles.LEAVE_OUT)
    assert (result["replaced"], result["left_out"]) == (0, 1)
    assert "gut/pic 0 é.png" not in _used(workspace, imported)
    # Nothing is asked about twice, and nothing changes where nothing changed.
    assert "version" not in _check(workspace, imported, ChangedFiles.LEAVE_OUT)
    shutil.rmtree(class_folders)
    with pytest.raises(TouchstoneError, match="No image would be left"):
        _check(workspace, imported, ChangedFiles.LEAVE_OUT)


def test_a_file_is_read_again_only_once_after_its_time_changed(workspace, imported, class_folders):
    for path in class_folders.rglob("*.png"):
        os.utime(path, (1e9, 1e9))
    with connect(workspace) as db:  # a dataset of an older version, uploaded without dates
        db.execute("UPDATE samples SET file_time = NULL WHERE id % 2 = 0")
    assert _check(workspace, imported)["changed"] == []
    assert {s.file_time for s in _used(workspace, imported).values()} == {1e9}


def test_images_inside_the_workspace_are_compared_as_well(workspace, class_folders):
    inside = shutil.copytree(class_folders, workspace.uploads / "ds-Up")
    dataset = _stored(workspace, inside, "Up")
    assert _check(workspace, dataset)["changed"] == []
    sample = next(iter(_used(workspace, dataset).values()))
    workspace.resolve(sample.path).write_bytes(b"damaged by a disk")
    assert _check(workspace, dataset)["changed"] == [sample.name]
    with pytest.raises(TouchstoneError, match="inside the workspace"):
        _move(workspace, dataset, class_folders)


def test_a_moved_folder_is_followed_after_a_comparison(
    workspace, imported, class_folders, tmp_path
):
    # A renamed folder stranded dataset, edits and splits for ever.
    split = splits.create_split(workspace, imported.id)
    moved = class_folders.rename(tmp_path / "moved")
    assert len(_check(workspace, imported)["missing"]) == 18
    with pytest.raises(TouchstoneError, match="None of the 18 images is in"):
        _move(workspace, imported, tmp_path)
    other = shutil.copytree(moved, tmp_path / "other")
    _overwrite(other, "gut/pic 0 é.png", 5)
    (other / "gut/pic 1 é.png").unlink()
    with pytest.raises(FilesChangedError, match="2 of 18 images are not in") as caught:
        _move(workspace, imported, other)
    assert caught.value.missing == ("gut/pic 1 é.png",)
    result = _move(workspace, imported, moved)
    assert (result["images"], result["contents_compared"]) == (18, 18)
    assert files.last_check(workspace, imported.id).is_clean
    assert files.source_folders(workspace, imported.id) == [str(moved)]
    now = datasets.find_dataset(workspace, "Set")
    assert (now.source, now.version) == (str(moved), 1)  # the content is the same
    assert splits.find_split(workspace, imported.id, split.id) == split
    sample = next(iter(_used(workspace, imported).values()))
    assert files.usable_path(workspace, sample).is_relative_to(moved)
    # Where somebody insists, the rest is asked about as usual.
    assert _move(workspace, imported, other, anyway=True)["changed"] == ["gut/pic 0 é.png"]
    assert len(files.last_check(workspace, imported.id).missing) == 1


def test_of_several_folders_the_one_that_is_gone_has_moved(workspace, imported, tmp_path):
    more = write_class_folders(tmp_path / "more", per_class=1)
    added = _stored(workspace, more, "More")
    with connect(workspace) as db, transaction(db):
        dataset = dataset_rows.find_dataset(db, imported.id)
        versions.add_samples(db, dataset, versions.samples_at(db, added.id), "Added")
    moved = more.rename(tmp_path / "moved")
    assert _move(workspace, imported, moved)["images"] == 3
    assert _check(workspace, imported)["missing"] == []
    with pytest.raises(TouchstoneError, match="come from 2 folders"):
        _move(workspace, imported, moved)
    assert _move(workspace, imported, moved, root=str(moved))["images"] == 3


def test_an_old_model_keeps_its_results_for_the_old_content(trained, tmp_path):
    images = tmp_path / "own images"
    shutil.copytree(trained.images, images)
    workspace = copy_of(trained.workspace, tmp_path / "copy")
    _move(workspace, trained.dataset, images)
    judged = judging.judged_set(workspace, trained.model.id, Subset.TEST)
    first = int(judged.sample_ids[0])
    with connect(workspace) as db:
        sample = dataset_rows.samples_by_id(db, [first])[0]
    _overwrite(images, sample.name, 99)
    _check(workspace, trained.dataset, ChangedFiles.NEW_VERSION)
    after = judging.judged_set(workspace, trained.model.id, Subset.TEST)
    assert (len(after.sample_ids), after.left_out) == (len(judged.sample_ids) - 1, 1)
    assert first not in after.sample_ids


def test_the_command_line_refuses_names_and_takes_an_answer(workspace, imported, class_folders):
    options = ["--workspace", str(workspace.root), "--json"]

    def call(*arguments, code=0):
        outcome = CliRunner().invoke(app, [*map(str, arguments), *options])
        assert outcome.exit_code == code, outcome.output
        return json.loads(outcome.stdout)

    call("split", "Set")
    _overwrite(class_folders, "gut/pic 0 é.png", 1)
    refused = call("train", "Set", "--recipe", "quick", "--device", "cpu", code=1)
    assert refused["changed"] == ["gut/pic 0 é.png"]
    assert "--changed new-version" in refused["hint"]
    target = class_folders.parent / "out"
    assert call("export", "Set", "--to", target, code=1)["changed"] == ["gut/pic 0 é.png"]
    assert not target.exists()
    written = call("export", "Set", "--to", target, "--changed", "new-version")
    assert (written["version"], written["pictures"]) == (2, 18)
    class_folders.rename(class_folders.parent / "elsewhere")
    assert call("relocate", "Set", class_folders.parent / "elsewhere")["images"] == 18


def test_a_check_of_some_images_says_nothing_of_the_others(workspace, imported, class_folders):
    _overwrite(class_folders, "gut/pic 0 é.png", 1)
    _overwrite(class_folders, "gut/pic 1 é.png", 1)
    ids = {s.name: s.id for s in _used(workspace, imported).values()}
    for number in (0, 1):
        only = [ids[f"gut/pic {number} é.png"]]
        with pytest.raises(FilesChangedError):
            files.refuse_changed(workspace, imported.id, lambda *_: None, only=only)
    with connect(workspace) as db:
        check = properties.load_file_check(db, imported.id)
    assert check.changed == tuple(sorted(ids[f"gut/pic {n} é.png"] for n in (0, 1)))
