import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from core.evaluation.decisions.outcome import OperatingPoint, decide
from core.evaluation.decisions.views import decision_matrix, headline, ok_nok_matrix
from core.evaluation.measures.class_rates import class_rates
from core.evaluation.measures.classification import confusion_matrix
from core.evaluation.measures.views import (
    Order,
    Tone,
    band_of,
    class_matrix,
    classes_to_show,
    confidence_bands,
    sorted_images,
)

NAMES = ("good", "crack", "dent")
VERDICTS = ("OK", "NOK", "NOK")


@st.composite
def judged(draw):
    classes = draw(st.integers(2, 6))
    n = draw(st.integers(1, 60))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return random.integers(0, classes, n), random.integers(0, classes, n), classes


@given(judged())
def test_the_cells_of_a_matrix_hold_exactly_their_images(case):
    predicted, targets, classes = case
    view = class_matrix(predicted, targets, [str(i) for i in range(classes)])
    assert np.array_equal(
        view.counts, oracle.confusion_matrix(targets, predicted, labels=range(classes))
    )
    for row in range(classes):
        for column in range(classes):
            found = view.images(row, column)
            assert len(found) == view.counts[row, column]
            assert set(targets[found]) <= {row}
            assert set(predicted[found]) <= {column}


@given(judged())
def test_class_rates_are_precision_and_recall(case):
    predicted, targets, classes = case
    found = class_rates(predicted, targets, [str(i) for i in range(classes)])
    precision, recall, _, support = oracle.precision_recall_fscore_support(
        targets, predicted, labels=range(classes), zero_division=0
    )
    for i, item in enumerate(found):
        assert item.recall.has_data == (support[i] > 0)
        assert item.precision.has_data == bool((predicted == i).any())
        if item.recall.has_data:
            assert item.recall.value == pytest.approx(recall[i])
            assert item.recall.interval.low <= recall[i] <= item.recall.interval.high
        if item.precision.has_data:
            assert item.precision.value == pytest.approx(precision[i])


def test_a_window_shows_some_classes_and_says_how_many_images_are_outside():
    targets, predicted = np.array([0, 1, 2, 2]), np.array([0, 2, 2, 0])
    view = class_matrix(predicted, targets, NAMES, shown=(1, 2))
    assert view.counts.tolist() == [[0, 1], [0, 1]]
    assert view.outside == 2
    assert view.row_classes == (1, 2)
    assert view.of_rows.tolist() == [[0, 1], [0, 0.5]]
    assert view.of_columns.tolist() == [[0, 0.5], [0, 0.5]]
    assert view.images(0, 1).tolist() == [1]


def test_ok_and_nok_fold_the_classes():
    targets, predicted = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 2, 1])
    view = ok_nok_matrix(predicted, targets, VERDICTS)
    assert view.counts.tolist() == [[1, 1], [1, 2]]
    assert view.tones[1][0] is Tone.WRONG
    assert view.images(1, 0).tolist() == [2]


def test_a_class_without_verdict_is_neither_right_nor_wrong():
    targets, predicted = np.array([0, 1, 2]), np.array([2, 1, 0])
    view = ok_nok_matrix(predicted, targets, ("OK", "NOK", None))
    assert view.columns == ("predicted OK", "predicted NOK", "no verdict")
    assert view.counts.tolist() == [[0, 0, 1], [0, 1, 0]]
    assert view.outside == 1


def test_the_decision_matrix_applies_the_operating_point():
    matrix = np.array([[0.9, 0.1, 0.0], [0.6, 0.2, 0.2], [0.1, 0.9, 0.0]], np.float32)
    targets = np.array([0, 1, 1])
    decisions = decide(OperatingPoint(0.2, 0.8), matrix, VERDICTS)
    view = decision_matrix(decisions, targets, VERDICTS, NAMES)
    assert view.counts.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
    assert view.rows[0] == "OK · good"
    assert view.tones[1] == (Tone.WRONG, Tone.OPEN, Tone.RIGHT)


def test_the_headline_counts_parts_and_says_what_is_missing():
    matrix = np.array([[0.9, 0.1, 0.0]] * 3 + [[0.8, 0.2, 0.0]], np.float32)
    targets, parts = np.array([0, 0, 1, 1]), np.array([7, 7, 8, 8])
    found = headline(matrix, targets, parts=parts, verdicts=VERDICTS)
    assert (found.n, found.accuracy.n, found.accuracy.k, found.unit) == (4, 2, 1, "parts")
    assert found.ok_nok is not None
    assert (found.ok_nok.escape.k, found.ok_nok.escape.n) == (1, 1)
    assert headline(matrix, targets, verdicts=(None,) * 3).ok_nok is None


def test_of_many_classes_the_most_confused_are_shown_and_any_can_be_searched():
    names = [f"class {i:03d}" for i in range(200)]
    random = np.random.default_rng(1)
    targets = random.integers(0, 200, 5000)
    predicted = targets.copy()
    predicted[np.flatnonzero(targets == 17)[:9]] = 150
    predicted[np.flatnonzero(targets == 3)[:4]] = 4
    matrix = confusion_matrix(predicted, targets, 200)
    assert classes_to_show(matrix, names) == (3, 4, 17, 150)
    assert classes_to_show(matrix, names, search="Class 017") == (17, 150)
    # The very name comes first, and half of the window is for what is confused with it.
    near = classes_to_show(matrix, names, search="class 0", most=10)
    assert len(near) == 10
    assert {3, 4, 17, 150} <= set(near)
    assert classes_to_show(matrix, ["a", *names[1:]], search="a", most=10)[0] == 0
    assert classes_to_show(matrix, names, search="zzz") == ()
    perfect = confusion_matrix(targets, targets, 200)
    assert len(classes_to_show(perfect, names)) == 25
    assert classes_to_show(matrix[:5, :5], names[:5]) == (0, 1, 2, 3, 4)


def test_images_are_sorted_by_what_was_asked():
    values = {
        "confidence": np.array([0.5, 0.9, 0.7]),
        "margin": np.array([0.3, 0.1, 0.2]),
        "loss": np.array([1.0, 3.0, 2.0]),
    }
    every = np.arange(3)
    assert sorted_images(every, Order.CONFIDENT, **values).tolist() == [1, 2, 0]
    assert sorted_images(every, Order.UNSURE, **values).tolist() == [1, 2, 0]
    assert sorted_images(every[:2], Order.LOSS, **values).tolist() == [1, 0]


def test_bands_hold_every_image_once():
    confidence = np.array([0.2, 0.5, 0.7, 0.95, 0.99, 1.0], np.float32)
    bands = confidence_bands(confidence, np.array([True, False, True, True, True, True]))
    assert sum(b.right + b.wrong for b in bands) == 6
    assert (bands[1].wrong, bands[-1].right) == (1, 2)
    assert band_of(confidence).tolist() == [0, 1, 2, 3, 4, 4]
