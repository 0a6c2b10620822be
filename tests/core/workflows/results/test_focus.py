"""Heatmaps of many images by the real worker, and what is sorted by them."""

import io

import numpy as np
import pytest
from PIL import Image

from core.domain.configs.choices import ResizeMode
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.jobs import JobStatus
from core.domain.models import Model
from core.domain.splits import Subset
from core.evaluation.measures.views import Order, sorted_images
from core.inference.heatmaps import focus as focus_of
from core.store import predictions
from core.store.database import connect
from core.workflows import jobs
from core.workflows.results import evaluation, focus
from tests.conftest import copy_of


def test_focus_is_zero_for_a_flat_map_and_near_one_for_a_point():
    flat, point = np.ones((20, 20), np.float32), np.zeros((20, 20), np.float32)
    point[3, 4] = 1
    assert focus_of(flat) == pytest.approx(0, abs=0.01)
    assert focus_of(point) > 0.99
    assert focus_of(np.zeros((20, 20), np.float32)) == 0
    half = np.zeros((20, 20), np.float32)
    half[:10] = 1  # half of the evidence lies in a quarter of the image
    assert focus_of(half) == pytest.approx(0.5, abs=0.01)


def test_images_without_a_heatmap_come_last():
    values = np.array([0.9, np.nan, 0.1, 0.5])
    same = np.zeros(4)
    ordered = sorted_images(
        np.arange(4), Order.FOCUS, confidence=same, margin=same, loss=same, focus=values
    )
    assert ordered.tolist() == [2, 3, 0, 1]


def test_the_worker_explains_images_and_an_unreadable_one_is_said_once(trained, tmp_path):
    workspace = copy_of(trained.workspace, tmp_path / "copy")
    found = evaluation.judge(workspace, trained.model.id, Subset.VALIDATION)
    values = focus.focus_values(workspace, found)
    assert np.isnan(values).all()
    every = np.arange(len(values))
    missing = focus.unexplained(found, values, every)
    assert sorted(missing) == every.tolist()

    with connect(workspace) as db, db.conn:
        db.conn.execute(
            "UPDATE samples SET path = path || '.gone' WHERE id = ?",
            [int(found.sample_ids[0])],
        )
    job = focus.start_explaining(workspace, found, missing)
    assert jobs.wait(workspace, job.id, on_change=lambda _: None).status is JobStatus.COMPLETED
    values = focus.focus_values(workspace, found)
    assert values[0] == -1
    assert ((values[1:] > 0) & (values[1:] < 1)).all()
    assert not len(focus.unexplained(found, values, every))
    # The coarse heatmaps are kept too: to sort by the heat in a region, and to show at once.
    whole = focus.region_shares(workspace, found, (0, 0, 1, 1))
    left, right = (
        focus.region_shares(workspace, found, box) for box in ((0, 0, 0.5, 1), (0.5, 0, 1, 1))
    )
    assert whole[0] == left[0] == -1  # unreadable, and not asked for again
    assert whole[1:] == pytest.approx(1)
    assert (left + right)[1:] == pytest.approx(1)
    average = focus.average_heat(workspace, found, every)
    assert (average.images, average.cells.max()) == (len(every) - 1, 1)
    parts = focus.share_inside(average.cells, (0, 0, 0.5, 1))
    assert parts == pytest.approx(left[1:].mean())  # each image counts the same
    ordered = sorted_images(
        every, Order.REGION, confidence=left, margin=left, loss=left, region=left
    )
    assert left[ordered].tolist() == sorted(left, reverse=True)
    assert focus.heated_ids(workspace, trained.model) == set(found.sample_ids[1:].tolist())
    shown = focus.heated_thumbnail(workspace, trained.model, int(found.sample_ids[1]))
    assert Image.open(io.BytesIO(shown)).size == (192, 192)


def test_a_region_of_what_the_network_sees_lies_there_on_the_image():
    letterboxed = Model(
        "m",
        "m",
        None,
        None,
        "",
        None,
        ("a", "b"),
        "n",
        PreprocessConfig(resize_mode=ResizeMode.LETTERBOX, image_size_px=200),
        1,
        "",
        1.0,
    )
    # 50 of the 200 rows above and below are bars.
    assert focus.region_on_image(letterboxed, (400, 200), (0.5, 0.5, 1, 1)) == (0.5, 0.5, 1, 1)
    whole = focus.region_on_image(letterboxed, (400, 200), focus.WHOLE)
    assert whole == (0, 0, 1, 1)
    upper = focus.region_on_image(letterboxed, (400, 200), (0, 0.25, 1, 0.5))
    assert upper == (0, 0, 1, 0.5)


def test_only_the_most_confident_images_are_explained(trained, monkeypatch):
    monkeypatch.setattr(focus, "MOST_EXPLAINED", 2)
    found = evaluation.judge(trained.workspace, trained.model.id, Subset.VALIDATION)
    every = np.arange(len(found.predicted))
    missing = focus.unexplained(found, np.full(len(every), np.nan), every)
    assert missing.tolist() == np.argsort(-found.confidence, kind="stable")[:2].tolist()


def test_focus_goes_with_its_model(trained, tmp_path):
    workspace = copy_of(trained.workspace, tmp_path / "copy")
    found = evaluation.judge(workspace, trained.model.id, Subset.VALIDATION)
    sample_id = int(found.sample_ids[0])
    with connect(workspace) as db, db.conn:
        predictions.save_focus(db, trained.model.id, {sample_id: 0.25, 10**9: 0.5})
        assert predictions.focus_of(db, trained.model.id) == {sample_id: 0.25}
        db.conn.execute("DELETE FROM models WHERE id = ?", [trained.model.id])
        assert predictions.focus_of(db, trained.model.id) == {}
