import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from core.errors import ConfigError
from core.evaluation.measures.catalog import measured, top_k_error
from core.evaluation.measures.classification import (
    class_measures,
    confused_pairs,
    confusion_matrix,
    macro_f1,
)
from core.evaluation.measures.labeled_predictions import LabeledPredictions
from core.evaluation.measures.losses import (
    brier_scores,
    log_losses,
    margins_to_second,
    true_class_ranks,
)
from core.evaluation.measures.parts import Unit
from core.evaluation.report import evaluate


def _one_hot(predicted, class_count):
    return np.eye(class_count, dtype=np.float32)[predicted]


def _top_k(report):
    """K -> share of images whose true class is not among the K most confident ones."""
    rows = [item for item in report.measures if item.measure.path[0] == "top_k_error"]
    return {int(item.measure.path[1]): item.of_images for item in rows}


def test_the_example_of_the_manual():
    # 68 apples found and 24 missed (21 taken for lemons, 3 for oranges); nothing else called apple.
    targets = np.array([0] * 92 + [1] * 60 + [2] * 60)
    predicted = np.array([0] * 68 + [1] * 21 + [2] * 3 + [1] * 60 + [2] * 60)
    report = evaluate(_one_hot(predicted, 3), targets, ["apple", "lemon", "orange"])
    apple = report.per_class[0]
    assert report.confusion_matrix[0].tolist() == [68, 21, 3]
    assert report.confusion_matrix[:, 0].tolist() == [68, 0, 0]
    assert (apple.precision, round(apple.recall, 2), round(apple.f1, 2)) == (1.0, 0.74, 0.85)
    assert (apple.support, apple.predicted) == (92, 68)


@st.composite
def judged(draw):
    classes = draw(st.integers(2, 6))
    n = draw(st.integers(1, 60))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, n)
    probabilities = random.dirichlet(np.ones(classes), n).astype(np.float32)
    return probabilities, targets, classes


@given(judged())
def test_every_measure_equals_scikit_learns(case):
    probabilities, targets, classes = case
    predicted = probabilities.argmax(1)
    labels = list(range(classes))
    report = evaluate(probabilities, targets, [str(i) for i in labels])
    precision, recall, f1, support = oracle.precision_recall_fscore_support(
        targets, predicted, labels=labels, zero_division=0
    )
    assert np.array_equal(
        report.confusion_matrix, oracle.confusion_matrix(targets, predicted, labels=labels)
    )
    assert [c.precision for c in report.per_class] == pytest.approx(precision)
    assert [c.recall for c in report.per_class] == pytest.approx(recall)
    assert [c.f1 for c in report.per_class] == pytest.approx(f1)
    assert [c.support for c in report.per_class] == list(support)
    assert report.accuracy == pytest.approx(oracle.accuracy_score(targets, predicted))
    present = support > 0
    assert report.macro_f1 == pytest.approx(f1[present].mean())
    assert report.measure("macro_recall").value == pytest.approx(recall[present].mean())
    assert report.measure("macro_precision").value == pytest.approx(precision[present].mean())
    assert macro_f1(predicted, targets, classes) == pytest.approx(report.macro_f1)
    for k, error in _top_k(report).items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            score = oracle.top_k_accuracy_score(
                targets, probabilities if classes > 2 else probabilities[:, 1], k=k, labels=labels
            )
        assert error == pytest.approx(1 - score)


def test_a_class_without_images_does_not_enter_the_means():
    report = evaluate(_one_hot([0, 0, 1], 3), np.array([0, 0, 1]), ["a", "b", "absent"])
    absent = report.per_class[2]
    assert (absent.support, absent.has_data, absent.f1) == (0, False, 0.0)
    assert report.macro_f1 == 1.0


