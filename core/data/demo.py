"""Rendered images of medical pills, for trying the app without images of your own.

Classes: `good`, `contamination` (specks, fibres, smears) and `crack` (crack lines, chipped edges).
A pill is a height field under one soft light, drawn at twice the size and averaged down. One image
in sixteen is borderline on purpose: a dataset that any classifier solves shows nothing.

Units: lengths and heights in half image sides; a point is x + iy, both in [-1, 1], y down; a
plane is a float32 array [side, side], side in pixels; colours are linear-light RGB in [0, 1].
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

DEMO_CLASSES = ("contamination", "crack", "good")
AMBIENT = 0.3  # fraction of ambient light
_Plane = NDArray[np.float32]
_Rgb = NDArray[np.float64]  # [3]
_Rng = np.random.Generator
_Light = tuple[complex, float]  # unit vector towards it: part in the image plane, height
_Segment = tuple[complex, complex, float]  # tail, tip, thickness relative to the first
_WHITE, _IVORY = (0.80, 0.78, 0.74), (0.79, 0.69, 0.49)
_PILLS = (_WHITE, _WHITE, _IVORY)
_OIL, _RUST = (0.05, 0.028, 0.015), (0.14, 0.05, 0.02)
_STAINS = (_OIL, _RUST, (0.03, 0.05, 0.18), (0.22, 0.02, 0.02), (0.03, 0.10, 0.04))
_BELT: _Rgb = np.array((0.03, 0.12, 0.27))
_MARKS = ("score", "score", "score", "T5")


@dataclass(frozen=True)
class _Pill:
    """Shape, pose and appearance of one round pill; `axis` has length 1."""

    radius: float
    center: complex
    axis: complex
    colour: _Rgb
    gloss: float
    mark: str


@dataclass(frozen=True)
class _Surface:
    """A pill without light; `shade` (half the side) times its colour; stains are (alpha, Rgb)."""

    height: _Plane
    cover: _Plane
    shade: _Plane
    stains: tuple[tuple[_Plane, _Rgb], ...] = ()


def render_pill(class_name: str, index: int, *, seed: int = 42, size_px: int = 300) -> Image.Image:
    """Draw one pill in RGB; the same arguments always give the same pixels.

    Args:
        class_name: one of `DEMO_CLASSES`.
        index: which image of the class, from 0; does not depend on how many are drawn.
        seed: of the whole dataset, from 0.
        size_px: edge length of the square image.

    Raises:
        ValueError: for an unknown class, or a negative index or seed.
    """
    if class_name not in DEMO_CLASSES:
        raise ValueError(f"class_name must be one of {DEMO_CLASSES}, not {class_name!r}")
    rng = np.random.default_rng((seed, DEMO_CLASSES.index(class_name), index))
    is_borderline = rng.random() < 0.06
    severity = rng.uniform(0.1, 0.25) if is_borderline else rng.uniform(0.9, 1.1)
    pill, light = _choose_pill(rng), _choose_light(rng)
    is_rough = is_borderline and class_name == "good"
    surface = _pill_surface(rng, pill, 2 * size_px, is_rough=is_rough)
    if class_name == "contamination":
        surface = _contaminate(rng, surface, pill, severity)
    elif class_name == "crack":
        surface = _break(rng, surface, pill, severity)
    return _develop(rng, _compose(surface, pill, light, _background(rng, size_px)), light)


def _choose_pill(rng: _Rng) -> _Pill:
    is_coated = rng.random() < 0.3
    return _Pill(
        radius=rng.uniform(0.70, 0.78),
        center=complex(rng.normal(0, 0.05), rng.normal(0, 0.05)),
        axis=cmath.rect(1, rng.uniform(0, math.tau)),
        colour=rng.choice(_PILLS) * rng.normal(1, 0.02, 3),
        gloss=rng.uniform(0.2, 0.6) if is_coated else rng.uniform(0.01, 0.08),
        mark=_MARKS[rng.integers(len(_MARKS))],
    )


def _choose_light(rng: _Rng) -> _Light:
    azimuth, elevation = math.radians(rng.normal(235, 25)), math.radians(rng.uniform(34, 54))
    return cmath.rect(math.cos(elevation), azimuth), math.sin(elevation)


def _pill_surface(rng: _Rng, pill: _Pill, side: int, *, is_rough: bool) -> _Surface:
    """A sound pill: bevelled edge, domed top, its mark, grain and speckle."""
    along, across = _axes(side, pill.center, pill.axis)
    # Greater than 0 inside the outline.
    depth: _Plane = np.float32(pill.radius) - np.hypot(along, across)
    bevel, dome = pill.radius * rng.uniform(0.14, 0.3), pill.radius * rng.uniform(0.1, 0.24)
    steep, rim = (_limited(1 - depth / width) for width in (bevel, pill.radius))
    height = 0.8 * bevel * np.sqrt(1 - steep * steep) + dome * (1 - rim * rim)
    grain = 0.009 * _noise(rng, side // 2, 280) + 0.007 * _noise(rng, side // 2, 110)
    # Why less on a glossy pill: a coating fills the grain of the pressed powder.
    roughness = rng.uniform(0.2, 0.28) if is_rough else rng.uniform(0.02, 0.08) * (1 - pill.gloss)
    height += roughness * _resized(grain, side) - _mark_depth(pill, along)
    speckle = 0.5 if is_rough else float(rng.choice((0, 0, 0.05, 0.15, 0.25)))
    spots = _limited(_noise(rng, side // 2, 110) - 1.5)
    shade = 1 + 0.012 * _noise(rng, side // 2, 9) - speckle * spots
    return _Surface(height, _limited(depth * np.float32(side / 2) + np.float32(0.5)), shade)


def _mark_depth(pill: _Pill, along: _Plane) -> _Plane:
    """How deep the score line or the letters are pressed in."""
    if pill.mark == "score":
        return 0.035 * _bump(along / 0.022)
    side = len(along) // 2  # enough for soft letters; turning an image is slow
    mask, middle = Image.new("L", (side, side)), (side / 2, side / 2)
    font, width = ImageFont.load_default(0.4 * pill.radius * side), side / 150
    ImageDraw.Draw(mask).text(middle, pill.mark, 255, font, "mm", stroke_width=width)
    # Why minus: Pillow turns counter-clockwise; in image coordinates y points down.
    turn, (x, y) = -math.degrees(cmath.phase(pill.axis)), _pixel(pill.center, side)
    shift = (round(x - side / 2), round(y - side / 2))
    turned = mask.rotate(turn, Image.Resampling.BILINEAR, translate=shift)
    return _resized(0.024 * _softened(turned, side / 150), 2 * side)


def _contaminate(rng: _Rng, surface: _Surface, pill: _Pill, severity: float) -> _Surface:
    """Put specks, a fibre or a smear on the pill; `severity` in (0, 1.1]."""
    lay = (_specks, _specks, _specks, _specks, _fibre, _smear)[rng.integers(6)]
    alpha = lay(rng, pill, severity, len(surface.height))
    stain = (alpha, rng.choice(_STAINS) * rng.uniform(0.7, 1.4, 3))
    # Why: dirt lies on top, so its edge must catch the light.
    return replace(surface, height=surface.height + 0.005 * alpha, stains=(stain,))


def _specks(rng: _Rng, pill: _Pill, severity: float, side: int) -> _Plane:
    mask = Image.new("L", (side, side))
    for _ in range(3 + rng.poisson(7 * severity)):
        place = _point_on(rng, pill, reach=0.8)
        radius = 0.016 + 0.032 * severity + 0.04 * severity * rng.random() ** 2
        for x, y in rng.normal(0, 0.6 * radius, (6, 2)):  # a lump of grains
            grain_px = radius * rng.uniform(0.35, 0.9) * side / 2
            ImageDraw.Draw(mask).circle(_pixel(place + x + 1j * y, side), grain_px, 255)
    return _softened(mask, side / 400) * min(1.0, 0.35 + severity)


def _fibre(rng: _Rng, pill: _Pill, severity: float, side: int) -> _Plane:
    heading, curl = rng.uniform(0, math.tau), rng.normal(0, 0.06)
    points = [_point_on(rng, pill, reach=0.5)]
    for _ in range(int(24 + 90 * severity)):
        heading, curl = heading + curl, 0.9 * curl + rng.normal(0, 0.03)
        points.append(points[-1] + cmath.rect(0.014, heading))
    mask, width = Image.new("L", (side, side)), max(1, round(side * rng.uniform(0.012, 0.02)))
    ImageDraw.Draw(mask).line([_pixel(point, side) for point in points], 255, width, "curve")
    return _softened(mask, side / 700) * min(1.0, 0.3 + severity)


def _smear(rng: _Rng, pill: _Pill, severity: float, side: int) -> _Plane:
    axis = cmath.rect(1, rng.uniform(0, math.pi))
    along, across = _axes(side, _point_on(rng, pill, reach=0.55), axis)
    patch = _bump(along / rng.uniform(0.26, 0.42)) * _bump(across / rng.uniform(0.14, 0.22))
    streaks = 0.75 + 0.35 * _noise(rng, side, 24) + 0.2 * _noise(rng, side, 100)
    return min(1.0, 0.1 + 1.1 * severity) * patch * _limited(streaks)


def _break(rng: _Rng, surface: _Surface, pill: _Pill, severity: float) -> _Surface:
    """Crack the pill, chip its edge, or both; `severity` in (0, 1.1]."""
    kind = rng.random()
    if kind < 0.45:
        surface = _chip(rng, surface, pill, severity)
    return _crack(rng, surface, pill, severity) if kind > 0.3 else surface


def _crack(rng: _Rng, surface: _Surface, pill: _Pill, severity: float) -> _Surface:
    side, edge = len(surface.height), _point_on_edge(rng, pill)
    start = edge if rng.random() < 0.65 else _point_on(rng, pill, reach=0.5)
    heading = cmath.phase(pill.center - edge) + rng.normal(0, 0.5)
    steps = int(12 + 56 * severity * rng.uniform(0.8, 1.2))
    width_px = side * (0.003 + 0.03 * severity * rng.uniform(0.7, 1))
    mask = Image.new("L", (side, side))
    for tail, tip, thickness in _branch(rng, start, heading, steps):
        ends, width = [_pixel(tail, side), _pixel(tip, side)], round(width_px * thickness)
        ImageDraw.Draw(mask).line(ends, 255, max(1, width))
    access = _softened(mask, side / 700) * min(1.0, 0.25 + severity)
    stains = (*surface.stains, (0.9 * access, 0.08 * pill.colour))
    return replace(surface, height=surface.height - 0.014 * access, stains=stains)


def _branch(rng: _Rng, tail: complex, heading: float, steps: int) -> list[_Segment]:
    """A jagged line that thins out and sometimes forks."""
    segments: list[_Segment] = []
    for left in range(steps, 0, -1):
        heading += rng.normal(0, 0.12)
        tip = tail + cmath.rect(rng.uniform(0.012, 0.036), heading + rng.normal(0, 0.45))
        segments.append((tail, tip, left / steps * rng.uniform(0.7, 1.3)))
        tail = tip
        if left > 6 and rng.random() < 0.16:
            fork = _branch(rng, tip, heading + rng.choice((-0.8, 0.8)), left // 2)
            segments += [(start, end, 0.6 * thickness) for start, end, thickness in fork]
    return segments


def _chip(rng: _Rng, surface: _Surface, pill: _Pill, severity: float) -> _Surface:
    """Break a bowl out of the edge; its rough floor shows the uncoated core."""
    side, edge = len(surface.height), _point_on_edge(rng, pill)
    radius, outward = rng.uniform(0.18, 0.34), cmath.phase(edge - pill.center)
    x, y = _axes(side, edge + cmath.rect(radius, outward))
    distance = np.asarray(np.sqrt(x * x + y * y), dtype=np.float32)
    floor = (2.4 - 1.5 * severity) * (distance - radius - 0.03 - 0.08 * severity)
    floor = floor + 0.007 * _noise(rng, side, 36) + 0.003 * _noise(rng, side, 110)
    broken = 0.7 * _limited((surface.height - floor) * (side / 4))
    cover = surface.cover * _limited(floor * (side / 3) + 0.5)
    stain = (broken, rng.normal(1, 0.04, 3) * (0.78, 0.75, 0.69))
    return _Surface(np.minimum(surface.height, floor), cover, surface.shade, (stain,))


def _point_on(rng: _Rng, pill: _Pill, *, reach: float) -> complex:
    """A point on the pill, at most `reach` of the way from its middle to its edge."""
    aside = cmath.rect(reach * pill.radius * math.sqrt(rng.random()), rng.uniform(0, math.tau))
    return pill.center + aside


def _point_on_edge(rng: _Rng, pill: _Pill) -> complex:
    return pill.center + cmath.rect(pill.radius, rng.uniform(0, math.tau))


def _background(rng: _Rng, side: int) -> _Plane:
    """A woven belt with dust on it, [side, side, 3]."""
    colour = _BELT * rng.normal(1, 0.03, 3)
    texture = _weave(rng, side) * (1 + 0.05 * _noise(rng, side, 5))
    dust = Image.new("L", (side, side))
    for x, y in rng.uniform(-1, 1, (rng.poisson(14), 2)):
        radius_px = rng.uniform(0.001, 0.005) * side
        ImageDraw.Draw(dust).circle(_pixel(x + 1j * y, side), radius_px, 130)
    alpha = _softened(dust, side / 250)[..., None]
    clean: _Plane = texture[..., None] * colour.astype(np.float32)
    return clean * (1 - alpha) + 0.45 * alpha


def _weave(rng: _Rng, side: int) -> _Plane:
    """Relative brightness of a belt whose threads go over and under, about 1."""
    x, y = _axes(side, axis=cmath.rect(rng.uniform(55, 75), rng.normal(0, 0.1)))
    threads = np.asarray(np.sin(x) * np.sin(y), dtype=np.float32)
    return 1 + rng.uniform(0.1, 0.25) * threads + 0.08 * _noise(rng, side, 140)


def _compose(surface: _Surface, pill: _Pill, light: _Light, background: _Plane) -> _Plane:
    """Light the pill and lay it on the background; linear RGB, [size_px, size_px, 3]."""
    diffuse, highlight = _shading(surface.height, pill.gloss, light)
    bare, cover = surface.cover * diffuse, _halved(surface.cover)
    scene = background * ((1 - cover) * _shadow(cover, light))[..., None]
    # Why one plane per colour: averaging planes is three times cheaper than averaging RGB.
    for alpha, colour in surface.stains:
        scene += _halved(bare * alpha)[..., None] * colour.astype(np.float32)
        bare = bare * (1 - alpha)
    scene += (_halved(bare) * surface.shade)[..., None] * pill.colour.astype(np.float32)
    return scene + _halved(surface.cover * highlight)[..., None]


def _shading(height: _Plane, gloss: float, light: _Light) -> tuple[_Plane, _Plane]:
    """Diffuse and mirrored light on a height field."""
    flat, z = light
    slope_y, slope_x = np.gradient(height, 2 / len(height))
    up = 1 / np.sqrt(slope_x * slope_x + slope_y * slope_y + 1)
    lean = flat.real * slope_x + flat.imag * slope_y
    facing = np.maximum((z - lean) * up + 0.2, 0) / 1.2
    # Why half-way vector: the pill mirrors the light into the camera where its normal is that.
    mirrored = (z + 1 - lean) * up / math.sqrt(2 + 2 * z)
    highlight = gloss * np.exp((20 + 120 * gloss) * (mirrored - 1))
    return AMBIENT * (0.4 + 0.6 * up) + (1 - AMBIENT) * facing, highlight


def _shadow(cover: _Plane, light: _Light) -> _Plane:
    """Light that reaches the background, in (0, 1]: less beside the pill, away from the light."""
    side, (flat, z) = len(cover), light
    mask, throw = Image.fromarray((255 * cover).astype(np.uint8)), -0.045 * side * flat / z
    cast = _softened(mask.rotate(0, translate=(round(throw.real), round(throw.imag))), side / 26)
    return (AMBIENT + (1 - AMBIENT) * z * (1 - 0.8 * cast)) * (1 - 0.4 * _softened(mask, side / 40))


def _develop(rng: _Rng, scene: _Plane, light: _Light) -> Image.Image:
    """Expose, focus and digitise linear RGB; adds sensor noise."""
    side, warmth = len(scene), rng.normal(0, 0.04)
    towards, _ = _axes(side, axis=light[0])
    exposure = 1.75 * math.exp(rng.normal(0, 0.11)) * (1 + rng.uniform(0.05, 0.3) * towards)
    balance = np.array((1 + warmth, 1, 1 - warmth), np.float32)
    # Why 1 - exp: a soft shoulder keeps highlights from clipping to flat white.
    toned = np.sqrt(1 - np.exp(-np.maximum(scene * exposure[..., None] * balance, 0)))
    sharp = Image.fromarray((255 * toned + 0.5).astype(np.uint8))
    focused = sharp.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.7) * side / 300))
    grain = rng.uniform(1.3, 3.5) * rng.standard_normal((side, side, 1), dtype=np.float32)
    pixels = np.asarray(focused, dtype=np.float32) + grain + 0.5
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _axes(side: int, center: complex = 0, axis: complex = 1) -> tuple[_Plane, _Plane]:
    """Every pixel's coordinates along and across `axis` from `center`, times its length."""
    ticks = np.linspace(-1, 1, side, dtype=np.float32)
    x, y = ticks - center.real, ticks[:, None] - center.imag
    return axis.real * x + axis.imag * y, axis.real * y - axis.imag * x


def _pixel(point: complex, side: int) -> tuple[float, float]:
    return (point.real + 1) * side / 2, (point.imag + 1) * side / 2


def _bump(plane: _Plane) -> _Plane:
    return np.asarray(np.exp(-plane * plane), dtype=np.float32)


def _limited(plane: _Plane) -> _Plane:
    return np.clip(plane, np.float32(0), np.float32(1))


def _noise(rng: _Rng, side: int, cells: int, *, rows: int | None = None) -> _Plane:
    """Smooth noise of deviation about 1, `cells` bumps across and `rows` (or `cells`) down."""
    return _resized(rng.standard_normal((rows or cells, cells), dtype=np.float32), side)


def _resized(plane: _Plane, side: int) -> _Plane:
    image = Image.fromarray(plane).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.float32)


def _softened(mask: Image.Image, radius_px: float) -> _Plane:
    """An 8-bit mask, blurred, as values in [0, 1]."""
    blurred = mask.filter(ImageFilter.BoxBlur(radius_px))
    return np.asarray(blurred, dtype=np.float32) / np.float32(255)


def _halved(plane: _Plane) -> _Plane:
    """The average of each 2 x 2 block, [side / 2, side / 2]."""
    return 0.25 * (plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2])
