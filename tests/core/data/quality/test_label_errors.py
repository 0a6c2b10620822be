"""Wrong labels are doubted, right ones are not; look-alikes cannot vouch for each other."""

import numpy as np

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
