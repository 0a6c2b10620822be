"""Grad-CAM by PyTorch, for networks whose head is not linear on the mean of the last maps."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from captum.attr import LayerGradCam
from numpy.typing import NDArray
from torch import Tensor, nn

from core.inference.predictor import Predictor, build_module


class GradCam:
    """The torch network of a model, beside its fast predictor."""

    def __init__(self, predictor: Predictor) -> None:
        self._module = build_module(predictor.card, predictor.tensors)
        self._layer: nn.Module | None = None

    def evidence(self, pixels: NDArray[np.uint8], class_index: int) -> NDArray[np.float32]:
        """Evidence for a class on the last maps: [h, w], at least 0.

        Args:
            pixels: uint8 [S, S, 3].
            class_index: the class to explain.

        Source: Selvaraju et al. 2017, "Grad-CAM".
        """
        with single_threaded():
            batch = self._module.normalized(torch.from_numpy(pixels.copy())[None])  # [1, 3, S, S]
            self._layer = self._layer or last_map_layer(self._module.network, batch)
            cam = LayerGradCam(self._module.network, self._layer)
            coarse = cam.attribute(batch, target=class_index, relu_attributions=True)
        return coarse[0, 0].detach().numpy()  # type: ignore[no-any-return]  # of [1, 1, h, w]


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
