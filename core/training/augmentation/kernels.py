"""The changes themselves, on batches of images [B, 3, S, S] with gray values 0 to 255.

The result for an image never depends on the other images of its batch.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

# Luma, and the two color axes at right angles to gray, as of NTSC television (Poynton 2003,
# "Digital Video and HDTV").
_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_QUARTER_TURN = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
_NOISE_LENGTH = 1_048_583  # a prime: rows of no image size repeat in it
_MIN_BLUR_PX = 0.1  # below, the neighbors of a pixel weigh nothing

Floats = NDArray[np.float64]


def moved(images: Tensor, maps: Floats) -> Tensor:
    """Images seen through one map each, by a single resampling; the outside is mirrored.

    Args:
        images: [B, 3, S, S].
        maps: [B, 3, 3], from places in the result to places in the images, both from -1 to 1.
    """
    shape = list(images.shape)
    matrix = torch.tensor(maps, dtype=images.dtype, device=images.device)
    grid = functional.affine_grid(matrix[:, :2], shape, align_corners=False)  # [B, S, S, 2]
    if (maps[:, 2, :2] != 0).any():
        straight = torch.eye(2, 3, dtype=images.dtype, device=images.device)[None]
        places = functional.affine_grid(straight, [1, *shape[1:]], align_corners=False)
        depth = matrix[:, None, None, 2, 2] + (places * matrix[:, None, None, 2, :2]).sum(-1)
        grid = grid / depth[..., None]
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def recolored(images: Tensor, saturation: Floats, hue: Floats) -> Tensor:
    """Color strength and hue changed; brightness stays, and gray stays gray.

    Args:
        images: [B, 3, S, S].
        saturation: [B], 0 is gray, 1 leaves it.
        hue: [B], radians around the gray axis.
    """
    luma = np.tile(_YIQ[0], (3, 1))
    turned = np.linalg.inv(_YIQ) @ _QUARTER_TURN @ _YIQ
    cosine, sine = (saturation * f(hue) for f in (np.cos, np.sin))
    matrices = luma + cosine[:, None, None] * (np.eye(3) - luma) + sine[:, None, None] * turned
    matrix = torch.tensor(matrices, dtype=images.dtype, device=images.device)
    red, green, blue = images.unbind(1)
    rows = [
        matrix[:, i, 0, None, None] * red
        + matrix[:, i, 1, None, None] * green
        + matrix[:, i, 2, None, None] * blue
        for i in range(3)
    ]
    return torch.stack(rows, 1)


def blurred(images: Tensor, deviations_px: Floats, *, largest: float) -> Tensor:
    """Images blurred by a Gaussian of their own standard deviation each; the outside is mirrored.

    Why no convolution: with a kernel of its own for each image it takes ten times as long.

    Args:
        images: [B, 3, S, S].
        deviations_px: [B]; 0 leaves an image as it is.
        largest: of all that may come; the work is the same for each, so that the result for an
            image does not depend on its batch.
    """
    chosen = np.flatnonzero(deviations_px >= _MIN_BLUR_PX)
    if not len(chosen):
        return images
    radius = min(math.ceil(3 * largest), images.shape[-1] - 1)
    distances = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (distances / deviations_px[chosen, None]) ** 2)
    weights /= weights.sum(1, keepdims=True)
    taps = torch.tensor(weights, dtype=images.dtype, device=images.device)
    at = torch.from_numpy(chosen).to(images.device)
    result = images[at]
    for padding in ((radius, radius, 0, 0), (0, 0, radius, radius)):
        padded = functional.pad(result, padding, mode="reflect")
        axis = 3 if padding[0] else 2
        result = torch.zeros_like(result)
        for k, tap in enumerate(taps.T):
            shifted = padded.narrow(axis, k, images.shape[axis])
            result.addcmul_(shifted, tap[:, None, None, None])
    return images.index_copy(0, at, result)


def light_spots(size: int, spots: Floats) -> Tensor:
    """Gray values [B, 1, S, S] to add: a Gaussian spot each.

    Args:
        size: S.
        spots: [B, 4], height in gray values, middle (x, y) and standard deviation as fractions of
            the size.
    """
    places = (np.arange(size) + 0.5) / size
    height, x, y, deviation = spots.T
    # Why two lines of values: a Gaussian of the plane is the product of two of a line.
    across = np.exp(-0.5 * ((places - x[:, None]) / deviation[:, None]) ** 2)
    down = np.exp(-0.5 * ((places - y[:, None]) / deviation[:, None]) ** 2)
    down = torch.from_numpy((height[:, None] * down).astype(np.float32))
    return down[:, None, :, None] * torch.from_numpy(across.astype(np.float32))[:, None, None, :]


def noise(size: int, strengths: Floats, device: torch.device) -> Tensor:
    """Normal noise [B, 1, S, S], the same for all colors, as gray images stay gray.

    Args:
        size: S.
        strengths: [B, 2], standard deviation in gray values, start in the stored noise in [0, 1).
        device: where it is made.
    """
    stored = _stored_noise(device)
    starts = torch.from_numpy((strengths[:, 1] * _NOISE_LENGTH).astype(np.int64)).to(device)
    at = (starts[:, None] + torch.arange(size * size, device=device)) % _NOISE_LENGTH
    deviation = torch.tensor(strengths[:, 0], dtype=stored.dtype, device=device)
    return (stored[at] * deviation[:, None]).view(-1, 1, size, size)


# Why stored: on every device the same numbers, and none has to be made in a step.
@lru_cache(maxsize=2)
def _stored_noise(device: torch.device) -> Tensor:
    return torch.randn(_NOISE_LENGTH, generator=torch.Generator().manual_seed(0)).to(device)


def erased(images: Tensor, rectangles: Floats) -> Tensor:
    """Images with a rectangle in their mean color.

    Args:
        images: [B, 3, S, S].
        rectangles: [B, 4], left, top, width, height as fractions of the size; width 0: none.
    """
    result = images.clone()
    size = images.shape[-1]
    for i in np.flatnonzero(rectangles[:, 2]):
        x, y, wide, high = (round(size * float(value)) for value in rectangles[i])
        result[i, :, y : y + high, x : x + wide] = images[i].mean((1, 2))[:, None, None]
    return result
