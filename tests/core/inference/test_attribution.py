"""The evidence of a class is its score, divided among the places of the image."""

import numpy as np
import pytest
import torch

from core.domain.configs.choices import Detail
from core.inference.attribution import evidence
from core.inference.runtime import TorchRuntime, open_runtime
from core.models.build import build_network
from core.models.detail import features_module

SIDE = 64


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network("tf_efficientnet_lite0", 2).eval()


@pytest.mark.parametrize("detail", [Detail.MIRRORED, Detail.TURNED, Detail.TILES])
def test_fast_runtime_torch_and_heatmap_agree_on_what_the_model_saw(network, detail, tmp_path):
    module = features_module(network, (0.5,) * 3, (0.5,) * 3, detail)
    side = SIDE * detail.scale
    pixels = np.random.default_rng(0).integers(0, 256, (2, side, side, 3)).astype(np.uint8)
    fast = open_runtime("key", lambda: module, tmp_path, side)
    slow = TorchRuntime(module, "cpu")
    features, expected = fast.features(pixels), slow.features(pixels)
    assert np.abs(features - expected).max() <= 1e-4 * np.abs(expected).max()
    assert fast.alone(pixels[0]) == pytest.approx(features[0], rel=1e-4, abs=1e-5)
    if detail is Detail.MIRRORED:
        mirrored = fast.features(np.ascontiguousarray(pixels[:, :, ::-1]))
        assert mirrored == pytest.approx(features, abs=1e-5)
    if detail is Detail.TURNED:
        turned = fast.features(np.ascontiguousarray(np.rot90(pixels, 1, (1, 2))))
        assert turned == pytest.approx(features, abs=1e-5)
    maps = fast.stage_maps(pixels[0])
    for ours, theirs in zip(maps, slow.stage_maps(pixels[0]), strict=True):
        assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()
    weight = np.random.default_rng(1).normal(size=features.shape[1]).astype(np.float32)
    assert evidence(maps, weight).sum() == pytest.approx(features[0] @ weight, rel=1e-3)


def test_a_maximum_counts_where_it_lies_and_in_the_view_that_gave_it():
    # One feature; its maximum lies in the lower right corner of the upper right quarter.
    maps = np.zeros((5, 1, 2, 2), np.float32)
    maps[2, 0, 1, 1] = 4.0
    shares = evidence([maps], np.array([0.0, 1.0], np.float32))
    assert np.unravel_index(shares.argmax(), shares.shape) == (1, 3)
    assert shares.sum() == pytest.approx(4.0)
    assert shares[:, :2].sum() == shares[2:].sum() == 0
    # A mean is spread by the values of the same view; the whole image covers all cells.
    maps[0] = 2.0
    even = evidence([maps], np.array([1.0, 0.0], np.float32))
    assert even == pytest.approx(np.full((4, 4), 2.0 / 16))


@pytest.mark.parametrize("turns", range(4))
def test_a_maximum_of_a_turned_view_counts_where_it_lies_in_the_image(turns):
    spot = np.zeros((2, 2), np.float32)
    spot[0, 1] = 4.0  # upper right
    maps = np.zeros((4, 1, 2, 2), np.float32)
    maps[turns, 0] = np.rot90(spot, turns)  # as the network sees it in this view
    shares = evidence([maps], np.array([0.0, 1.0], np.float32))
    assert shares == pytest.approx(0.25 + 0.75 * spot)  # its mean of 1 is spread evenly
