from dataclasses import replace

import numpy as np

from core.data.quality.findings import (
    all_findings,
    look_alike_groups,
    outlier_findings,
    subset_leaks,
    suspect_labels,
)
from core.data.quality.label_errors import LabelAssessment
from core.data.quality.outliers import outliers
from core.domain.datasets import Sample
from core.domain.findings import Certainty, FindingKind, Severity
from core.domain.splits import Subset

NONE = np.empty((0, 2), np.int64)


def _sample(key, label, *, sha=None, suffix="jpg", size=64, mode="RGB"):
    return Sample(key, f"{key}.{suffix}", sha or f"s{key}", label, size, size, mode, 100)


def _of(kind, findings):
    return [f for f in findings if f.kind is kind]


def test_a_clean_set_has_no_findings():
    samples = [_sample(i, i % 2) for i in range(60)]
    assert all_findings(samples, ["a", "b"], NONE, []) == []


def test_the_same_image_under_two_labels_is_serious():
    samples = [_sample(i, i % 2) for i in range(60)]
    samples += [_sample(100, 0, sha="x"), _sample(101, 1, sha="x"), _sample(102, 1, sha="x")]
    found = all_findings(samples, ["good", "bad"], np.array([[3, 4], [5, 7]]), [])
    exact, near = _of(FindingKind.LABEL_CONFLICT, found)
    assert exact.severity is Severity.SERIOUS
    assert "'good', 'bad'" in exact.message
    assert set(exact.sample_ids) == {100, 101, 102}
    assert near.sample_ids == (3, 4)  # 5 and 7 have the same label
    assert [f.sample_ids for f in _of(FindingKind.EXACT_DUPLICATE, found)] == [(100, 101, 102)]
    assert len(_of(FindingKind.NEAR_DUPLICATE, found)) == 2


def test_a_file_type_that_only_one_class_has_is_a_leak():
    samples = [_sample(i, i % 3) for i in range(90)]
    samples += [_sample(100 + i, 2, suffix="PNG") for i in range(30)]
    (leak,) = _of(FindingKind.FORMAT_LEAK, all_findings(samples, ["a", "b", "c"], NONE, []))
    assert leak.message.startswith("All 30 images with file extension .png have the class 'c'")
    assert len(leak.sample_ids) == 30


def test_sizes_and_modes_leak_too_and_a_few_files_prove_nothing():
    samples = [_sample(i, i % 2) for i in range(80)]
    samples += [_sample(200 + i, 0, size=99, mode="L") for i in range(25)]
    samples += [_sample(300 + i, 1, size=77) for i in range(6)]
    leaks = _of(FindingKind.FORMAT_LEAK, all_findings(samples, ["a", "b"], NONE, []))
    assert len(leaks) == 1  # one finding for the same images
    assert "image size 99 × 99 and color mode gray" in leaks[0].message


def test_small_classes_and_imbalance_are_named():
    samples = [_sample(i, 0) for i in range(200)] + [_sample(500 + i, 1) for i in range(8)]
    found = all_findings(samples, ["good", "crack"], NONE, [2])
    assert "'crack' has 8" in _of(FindingKind.CLASS_TOO_SMALL, found)[0].message
    assert "'good' has 200" in _of(FindingKind.CLASS_IMBALANCE, found)[0].message
    assert _of(FindingKind.UNREADABLE, found)[0].sample_ids == (2,)


def test_equal_bytes_and_near_pairs_make_one_group():
    samples = [_sample(1, 0, sha="x"), _sample(2, 0), _sample(3, 0, sha="x"), _sample(4, 0)]
    numbers = look_alike_groups(samples, np.array([[1, 2]])).tolist()
    assert numbers[0] == numbers[1] == numbers[2] != numbers[3]


def test_a_folder_that_only_one_class_has_is_a_leak_unless_it_made_the_labels():
    samples = [
        replace(_sample(i, i % 2), name=f"{'ab'[i % 2]}/{('left', 'right')[i < 30]}/{i}.jpg")
        for i in range(60)
    ]
    assert not _of(FindingKind.FORMAT_LEAK, all_findings(samples, ["a", "b"], NONE, []))
    flat = [replace(s, name=f"{('left', 'right')[s.label]}/{s.id}.jpg") for s in samples]
    (leak, _) = _of(FindingKind.FORMAT_LEAK, all_findings(flat, ["a", "b"], NONE, []))
    assert "folder left" in leak.message
    renamed = all_findings(flat, ["a", "b"], NONE, [], folders_of_classes=["left", "right"])
    assert not _of(FindingKind.FORMAT_LEAK, renamed)


