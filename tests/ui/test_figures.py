"""Figures: their colours for everyone, their scales at the edges, and the tables that they save."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from core.domain.training import EpochMetrics, PenaltyPoint
from core.evaluation.decisions.costs import LeastCost
from core.evaluation.decisions.outcome import Outcome, PartScores, single_threshold
from core.evaluation.decisions.rule import OperatingPoint
from core.evaluation.decisions.thresholds import trade_off
from core.evaluation.measures.calibration import ConfidenceHistogram
from core.evaluation.measures.views import ConfidenceBand
from core.words import percent_at_most
from pages.ui.figures import (
    confidence_charts,
    outcome_matrices,
    run_comparison,
    saving,
    theme,
    threshold_charts,
)
from pages.ui.figures import training_curves as curves
from pages.ui.figures.theme import PALETTE, Colour

BACKGROUNDS = ("#fcfcfb", "#101615")
# Machado et al. 2009, "A Physiologically-based Model for Simulation of Color Vision Deficiency",
# severity 1: linear RGB of who has no green (deuteranopia) and no red (protanopia) cones.
_SEEN = {
    "no green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
}
_XYZ = [[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]]
# What stands side by side in one chart and is told apart by nothing but its colour.
SIDE_BY_SIDE = (
    (Colour.RIGHT, Colour.WRONG, Colour.FALSE_REJECT, Colour.REVIEW),
    (Colour.RIGHT, Colour.DEFECTIVE),
    (Colour.RIGHT, Colour.RIGHT_SECOND),
    (Colour.RIGHT, Colour.WRONG, Colour.OTHER),
    (Colour.RIGHT, Colour.WRONG_PALE),
    (Colour.TRAIN, Colour.VALIDATION, Colour.TEST),
)
PAIRS = sorted({tuple(pair) for group in SIDE_BY_SIDE for pair in combinations(group, 2)})


def _linear(colour):
    parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def _lab(linear):
    """CIE L*a*b*; a distance of 10 is plainly seen, L* alone is what a gray printer leaves."""
    xyz = np.array(_XYZ) @ np.clip(linear, 0, 1) / (0.9505, 1, 1.089)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def _contrast(colour, background):
    dark, light = sorted(float(_XYZ[1] @ _linear(c)) for c in (colour, background))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
def test_colours_are_told_apart_in_gray_and_without_red_or_green(side):
    near = []
    for pair in PAIRS:
        first, second = (_linear(PALETTE[role][side]) for role in pair)
        apart = {"gray": abs(_lab(first)[0] - _lab(second)[0])}
        for name, matrix in _SEEN.items():
            apart[name] = np.linalg.norm(_lab(matrix @ first) - _lab(matrix @ second))
        near += [(pair, name, round(d)) for name, d in apart.items() if d < 8]
    assert not near


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
def test_classes_of_one_chart_differ_in_shape_and_for_who_sees_no_green(side):
    matrix = np.array(_SEEN["no green"])
    colours = [PALETTE[theme.class_colour(number)][side] for number in range(8)]
    seen = [_lab(matrix @ _linear(colour)) for colour in colours]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 9
    looks = {
        (theme.class_colour(n), theme.class_marker(n), theme.class_pattern(n)) for n in range(40)
    }
    assert len(looks) == 40
    assert all(_contrast(colour, BACKGROUNDS[side]) >= 3 for colour in colours)


def test_no_two_meanings_have_one_colour_and_each_is_in_the_style_sheet():
    values = [value for pair in PALETTE.values() for value in pair]
    assert len(set(values)) == len(values)
    sheet = theme.style_sheet()
    assert all(f"  {role.variable}: " in sheet for role in Colour)


def _cost_curve():
    # The axis ended at 8e-9 where a threshold separated good and defective parts without error.
    thresholds, cost = np.linspace(0.1, 0.9, 5), np.array([40.0, 5.0, 0.0, 5.0, 400.0])
    least = LeastCost(OperatingPoint(0.5, 0.5), 0.0, (0.5, 0.5), (0.5, 0.5), thresholds, cost)
    return threshold_charts.cost_curve(least, least.point)


def test_the_cost_curve_can_be_read_where_a_threshold_costs_nothing():
    low, high = _cost_curve().layout.yaxis.range
    assert (low, round(high)) == (0, 84)


def test_the_bar_of_the_current_threshold_ends_at_the_bound_that_sentences_tell():
    # It was drawn two-sided: 8.8% beside a sentence of 7.22%.
    scores = PartScores(np.linspace(0.1, 0.3, 20), np.linspace(0.6, 0.9, 40))
    outcome = scores.outcome(single_threshold(0.5))
    figure = threshold_charts.trade_off(trade_off(scores, confidence=0.9), outcome)
    (bar,) = figure.data[-1].error_y.array
    assert percent_at_most(bar / 100) == "7.22%"
    assert max(figure.data[0].y) == pytest.approx(100)


def _path(*losses):
    return [PenaltyPoint(10.0**-i, loss, 0.05) for i, loss in enumerate(losses)]


def test_the_penalty_path_marks_the_chosen_point_and_shows_its_spread():
    figure = curves.penalty_path(_path(0.9, 0.6, 0.7))
    line, star = figure.data
    assert list(line.x) == [1.0, 0.1, 0.01]
    assert list(line.error_y.array) == [0.05] * 3
    assert (star.x[0], star.y[0]) == (0.1, 0.6)
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", None)
    assert figure.layout.xaxis.ticktext == ("0.01", "0.1", "1")
    # One axis wrote 1e-06, the other one 1μ.
    path = _path(*[0.5] * 7)
    for axis in (
        curves.penalty_path(path),
        run_comparison.losses_over_penalty({"run": path}, best=None),
    ):
        assert axis.layout.xaxis.ticktext == ("0.000001", "0.0001", "0.01", "1")


def test_losses_that_span_powers_of_ten_are_drawn_on_a_logarithmic_axis():
    figure = curves.penalty_path(_path(1.2, 0.1, 0.01))
    assert figure.layout.yaxis.type == "log"
    # What would reach below zero has no place there.
    assert figure.data[0].error_y.arrayminus[2] < 0.01


def _epochs(*losses):
    return [
        EpochMetrics(i, train, val, 0.9, 0.8, 1e-3, 1.0, is_best=i == 0)
        for i, (train, val) in enumerate(losses)
    ]


def test_lines_are_named_at_their_ends_and_the_names_never_touch():
    figure = curves.loss_curve(_epochs((1.0, 1.1), (0.1, 0.1001)))
    training, validation = figure.layout.annotations
    assert (training.text, validation.text) == ("training", "validation")
    assert (training.x, training.y) == (2, -1)
    assert validation.yshift - training.yshift >= 15
    assert figure.layout.showlegend is False
    assert [trace.line.dash for trace in figure.data] == ["solid", "dash"]


def test_a_line_that_leaves_the_numbers_is_named_at_its_last_one():
    figure = curves.loss_curve(_epochs((1.0, 1.1), (0.1, float("nan"))))
    assert [label.x for label in figure.layout.annotations] == [2, 1]


def test_each_chart_names_what_it_saves_and_runs_no_formula():
    figure = confidence_charts.confidences([("=cmd()", 0.9), ("good", 0.1)])
    assert figure.layout.meta["title"] == "Confidence per class"
    assert [list(column) for column in figure.layout.meta["table"]] == [
        ["class", ["'=cmd()", "good"]],
        ["confidence (%)", [90.0, 10.0]],
    ]
    assert dict(_cost_curve().layout.meta["table"])["threshold (%)"][0] == 10.0


def test_wrong_images_are_pale_and_hatched_beside_the_correct_ones():
    right, wrong = confidence_charts.bands([ConfidenceBand(0.9, 1.0, 50, 2)]).data
    assert (right.marker.color, right.marker.pattern.shape) == (Colour.RIGHT, None)
    assert (wrong.marker.pattern.shape, wrong.marker.pattern.bgcolor) == ("/", Colour.WRONG_PALE)


def _painted(heatmap):
    """The colours of the cells, by the nearest stop of the scale."""
    ends = np.array([at for at, _ in heatmap.colorscale])
    z = (np.array(heatmap.z) - heatmap.zmin) / (heatmap.zmax - heatmap.zmin)
    nearest = np.abs(z[..., None] - ends).argmin(axis=-1)
    return [[heatmap.colorscale[i][1] for i in row] for row in nearest.tolist()]


def test_a_cell_with_the_whole_of_its_row_has_the_full_colour_of_its_meaning():
    # Where every part was right, the cells had the pale red of an error.
    figure = outcome_matrices.ok_nok_matrix(Outcome(ok=(40, 0, 0), nok=(0, 0, 20)))
    empty = Colour.EMPTY
    assert _painted(figure.data[0]) == [[Colour.RIGHT, empty, empty], [empty, empty, Colour.RIGHT]]
    figure = outcome_matrices.ok_nok_matrix(Outcome(ok=(0, 0, 40), nok=(20, 0, 0)))
    false_reject, wrong = Colour.FALSE_REJECT, Colour.WRONG
    assert _painted(figure.data[0]) == [[empty, empty, false_reject], [wrong, empty, empty]]
    figure = outcome_matrices.ok_nok_matrix(Outcome(ok=(0, 40, 0), nok=(0, 20, 0)))
    assert _painted(figure.data[0]) == [[empty, Colour.REVIEW, empty]] * 2


def test_reviews_have_a_column_only_where_there_can_be_any():
    # One threshold reviews nothing, and an empty column asked what it was for.
    outcome = Outcome(ok=(40, 0, 0), nok=(2, 0, 18))
    figure = outcome_matrices.ok_nok_matrix(outcome, cell=(1, 1), has_reviews=False)
    assert list(figure.layout.xaxis.ticktext) == ["accept", "reject"]
    assert [len(row) for row in figure.data[0].z] == [2, 2]
    reviewed = Outcome(ok=(39, 1, 0), nok=(2, 0, 18))
    assert outcome_matrices.zones_shown(reviewed, has_reviews=False) == (0, 1, 2)


def test_counts_by_confidence_stand_on_plain_axes():
    # Bars were stacked on a logarithmic axis with the one tick "1": heights meant nothing.
    edges = np.linspace(0, 1, 11)
    right, wrong = np.arange(10) * 100, np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    figure = confidence_charts.histogram(ConfidenceHistogram(edges, right, wrong))
    assert [bar.yaxis for bar in figure.data] == ["y", "y2"]
    axes = (figure.layout.yaxis, figure.layout.yaxis2)
    assert all(axis.type != "log" and axis.range[0] == 0 for axis in axes)
    assert [round(axis.range[1], 2) for axis in axes] == [972, 1.08]


def test_saved_charts_are_named_after_model_and_images():
    figure = saving.of_model(_cost_curve(), "Lite quick", "validation")
    assert figure.layout.meta["of"] == "Lite quick validation"
    assert figure.layout.meta["title"] == "Cost by threshold"
    script = (Path(theme.__file__).parents[1] / "assets/chart.js").read_text(encoding="utf-8")
    assert "fileName([meta.of, meta.title]" in script


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
def test_figures_in_white_or_black_can_be_read_on_every_tone_of_a_matrix(side):
    # Plotly's choice of white or gray had a contrast of 2.7 to 3.6 on middle tones.
    script = (Path(theme.__file__).parents[1] / "assets/chart.js").read_text(encoding="utf-8")
    assert "> .18 ? '#000' : '#fff'" in script
    tones = outcome_matrices.RAMPS.values()
    for pale, strong in ([PALETTE[role][side] for role in pair] for pair in tones):
        for part in np.linspace(0, 1, 50):
            ends = [np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) for c in (pale, strong)]
            tone = ends[0] + part * (ends[1] - ends[0])
            colour = "#" + "".join(f"{round(channel):02x}" for channel in tone)
            ink = "#000000" if float(_XYZ[1] @ _linear(colour)) > 0.18 else "#ffffff"
            assert _contrast(ink, colour) >= 4.5
