"""Rendered parts of one design: different parts that resemble each other, and some shot twice.

Real sets of one product look like this: the design fills the image, what distinguishes two parts
is small. Nothing is copied from real images; the same arguments give the same images.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]


class Design(StrEnum):
    """What is drawn."""

    SOLAR_CELL = "solar cell"
    CASTING = "casting"
    GEAR = "gear"
    CONNECTOR = "connector"
    MESH = "mesh"
    BOARD = "board"
    CAP = "cap"


@dataclass(frozen=True)
class Look:
    """How parts and their images vary; lengths are fractions of the side.

    `noise` and `mark` are gray values (standard deviation; largest depth of an individual mark),
    `jitter` is the standard deviation of the position, `turn_deg` of the rotation, `exposure` the
    range of the brightness of later shots, `blur` the largest defocus in px.
    """

    noise: float = 4.0
    jitter: float = 0.006
    turn_deg: float = 0.3
    marks: int = 4
    mark: float = 25.0
    defect: float = 70.0
    exposure: tuple[float, float] = (0.6, 0.9)
    blur: float = 0.0


@dataclass(frozen=True)
class RenderedParts:
    """Images [N, side, side] uint8, the part [N] in each, and whether it has a defect [N]."""

    images: NDArray[np.uint8]
    part: NDArray[np.int64]
    is_defective: NDArray[np.bool_]


def render_parts(
    design: Design,
    count: int,
    seed: int,
    *,
    side_px: int = 144,
    look: Look | None = None,
    shot_twice: int = 0,
    defective: float = 0.1,
) -> RenderedParts:
    """Different parts of one design, each photographed once, the first `shot_twice` twice.

    A second shot has other noise, position and exposure, but the same marks and defects.
    """
    look = look or Look()
    images, parts, bad = [], [], []
    for number in range(count):
        own = np.random.default_rng([seed, number])
        is_bad = bool(own.random() < defective)
        surface = _surface(own, look, is_bad=is_bad)
        for shot in range(2 if number < shot_twice else 1):
            light = np.random.default_rng([seed, number, shot])
            images.append(_shot(design, surface, light, look, side_px, is_first=shot == 0))
            parts.append(number)
            bad.append(is_bad)
    return RenderedParts(np.stack(images), np.array(parts), np.array(bad))


Surface = Callable[[Plane, Plane], Plane]


def _shot(
    design: Design,
    surface: Surface,
    light: np.random.Generator,
    look: Look,
    side: int,
    *,
    is_first: bool,
) -> NDArray[np.uint8]:
    from scipy import ndimage

    place = (np.arange(side) + 0.5) / side - 0.5
    y, x = np.meshgrid(place, place, indexing="ij")
    angle = np.deg2rad(light.normal(0, look.turn_deg))
    zoom = 1 + light.normal(0, 0.003)
    dy, dx = light.normal(0, look.jitter, 2)
    v = (np.cos(angle) * y - np.sin(angle) * x) * zoom + dy
    u = (np.sin(angle) * y + np.cos(angle) * x) * zoom + dx
    gray = _drawn(design, v, u, 1 / side) + surface(v, u)
    gray *= 1 + light.normal(0, 0.03) + light.normal(0, 0.05) * x + light.normal(0, 0.05) * y
    if not is_first:
        gray *= light.uniform(*look.exposure)
    if look.blur:
        gray = ndimage.gaussian_filter(gray, light.uniform(0, look.blur))
    gray += light.normal(0, look.noise, gray.shape)
    return np.clip(gray, 0, 255).round().astype(np.uint8)


def _surface(own: np.random.Generator, look: Look, *, is_bad: bool) -> Surface:
    """What only this part has: small marks, maybe a defect, as gray values to add."""
    places = own.uniform(-0.36, 0.36, (look.marks, 2))
    sizes = own.uniform(0.006, 0.02, look.marks)
    depths = own.uniform(0.3, 1, look.marks) * look.mark * own.choice([-1, 1], look.marks)
    hole, angle, long = own.uniform(-0.3, 0.3, 2), own.uniform(0, np.pi), own.uniform(0.02, 0.1)

    def draw(v: Plane, u: Plane) -> Plane:
        gray = np.zeros_like(v)
        for (top, left), size, depth in zip(places, sizes, depths, strict=True):
            gray += depth * np.exp(-((v - top) ** 2 + (u - left) ** 2) / (2 * size**2))
        if is_bad:
            along = (v - hole[0]) * np.sin(angle) + (u - hole[1]) * np.cos(angle)
            across = (v - hole[0]) * np.cos(angle) - (u - hole[1]) * np.sin(angle)
            gray -= look.defect * np.exp(-((along / long) ** 2) - (across / 0.012) ** 2)
        return gray

    return draw


def _drawn(design: Design, v: Plane, u: Plane, px: float) -> Plane:
    """The design at places (v, u) in about [-0.5, 0.5], edges one px wide."""

    def inside(depth: Plane) -> Plane:
        """1 where `depth` is positive, 0 where it is negative."""
        return np.clip(depth / px + 0.5, 0, 1)

    r, phi = np.hypot(v, u), np.arctan2(v, u)
    match design:
        case Design.SOLAR_CELL:
            square = inside(0.46 - np.maximum(abs(v), abs(u))) * inside(0.6 - abs(v) - abs(u) * 0.6)
            busbars = sum(inside(0.012 - abs(u - at)) for at in (-0.23, 0.0, 0.23))
            fingers = 0.5 + 0.5 * np.cos(2 * np.pi * v * 28)
            return 25 + square * (85 + 12 * fingers) + 90 * square * np.clip(busbars, 0, 1)
        case Design.CASTING:
            disc = inside(0.44 - r) - 0.8 * inside(0.12 - r)
            ring = inside(0.02 - abs(r - 0.3))
            holes = sum(
                inside(0.035 - np.hypot(v - 0.21 * np.sin(a), u - 0.21 * np.cos(a)))
                for a in np.arange(6) * np.pi / 3 + 0.2
            )
            return 40 + 130 * disc + 35 * ring - 90 * holes
        case Design.GEAR:
            rim = inside(0.38 + 0.03 * np.sign(np.cos(24 * phi)) - r) - inside(0.09 - r)
            spokes = inside(0.03 - abs(r * np.sin(2.5 * phi)) / 2.5) * inside(0.3 - r)
            return 60 + 100 * rim + 40 * spokes * rim
        case Design.CONNECTOR:
            body = inside(0.2 - abs(v)) * inside(0.46 - abs(u))
            pins = inside(np.cos(2 * np.pi * u * 11) * 0.03 - 0.008) * inside(0.12 - abs(v))
            return 170 - 120 * body + 130 * pins * body
        case Design.MESH:
            wires = np.maximum(np.cos(2 * np.pi * u * 14), np.cos(2 * np.pi * v * 14))
            return 70 + 110 * inside((wires - 0.6) * 0.02)
        case Design.BOARD:
            layout = np.random.default_rng(11)
            gray = np.full_like(v, 60.0)
            for _ in range(40):
                top, left = layout.uniform(-0.45, 0.45, 2)
                height, width = layout.uniform(0.01, 0.06, 2)
                pad = inside(height - abs(v - top)) * inside(width - abs(u - left))
                gray += (layout.uniform(40, 200) - gray) * pad
            return gray
        case Design.CAP:
            teeth = inside(0.42 + 0.01 * np.cos(60 * phi) - r)
            print_ = inside(0.02 - abs(r - 0.25)) * inside(np.sin(7 * phi) * 0.1)
            return 200 - 110 * teeth + 70 * print_ + 30 * inside(0.1 - r)
        case _:
            assert_never(design)
