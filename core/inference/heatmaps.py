"""Heatmaps: which pixels speak for a class. Free of torch wherever the network allows it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, assert_never

import numpy as np
from numpy.typing import NDArray

from core.domain.configs.choices import Detail
from core.domain.models import HeatmapMethod
from core.errors import TouchstoneError
from core.inference.attribution import evidence, smoothed
from core.inference.occlusion import occlusion
from core.inference.predictor import Predictor

if TYPE_CHECKING:
    from core.inference.grad_cam import GradCam

Of = TypeVar("Of")


class Explainer:
    """Heatmaps of one model."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._grad_cam: GradCam | None = None
        self._known: tuple[NDArray[np.uint8], Any] | None = None

    def warm_up(self) -> None:
        """Load what the first heatmap needs."""
        side = self._predictor.card.preprocess.image_size_px
        self.heatmap(np.zeros((side, side, 3), np.uint8), 0, HeatmapMethod.GRAD_CAM)

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
        values: NDArray[np.floating]
        match method:
            case HeatmapMethod.GRAD_CAM:
                values = self._class_map(pixels, class_index)
            case HeatmapMethod.OCCLUSION:
                values = self._occlusion(pixels, class_index)
            case _:
                assert_never(method)
        positive = np.maximum(values, 0)
        return (positive / max(float(positive.max()), 1e-12)).astype(np.float32)

    def _class_map(self, pixels: NDArray[np.uint8], class_index: int) -> NDArray[np.float32]:
        """[S, S]: Grad-CAM, in closed form where the head is linear on the mean of the maps.

        There the gradient of a logit is its weight, the same at every place, so that Grad-CAM is
        the class activation map of Zhou et al. 2016 ("Learning Deep Features for Discriminative
        Localization"): one pass forward, none back. With features of several stages, it is what
        each place adds to the score.
        """
        if self._predictor.card.detail is not Detail.WHOLE:
            weight = self._predictor.class_weight(class_index)  # [D]
            parts = evidence(self._maps(pixels, self._predictor.stage_maps), weight)
            if self._predictor.card.detail.views > 1:
                parts = smoothed(parts)
            return interpolated(parts, pixels.shape[0])
        maps = self._maps(pixels, lambda image: self._predictor.maps(image[None]))  # [1, D, h, w]
        if maps is None:
            coarse = self._torch().evidence(pixels, class_index)
        else:
            weight = self._predictor.class_weight(class_index)  # [D]
            coarse = np.maximum(np.tensordot(weight, maps[0], 1), 0)  # [h, w]
        return interpolated(coarse, pixels.shape[0])

    def _maps(self, pixels: NDArray[np.uint8], compute: Callable[[NDArray[np.uint8]], Of]) -> Of:
        """The maps of an image, kept for the other classes of the same image."""
        if pixels.flags.writeable:  # it may be another image the next time
            return compute(pixels)
        if self._known is None or self._known[0] is not pixels:
            self._known = pixels, compute(pixels)
        maps: Of = self._known[1]
        return maps

    def _torch(self) -> "GradCam":
        if self._grad_cam is None:
            from core.inference.grad_cam import GradCam

            self._grad_cam = GradCam(self._predictor)
        return self._grad_cam

    def _occlusion(self, pixels: NDArray[np.uint8], class_index: int) -> NDArray[np.float64]:
        """[S, S]: guided by Grad-CAM where the network has it, else with all windows."""
        try:
            guide = self._class_map(pixels, class_index)
        except TouchstoneError:  # the network has no maps
            guide = None
        return occlusion(pixels, lambda images: self._margins(images, class_index), guide)

    def _margins(self, images: NDArray[np.uint8], class_index: int) -> NDArray[np.float64]:
        """How far a class is ahead of each other one in images [B, S, S, 3]: [B, C - 1].

        Why logits: a confidence of 1.000 hardly falls when a part of the evidence is covered.
        """
        logits = self._predictor.logits_of_features(self._predictor.features(images))  # [B, C]
        others = np.delete(logits, class_index, axis=1).astype(np.float64)
        return logits[:, class_index, None] - others


def interpolated(coarse: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """A map [h, w] as [side, side], bilinear between the centres of its cells."""
    rows, columns = (_weights(length, side) for length in coarse.shape)
    return (rows @ coarse @ columns.T).astype(np.float32)


def _weights(length: int, side: int) -> NDArray[np.float32]:
    """[side, length]: how much each cell counts at each of `side` places; rows sum to 1."""
    position = np.clip((np.arange(side) + 0.5) * length / side - 0.5, 0, length - 1)
    weights: NDArray[np.float64] = 1 - np.abs(position[:, None] - np.arange(length))
    return np.maximum(0, weights).astype(np.float32)


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
