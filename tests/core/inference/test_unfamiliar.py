"""Unfamiliar images: what is far from all training images, and how often familiar ones are."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from core.cli.app import app
from core.errors import ModelFileError
from core.evaluation.measures.intervals import upper_bounds
from core.inference import unfamiliar
from core.inference.unfamiliar import Unlearned, fit_unfamiliar, read_unfamiliar
from core.models.bundle import read_beside, read_card, read_tensors, write_bundle
from core.workflows.use import models, prediction
from tests.conftest import save_image

WIDTH = 32


def _features(count, seed, shift=0.0):
    """Two clusters in the first 6 of `WIDTH` features; `shift` moves all images along another."""
    random = np.random.default_rng(seed)
    values = random.normal(0, 0.1, (count, WIDTH))
    values[:, :6] += random.normal(0, 1, (count, 6))
    values[:, :6] += np.where(np.arange(count) % 2, 3, -3)[:, None]
    values[:, 9] += shift
    return values.astype(np.float32)


def _fitted(features, *, groups=None, unseen=None, rate=0.05):
    every = np.arange(len(features))
    groups = every if groups is None else groups
    return fit_unfamiliar(
        features, groups, every % 2, every.astype(np.uint64), rate, parts=groups, unseen=unseen
    )


@pytest.mark.parametrize("count", [20, 400])
def test_what_lies_elsewhere_is_unfamiliar_and_new_images_of_the_kind_are_not(count):
    known = _fitted(_features(count, 0))
    assert (known.scores(_features(200, 1, shift=20.0)) > 1).all()
    false_alarms = (known.scores(_features(1000, 2)) > 1).mean()
    assert false_alarms <= upper_bounds(known.exceeded, known.judged)
    assert false_alarms < 0.15  # 5 % were asked for


def test_fewer_than_twenty_images_have_no_score():
    assert _fitted(_features(19, 0)) is None


def test_images_of_one_group_do_not_vouch_for_each_other():
    # Each part photographed three times: its views are nearly equal, and a limit that was judged
    # by them would call most new parts unfamiliar.
    parts = np.repeat(_features(60, 0), 3, axis=0)
    views = parts + np.random.default_rng(5).normal(0, 0.001, parts.shape).astype(np.float32)
    new = _features(500, 3)
    numbers = np.repeat(np.arange(60), 3)
    kept_apart = _fitted(views, groups=numbers)
    assert (kept_apart.scores(new) > 1).mean() < 0.1
    assert (_fitted(views).scores(new) > 1).mean() > 0.5
    # Nor do views of learned parts that judge: validation images of a split that ignores parts.
    unseen = Unlearned(views[::3] + 1e-4, numbers[::3], numbers[::3])
    assert (_fitted(views, groups=numbers, unseen=unseen).scores(new) > 1).mean() < 0.1


def test_false_alarms_are_counted_by_part_so_that_the_bound_holds_for_new_parts():
    # The bound was of images: that of 90 images was told where they show 30 parts.
    kept, told = 0, []
    for seed in range(20):
        random = np.random.default_rng(100 + seed)
        learned, new = (np.repeat(_features(count, seed + count), 3, axis=0) for count in (30, 300))
        learned, new = (
            v + random.normal(0, 0.05, v.shape).astype(np.float32) for v in (learned, new)
        )
        known = _fitted(learned, groups=np.repeat(np.arange(30), 3))
        assert (known.judged, known.parts) == (90, known.false_alarms)
        assert known.false_alarms[1] == 30
        told.append(float(upper_bounds(*known.false_alarms)))
        kept += (known.scores(new) > 1).reshape(300, 3).any(1).mean() <= told[-1]
    assert kept >= 17  # 19 in the long run
    assert np.mean(told) < 0.4


def test_a_network_that_knows_its_images_by_heart_is_judged_by_others():
    learned, numbers = _features(100, 0) * 0.01, np.arange(100, 200)
    unseen = Unlearned(_features(100, 1), numbers, numbers)
    learned[:, :6] += np.where(np.arange(100) % 2, 3, -3)[:, None]  # a point for each class
    assert (_fitted(learned).scores(_features(400, 2)) > 1).mean() > 0.5
    assert (_fitted(learned, unseen=unseen).scores(_features(400, 2)) > 1).mean() < 0.12


def test_many_images_are_stood_for_by_some_and_rare_classes_keep_theirs(monkeypatch):
    monkeypatch.setattr(unfamiliar, "MOST_REFERENCES", 50)
    targets = np.array([1] * 5 + [0] * 195)
    known = fit_unfamiliar(
        _features(200, 0), np.arange(200), targets, np.arange(200).astype(np.uint64), 0.05
    )
    assert len(known.references) == 50
    assert set(range(5)) <= set(known.digests.tolist())
    assert known.judged == 200


def test_the_nearest_come_first_and_the_image_itself_is_left_out():
    features = _features(40, 0)
    known = _fitted(features)
    (itself, distance), *_ = known.nearest(features[7], 3)
    assert (itself, distance) == (7, pytest.approx(0, abs=0.01))
    others = known.nearest(features[7], 3, besides=7)
    assert [digest % 2 for digest, _ in others] == [1, 1, 1]  # of its cluster
    assert [score for _, score in others] == sorted(score for _, score in others)


def test_the_score_travels_with_the_model_and_older_models_have_none(trained, tmp_path):
    bundle = models.exported_bundle(trained.workspace, trained.model)
    known = read_unfamiliar(bundle)
    assert known.judged == len(known.references) == 32  # of training and validation
    assert (known.rate, known.exceeded, known.parts) == (0.01, 0, (0, 32))
    older = tmp_path / "older.safetensors"
    older.write_bytes(write_bundle(read_card(bundle), read_tensors(bundle)))
    assert read_unfamiliar(older) is None
    beside = read_beside(bundle)
    beside["touchstone.unfamiliar.digests"] = beside["touchstone.unfamiliar.digests"][1:]
    older.write_bytes(write_bundle(read_card(bundle), read_tensors(bundle) | beside))
    with pytest.raises(ModelFileError, match="unfamiliar"):
        read_unfamiliar(older)


def test_predict_tells_unfamiliar_images(trained, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (192, 192, 3))
    strange = save_image(tmp_path / "strange.png", noise)
    sources = [trained.images / "stripes" / "000.png", strange]
    arguments = ["--workspace", str(trained.workspace.root), "--json"]
    answer = CliRunner().invoke(app, ["predict", trained.model.id, *map(str, sources), *arguments])
    said = json.loads(answer.stdout)
    known, unlike = said["predictions"]
    assert said["unfamiliar_limit"]["judged_images"] == 32
    assert 0.05 < said["unfamiliar_limit"]["false_alarm_bound"] < 0.1  # none of 32
    assert (known["is_unfamiliar"], unlike["is_unfamiliar"]) == (False, True)
    assert known["unfamiliar_score"] < 1 < unlike["unfamiliar_score"]
    assert "1 image unlike the training images" in answer.stderr
    items = prediction.predict(trained.workspace, trained.model, sources, ["a", "b"])
    header, *rows = prediction.as_csv(items, trained.model.class_names).decode().splitlines()
    assert header.split(",")[3] == "unfamiliar_score"
    assert [float(row.split(",")[3]) > 1 for row in rows] == [False, True]
