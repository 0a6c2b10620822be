import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from core.errors import ConfigError
from core.evaluation.metrics import class_measures, confusion_matrix, evaluate, macro_f1, relative


def _one_hot(predicted, class_count):
    return np.eye(class_count, dtype=np.float32)[predicted]


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
@settings(deadline=None)
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
    assert report.macro_recall == pytest.approx(recall[present].mean())
    assert report.macro_precision == pytest.approx(precision[present].mean())
    assert macro_f1(predicted, targets, classes) == pytest.approx(report.macro_f1)
    for k, error in report.top_k_error.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            score = oracle.top_k_accuracy_score(
                targets, probabilities if classes > 2 else probabilities[:, 1], k=k, labels=labels
            )
        assert error == pytest.approx(1 - score)


def test_a_class_without_pictures_does_not_enter_the_means():
    report = evaluate(_one_hot([0, 0, 1], 3), np.array([0, 0, 1]), ["a", "b", "absent"])
    absent = report.per_class[2]
    assert (absent.support, absent.has_data, absent.f1) == (0, False, 0.0)
    assert report.macro_f1 == 1.0
    assert relative(report.confusion_matrix)[2].tolist() == [0.0, 0.0, 0.0]


def test_equal_confidences_rank_as_the_prediction_does():
    report = evaluate(np.full((4, 4), 0.25, np.float32), np.arange(4), list("abcd"))
    assert report.confusion_matrix[:, 0].tolist() == [1, 1, 1, 1]
    assert report.top_k_error == {1: 0.75, 2: 0.5, 3: 0.25}
    assert report.top_k_error[1] == 1 - report.accuracy


def test_two_classes_have_no_top_two():
    assert list(evaluate(_one_hot([0], 2), np.array([1]), ["a", "b"]).top_k_error) == [1]


def test_probabilities_that_are_no_numbers_are_refused_in_words():
    with pytest.raises(ConfigError, match="no numbers"):
        evaluate(np.array([[np.nan, 1.0]], np.float32), np.array([0]), ["a", "b"])


def test_nothing_to_judge_is_said():
    with pytest.raises(ConfigError, match="no picture"):
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