def test_file_sizes_that_only_one_class_has_are_a_leak_told_once():
    random = np.random.default_rng(0)
    samples = [
        replace(_sample(i, i % 2), file_size=int(random.integers(9_000, 90_000)))
        for i in range(400)
    ]
    assert not _of(FindingKind.FORMAT_LEAK, all_findings(samples, ["a", "b"], NONE, []))
    large = [replace(_sample(500 + i, 1, suffix="png"), file_size=200_000 + i) for i in range(45)]
    (leak,) = _of(FindingKind.FORMAT_LEAK, all_findings(samples + large, ["a", "b"], NONE, []))
    assert "file extension .png" in leak.message  # its size says the same of fewer images


def test_look_alikes_and_parts_in_two_subsets_are_leaks():
    samples = [_sample(i, 0) for i in range(8)]
    samples[6] = replace(samples[6], group="lot 1")
    samples[7] = replace(samples[7], group="lot 1")
    sides = [
        Subset.TRAIN,
        Subset.TRAIN,
        Subset.TEST,
        Subset.TRAIN,
        Subset.TRAIN,
        Subset.TRAIN,
        Subset.VALIDATION,
        Subset.TEST,
    ]
    subsets = dict(enumerate(sides))
    found = subset_leaks(samples, np.array([[0, 1], [1, 2], [3, 4]]), subsets, "random")
    assert [f.sample_ids for f in found] == [(0, 1, 2), (6, 7)]
    assert "3 look-alikes are in train and test" in found[0].message
    assert "2 images of one part are in validation and test" in found[1].message
    assert {f.severity for f in found} == {Severity.SERIOUS}
    del subsets[2]
    assert len(subset_leaks(samples, np.array([[0, 1], [1, 2]]), subsets, "random")) == 1


def test_doubted_labels_become_findings_the_worst_first():
    judgement = LabelAssessment(
        np.array([0.2, 0.9, 0.05], np.float32),
        np.array([1, 1, 0]),
        np.array([True, False, True]),
        np.array([0.95, 0.0, 0.6], np.float32),
        {0: 0.97, 1: 0.61},
    )
    samples = [_sample(1, 0), _sample(2, 1), _sample(3, 1)]
    first, second = suspect_labels(samples, ["good", "crack"], judgement)
    assert (first.sample_ids, first.suggested) == ((3,), 0)
    assert "Labeled 'crack', but looks like 'good' (confidence in the label: 5%)" in first.message
    assert second.sample_ids == (1,)
    assert (first.severity, second.severity) == (Severity.NOTE, Severity.WARNING)
    assert (first.certainty, second.certainty) == (Certainty.LIKELY, Certainty.SURE)
    assert "confirms 61% of the labels of this class" in first.message


def test_dark_blurred_large_and_oblong_images_stand_out_in_their_class():
    random = np.random.default_rng(0)
    images = random.integers(90, 150, (60, 48, 48)).astype(np.uint8)
    images[30:] //= 2  # one class is dark; that is not odd
    images[0] //= 4
    images[1] = 120 + images[1] // 30
    samples = [_sample(i, int(i >= 30)) for i in range(60)]
    samples[2] = replace(samples[2], width=640, height=640)
    samples[3] = replace(samples[3], width=128, height=64)
    found = outlier_findings(samples, outliers(samples, images))
    words = {f.sample_ids[0]: f.message for f in found}
    assert sorted(words) == [0, 1, 2, 3]
    assert "much darker" in words[0]
    assert "much less sharp" in words[1]
    assert "much larger" in words[2]
    assert "much wider" in words[3]


def test_measures_of_the_import_are_used_where_all_have_them():
    images = np.random.default_rng(0).integers(90, 150, (30, 48, 48)).astype(np.uint8)
    samples = [replace(_sample(i, 0), brightness=0.5, sharpness=100.0 + i) for i in range(30)]
    samples[4] = replace(samples[4], brightness=0.9)
    assert [o.position for o in outliers(samples, images)] == [4]
    samples[5] = replace(samples[5], brightness=None)
    assert outliers(samples, images) == []


def test_unreadable_and_few_images_are_no_outliers():
    images = np.zeros((30, 48, 48), np.uint8)
    images[1:] = 100
    assert outliers([_sample(i, 0) for i in range(30)], images) == []
    assert outliers([_sample(i, 0, size=10**i) for i in range(4)], images[:4]) == []
    assert outliers([], images[:0]) == []