def test_equal_confidences_rank_as_the_prediction_does():
    report = evaluate(np.full((4, 4), 0.25, np.float32), np.arange(4), list("abcd"))
    assert report.confusion_matrix[:, 0].tolist() == [1, 1, 1, 1]
    assert _top_k(report) == {1: 0.75, 2: 0.5, 3: 0.25}
    assert _top_k(report)[1] == 1 - report.accuracy


def test_two_classes_have_no_top_two():
    assert list(_top_k(evaluate(_one_hot([0], 2), np.array([1]), ["a", "b"]))) == [1]


def test_probabilities_that_are_no_numbers_are_refused_in_words():
    with pytest.raises(ConfigError, match="not numbers"):
        evaluate(np.array([[np.nan, 1.0]], np.float32), np.array([0]), ["a", "b"])


def test_nothing_to_judge_is_said():
    with pytest.raises(ConfigError, match="no image"):
        evaluate(np.empty((0, 2), np.float32), np.empty(0, np.int64), ["a", "b"])


def test_misuse_by_a_programmer_is_a_value_error():
    with pytest.raises(ValueError, match="shapes differ"):
        evaluate(np.ones((2, 3), np.float32), np.array([0, 1]), ["a", "b"])


def test_the_matrix_of_many_classes_is_quick_and_right():
    random = np.random.default_rng(0)
    targets, predicted = random.integers(0, 1000, (2, 100_000))
    matrix = confusion_matrix(predicted, targets, 1000)
    assert matrix.sum() == 100_000
    assert matrix[targets[0], predicted[0]] > 0
    assert len(class_measures(matrix, [str(i) for i in range(1000)])) == 1000


@given(judged())
@settings(max_examples=50)
def test_measures_of_the_subset_equal_scikit_learns(case):
    probabilities, targets, classes = case
    predicted, labels = probabilities.argmax(1), list(range(classes))
    exact = probabilities.astype(float)
    exact /= exact.sum(axis=1, keepdims=True)
    report = evaluate(probabilities, targets, [str(i) for i in labels])
    measure = report.measure
    assert measure("accuracy").value == pytest.approx(report.accuracy)
    assert measure("macro_f1").value == pytest.approx(report.macro_f1)
    assert measure("macro_precision").value == pytest.approx(
        report.measure("macro_precision").value
    )
    assert measure("balanced_accuracy").value == pytest.approx(measure("macro_recall").value)
    weighted = {"labels": labels, "average": "weighted", "zero_division": 0}
    assert measure("weighted_f1").value == pytest.approx(
        oracle.f1_score(targets, predicted, **weighted)
    )
    assert measure("weighted_precision").value == pytest.approx(
        oracle.precision_score(targets, predicted, **weighted)
    )
    assert measure("log_loss").value == pytest.approx(
        oracle.log_loss(targets, exact, labels=labels), abs=1e-4
    )
    truth = np.eye(classes)[targets]
    assert measure("brier").value == pytest.approx(
        ((exact - truth) ** 2).sum(axis=1).mean(), abs=1e-5
    )
    assert sum(report.class_mix) == pytest.approx(1)
    assert measure("top1_error").value == pytest.approx(1 - report.accuracy)
    for estimate in (
        measure("macro_f1"),
        measure("kappa"),
        measure("weighted_f1"),
        measure("log_loss"),
    ):
        if estimate.interval:
            assert estimate.interval.low <= estimate.value <= estimate.interval.high


def test_brier_is_scikit_learns_also_for_many_classes():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(4), 100).astype(np.float32)
    targets = random.integers(0, 4, 100)
    expected = oracle.brier_score_loss(
        targets, probabilities, labels=[0, 1, 2, 3], scale_by_half=False
    )
    assert brier_scores(probabilities, targets).mean() == pytest.approx(expected, abs=1e-5)


