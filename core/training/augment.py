"""Random changes of training images.

What happens to an image depends only on (seed, epoch, sample), never on the batch it is in.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.domain.configs.augment import AugmentConfig
from core.training.augmentation import kernels
from core.training.augmentation.draws import Draws, draw

_AT_ONCE = 4  # images


def augment(
    images: Tensor, config: AugmentConfig, *, seed: int, epoch: int, samples: NDArray[np.intp]
) -> Tensor:
    """Augmented images; each one changes with the probability `config.probability`.

    Args:
        images: float or uint8 [B, 3, S, S], gray values 0 to 255.
        config: which changes, and how strong they are.
        seed: of the run.
        epoch: of the run.
        samples: [B], a number for each image, the same in every epoch.

    Returns:
        Float [B, 3, S, S], gray values 0 to 255; channels last in memory.
    """
    draws = draw(config, seed=seed, epoch=epoch, samples=samples)
    if images.device.type != "cpu":
        return apply(images.float(), config, draws)
    changed = torch.empty(images.shape, memory_format=torch.channels_last)
    # Why few at once: they stay in the cache of the processor from one change to the next.
    for start in range(0, len(images), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        changed[part] = apply(images[part].float(), config, draws.of(part))
    return changed


def apply(images: Tensor, config: AugmentConfig, draws: Draws) -> Tensor:
    """Images [B, 3, S, S] changed as drawn: place, focus, color, light, noise, erasing."""
    size, device = images.shape[-1], images.device

    def each(values: NDArray[np.float64]) -> Tensor:
        return torch.tensor(values, dtype=images.dtype, device=device)[:, None, None, None]

    changed = kernels.moved(images, draws.maps)
    if config.blur:
        changed = kernels.blurred(changed, draws.blur, largest=config.blur)
    if config.saturation or config.hue:
        changed = kernels.recolored(changed, draws.saturation, draws.hue)
    # Why in place: a batch is tens of megabytes, and new memory costs more than the sums.
    changed.sub_(127.5).mul_(each(draws.gain)).add_(127.5).add_(each(draws.offset))
    if config.light_spot:
        changed.add_(kernels.light_spots(size, draws.spot).to(device, images.dtype))
    if config.noise:
        changed.add_(kernels.noise(size, draws.noise, device).to(images.dtype))
    changed.clamp_(0, 255)
    return kernels.erased(changed, draws.erased) if config.erase else changed
