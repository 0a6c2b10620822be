"""A head with a hidden layer is used, explained, exported and refused as a linear one is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open

from core.domain.configs.choices import Detail
from core.domain.models import HeatmapMethod
from core.errors import ModelFileError
from core.inference import service
from core.inference.exporting import whole_model
from core.inference.grad_cam import GradCam
from core.inference.heads import Head, HiddenLayer, head_module, read_head
from core.inference.heatmaps import Explainer
from core.inference.predictor import Predictor
from core.models.bundle import read_card, read_tensors, write_bundle
from core.workflows.use import models
from tests.conftest import marked_image


def _deepened(head: Head) -> Head:
    """The same scores by a hidden layer: z is relu(z) - relu(-z)."""
    both = np.concatenate([head.weight, -head.weight]), np.concatenate([head.bias, -head.bias])
    one = np.eye(len(head.bias), dtype=np.float32)
    return Head(np.concatenate([one, -one], 1), np.zeros_like(head.bias), HiddenLayer(*both))


@pytest.fixture(scope="module")
def linear(trained):
    bundle = models.exported_bundle(trained.workspace, trained.model)
    return Predictor.open(bundle, runtimes=trained.workspace.runtimes)


@pytest.fixture(scope="module")
def deep_file(linear, tmp_path_factory):
    tensors = {**linear.tensors, **_deepened(linear.head).as_tensors(linear.card.head)}
    path = tmp_path_factory.mktemp("deep") / "deep.safetensors"
    path.write_bytes(write_bundle(replace(linear.card, hidden_layer=True), tensors))
    return path


def test_a_model_with_a_hidden_layer_predicts_explains_and_exports_as_its_linear_twin(
    trained, linear, deep_file
):
    deep = Predictor.open(deep_file, runtimes=trained.workspace.runtimes)
    pixels = np.stack([marked_image(kind, 7)[0] for kind in ("stripes", "blue disc")])
    expected = linear.probabilities(pixels)
    assert deep.probabilities(pixels) == pytest.approx(expected, abs=1e-5)
    with torch.inference_mode():
        exported = whole_model(deep.card, deep.tensors)(torch.from_numpy(pixels[:1]))
    assert exported.numpy() == pytest.approx(expected[:1], abs=1e-4)
    for method in (HeatmapMethod.GRAD_CAM, HeatmapMethod.FINE_GRAD_CAM, HeatmapMethod.LAYER_CAM):
        own, other = (Explainer(p).heatmap(pixels[0], 1, method) for p in (deep, linear))
        assert own == pytest.approx(other, abs=1e-3), method
    by_torch = [GradCam(predictor).evidence(pixels[0], 1) for predictor in (deep, linear)]
    assert by_torch[0] == pytest.approx(by_torch[1], abs=1e-4 * float(by_torch[1].max()))
    service.check_bundle(deep_file, trained.workspace.runtimes)
    blind = deep.with_random_head(np.random.default_rng(0))
    assert np.abs(blind.probabilities(pixels) - expected).max() > 0.01
    assert read_head(blind.card, blind.tensors).hidden is not None


def test_the_slope_is_the_derivative_of_a_score_at_the_features():
    rng = np.random.default_rng(3)
    hidden = HiddenLayer(rng.normal(size=(16, 9)).astype("f4"), rng.normal(size=16).astype("f4"))
    head = Head(rng.normal(size=(3, 16)).astype("f4"), rng.normal(size=3).astype("f4"), hidden)
    assert head.width == 9
    features = rng.normal(size=(4, 9)).astype("f4")
    values = torch.from_numpy(features).requires_grad_(True)
    logits = head_module(head)(values)
    assert head.logits(features) == pytest.approx(logits.detach().numpy(), abs=1e-4)
    for row in range(4):
        (gradient,) = torch.autograd.grad(logits[row, 2], values, retain_graph=True)
        assert head.slope(2, features[row]) == pytest.approx(gradient[row].numpy(), abs=1e-4)


def test_a_hidden_layer_that_is_missing_or_not_told_of_is_refused(linear, deep_file, tmp_path):
    card, tensors = read_card(deep_file), read_tensors(deep_file)
    assert card == replace(linear.card, hidden_layer=True)
    short = {name: values for name, values in tensors.items() if "hidden.bias" not in name}
    narrow = {**tensors, f"{card.head}.weight": tensors[f"{card.head}.weight"][:, 1:]}
    for wrong, values in ((card, short), (card, narrow), (linear.card, tensors)):
        with pytest.raises(ModelFileError, match="do not fit"):
            read_head(wrong, values)
    # A version that knows no hidden layers looks for a detail of this name, and refuses it.
    with safe_open(deep_file, framework="numpy") as file:
        network, _, detail = file.metadata()["network"].partition("+")
    assert (network, detail) == (card.network, "whole+mlp")
    assert detail not in list(Detail)
    newer = tmp_path / "newer.safetensors"
    newer.write_bytes(deep_file.read_bytes().replace(b"+whole+mlp", b"+whole+kan"))
    with pytest.raises(ModelFileError, match=r"whole\+kan") as caught:
        read_card(newer)
    assert "newer version" in caught.value.hint
