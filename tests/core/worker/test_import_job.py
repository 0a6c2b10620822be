"""What the import job stores: splits, verdicts, attributes, and images added to a dataset."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.importing.rules import ImportRules, TableRules
from core.domain.datasets import LabelSource, Verdict
from core.domain.depth import DatasetDepth
from core.domain.jobs import JobKind, JobStatus
from core.domain.splits import OrderBy, SplitSide, Subset
from core.errors import TouchstoneError
from core.store import jobs as job_rows
from core.store.database import connect, transaction
from core.store.datasets import find_dataset
from core.store.versions import list_versions, samples_at, undo
from core.worker import import_job
from core.workflows import jobs
from core.workflows.data import datasets, image_facts, splits, uploads
from tests.conftest import save_image, write_class_folders


def _finished(workspace, job):
    return jobs.wait(workspace, job.id, on_change=lambda _: None)


def _image(seed):
    return np.random.default_rng(seed).integers(0, 255, (24, 32, 3), np.uint8)


def _all(workspace, name):
    with connect(workspace) as db:
        return samples_at(db, datasets.find_dataset(workspace, name).id)


def test_a_ready_split_is_kept_with_its_certificate(workspace, tmp_path):
    root = tmp_path / "set"
    for number, place in enumerate(["train/ok", "train/ok", "train/hole", "test/ok", "test/hole"]):
        save_image(root / place / f"{number}.png", _image(number))
    shutil.copy(root / "train/ok/0.png", root / "test/ok/again.png")
    (root / "test/ok/broken.png").write_bytes(b"broken")
    job = _finished(workspace, datasets.start_import(workspace, root, "Set", ImportRules()))
    dataset = datasets.find_dataset(workspace, "Set")
    split = splits.find_split(workspace, dataset.id, "as delivered")
    assert job.result["split_id"] == split.id
    counts = splits.subset_counts(workspace, dataset, split.id)
    assert counts[Subset.TRAIN] == {"hole": 1, "ok": 2}
    assert counts[Subset.VALIDATION] == {"hole": 0, "ok": 0}
    assert counts[Subset.TEST] == {"hole": 1, "ok": 2}
    assert split.fractions == pytest.approx((0.5, 0.0, 0.5))
    certificate = split.certificate
    assert (certificate.exact_across, certificate.groups_across, certificate.near_across) == (
        1,
        None,
        None,
    )
    assert dataset.verdicts == (Verdict.NOK, Verdict.OK)
    assert (dataset.depth, dataset.levels) == (DatasetDepth(), None)  # 8 bits know no scale
    assert any("no validation images" in d["sentence"] for d in job.result["decisions"])


def test_a_table_fills_group_split_and_attributes(workspace, tmp_path):
    root = tmp_path / "set"
    for number in range(6):
        save_image(root / f"{number}.png", _image(number))
    rows = ["path;score;serial;split;camera"]
    rows += [f"{i};{i / 5};S{i // 2};{'train' if i < 3 else 'test'};c{i % 2}" for i in range(6)]
    table = TableRules("\n".join(rows), label_column="score", bins=(0.5,), bin_names=("ok", "bad"))
    rules = ImportRules(LabelSource.TABLE, table=table)
    _finished(workspace, datasets.start_import(workspace, root, "Scores", rules))
    dataset = datasets.find_dataset(workspace, "Scores")
    samples = _all(workspace, "Scores")
    assert [dataset.class_names[s.label] for s in samples] == ["ok"] * 3 + ["bad"] * 3
    assert [s.group for s in samples] == ["S0", "S0", "S1", "S1", "S2", "S2"]
    assert samples[1].attributes == {"camera": "c1"}
    # Serial S1 is on both sides.
    certificate = splits.find_split(workspace, dataset.id, None).certificate
    assert (certificate.groups_across, certificate.exact_across) == (1, 0)


def test_what_is_measured_of_a_image(workspace, tmp_path):
    root = tmp_path / "set"
    save_image(root / "a" / "flat.jpg", np.full((300, 400, 3), 51), format="PNG")
    save_image(root / "b" / "sharp.png", _image(1))
    _finished(workspace, datasets.start_import(workspace, root, "Two", ImportRules()))
    flat, sharp = _all(workspace, "Two")
    assert (flat.name, flat.format, flat.sharpness) == ("a/flat.jpg", "PNG", 0.0)
    assert flat.brightness == pytest.approx(0.2)
    assert sharp.sharpness > 1000
    assert flat.modified_at == pytest.approx((root / "a/flat.jpg").stat().st_mtime)


def test_images_of_a_zip_keep_their_dates_and_uploaded_files_have_none(workspace, tmp_path):
    # Both used to have the minute of the import, and a split by date trained on any order.
    place = workspace.uploads / "zip-1.zip"
    with zipfile.ZipFile(place, "w") as archive:
        for number in range(10):
            file = save_image(tmp_path / f"{number}.png", _image(number))
            info = zipfile.ZipInfo(
                f"{'ab'[number % 2]}/{number}.png", (2021, 5, 20 - number, 6, 0, 0)
            )
            archive.writestr(info, file.read_bytes())
    _finished(
        workspace, datasets.start_import(workspace, place, "ZIP", ImportRules(), consume=True)
    )
    assert not place.exists()
    made = splits.create_split(
        workspace, datasets.find_dataset(workspace, "ZIP").id, order_by=OrderBy.DATE
    )
    newest, _ = splits.images_of_side(workspace, made, SplitSide(Subset.TEST))
    assert [s.name for s in newest] == ["a/0.png", "b/1.png"]

    upload = uploads.new_upload_folder(workspace)
    write_class_folders(upload)
    _finished(
        workspace, datasets.start_import(workspace, upload, "Files", ImportRules(), consume=True)
    )
    assert {s.modified_at for s in _all(workspace, "Files")} == {None}
    with pytest.raises(TouchstoneError, match="18 of 18 images have no date"):
        splits.create_split(
            workspace, datasets.find_dataset(workspace, "Files").id, order_by=OrderBy.DATE
        )


def test_images_are_added_as_a_version_with_new_classes_at_the_end(
    workspace, class_folders, tmp_path
):
    _finished(workspace, datasets.start_import(workspace, class_folders, "Parts", ImportRules()))
    more = tmp_path / "more"
    shutil.copy(class_folders / "gut" / "pic 0 é.png", save_folder(more / "gut") / "again.png")
    save_image(more / "gut" / "new.png", _image(1))
    save_image(more / "beule" / "1.png", _image(2))
    job = _finished(workspace, datasets.start_adding(workspace, more, "Parts", ImportRules()))
    dataset = datasets.find_dataset(workspace, "Parts")
    assert dataset.class_names == ("größe falsch", "gut", "割れ", "beule")
    assert (dataset.version, dataset.sample_count) == (2, 20)
    assert dataset.verdicts == (Verdict.NOK, Verdict.OK, Verdict.NOK, None)
    assert {k: job.result[k] for k in ("added", "already_there", "new_classes")} == {
        "added": 2,
        "already_there": 1,
        "new_classes": ["beule"],
    }
    assert [
        "gut/again.png",
        "The dataset already has this image, with the class 'gut'.",
    ] in job.result["skipped"]

    again = _finished(workspace, datasets.start_adding(workspace, more, "Parts", ImportRules()))
    assert (again.result["added"], again.result["already_there"]) == (0, 3)
    assert datasets.find_dataset(workspace, "Parts").version == 2
    whole = _finished(
        workspace,
        datasets.start_adding(workspace, more, "Parts", ImportRules(), keep_duplicates=True),
    )
    assert whole.result["added"] == 3

    with connect(workspace) as db:
        for _ in range(2):
            with transaction(db):
                undo(db, find_dataset(db, "Parts"))
        assert len(list_versions(db, dataset.id)) == 5
    # What was taken back can come again.
    back = _finished(workspace, datasets.start_adding(workspace, more, "Parts", ImportRules()))
    assert back.result["added"] == 2


def save_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def test_images_of_one_class_can_be_added_but_not_none(workspace, class_folders, tmp_path):
    _finished(workspace, datasets.start_import(workspace, class_folders, "Parts", ImportRules()))
    save_image(tmp_path / "more" / "gut" / "new.png", _image(1))
    job = datasets.start_adding(workspace, tmp_path / "more", "Parts", LabelSource.LAST_FOLDER)
    assert _finished(workspace, job).result["added"] == 1
    with pytest.raises(TouchstoneError, match="no labeled image"):
        datasets.start_adding(
            workspace, tmp_path / "more", "Parts", ImportRules(leave_out=("gut",))
        )


def test_added_uploads_live_and_die_with_their_dataset(workspace, tmp_path):
    source = write_class_folders(tmp_path / "source")
    _finished(workspace, datasets.start_import(workspace, source, "Parts", ImportRules()))
    upload = uploads.new_upload_folder(workspace)
    save_image(upload / "gut" / "new.png", _image(1))
    job = datasets.start_adding(workspace, upload, "Parts", ImportRules(), consume=True)
    _finished(workspace, job)
    dataset = datasets.find_dataset(workspace, "Parts")
    added = _all(workspace, "Parts")[-1]
    place = image_facts.image_file(workspace, added.id)
    assert place.is_relative_to(workspace.uploads / dataset.id)
    assert not upload.exists()

    leftover = workspace.uploads / dataset.id / "add-killed"
    save_image(leftover / "gut" / "half.png", _image(2))
    save_image(workspace.uploads / "add-dead.partial" / "x.png", _image(3))
    with connect(workspace) as db:
        import_job.sweep(workspace, db)
    assert not leftover.exists()
    assert [p.name for p in workspace.uploads.iterdir()] == [dataset.id]
    assert image_facts.image_file(workspace, added.id).is_file()

    datasets.delete_dataset(workspace, dataset.id)
    assert list(workspace.uploads.iterdir()) == []


def test_adding_to_a_dataset_that_was_deleted_meanwhile_fails_cleanly(workspace, tmp_path):
    source = write_class_folders(tmp_path / "source")
    _finished(workspace, datasets.start_import(workspace, source, "Parts", ImportRules()))
    dataset = datasets.find_dataset(workspace, "Parts")
    upload = uploads.new_upload_folder(workspace)
    save_image(upload / "gut" / "new.png", _image(1))
    job = datasets.start_adding(workspace, upload, "Parts", ImportRules(), consume=True)
    payload = {**job.payload, "source": str(source), "consume": False, "into": "ds-gone"}
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    gone = jobs.submit(workspace, JobKind.IMPORT, "add-gone", payload)
    with pytest.raises(TouchstoneError, match="no dataset"):
        _finished(workspace, gone)
    with connect(workspace) as db:
        assert job_rows.find_job(db, gone.id).status is JobStatus.FAILED
    assert [p.name for p in workspace.uploads.iterdir()] == [dataset.id]


def test_files_of_which_only_the_first_page_is_used_are_named(workspace, tmp_path):
    root = tmp_path / "pages"
    first, second = (Image.fromarray(_image(seed)) for seed in (1, 2))
    for number, place in enumerate(
        ("ok/scan.tif", "ok/turn.gif", "hole/plain.tif", "hole/one.gif")
    ):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        more = {"save_all": True, "append_images": [second]} if number < 2 else {}
        first.save(root / place, **more)
    job = _finished(workspace, datasets.start_import(workspace, root, "Pages", ImportRules()))
    (warning,) = job.warnings
    assert warning.startswith("2 files have several pages; only the first of each is used: ")
    assert "ok/scan.tif, ok/turn.gif." in warning
    assert len(_all(workspace, "Pages")) == 4
    added = tmp_path / "more"
    added.mkdir()
    second.save(added / "x.tif", save_all=True, append_images=[first])
    rules = ImportRules(LabelSource.PATTERN, pattern="(?P<label>x)")
    dataset = datasets.find_dataset(workspace, "Pages")
    job = _finished(workspace, datasets.start_adding(workspace, added, dataset.id, rules))
    assert job.warnings[0].startswith("1 file has several pages; only the first is used: x.tif.")
