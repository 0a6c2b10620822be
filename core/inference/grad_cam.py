"""Grad-CAM by PyTorch, for networks whose head is not linear on the mean of the last maps."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from captum.attr import LayerGradCam
from numpy.typing import NDArray
from torch import Tensor, nn

from core.errors import TouchstoneError
from core.inference.heads import head_module
from core.inference.predictor import Predictor, build_module
from core.models.build import features_of, is_channels_last


class GradCam:
    """The torch network of a model, beside its fast predictor."""

    def __init__(self, predictor: Predictor) -> None:
        self._module = build_module(predictor.card, predictor.tensors)
        self._layer: nn.Module | None = None
        self._logits = _Logits(self._module.network, head_module(predictor.head)).eval()

    def evidence(self, pixels: NDArray[np.uint8], class_index: int) -> NDArray[np.float32]:
        """Evidence for a class on the last maps: [h, w], at least 0.

        Args:
            pixels: uint8 [S, S, 3].
            class_index: the class to explain.

        Raises:
            TouchstoneError: if the network has neither maps nor tokens in a square.

        Source: Selvaraju et al. 2017, "Grad-CAM".
        """
        with single_threaded():
            batch = self._module.normalized(torch.from_numpy(pixels.copy())[None])  # [1, 3, S, S]
            tokens = token_layer(self._module.network)
            if tokens is not None:
                return _token_evidence(self._logits, *tokens, batch, class_index)
            if is_channels_last(self._module.network):
                return _channels_last_evidence(self._logits, batch, class_index)
            self._layer = self._layer or last_map_layer(self._module.network, batch)
            cam = LayerGradCam(self._logits, self._layer)
            coarse = cam.attribute(batch, target=class_index, relu_attributions=True)
        return coarse[0, 0].detach().numpy()  # type: ignore[no-any-return]  # of [1, 1, h, w]


class _Logits(nn.Module):
    """Normalized images [B, 3, S, S] to logits [B, C], by the head of a model."""

    def __init__(self, network: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.network, self.head = network, head

    def forward(self, images: Tensor) -> Tensor:
        return self.head(features_of(self.network, images))  # type: ignore[no-any-return]


def token_layer(network: nn.Module) -> tuple[nn.Module, int] | None:
    """Of a vision transformer: the layer whose tokens are explained, and how many are no patches.

    The last block mixes all patches into the class token; what enters it is still one token per
    patch. None for a network of maps.
    """
    blocks, prefix = getattr(network, "blocks", None), getattr(network, "num_prefix_tokens", None)
    if not isinstance(blocks, nn.Sequential | nn.ModuleList) or not isinstance(prefix, int):
        return None
    if not len(blocks):
        return None
    layer = getattr(blocks[-1], "norm1", None)
    return (layer, prefix) if isinstance(layer, nn.Module) else None


def _token_evidence(
    logits_of: nn.Module, layer: nn.Module, prefix: int, batch: Tensor, class_index: int
) -> NDArray[np.float32]:
    """[h, h]: Grad-CAM on the patch tokens [1, prefix + h * h, D] that a layer gives."""
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    try:
        logits = logits_of(batch)  # [1, C]
    finally:
        handle.remove()
    (gradient,) = torch.autograd.grad(logits[0, class_index], kept[0])
    weight = gradient[0, prefix:].mean(0)  # [D]
    values = (kept[0][0, prefix:] @ weight).relu().detach()  # [h * h]
    side = math.isqrt(len(values))
    if side * side != len(values):
        raise TouchstoneError(
            "Grad-CAM is not available for this network: its patches form no square.",
            "Use occlusion instead.",
        )
    evidence: NDArray[np.float32] = values.view(side, side).numpy()
    return evidence


def _channels_last_evidence(
    logits_of: _Logits, batch: Tensor, class_index: int
) -> NDArray[np.float32]:
    """[h, w]: Grad-CAM on last maps [1, h, w, D], as a network of shifted windows gives them."""
    network: Any = logits_of.network
    maps = network.forward_features(batch)
    logits = logits_of.head(network.forward_head(maps, pre_logits=True))
    (gradient,) = torch.autograd.grad(logits[0, class_index], maps)
    evidence: NDArray[np.float32] = (maps[0] @ gradient[0].mean((0, 1))).relu().detach().numpy()
    return evidence


@contextmanager
def single_threaded() -> Iterator[None]:
    """One thread for torch.

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
    """The last direct child of a network that still gives maps [B, C, h, w] with h, w > 1.

    Raises:
        TouchstoneError: if there is none, or the last one gives them as [B, h, w, C].
    """
    layers: list[nn.Module] = []
    shapes: list[tuple[int, ...]] = []

    def note(module: nn.Module, _: object, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and min(output.shape[2:]) > 1:
            layers.append(module)
            shapes.append(tuple(output.shape))

    handles = [child.register_forward_hook(note) for child in network.children()]
    try:
        with torch.inference_mode():
            network(batch)
    finally:
        for handle in handles:
            handle.remove()
    width = getattr(network, "num_features", None)
    if not layers or (width is not None and shapes[-1][3] == width != shapes[-1][1]):
        raise TouchstoneError(
            "Grad-CAM is not available for this network: it has no maps.", "Use occlusion instead."
        )
    return layers[-1]
