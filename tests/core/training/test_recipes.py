"""Networks that are trained on give at first what the solved head gives."""

import numpy as np
import pytest
import torch

from core.domain.configs.choices import Detail
from core.domain.configs.train import TrainConfig
from core.training import recipes
from core.training.stages import lower_part

CPU = torch.device("cpu")
HALVES = (0.5, 0.5, 0.5)
LAST_MAPS, STRIDE_32, STRIDE_16 = 1280, 320, 112  # channels of EfficientNet-Lite0


@pytest.fixture(scope="module")
def solved():
    features = recipes.empty_features("tf_efficientnet_lite0", 3, HALVES, HALVES, Detail.STAGES, 64)
    draw = np.random.default_rng(0)
    pixels = torch.from_numpy(draw.integers(0, 256, (4, 64, 64, 3), np.uint8))
    with torch.inference_mode():
        values = features(pixels).numpy()
    weight = draw.normal(0, 1, (3, values.shape[1])).astype(np.float32)
    return features, pixels, values, weight / np.maximum(values.std(0), 1e-3)


def _logits(model, inputs):
    with torch.inference_mode():
        return model.eval()(inputs).numpy()


def test_full_starts_from_the_head_on_several_stages(solved):
    features, pixels, values, weight = solved
    recipes.set_head(features, weight, np.ones(3, np.float32))
    model = recipes.whole_classifier(features, TrainConfig(), CPU)
    np.testing.assert_allclose(
        _logits(model, pixels.float()), values @ weight.T + 1, rtol=1e-3, atol=1e-2
    )


@pytest.mark.parametrize(
    ("count", "channels"),
    [
        (6, LAST_MAPS + STRIDE_32 + STRIDE_16),  # what is stored ends a stage
        (7, LAST_MAPS + STRIDE_32),  # what is stored lies within one
    ],
)
def test_staged_starts_from_the_head_on_what_its_stored_maps_give(solved, count, channels):
    features, pixels, values, weight = solved
    width = recipes.upper_width(features, count, 64)
    assert width == 2 * channels
    known = weight * (np.arange(weight.shape[1]) < width)
    recipes.set_head(features, known, np.ones(3, np.float32))
    with torch.inference_mode():
        maps = lower_part(features, count)(pixels)
    model = recipes.upper_classifier(features, count, TrainConfig(), CPU)
    np.testing.assert_allclose(_logits(model, maps), values @ known.T + 1, rtol=1e-3, atol=1e-2)