def test_balanced_accuracy_is_scikit_learns():
    random = np.random.default_rng(1)
    probabilities = random.dirichlet(np.ones(4), 90).astype(np.float32)
    targets = random.integers(0, 4, 90)
    report = evaluate(probabilities, targets, "abcd")
    expected = oracle.balanced_accuracy_score(targets, probabilities.argmax(1))
    assert report.measure("balanced_accuracy").value == pytest.approx(expected)
    bounds = report.bounds[2]
    assert bounds.recall.value == pytest.approx(report.per_class[2].recall)
    assert bounds.precision.value == pytest.approx(report.per_class[2].precision)
    assert bounds.f1.value == pytest.approx(report.per_class[2].f1)
    assert bounds.f1.interval.low < bounds.f1.value < bounds.f1.interval.high
    assert bounds.roc_area.value == pytest.approx(
        oracle.roc_auc_score(targets == 2, probabilities[:, 2])
    )


def test_without_errors_every_interval_still_leaves_doubt():
    # The draws alone would show [1, 1]: they cannot see what did not happen.
    targets = np.repeat(np.arange(3), 20)
    measure = evaluate(_one_hot(targets, 3), targets, "abc").measure
    for name in (
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "macro_precision",
        "weighted_f1",
        "weighted_precision",
        "kappa",
        "mcc",
    ):
        found = measure(name)
        assert found.value == 1.0
        assert 0.75 < found.interval.low < 0.97, name


def test_an_absent_class_says_no_data():
    report = evaluate(_one_hot([0, 0, 1], 4), np.array([0, 0, 1]), ["a", "b", "absent", "c"])
    absent = report.bounds[2]
    assert (absent.recall.value, absent.precision.value, absent.f1.value) == (None, None, None)
    assert (absent.roc_area.value, absent.average_precision.value) == (None, None)
    assert report.measure("balanced_accuracy").value == 1.0
    assert report.measure("roc_area").value == 1.0


def test_a_class_never_predicted_has_recall_zero_but_no_precision():
    report = evaluate(_one_hot([0, 0], 2), np.array([0, 1]), ["a", "b"])
    never = report.bounds[1]
    assert (never.recall.value, never.precision.value, never.f1.value) == (0.0, None, 0.0)


def test_one_class_alone_has_no_kappa():
    report = evaluate(_one_hot([0, 0, 0], 2), np.array([0, 0, 0]), ["a", "b"])
    assert report.measure("kappa").value is None
    assert report.measure("mcc").value is None
    assert report.measure("roc_area").value is None
    assert report.accuracy == 1.0


def test_a_model_of_a_single_class_is_judged_too():
    report = evaluate(np.ones((3, 1), np.float32), np.zeros(3, np.int64), ["only"])
    assert (report.accuracy, _top_k(report)) == (1.0, {1: 0.0})
    assert margins_to_second(np.ones((3, 1), np.float32)).tolist() == [1, 1, 1]


def test_parts_are_counted_where_they_are_known():
    targets = np.array([0, 0, 0, 1, 1, 1])
    predicted = np.array([0, 0, 1, 1, 1, 1])
    parts = np.array([0, 0, 0, 1, 1, 2])
    report = evaluate(_one_hot(predicted, 2), targets, "ab", parts=parts)
    assert (report.n, report.independent, report.unit) == (6, 3, Unit.PARTS)
    assert report.accuracy == pytest.approx(5 / 6)
    assert (report.measure("accuracy").shown.k, report.measure("accuracy").shown.n) == (2, 3)
    a, b = report.bounds
    assert (a.recall.k, a.recall.n) == (0, 1)
    assert (b.recall.k, b.recall.n) == (2, 2)
    # Images called b: one of part 0 (wrong), two of part 1, one of part 2.
    assert (b.precision.k, b.precision.n) == (2, 3)


