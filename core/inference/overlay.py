"""How a heatmap looks on an image: one table of colours, here and in the browser."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# From cold to hot. None is as bright as white or as dark as black, so that hot regions stand out on
# bright, gray and dark parts alike; they differ in hue from steel, wood and plastic.
_COLOURS = np.array(
    [[52, 18, 140], [140, 20, 160], [214, 32, 110], [240, 50, 40], [255, 96, 0]], np.float64
)
# Weak evidence is left out, or it would veil the image; from here to there it fades in.
_NOTHING_TO, _FULL_FROM = 0.15, 0.6
OPACITY = 0.65
# Outlines around half and four fifths of the strongest evidence: dark, with a white halo.
CONTOURS = (0.5, 0.8)
_INK, _HALO = 0, 255


def colour_table() -> NDArray[np.uint8]:
    """Red, green, blue and opacity for heat 0 to 255: [256, 4]; scale the opacity as you like."""
    heat = np.arange(256) / 255
    position = heat * (len(_COLOURS) - 1)
    lower = np.minimum(position.astype(int), len(_COLOURS) - 2)
    fraction = (position - lower)[:, None]
    colour = _COLOURS[lower] * (1 - fraction) + _COLOURS[lower + 1] * fraction
    opacity = 255 * np.clip((heat - _NOTHING_TO) / (_FULL_FROM - _NOTHING_TO), 0, 1)
    return (np.column_stack([colour, opacity]) + 0.5).astype(np.uint8)


def overlay(
    pixels: NDArray[np.uint8], heatmap: NDArray[np.float32], *, strength: float = OPACITY
) -> Image.Image:
    """The image with the heatmap laid over it; cold regions stay as they are.

    Args:
        pixels: uint8 [S, S, 3].
        heatmap: [S, S] in [0, 1].
        strength: opacity of hot points, in [0, 1].
    """
    layer = colour_table()[(heatmap * 255 + 0.5).astype(np.uint8)]  # [S, S, 4]
    opacity = layer[:, :, 3:] / 255 * strength
    mixed = pixels * (1 - opacity) + layer[:, :, :3] * opacity
    for level in CONTOURS:
        inside = heatmap >= level
        mixed[_grown(inside) & ~inside] = _HALO
        mixed[inside & _grown(~inside)] = _INK
    return Image.fromarray(np.clip(mixed + 0.5, 0, 255).astype(np.uint8))


def _grown(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A region with its neighbours above, below, left and right."""
    grown = region.copy()
    grown[1:] |= region[:-1]
    grown[:-1] |= region[1:]
    grown[:, 1:] |= region[:, :-1]
    grown[:, :-1] |= region[:, 1:]
    return grown
