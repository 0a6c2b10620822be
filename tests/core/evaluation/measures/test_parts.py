import numpy as np
import pytest

from core.evaluation.measures.parts import choose, units


def test_the_worst_image_speaks_for_a_part():
    parts = np.array([5, 3, 5, 3, 9])
    counted = units(5, parts)
    values = np.array([1, 2, 3, 4, 5])
    assert counted.highest(values).tolist() == [4, 3, 5]
    assert counted.lowest(values).tolist() == [2, 1, 5]
    assert counted.highest(np.array([False, False, True, False, False])).tolist() == [0, 1, 0]


def test_a_part_is_counted_once_for_each_of_its_classes():
    counted = units(4, np.array([0, 0, 0, 1]), np.array([2, 1, 2, 1]))
    assert len(counted) == 3
    assert counted.first(np.array([2, 1, 2, 1])).tolist() == [1, 2, 1]


def test_nothing_is_no_part():
    assert len(units(0)) == 0
    assert units(0, np.empty(0, np.int64)).highest(np.empty(0, bool)).tolist() == []


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="lengths differ"):
        units(3, np.array([1, 2]))


def test_parts_of_some_images():
    assert choose(None, np.array([True])) is None
    assert choose(np.array([4, 5, 6]), np.array([True, False, True])).tolist() == [4, 6]
