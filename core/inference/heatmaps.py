"""Heatmaps: which pixels speak for a class. Free of torch wherever the network allows it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, assert_never

import numpy as np
from numpy.typing import NDArray

from core.domain.configs.choices import Detail
from core.domain.models import HeatmapMethod
from core.errors import TouchstoneError
from core.inference.attribution import evidence, smoothed
from core.inference.explaining.parts import enlarged_parts, fused, interpolated, softened
from core.inference.occlusion import occlusion
from core.inference.predictor import Predictor

if TYPE_CHECKING:
    from core.inference.explaining.gradients import Gradients
    from core.inference.grad_cam import GradCam

Of = TypeVar("Of")
# Of the side: the deviation of the filter of finer maps, and of falls by occlusion.
_SOFT, _SOFT_FALLS = 0.04, 0.03
_KEPT = 24  # maps of images and of their parts


class Explainer:
    """Heatmaps of one model."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._grad_cam: GradCam | None = None
        self._gradients: Gradients | None = None
        # Why the image too: while it is held, no other one has its identity.
        self._known: dict[tuple[str, int], tuple[NDArray[np.uint8], Any]] = {}

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
            method: what each is good for stands in `core/inference/explaining/methods.py`; what it
                is worth for a model is measured (`grades.py` there).

        Source: Selvaraju et al. 2017, "Grad-CAM"; Zeiler and Fergus 2014 for occlusion;
        `core/inference/explaining/gradients.py` names those of the others.
        """
        values: NDArray[np.floating]
        match method:
            case HeatmapMethod.GRAD_CAM:
                values = self._class_map(pixels, class_index)
            case HeatmapMethod.FINE_GRAD_CAM:
                values = self._fine_map(pixels, class_index)
            case HeatmapMethod.LAYER_CAM:
                values = self._by_gradients().layer_cam(pixels, class_index)
            case HeatmapMethod.GUIDED_GRAD_CAM:
                guided = self._by_gradients().guided(pixels, class_index)
                values = guided * np.maximum(self._class_map(pixels, class_index), 0)
            case HeatmapMethod.INTEGRATED_GRADIENTS:
                values = self._by_gradients().integrated(pixels, class_index)
            case HeatmapMethod.OCCLUSION:
                values = self._occlusion(pixels, class_index)
            case _:
                assert_never(method)
        positive = np.maximum(values, 0)
        return (positive / max(float(positive.max()), 1e-12)).astype(np.float32)

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features [D] of an image, from the maps that its heatmaps need in any case."""
        detail = self._predictor.card.detail
        if self._predictor.detector is not None:
            (places,) = self._maps(pixels, lambda image: self._predictor.features(image[None]))
            return np.asarray(places, np.float32)
        if detail is Detail.WHOLE:
            maps = self._maps(pixels, lambda image: self._predictor.maps(image[None]))
            if maps is None:
                (features,) = self._predictor.features(pixels[None])
                return np.asarray(features, np.float32)
            return np.asarray(maps[0].mean((1, 2)), np.float32)
        stages = self._maps(pixels, self._predictor.stage_maps)  # [V, D_k, h_k, w_k] of each
        pooled = [part for maps in stages for part in (maps.mean((2, 3)), maps.max((2, 3)))]
        views = np.concatenate(pooled, 1)  # [V, D]
        is_mean = self._predictor.card.detail is Detail.MIRRORED
        return np.asarray(views.mean(0) if is_mean else views.max(0), np.float32)

    def _class_map(self, pixels: NDArray[np.uint8], class_index: int) -> NDArray[np.float32]:
        """[S, S]: Grad-CAM, in closed form where the head is linear on the mean of the maps.

        There the gradient of a logit by a feature is the same at every place, so that Grad-CAM is
        the class activation map of Zhou et al. 2016 ("Learning Deep Features for Discriminative
        Localization"): one pass forward, none back. With features of several stages, it is what
        each place adds to the score.
        """
        return interpolated(self._coarse(pixels, class_index), pixels.shape[0])

    def _coarse(self, pixels: NDArray[np.uint8], class_index: int) -> NDArray[np.float32]:
        """[h, w]: the same on the cells of the last maps."""
        if self._predictor.detector is not None:
            return self._distance_map(pixels, class_index)
        if self._predictor.card.detail is not Detail.WHOLE:
            weight = self._weight(pixels, class_index)
            parts = evidence(self._maps(pixels, self._predictor.stage_maps), weight)
            return smoothed(parts) if self._predictor.card.detail.scale > 1 else parts
        maps = self._maps(pixels, lambda image: self._predictor.maps(image[None]))  # [1, D, h, w]
        if maps is None:
            return self._torch().evidence(pixels, class_index)
        weight = self._weight(pixels, class_index)
        return np.asarray(np.maximum(np.tensordot(weight, maps[0], 1), 0), np.float32)

    def _weight(self, pixels: NDArray[np.uint8], class_index: int) -> NDArray[np.float32]:
        """[D]: how much each feature of an image speaks for a class.

        Behind a hidden layer that differs from image to image, and is exact at each.
        """
        head = self._predictor.head
        if head.hidden is None:
            weight: NDArray[np.float32] = head.weight[class_index]
            return weight
        return head.slope(class_index, self.features(pixels))

    def _fine_map(self, pixels: NDArray[np.uint8], class_index: int) -> NDArray[np.float32]:
        """[S, S]: finer than Grad-CAM.

        With features of several stages, these say where inside a coarse cell the score comes from.
        Else the image is looked at once more in enlarged quarters, and what is warm in both counts.
        On 200 drawn defects of the demo that played no part in its choice, the hottest pixel then
        hits 84 % instead of 76 % with several stages (`benchmarks/pointing.py`, seed 42 from 440).
        """
        side, detail = pixels.shape[0], self._predictor.card.detail
        if self._predictor.detector is not None:  # its places are what there is
            return self._class_map(pixels, class_index)
        if detail is not Detail.WHOLE:
            weight = self._weight(pixels, class_index)
            finer = 4 // detail.scale
            stages = self._maps(pixels, self._predictor.stage_maps)
            fine = interpolated(evidence(stages, weight, finer=finer), side)
            return softened(fine, side * _SOFT)
        whole = self._class_map(pixels, class_index)
        quarters = self._kept("parts", pixels, enlarged_parts)
        near = fused([self._coarse(part, class_index) for part in quarters], side)
        both = np.sqrt(np.maximum(whole, 0)) * np.maximum(near, 0)
        return softened(both, side * _SOFT)

    def _distance_map(self, pixels: NDArray[np.uint8], class_index: int) -> NDArray[np.float32]:
        """[h, w]: how far places are from the good ones beyond the usual one; for good: how near.

        In units of the limit of a detector, of which class 0 is good.
        """
        detector = self._predictor.detector
        assert detector is not None
        features = self._maps(pixels, lambda image: self._predictor.features(image[None]))
        heat = detector.heat(features[0])
        speaks = 1 - heat if class_index == 0 else heat - np.median(heat)
        evidence_of_places: NDArray[np.float32] = np.maximum(speaks, 0).astype(np.float32)
        return evidence_of_places

    def _maps(self, pixels: NDArray[np.uint8], compute: Callable[[NDArray[np.uint8]], Of]) -> Of:
        """The maps of an image, kept for the other classes of the same image."""
        return self._kept("maps", pixels, compute)

    def _kept(
        self, what: str, pixels: NDArray[np.uint8], compute: Callable[[NDArray[np.uint8]], Of]
    ) -> Of:
        if pixels.flags.writeable:  # it may be another image the next time
            return compute(pixels)
        known = self._known.get((what, id(pixels)))
        if known is None:
            known = self._known[what, id(pixels)] = pixels, compute(pixels)
            while len(self._known) > _KEPT:
                self._known.pop(next(iter(self._known)))
        value: Of = known[1]
        return value

    def _torch(self) -> "GradCam":
        if self._grad_cam is None:
            from core.inference.grad_cam import GradCam

            self._grad_cam = GradCam(self._predictor)
        return self._grad_cam

    def _by_gradients(self) -> "Gradients":
        if self._predictor.detector is not None:
            raise TouchstoneError(
                "This model only knows good images: it has no gradients of classes.",
                "Use Grad-CAM, which shows how far each place is from the good ones, or occlusion.",
            )
        if self._gradients is None:
            from core.inference.explaining.gradients import Gradients

            self._gradients = Gradients(self._predictor)
        return self._gradients

    def _occlusion(self, pixels: NDArray[np.uint8], class_index: int) -> NDArray[np.floating]:
        """[S, S]: guided by finer Grad-CAM where the network has it, else with all windows.

        Falls are weighed by it, too: windows are larger than defects, and a fall whose cause is
        not where the window is would be the hottest place.
        """
        try:
            fine = np.maximum(self._fine_map(pixels, class_index), 0)
        except TouchstoneError:  # the network has no maps
            return occlusion(pixels, lambda images: self._margins(images, class_index), None)
        falls = occlusion(pixels, lambda images: self._margins(images, class_index), fine)
        return softened(falls, pixels.shape[0] * _SOFT_FALLS) * fine

    def _margins(self, images: NDArray[np.uint8], class_index: int) -> NDArray[np.float64]:
        """How far a class is ahead of each other one in images [B, S, S, 3]: [B, C - 1].

        Why logits: a confidence of 1.000 hardly falls when a part of the evidence is covered.
        """
        logits = self._predictor.logits_of_features(self._predictor.features(images))  # [B, C]
        others = np.delete(logits, class_index, axis=1).astype(np.float64)
        return logits[:, class_index, None] - others


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