def test_copies_of_images_widen_nothing_if_they_are_of_one_part():
    random = np.random.default_rng(0)
    targets = random.integers(0, 3, 100)
    predicted = np.where(random.random(100) < 0.8, targets, (targets + 1) % 3)
    single = evaluate(_one_hot(predicted, 3), targets, "abc").measure
    parts = np.repeat(np.arange(100), 4)
    copied = evaluate(
        _one_hot(np.repeat(predicted, 4), 3), np.repeat(targets, 4), "abc", parts=parts
    ).measure
    assert copied("accuracy").shown == single("accuracy").shown
    assert copied("macro_f1").value == pytest.approx(single("macro_f1").value)
    lowest = single("macro_f1").interval.low
    assert copied("macro_f1").interval.low == pytest.approx(lowest, abs=0.01)
    believed = evaluate(_one_hot(np.repeat(predicted, 4), 3), np.repeat(targets, 4), "abc").measure
    assert believed("macro_f1").interval.low > lowest + 0.02


def test_the_ok_nok_view_comes_with_verdicts():
    targets = np.array([0, 0, 1, 2])
    report = evaluate(_one_hot([0, 1, 0, 1], 3), targets, "abc", verdicts=["OK", "NOK", "NOK"])
    outcome = report.ok_nok.outcome
    assert (outcome.escape.k, outcome.escape.n) == (1, 2)
    assert (outcome.overkill.k, outcome.overkill.n) == (1, 2)
    assert evaluate(_one_hot([0], 2), np.array([0]), "ab", verdicts=["OK", None]).ok_nok is None
    assert evaluate(_one_hot([0], 2), np.array([0]), "ab").ok_nok is None


def test_any_k_can_be_asked_for():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(12), 200).astype(np.float32)
    targets = random.integers(0, 12, 200)
    inputs = LabeledPredictions(probabilities, targets, tuple("abcdefghijkl"), np.arange(200) // 2)
    one, seven, twelve, fifty = measured(inputs, [top_k_error(k) for k in (1, 7, 12, 50)])
    assert (one.shown.n, one.value > one.of_images) == (100, True)
    for certain in (twelve, fifty):
        assert (certain.of_images, certain.value) == (0.0, 0.0)
        assert (certain.interval.low, certain.interval.high) == (0.0, 0.0)
    assert seven.of_images == pytest.approx(
        1 - oracle.top_k_accuracy_score(targets, probabilities, k=7, labels=range(12))
    )
    order = np.argsort(-probabilities, axis=1, kind="stable")
    assert true_class_ranks(probabilities, targets).tolist() == [
        int(np.flatnonzero(row == t)[0]) for row, t in zip(order, targets, strict=True)
    ]


def test_loss_and_margin_of_an_image():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.0, 0.5, 0.5]], np.float32)
    assert log_losses(probabilities, np.array([0, 0])) == pytest.approx(
        [-np.log(0.7), -np.log(1e-12)], rel=1e-5
    )
    assert margins_to_second(probabilities) == pytest.approx([0.5, 0.0])


def test_the_most_confused_pairs():
    matrix = np.array([[8, 2, 0], [1, 9, 0], [5, 0, 0]])
    pairs = confused_pairs(matrix)
    assert [(p.true, p.predicted, p.count, p.share) for p in pairs] == [
        (2, 0, 5, 1.0),
        (0, 1, 2, 0.2),
        (1, 0, 1, 0.1),
    ]
    assert len(confused_pairs(matrix, most=1)) == 1


@pytest.mark.parametrize(
    ("row", "target", "words"),
    [
        ([np.inf, 0.0], 0, "not numbers"),
        ([0.9, 0.9], 0, "add up"),
        ([1.5, -0.5], 0, "add up"),
        ([0.5, 0.5], 2, "does not know"),
        ([0.5, 0.5], -1, "does not know"),
    ],
)
def test_unusable_predictions_are_refused_in_words(row, target, words):
    with pytest.raises(ConfigError, match=words):
        evaluate(np.array([row], np.float32), np.array([target]), ["a", "b"])


def test_parts_of_other_images_are_a_programmers_mistake():
    with pytest.raises(ValueError, match="shapes differ"):
        evaluate(_one_hot([0], 2), np.array([0]), "ab", parts=np.array([0, 1]))
