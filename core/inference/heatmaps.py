"""Heatmaps: which pixels speak for a class."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import assert_never

import numpy as np
import torch
from captum.attr import LayerAttribution, LayerGradCam, Occlusion
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from core.domain.models import HeatmapMethod
from core.inference.predictor import Predictor, build_module

# Viridis-like anchors from cold to hot, readable for colour-blind eyes and on gray parts.
_COLOURS = np.array(
    [[13, 8, 135], [126, 3, 168], [204, 71, 120], [248, 149, 64], [240, 249, 33]], np.float32
)


class Explainer:
    """Heatmaps of one model; holds the torch network beside the fast predictor."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._module = build_module(predictor.card, predictor.tensors)
        self._layer: nn.Module | None = None

    def heatmap(
        self, pixels: NDArray[np.uint8], class_index: int, method: HeatmapMethod
    ) -> NDArray[np.float32]:
        """Evidence for a class: float32 [S, S] in [0, 1], aligned to the preprocessed image.

        0 everywhere means that nothing speaks for the class.

        Args:
            pixels: uint8 [S, S, 3].
            class_index: the class to explain.
            method: Grad-CAM is quick and coarse; occlusion is slower and shows which region, when
                covered, costs the class its confidence.

        Source: Selvaraju et al. 2017, "Grad-CAM"; Zeiler and Fergus 2014 for occlusion.
        """
        match method:
            case HeatmapMethod.GRAD_CAM:
                values = self._grad_cam(pixels, class_index)
            case HeatmapMethod.OCCLUSION:
                values = self._occlusion(pixels, class_index)
            case _:
                assert_never(method)
        positive = np.maximum(values, 0)
        return (positive / max(float(positive.max()), 1e-12)).astype(np.float32)

    def _grad_cam(self, pixels: NDArray[np.uint8], class_index: int) -> NDArray[np.float32]:
        batch = self._module.normalized(torch.from_numpy(pixels.copy())[None])  # [1, 3, S, S]
        self._layer = self._layer or last_map_layer(self._module.network, batch)
        cam = LayerGradCam(self._module.network, self._layer)
        coarse = cam.attribute(batch, target=class_index, relu_attributions=True)  # [1, 1, h, w]
        fine = LayerAttribution.interpolate(coarse, pixels.shape[:2], "bilinear")
        return fine[0, 0].detach().numpy()  # type: ignore[no-any-return]

    def _occlusion(self, pixels: NDArray[np.uint8], class_index: int) -> NDArray[np.float32]:
        side = pixels.shape[0]
        window = max(8, side // 7)

        def log_odds(batch: Tensor) -> Tensor:
            images = batch.permute(0, 2, 3, 1).round().to(torch.uint8).numpy()
            features = self._predictor.features(images)
            logits = torch.from_numpy(self._predictor.logits_of_features(features))
            others = logits.clone()
            others[:, class_index] = -torch.inf
            return logits - others.logsumexp(1, keepdim=True)  # [B, C]

        # Why odds: a confidence of 1.000 hardly falls when a part of the evidence is covered.
        drop = Occlusion(log_odds).attribute(
            torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float(),  # [1, 3, S, S]
            sliding_window_shapes=(3, window, window),
            strides=(3, window // 2, window // 2),
            baselines=127.0,
            target=class_index,
            perturbations_per_eval=32,
        )
        return drop[0].mean(0).numpy()  # type: ignore[no-any-return]


def focus(heatmap: NDArray[np.float32]) -> float:
    """How small the region with half of the evidence is: 0 for an even map, 1 for a point.

    Args:
        heatmap: [S, S], at least 0; without any evidence its focus is 0.
    """
    values = np.sort(heatmap, axis=None)[::-1].cumsum(dtype=np.float64)
    if values[-1] <= 0:
        return 0.0
    half = int(np.searchsorted(values, values[-1] / 2)) + 1
    return float(max(0.0, 1 - 2 * half / values.size))


@contextmanager
def single_threaded() -> Iterator[None]:
    """Explain one image after the other with one thread.

    Why: single images gain nothing from threads, and waiting for them costs seconds each on a
    busy machine.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def last_map_layer(network: nn.Module, batch: Tensor) -> nn.Module:
    """The last direct child of a network that still gives maps [B, C, h, w] with h, w > 1."""
    layers: list[nn.Module] = []

    def note(module: nn.Module, _: object, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and min(output.shape[2:]) > 1:
            layers.append(module)

    handles = [child.register_forward_hook(note) for child in network.children()]
    try:
        with torch.inference_mode():
            network(batch)
    finally:
        for handle in handles:
            handle.remove()
    return layers[-1]


def overlay(
    pixels: NDArray[np.uint8], heatmap: NDArray[np.float32], *, strength: float = 0.6
) -> Image.Image:
    """The image with the heatmap laid over it; cold regions stay as they are.

    Args:
        pixels: uint8 [S, S, 3].
        heatmap: [S, S] in [0, 1].
        strength: opacity of the hottest point, in [0, 1].
    """
    position = heatmap * (len(_COLOURS) - 1)
    lower = np.minimum(position.astype(int), len(_COLOURS) - 2)
    fraction = (position - lower)[..., None]
    colour = _COLOURS[lower] * (1 - fraction) + _COLOURS[lower + 1] * fraction
    opacity = (heatmap * strength)[..., None]
    mixed = pixels * (1 - opacity) + colour * opacity
    return Image.fromarray(np.clip(mixed + 0.5, 0, 255).astype(np.uint8))
