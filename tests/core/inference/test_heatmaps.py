import io

import numpy as np
import pytest
from PIL import Image

from core.domain.models import HeatmapMethod
from core.errors import UnreadableImageError
from core.inference import service
from core.inference.heatmaps import Explainer, overlay
from core.inference.predictor import Predictor
from core.workflows.use import models, prediction
from tests.conftest import IMAGE_PX, MARK_PX, marked_image


@pytest.fixture(scope="module")
def bundle(trained):
    return models.exported_bundle(trained.workspace, trained.model)


@pytest.fixture(scope="module")
def explainer(trained, bundle):
    return Explainer(Predictor.open(bundle, runtimes=trained.workspace.runtimes))


def _share_on_the_mark(explainer, method, kind, seed):
    pixels, (x, y) = marked_image(kind, seed)
    index = ("blue disc", "stripes").index(kind)
    heat = explainer.heatmap(pixels, index, method)
    assert heat.shape == (IMAGE_PX, IMAGE_PX)
    assert heat.dtype == np.float32
    assert heat.min() >= 0
    assert heat.max() == 1
    margin = 16  # the maps are coarse
    on_mark = heat[
        max(0, y - margin) : y + MARK_PX + margin, max(0, x - margin) : x + MARK_PX + margin
    ]
    return float(on_mark.sum() / heat.sum())


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        (HeatmapMethod.GRAD_CAM, "stripes"),
        (HeatmapMethod.GRAD_CAM, "blue disc"),
        # Why not the stripes: this model knows them by the absence of a disc, so that covering
        # them costs it little, and occlusion rightly says so.
        (HeatmapMethod.OCCLUSION, "blue disc"),
    ],
)
def test_the_evidence_lies_on_the_mark(explainer, method, kind):
    # With its margin the mark covers at most a quarter of the image.
    shares = [_share_on_the_mark(explainer, method, kind, seed) for seed in range(900, 906)]
    assert np.median(shares) > 1.5 * 0.25


def test_in_a_image_with_both_marks_each_class_finds_its_own(explainer):
    pixels = np.random.default_rng(7).normal(128, 12, (IMAGE_PX, IMAGE_PX, 3))
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    for kind, place in (("stripes", 10), ("blue disc", 118)):
        mark, (x, y) = marked_image(kind, 0)
        pixels[64:128, place : place + MARK_PX] = mark[y : y + MARK_PX, x : x + MARK_PX]
    disc, stripes = (explainer.heatmap(pixels, index, HeatmapMethod.GRAD_CAM) for index in (0, 1))
    half = IMAGE_PX // 2
    assert stripes[:, :half].sum() > 3 * stripes[:, half:].sum()
    assert disc[:, half:].sum() > 3 * disc[:, :half].sum()


def test_explaining_leaves_the_model_as_it_was(explainer):
    pixels, _ = marked_image("stripes", 5)
    one = explainer.heatmap(pixels, 1, HeatmapMethod.GRAD_CAM)
    explainer.heatmap(pixels, 0, HeatmapMethod.GRAD_CAM)
    assert np.array_equal(explainer.heatmap(pixels, 1, HeatmapMethod.GRAD_CAM), one)


def test_overlays_come_as_images_one_per_class_after_the_bare_one(trained):
    source = trained.images / "stripes" / "001.png"
    layers = prediction.heatmaps(trained.workspace, trained.model, source, ["stripes", "blue disc"])
    images = [np.asarray(Image.open(io.BytesIO(layer))) for layer in layers]
    assert [image.shape for image in images] == [(IMAGE_PX, IMAGE_PX, 3)] * 3
    assert np.array_equal(images[0], np.asarray(Image.open(source)))
    assert not np.array_equal(images[1], images[2])


def test_an_unreadable_image_has_no_heatmap(trained, bundle):
    runtimes = trained.workspace.runtimes
    with pytest.raises(UnreadableImageError):
        service.heatmaps(bundle, runtimes, b"broken", [0], HeatmapMethod.GRAD_CAM)


def test_a_cold_heatmap_leaves_the_image_alone():
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    cold = overlay(pixels, np.zeros((32, 32), np.float32))
    assert np.array_equal(np.asarray(cold), pixels)
    hot = np.asarray(overlay(pixels, np.ones((32, 32), np.float32), strength=1.0))
    assert np.all(hot == (240, 249, 33))
