"""The tests of heatmaps and of robustness by the real worker, and what the command line says."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from core.cli.app import app
from core.domain.models import HeatmapMethod
from core.domain.splits import Subset
from core.store import splits
from core.store.database import connect
from core.workflows import jobs
from core.workflows.results import heatmap_grades, robustness
from core.workflows.results.heatmap_grades import Trust
from tests.conftest import copy_of


@pytest.fixture(scope="module")
def workspace(trained, tmp_path_factory):
    return copy_of(trained.workspace, tmp_path_factory.mktemp("graded") / "copy")


def test_methods_are_graded_by_planted_evidence_and_the_best_comes_first(
    trained, workspace, monkeypatch
):
    monkeypatch.setattr(heatmap_grades, "MOST_IMAGES", 8)
    assert heatmap_grades.heatmap_test(workspace, trained.model) is None
    methods = [HeatmapMethod.GRAD_CAM]
    job = heatmap_grades.start_test(workspace, trained.model, methods)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    tested = heatmap_grades.heatmap_test(workspace, trained.model)
    assert tested is not None
    assert {item.method for item in tested.methods} == set(methods)
    best = tested.methods[0]
    assert best.trust is Trust.TRUSTED
    assert best.grade.hits > 2 * best.grade.chance * best.grade.tried
    assert best.grade.likeness < 0.8
    assert heatmap_grades.recommended(tested, trained.model) is best.method
    assert [item.class_name for item in tested.mean] == list(trained.model.class_names)
    assert all(item.values.max() == 1 for item in tested.mean)
    assert not tested.border  # the marks lie anywhere


def test_robustness_is_measured_once_and_shown_for_a_class(trained, workspace, monkeypatch):
    monkeypatch.setattr(robustness, "MOST_IMAGES", 8)
    arguments = ["robustness", trained.model.name, "--workspace", str(workspace.root), "--json"]
    first = CliRunner().invoke(app, arguments)
    assert first.exit_code == 0, first.output
    every = json.loads(first.stdout)
    assert every["unchanged"]["rate"] == 1
    assert [item["change"] for item in every["changes"]] == list(robustness.ImageChange)
    brightness = every["changes"][0]["levels"]
    assert [item["level"] for item in brightness] == sorted(i["level"] for i in brightness)
    assert {"level": 1.0, "accuracy": every["unchanged"], "is_worse": False} in brightness
    of_class = CliRunner().invoke(app, [*arguments, "--class", "stripes"])
    answer = json.loads(of_class.stdout)
    assert answer["tested_at"] == every["tested_at"]
    assert 0 < answer["unchanged"]["n"] < every["unchanged"]["n"]


def test_no_test_image_is_used(trained, workspace):
    chosen = heatmap_grades.images_to_test_with(workspace, trained.model, 1000)
    with connect(workspace) as db:
        test = {s.id for s in splits.samples_in_subset(db, trained.split.id, Subset.TEST)}
    ids = [item[0] for item in chosen]
    assert not test & set(ids)
    assert len(set(ids)) == len(ids) > len(test)
    labels = np.array([item[2] for item in chosen[:4]])
    assert labels.tolist() == [0, 1, 0, 1]
