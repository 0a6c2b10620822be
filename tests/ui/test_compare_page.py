"""Compare, without a browser: where a test is closed or settled, how differences are written."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.domain.models import ModelStanding
from core.domain.splits import Subset
from core.evaluation.decisions.outcome import single_threshold
from core.evaluation.release.criteria import ReleaseCriteria
from core.workflows import stages
from core.workflows.results import thresholds
from core.workflows.results.thresholds import ThresholdChoice
from core.workflows.signoff import release, report, sealing
from core.workflows.use import models
from core.workspace import Workspace
from tests.made import Made, add_model, make_dataset
from tests.ui.conftest import OpenPage


@pytest.fixture
def made(workspace: Workspace, tmp_path: Path) -> Made:
    made = make_dataset(workspace, per_subset=24, images=tmp_path / "images")
    add_model(made, "new", seed=5, skill=4.0)
    add_model(made, "present", seed=1, skill=2.0)
    return made


def _compare(open_page: OpenPage, made: Made, against: str = "model-present") -> AppTest:
    return open_page("results/compare.py", made.workspace, model="model-new", against=against)


def _said(app: AppTest) -> str:
    kinds = (app.subheader, app.markdown, app.caption, app.info, app.warning, app.success)
    return " ".join(item.value for kind in kinds for item in kind).replace("\\", "")


def _subset(app: AppTest) -> object:
    return app.segmented_control(key="compare_subset").value


def _save_half(made: Made, name: str) -> None:
    basis = thresholds.load_basis(made.workspace, name)
    choice = ThresholdChoice(single_threshold(0.5), "by hand")
    thresholds.save_rule(made.workspace, basis, choice)


def _pass_sealed_test(made: Made, name: str) -> None:
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_overkill=0.9))
    _save_half(made, name)
    sealing.seal_test(made.workspace, name)
    standing = sealing.open_test(made.workspace, name, "release 1")
    report.gate_of(made.workspace, standing)
    found = models.find_model(made.workspace, name)
    assert stages.standing(made.workspace, found) is ModelStanding.PASSED


def test_a_model_that_passed_its_sealed_test_is_not_judged_again_on_validation(
    open_page: OpenPage, made: Made
) -> None:
    # It was called "would not meet the release criteria" under "No verdict yet".
    _pass_sealed_test(made, "new")
    app = _compare(open_page, made)
    assert not app.exception
    assert _subset(app) is Subset.VALIDATION
    assert "new passed its sealed test" in app.success[0].value
    assert "No verdict yet" not in _said(app)


def test_it_opens_on_validation_where_the_test_of_one_side_is_closed(
    open_page: OpenPage, made: Made
) -> None:
    # It opened on "test", a dead end, and on validation it still said to go there.
    _pass_sealed_test(made, "new")
    _save_half(made, "present")
    sealing.seal_test(made.workspace, "present")
    app = _compare(open_page, made)
    assert _subset(app) is Subset.VALIDATION
    assert "of the validation set of both models" in _said(app)
    assert "The test set of present is sealed until Sign-off opens it" in _said(app)
    assert "Compare on the validation images" not in _said(app)
    app.segmented_control(key="compare_subset").set_value(Subset.TEST).run()
    assert "Compare on the validation images" in app.info[0].value
    app.button(key="use_validation").click().run()
    assert "of the validation set of both models" in _said(app)


def test_no_difference_is_said_with_how_large_one_may_still_be(
    open_page: OpenPage, made: Made
) -> None:
    # "No difference: both are right and wrong on the same images" stood beside "No verdict yet".
    add_model(made, "copy", seed=5, skill=4.0)
    app = _compare(open_page, made, against="model-copy")
    (words,) = [item.value for item in app.subheader if "No difference" in item.value]
    assert words.startswith("No difference seen (±")
    assert words.endswith(" points).")
    # Minus signs were hyphens.
    assert "0.0 points (\N{MINUS SIGN}" in _said(app)
