"""Figures that hold their scale where the numbers are at an edge."""

import numpy as np

from core.domain.training import PenaltyPoint
from core.evaluation.decisions.costs import LeastCost
from core.evaluation.decisions.rule import OperatingPoint
from pages.ui.figures import threshold_charts, training_curves


def test_the_cost_curve_can_be_read_where_a_threshold_costs_nothing():
    # The axis ended at 8e-9 where a threshold separated good and defective parts without error.
    thresholds, cost = np.linspace(0.1, 0.9, 5), np.array([40.0, 5.0, 0.0, 5.0, 400.0])
    least = LeastCost(OperatingPoint(0.5, 0.5), 0.0, (0.5, 0.5), (0.5, 0.5), thresholds, cost)
    figure = threshold_charts.cost_curve(least, least.point, dark=False)
    low, high = figure.layout.yaxis.range
    assert (low, round(high)) == (0, 84)


def _path(*losses):
    return [PenaltyPoint(10.0**-i, loss, 0.05) for i, loss in enumerate(losses)]


def test_the_penalty_path_marks_the_chosen_point_and_shows_its_spread():
    figure = training_curves.penalty_path(_path(0.9, 0.6, 0.7), dark=False)
    line, star = figure.data
    assert list(line.x) == [1.0, 0.1, 0.01]
    assert list(line.error_y.array) == [0.05] * 3
    assert (star.x[0], star.y[0]) == (0.1, 0.6)
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", None)


def test_losses_that_span_powers_of_ten_are_drawn_on_a_logarithmic_axis():
    figure = training_curves.penalty_path(_path(1.2, 0.1, 0.01), dark=True)
    assert figure.layout.yaxis.type == "log"
    # What would reach below zero has no place there.
    assert figure.data[0].error_y.arrayminus[2] < 0.01
