import numpy as np

from core.data.quality import all_findings, look_alike_groups
from core.domain import FindingKind, Sample, Severity

NONE = np.empty((0, 2), np.int64)


def _sample(key, label, *, sha=None, suffix="jpg", size=64, mode="RGB"):
    return Sample(key, f"{key}.{suffix}", sha or f"s{key}", label, size, size, mode, 100)


def _of(kind, findings):
    return [f for f in findings if f.kind is kind]


def test_a_clean_set_has_no_findings():
    samples = [_sample(i, i % 2) for i in range(60)]
    assert all_findings(samples, ["a", "b"], NONE, []) == []


def test_the_same_picture_under_two_labels_is_serious():
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
    assert leak.message.startswith("All 30 pictures with file extension .png are in class 'c'")
    assert len(leak.sample_ids) == 30


def test_sizes_and_modes_leak_too_and_a_few_files_prove_nothing():
    samples = [_sample(i, i % 2) for i in range(80)]
    samples += [_sample(200 + i, 0, size=99, mode="L") for i in range(25)]
    samples += [_sample(300 + i, 1, size=77) for i in range(6)]
    leaks = _of(FindingKind.FORMAT_LEAK, all_findings(samples, ["a", "b"], NONE, []))
    assert len(leaks) == 2
    assert "size 99 × 99" in leaks[0].message
    assert "colour mode gray" in leaks[1].message


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
