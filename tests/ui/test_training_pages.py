"""Train and Runs: what a recipe asks for, and what a run shows of how it came to its model."""

import pytest

from core.domain.jobs import JobKind, JobStatus
from core.domain.training import EpochMetrics
from core.store import jobs, runs
from core.store.database import connect
from core.workspace import Workspace
from pages.ui.places import Place
from tests.conftest import Trained, copy_of
from tests.ui.conftest import OpenPage


def _labels(app) -> set[str]:
    fields = (*app.number_input, *app.selectbox, *app.toggle, *app.slider)
    return {field.label for field in fields}


def test_the_form_asks_only_for_what_acts_in_the_recipe(
    open_page: OpenPage, trained: Trained
) -> None:
    # The form of the quick recipe asked for epochs, momentum and a schedule.
    app = open_page(Place.TRAIN, trained.workspace)
    app.radio(key="recipe").set_value("quick").run()
    assert not app.exception
    quick = _labels(app)
    assert {"Penalty", "Refit with validation", "Class weights", "Label smoothing"} <= quick
    steps = {"Epochs", "Learning rate", "Momentum", "Optimizer", "Rotation"}
    assert not quick & steps
    app.radio(key="recipe").set_value("full").run()
    full = _labels(app)
    assert steps | {"Class weights"} <= full
    assert not full & {"Penalty", "Refit with validation"}


def test_a_solved_run_shows_its_penalty_and_what_validated_it(
    open_page: OpenPage, trained: Trained
) -> None:
    app = open_page(Place.RUNS, trained.workspace, run=trained.run.run.id)
    assert not app.exception
    metrics = {metric.label: metric.value for metric in app.metric}
    assert {"Chosen penalty", "Log loss", "Validation macro F1"} <= set(metrics)
    assert "Epoch" not in metrics
    (settings,) = [
        m.value.replace("\\", "") for m in app.markdown if m.value.startswith("Dataset **")
    ]
    assert "penalty **by cross-validation**" in settings
    assert "epochs" not in settings
    assert any("cross-validated" in caption.value for caption in app.caption)


@pytest.fixture
def in_epochs(trained: Trained, tmp_path) -> Workspace:
    """The same run as an earlier version left it: with epochs, without a path."""
    workspace = copy_of(trained.workspace, tmp_path / "older")
    run_id = trained.run.run.id
    with connect(workspace) as db:
        job_id = jobs.enqueue(db, JobKind.TRAIN, run_id, {}, now=1.0)
        jobs.claim(db, "training", owner="me", now=2.0)
        lines = [EpochMetrics(i, 0.5, 0.4, 0.8, 0.7, 0.1, 1.0, is_best=i == 1) for i in range(3)]
        runs.save_penalty_path(db, run_id, [], job_id=job_id, owner="me")
        assert runs.save_epochs(db, run_id, lines, job_id=job_id, owner="me")
        jobs.finish(db, job_id, JobStatus.COMPLETED, owner="me", now=3.0)
    return workspace


def test_a_quick_run_of_an_earlier_version_still_shows_its_epochs(
    open_page: OpenPage, trained: Trained, in_epochs: Workspace
) -> None:
    app = open_page(Place.RUNS, in_epochs, run=trained.run.run.id)
    assert not app.exception
    metrics = {metric.label: metric.value for metric in app.metric}
    assert (metrics["Epoch"], metrics["Best epoch"]) == ("3 / 100", "1")
    (settings,) = [
        m.value.replace("\\", "") for m in app.markdown if m.value.startswith("Dataset **")
    ]
    assert "epochs **100**" in settings
    assert "penalty" not in settings


def test_evaluate_says_that_validation_results_are_cross_validated(
    open_page: OpenPage, trained: Trained
) -> None:
    app = open_page(Place.EVALUATE, trained.workspace, model=trained.model.id, subset="validation")
    assert not app.exception
    assert any(caption.value.startswith("Cross-validated") for caption in app.caption)
    assert any("Cross-validated: the model was refitted" in item.value for item in app.markdown)
