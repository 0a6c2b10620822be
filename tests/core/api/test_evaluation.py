import json

import numpy as np
import pytest

from core.api.evaluation import measures_as_json
from core.cli.evaluation_table import measure_rows
from core.evaluation.measures.catalog import Measure, MeasureKind, catalog_of
from core.evaluation.measures.intervals import Estimate, Interval, rate_of
from core.evaluation.release.report_numbers import summary_values
from core.evaluation.report import evaluate
from pages.results.evaluate_measures import measure_columns


def _report(*further):
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(3), 50).astype(np.float32)
    catalog = (*catalog_of(3), *further)
    return evaluate(probabilities, random.integers(0, 3, 50), "abc", catalog=catalog)


NEW = Measure(
    "hamming_loss",
    "Hamming loss",
    "Share that is classified wrongly; lower is better.",
    MeasureKind.ERROR,
    lambda inputs: rate_of(inputs.predicted != inputs.targets, inputs.parts),
    json_path=("losses", "hamming"),
)


def test_a_new_row_of_the_catalog_appears_wherever_measures_are_shown():
    # A measure used to be written down in eight files.
    report = _report(NEW)
    wrong = report.measure("hamming_loss")
    assert wrong.value == pytest.approx(1 - report.accuracy)

    plain, intervals = measures_as_json(report)
    assert plain["losses"] == {"hamming": wrong.value}
    assert intervals["losses"]["hamming"]["k"] == wrong.shown.k

    assert [r for r in measure_rows(report) if r[0] == "Hamming loss"] == [
        ["Hamming loss", f"{wrong.value:.3f}", *(f"{end:.3f}" for end in _ends(wrong))]
    ]
    columns = measure_columns(report.listed)
    at = columns["measure"].index("Hamming loss")
    assert columns["value"][at] == f"{wrong.value:.3f}"
    assert columns["what it says"][at] == NEW.help

    values = summary_values(report)
    assert values["hamming_loss"] == wrong.value
    assert values["hamming_loss.high"] == wrong.interval.high


def _ends(found):
    return found.interval.low, found.interval.high


def test_a_measure_without_data_is_null_in_json_and_said_in_tables():
    nothing = Measure("x", "X", "Nothing.", MeasureKind.NUMBER, lambda inputs: Estimate(None))
    report = _report(nothing)
    plain, intervals = measures_as_json(report)
    assert plain["x"] is None
    assert intervals["x"] is None
    assert ["X", "no data", "", ""] in measure_rows(report)
    assert measure_columns(report.listed)["value"][-1] == "no data"
    assert json.dumps([plain, intervals], allow_nan=False)


def test_another_name_of_a_measure_is_for_scripts_only():
    report = _report()
    assert "micro_f1" in measures_as_json(report)[0]
    assert "Micro F1" not in [row[0] for row in measure_rows(report)]


def test_an_interval_without_a_rate_has_its_two_ends_only():
    half = Estimate(0.5, Interval(0.25, 0.75))
    report = _report(Measure("x", "X", "Half.", MeasureKind.NUMBER, lambda inputs: half))
    assert measures_as_json(report)[1]["x"] == {"low": 0.25, "high": 0.75}
