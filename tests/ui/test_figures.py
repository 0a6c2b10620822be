"""Figures that hold their scale where the numbers are at an edge."""

import numpy as np

from core.evaluation.decisions.costs import LeastCost
from core.evaluation.decisions.rule import OperatingPoint
from pages.ui.figures import threshold_charts


def test_the_cost_curve_can_be_read_where_a_threshold_costs_nothing():
    # The axis ended at 8e-9 where a threshold separated good and defective parts without error.
    thresholds, cost = np.linspace(0.1, 0.9, 5), np.array([40.0, 5.0, 0.0, 5.0, 400.0])
    least = LeastCost(OperatingPoint(0.5, 0.5), 0.0, (0.5, 0.5), (0.5, 0.5), thresholds, cost)
    figure = threshold_charts.cost_curve(least, least.point, dark=False)
    low, high = figure.layout.yaxis.range
    assert (low, round(high)) == (0, 84)
