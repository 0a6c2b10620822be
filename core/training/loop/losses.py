"""The loss of an image, and images that are mixed with others."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.domain.configs.train import TrainConfig


class ImageLoss(nn.Module):
    """Focal cross-entropy with smoothed targets, each image weighted by its true class.

    For targets t [B, C], confidences p and gamma g, the loss of an image is
    -sum_c t_c (1 - p_c)^g log p_c; with g = 0 it is the plain cross-entropy.

    Why not torch's own: it weights the smoothed part of a target by the classes that it is spread
    over, so that a rare class with a large weight draws every image towards itself.

    Args:
        weights: [C], above 0.
        label_smoothing: share of each target that is spread evenly over all classes, in [0, 1).
        focal_gamma: 0 or more.

    Source: Lin et al. 2017, "Focal Loss for Dense Object Detection".
    """

    weights: Tensor

    def __init__(
        self, weights: Tensor, label_smoothing: float = 0.0, focal_gamma: float = 0.0
    ) -> None:
        super().__init__()
        self.register_buffer("weights", weights)
        self.label_smoothing = label_smoothing
        self.focal_gamma = focal_gamma

    def one_hot(self, targets: Tensor) -> Tensor:
        """Class indices [B] to targets [B, C], not yet smoothed."""
        return nn.functional.one_hot(targets, len(self.weights)).to(self.weights.dtype)

    def image_weights(self, targets: Tensor) -> Tensor:
        """How much each image counts [B]; of a mixed one, by its share of each class."""
        return targets @ self.weights

    def per_image(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Logits [B, C] and targets [B, C] to losses [B], not weighted."""
        log_confidences = logits.float().log_softmax(1)
        smooth = targets * (1 - self.label_smoothing) + self.label_smoothing / targets.shape[1]
        if self.focal_gamma:
            smooth = smooth * (1 - log_confidences.exp()).clamp_min(0) ** self.focal_gamma
        return -(smooth * log_confidences).sum(1)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Logits [B, C] and class indices [B] to the weighted mean loss."""
        wanted = self.one_hot(targets)
        weights = self.image_weights(wanted)
        return (self.per_image(logits, wanted) * weights).sum() / weights.sum()


def image_loss(
    targets: NDArray[np.int64], config: TrainConfig, factors: NDArray[np.float32]
) -> ImageLoss:
    """The loss of a run.

    Args:
        targets: of the training images; rare classes may weigh more.
        config: class weights, smoothing and gamma.
        factors: [C], penalty of each class.
    """
    counts = np.maximum(np.bincount(targets, minlength=len(factors)), 1)
    weights = torch.tensor(counts**-config.class_weights.power * factors, dtype=torch.float32)
    return ImageLoss(weights, config.label_smoothing, config.focal_gamma)


@dataclass(frozen=True)
class Mix:
    """How the images of one step are mixed: `share` in [0, 1] of an image stays its own.

    `box` is the pasted rectangle (top, left, bottom, right) in fractions of the sides; None: the
    whole images are blended.
    """

    share: float
    box: tuple[float, float, float, float] | None = None


def draw_mix(config: TrainConfig, seed: tuple[int, ...]) -> Mix | None:
    """The mix of a step, from its seed alone; None: the images stay as they are.

    With both mixup and cutmix, each step draws one of them.

    Source: Zhang et al. 2018, "mixup"; Yun et al. 2019, "CutMix".
    """
    if config.mixup <= 0 and config.cutmix <= 0:
        return None
    random = np.random.default_rng(seed)
    coin, top, left = random.random(3)
    cuts = config.cutmix > 0 and (config.mixup <= 0 or coin < 0.5)
    alpha = config.cutmix if cuts else config.mixup
    share = float(random.beta(alpha, alpha))
    if not cuts:
        return Mix(share)
    side = (1 - share) ** 0.5
    # Why inside: the share of the label is then exactly that of the area.
    y, x = float(top) * (1 - side), float(left) * (1 - side)
    return Mix(share, (y, x, y + side, x + side))


def mixed(
    inputs: Tensor, targets: Tensor, mix: Mix, axes: tuple[int, int] | None
) -> tuple[Tensor, Tensor]:
    """Each image mixed with its mirror place in the batch: the first with the last, and so on.

    Args:
        inputs: [B, …].
        targets: [B, C].
        mix: how.
        axes: height and width of the inputs; None: they have none, and are blended.
    """
    others, share = inputs.flip(0), mix.share
    if mix.box is None or axes is None:
        inputs = inputs * share + others * (1 - share)
    else:
        height, width = (inputs.shape[axis] for axis in axes)
        top, left, bottom, right = (
            round(part * side) for part, side in zip(mix.box, (height, width) * 2, strict=True)
        )
        place: list[slice] = [slice(None)] * inputs.ndim
        place[axes[0]], place[axes[1]] = slice(top, bottom), slice(left, right)
        inputs = inputs.clone()
        inputs[tuple(place)] = others[tuple(place)]
        share = 1 - (bottom - top) * (right - left) / (height * width)
    return inputs, targets * share + targets.flip(0) * (1 - share)
