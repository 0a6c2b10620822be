"""Wrong labels are doubted, right ones are not; look-alikes cannot vouch for each other."""

import numpy as np
import pytest

from core.data.quality.label_errors import judge_labels, out_of_fold

SILENT = lambda *_: None  # noqa: E731


def _features(labels, seed=0, distance=4.0, width=40):
    random = np.random.default_rng(seed)
    centres = random.normal(0, 1, (int(labels.max()) + 1, width))
    centres *= distance / np.linalg.norm(centres, axis=1, keepdims=True)
    return (centres[labels] + random.normal(0, 1, (len(labels), width)) / 2).astype(np.float32)


def test_wrong_labels_come_first_with_the_right_suggestion():
    true = np.arange(300) % 3
    features = _features(true)
    given = true.copy()
    given[:15] = (true[:15] + 1) % 3
    judged = judge_labels(features, given, np.arange(300), on_progress=SILENT)
    worst = np.argsort(judged.confidence)[:30]
    assert set(range(15)) <= set(worst.tolist())
    assert judged.is_suspect[:15].sum() >= 13
    assert judged.is_sure[:15].sum() >= 5  # those that look like the other class at its best
    assert judged.is_suspect[15:].sum() == 0
    assert (judged.suggested[:15] == true[:15]).mean() > 0.9


def test_right_labels_are_not_doubted():
    labels = np.arange(200) % 4
    judged = judge_labels(_features(labels), labels, np.arange(200), on_progress=SILENT)
    assert judged.is_suspect.sum() <= 2


def test_a_copy_with_the_same_wrong_label_does_not_vouch_for_it():
    # Five shots of one part, all labelled wrong, used to confirm each other.
    true = np.arange(200) % 2
    features = _features(true, distance=3.0)
    features[1:9:2] = features[[1]]
    given = true.copy()
    given[1:9:2] = 0
    groups = np.arange(200)
    groups[1:9:2] = 1
    together = judge_labels(features, given, groups, on_progress=SILENT)
    alone = judge_labels(features, given, np.arange(200), on_progress=SILENT)
    assert together.is_suspect[1:9:2].all()
    assert together.confidence[1:9:2].max() < alone.confidence[1:9:2].min()


def test_a_classifier_that_learned_nothing_doubts_nobody():
    # Labels by chance used to make most images suspect.
    random = np.random.default_rng(0)
    features = random.normal(0, 1, (80, 30)).astype(np.float32)
    labels = random.integers(0, 2, 80)
    assert not judge_labels(features, labels, np.arange(80), on_progress=SILENT).is_suspect.any()


def test_images_without_label_and_classes_without_company_are_not_judged():
    labels = np.array([0, 1] * 20 + [2, -1, 3, 3])
    groups = np.array([*range(40), 40, 41, 42, 42])
    judged = judge_labels(_features(np.abs(labels)), labels, groups, on_progress=SILENT)
    assert np.isnan(judged.confidence[40:]).all()
    assert (judged.suggested[40:] == -1).all()
    assert not judged.is_suspect[40:].any()
    assert np.isfinite(judged.confidence[:40]).all()
    one_class = judge_labels(
        _features(np.zeros(9, int)), np.zeros(9, np.int64), np.arange(9), on_progress=SILENT
    )
    assert np.isnan(one_class.confidence).all()


def test_probabilities_are_those_of_models_without_the_group():
    labels = np.arange(60) % 2
    probabilities = out_of_fold(_features(labels), labels, np.arange(60) // 2, on_progress=SILENT)
    assert np.allclose(probabilities.sum(1), 1, atol=1e-5)
    again = out_of_fold(_features(labels), labels, np.arange(60) // 2, on_progress=SILENT)
    assert np.array_equal(probabilities, again)


def test_a_class_that_the_check_cannot_tell_has_no_sure_finding():
    # 126 of 1,344 magnetic tiles were "sure": defects that the check took for free tiles.
    random = np.random.default_rng(3)
    labels = np.repeat([0, 1, 2], [300, 60, 150])
    features = _features(labels)
    unclear = random.choice(np.arange(300, 360), 36, replace=False)
    features[unclear] = _features(labels)[random.choice(300, 36, replace=False)]
    judged = judge_labels(features, labels, np.arange(510), on_progress=SILENT)
    assert judged.agreement[1] < 0.6 < 0.9 < judged.agreement[2]
    assert judged.is_suspect[unclear].sum() >= 20
    assert judged.is_sure.sum() <= 1


@pytest.mark.parametrize("seed", range(3))
def test_sure_findings_are_right_as_often_as_estimated(seed):
    judged, wrong = _planted(seed)
    sure = judged.is_sure
    assert sure.sum() >= 0.4 * wrong.sum()
    assert wrong[sure].mean() >= 0.9
    assert abs(wrong[judged.is_suspect].sum() - judged.right[judged.is_suspect].sum()) <= 10


@pytest.mark.parametrize("seed", range(3))
def test_errors_are_ranked_and_listed_as_well_as_by_cleanlab(seed):
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    true, given, features = _with_errors(seed)
    wrong = given != true
    judged = judge_labels(features, given, np.arange(len(given)), on_progress=SILENT)
    probabilities = out_of_fold(features, given, np.arange(len(given)), on_progress=SILENT)
    first = int(wrong.sum())
    theirs = np.argsort(get_label_quality_scores(given, probabilities))[:first]
    ours = np.argsort(judged.confidence)[:first]
    assert wrong[ours].mean() >= wrong[theirs].mean() - 0.02
    listed = find_label_issues(given, probabilities)
    assert judged.is_suspect[wrong].mean() >= listed[wrong].mean() - 0.05
    assert wrong[judged.is_sure].mean() >= wrong[listed].mean() - 0.02


def _with_errors(seed):
    true = np.arange(600) % 4
    features = _features(true, seed=seed, distance=3.0)
    random = np.random.default_rng(seed)
    given = true.copy()
    wrong = random.choice(600, 36, replace=False)
    given[wrong] = (true[wrong] + random.integers(1, 4, 36)) % 4
    return true, given, features


def _planted(seed):
    true, given, features = _with_errors(seed)
    judged = judge_labels(features, given, np.arange(len(given)), on_progress=SILENT)
    return judged, given != true
