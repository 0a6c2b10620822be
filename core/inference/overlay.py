"""How a heatmap looks on an image: one table of colours, here and in the browser."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.domain.models import ColourMap

# From cold to hot. Of `heat` none is as bright as white or as dark as black, so that hot regions
# stand out on bright, gray and dark parts alike; they differ in hue from steel, wood and plastic.
_COLOURS = {
    ColourMap.HEAT: ((52, 18, 140), (140, 20, 160), (214, 32, 110), (240, 50, 40), (255, 96, 0)),
    # Nunez et al. 2018, "Optimizing colormaps with consideration for color vision deficiency".
    ColourMap.CIVIDIS: (
        (0, 34, 78),
        (65, 77, 107),
        (124, 123, 120),
        (188, 175, 111),
        (254, 232, 56),
    ),
    # van der Walt and Smith 2015, for Matplotlib.
    ColourMap.VIRIDIS: ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)),
}
# Weak evidence is left out, or it would veil the image; from here to there it fades in.
_NOTHING_TO, _FULL_FROM = 0.15, 0.6
OPACITY = 0.65
# Outlines around half and four fifths of the strongest evidence: dark, with a white halo.
CONTOURS = (0.5, 0.8)
_INK, _HALO = 0, 255


def colour_table(colours: ColourMap = ColourMap.HEAT) -> NDArray[np.uint8]:
    """Red, green, blue and opacity for heat 0 to 255: [256, 4]; scale the opacity as you like."""
    heat, stops = np.arange(256) / 255, np.array(_COLOURS[colours], np.float64)
    position = heat * (len(stops) - 1)
    lower = np.minimum(position.astype(int), len(stops) - 2)
    fraction = (position - lower)[:, None]
    colour = stops[lower] * (1 - fraction) + stops[lower + 1] * fraction
    opacity = 255 * np.clip((heat - _NOTHING_TO) / (_FULL_FROM - _NOTHING_TO), 0, 1)
    return (np.column_stack([colour, opacity]) + 0.5).astype(np.uint8)


def overlay(
    pixels: NDArray[np.uint8],
    heatmap: NDArray[np.float32],
    *,
    strength: float = OPACITY,
    colours: ColourMap = ColourMap.HEAT,
) -> Image.Image:
    """The image with the heatmap laid over it; cold regions stay as they are.

    Args:
        pixels: uint8 [S, S, 3].
        heatmap: [S, S] in [0, 1].
        strength: opacity of hot points, in [0, 1].
        colours: of the heat.
    """
    layer = colour_table(colours)[(heatmap * 255 + 0.5).astype(np.uint8)]  # [S, S, 4]
    opacity = layer[:, :, 3:] / 255 * strength
    mixed = pixels * (1 - opacity) + layer[:, :, :3] * opacity
    for level in CONTOURS:
        inside = heatmap >= level
        mixed[_grown(inside) & ~inside] = _HALO
        mixed[inside & _grown(~inside)] = _INK
    return Image.fromarray(np.clip(mixed + 0.5, 0, 255).astype(np.uint8))


def heat_layer(
    values: NDArray[np.floating], side_px: int, *, colours: ColourMap = ColourMap.HEAT
) -> NDArray[np.uint8]:
    """A coarse heatmap [h, h] in [0, 1] as colours and opacity: [side_px, side_px, 4]."""
    small = Image.fromarray((255 * values + 0.5).astype(np.uint8))
    heat = np.asarray(small.resize((side_px, side_px), Image.Resampling.BILINEAR))
    layer: NDArray[np.uint8] = colour_table(colours)[heat]
    return layer


def overlaid(
    image: Image.Image, cells: NDArray[np.uint8], square: tuple[float, float, float, float]
) -> Image.Image:
    """An RGB image with a coarse heatmap [h, h] over it, 0 to 255, where the network looked.

    `square` is left, top, right, bottom in fractions of the image; it may reach beyond it.
    """
    wide, high = image.size
    left, top = round(square[0] * wide), round(square[1] * high)
    size = max(1, round(square[2] * wide) - left), max(1, round(square[3] * high) - top)
    heat = Image.new("L", image.size)
    heat.paste(Image.fromarray(cells).resize(size, Image.Resampling.BILINEAR), (left, top))
    return overlay(np.asarray(image), (np.asarray(heat) / 255).astype(np.float32))


def _grown(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A region with its neighbours above, below, left and right."""
    grown = region.copy()
    grown[1:] |= region[:-1]
    grown[:-1] |= region[1:]
    grown[:, 1:] |= region[:, :-1]
    grown[:, :-1] |= region[:, 1:]
    return grown
