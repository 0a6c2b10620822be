"""The quality check by the real worker, and the splits that follow from it."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from core.api.quality import quality_as_json
from core.domain.datasets import LabelSource
from core.domain.findings import FindingKind, Severity
from core.errors import SplitError
from core.workflows import jobs
from core.workflows.data import datasets, fixes, quality, splits
from tests.conftest import copy_of, save_image


def _texture(seed):
    noise = np.random.default_rng(seed).normal(0, 1, (96, 96))
    waves = ndimage.gaussian_filter(noise, 2) * 6 + ndimage.gaussian_filter(noise, 6) * 12
    return np.clip(128 + 30 * waves, 30, 225)


def write_parts(root):
    """Eight parts per class, photographed three times under other exposures; one file twice."""
    for label, name in enumerate(("good", "bad")):
        for part in range(8):
            for shot, exposure in enumerate((1.0, 0.8, 0.6)):
                path = root / name / f"part{part}_{shot}.png"
                save_image(path, _texture(100 * label + part) * exposure)
    shutil.copy(root / "good" / "part0_0.png", root / "bad" / "again.png")
    return root


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    from core.workspace import Workspace

    root = tmp_path_factory.mktemp("quality")
    workspace = Workspace(root / "workspace").create()
    job = datasets.start_import(
        workspace, write_parts(root / "parts"), "Parts", LabelSource.LAST_FOLDER
    )
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    dataset = datasets.find_dataset(workspace, "Parts")
    before = splits.create_split(workspace, dataset.id, name="before")
    with pytest.raises(SplitError, match="not been checked for look-alikes"):
        splits.create_split(workspace, dataset.id, group_by="auto")
    phases = []
    job = quality.start_check(workspace, dataset.id)
    jobs.wait(workspace, job.id, on_change=lambda j: phases.append(j.phase))
    return workspace, dataset, before


def test_parts_photographed_several_times_are_found(checked):
    workspace, dataset, _ = checked
    check = quality.last_check(workspace, dataset.id)
    assert (check.groups, check.grouped_samples) == (16, 49)
    report = quality_as_json(workspace, check)
    assert report["findings"]["exact_duplicate"] == 1
    assert report["label_conflicts"] >= 1
    assert report["groups"] == {"count": 16, "samples": 49}
    assert report["format_leaks"] == []
    (exact,) = quality.findings(workspace, dataset.id, FindingKind.EXACT_DUPLICATE)
    assert len(datasets.find_samples(workspace, exact.sample_ids)) == 2


def test_a_split_without_a_check_says_that_nobody_has_looked(checked):
    certificate = checked[2].certificate
    assert (certificate.groups_across, certificate.near_across) == (None, None)
    assert certificate.exact_across == 0
    assert not certificate.is_clean
    assert "not been checked for look-alikes" in splits.flattery_warning(None)


def test_a_random_split_is_warned_of_and_a_grouped_one_is_clean(checked):
    workspace, dataset, _ = checked
    check = quality.last_check(workspace, dataset.id)
    random = splits.create_split(workspace, dataset.id)
    assert random.certificate.groups_across > 0
    assert random.certificate.near_across > 0
    assert "better than they are" in splits.flattery_warning(check)
    grouped = splits.create_split(workspace, dataset.id, group_by="auto")
    assert grouped.certificate.is_clean
    assert grouped.name.endswith("by look-alikes")
    assert splits.find_split(workspace, dataset.id, grouped.id) == grouped


def test_groups_can_be_read_from_names(checked):
    workspace, dataset, _ = checked
    pattern = r"regex:(?P<group>\w+/part\d+)_"
    split = splits.create_split(workspace, dataset.id, group_by=pattern)
    assert split.certificate.groups_across == 0
    for wrong in ("folder", "colour", "regex:", "regex:("):
        with pytest.raises(SplitError):
            splits.create_split(workspace, dataset.id, group_by=wrong)


def test_a_check_is_repeatable_and_goes_with_its_dataset(checked, tmp_path):
    workspace, dataset = copy_of(checked[0], tmp_path / "copy"), checked[1]
    before = quality.finding_counts(workspace, dataset.id)
    splits.create_split(workspace, dataset.id, group_by="auto", name="clean")
    job = quality.start_check(workspace, dataset.id)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    assert before.pop(FindingKind.SUBSET_LEAK) > 5  # of the split that was there then
    assert quality.finding_counts(workspace, dataset.id) == before
    datasets.delete_dataset(workspace, dataset.id)
    assert quality.last_check(workspace, dataset.id) is None


def test_a_new_check_knows_which_images_show_different_parts(checked, tmp_path):
    workspace, dataset = copy_of(checked[0], tmp_path / "copy"), checked[1]
    splits.create_split(workspace, dataset.id, seed=1)
    groups = quality.findings(workspace, dataset.id, FindingKind.NEAR_DUPLICATE)
    for group in groups:
        first, *others = group.sample_ids
        fixes.answer_one_against_others(workspace, dataset.id, first, others)
    job = quality.start_check(workspace, dataset.id)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    # Leaks listed all images of a group of which one was said to show another part.
    (copies,) = quality.findings(workspace, dataset.id, FindingKind.EXACT_DUPLICATE)
    apart = {group.sample_ids[0] for group in groups} - set(copies.sample_ids)
    leaks = quality.findings(workspace, dataset.id, FindingKind.SUBSET_LEAK)
    listed = {sample_id for leak in leaks for sample_id in leak.sample_ids}
    assert len(leaks) > 2
    assert len(apart) >= 15
    assert not listed & apart


def test_the_check_reads_with_which_quality_the_files_of_a_class_were_saved(workspace, tmp_path):
    for name, quality_of_class, start in (("good", 92, 0), ("bad", 40, 500)):
        for i in range(55):
            path = tmp_path / "jpegs" / name / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(_texture(start + i).astype(np.uint8)).save(
                path, quality=quality_of_class
            )
    job = datasets.start_import(workspace, tmp_path / "jpegs", "JPEGs", LabelSource.LAST_FOLDER)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    dataset = datasets.find_dataset(workspace, "JPEGs")
    job = quality.start_check(workspace, dataset.id)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    good, bad = quality.findings(workspace, dataset.id, FindingKind.FORMAT_LEAK)
    assert good.severity is bad.severity is Severity.SERIOUS
    assert "JPEG quality 40 have the class 'bad'" in good.message + bad.message


def test_identical_files_of_several_labels_are_never_said_to_make_little_difference(
    workspace, tmp_path
):
    root = tmp_path / "twice"
    for i in range(12):
        save_image(root / "good" / f"{i}.png", _texture(i))
        save_image(root / "bad" / f"{i}.png", _texture(100 + i))
    for i in range(5):
        shutil.copy(root / "bad" / f"{i}.png", root / "good" / f"copy{i}.png")
    job = datasets.start_import(workspace, root, "Twice", LabelSource.LAST_FOLDER)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    dataset = datasets.find_dataset(workspace, "Twice")
    jobs.wait(workspace, quality.start_check(workspace, dataset.id).id, on_change=lambda _: None)
    check = quality.last_check(workspace, dataset.id)
    assert (check.groups, check.random_accuracy) == (5, None)
    assert splits.flattery_warning(check) == (
        "10 images form 5 groups of look-alikes. If each group shows one part, a random split "
        "would test on parts that it trained on and make results look better than they are."
    )
    one = replace(check, groups=1, grouped_samples=2)
    assert splits.flattery_warning(one).startswith(
        "2 images form 1 group of look-alikes. If they show one part, a random split would test"
    )
