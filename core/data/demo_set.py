"""The images of the demo as a folder, with three things planted that are worth finding.

`PLANTED`: a file that is there twice, a cracked pill among the good ones, and one pill that was
photographed twice, which a random split can put on both sides. The quality check finds these three
and nothing else. That is why some numbers are not drawn (`_DOUBTED`): the check doubts their class
without anybody having planned it, since their defect is small and looks like another one.
"""

import shutil
from collections.abc import Callable
from enum import StrEnum
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from core.data.demo import DEMO_CLASSES, render_pill
from core.files import atomic_write

PER_CLASS = 100
DEMO_IMAGES = PER_CLASS * len(DEMO_CLASSES)


class Plant(StrEnum):
    """What is planted in the demo."""

    DUPLICATE = "duplicate"
    MISLABELED = "mislabeled"
    SAME_PART = "same_part"


# What is planted -> the files concerned; where there are two, the second resembles the first.
PLANTED: dict[Plant, tuple[str, ...]] = {
    Plant.DUPLICATE: (
        "contamination/contamination_0012.jpg",
        "contamination/contamination_0100.jpg",
    ),
    Plant.MISLABELED: ("good/good_0100.jpg",),
    Plant.SAME_PART: ("crack/crack_0021.jpg", "crack/crack_0100.jpg"),
}
_CRACK_AMONG_GOOD = 150  # its index, which no file of its own class has
_DOUBTED = {
    "contamination": frozenset(
        (
            5,
            7,
            36,
            41,
            43,
            51,
            53,
            66,
            80,
            81,
            82,
            84,
            85,
            86,
            100,
            101,
            102,
            103,
            110,
            114,
            115,
            118,
        )
    ),
    "crack": frozenset((62, 76)),
    "good": frozenset[int](),
}


def write_demo_images(
    folder: Path,
    *,
    per_class: int = PER_CLASS,
    seed: int = 42,
    size_px: int = 300,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write the images as `folder/<class>/<class>_0001.jpg` and so on, replacing older files.

    Args:
        folder: made when missing; a reader never sees a half-written image in it.
        per_class: images of each class; with fewer than 100 nothing is planted.
        seed: see `render_pill`.
        size_px: see `render_pill`.
        on_progress: called with (done, total) after each image.

    Returns:
        The written paths, class by class.

    Raises:
        OSError: when a file cannot be written; the images before it stay.
    """
    planted = {files[-1]: plant for plant, files in PLANTED.items()}
    paths: list[Path] = []
    for class_name in DEMO_CLASSES:
        (folder / class_name).mkdir(parents=True, exist_ok=True)
        drawn = (i for i in count() if i not in _DOUBTED[class_name])
        for number, index in zip(range(1, per_class + 1), drawn, strict=False):
            name = f"{class_name}/{class_name}_{number:04d}.jpg"
            with atomic_write(folder / name, durable=False) as partial:
                plant = planted.get(name)
                if plant is Plant.DUPLICATE:
                    shutil.copyfile(folder / PLANTED[plant][0], partial)
                else:
                    pill = _pill_of(class_name, index, plant, folder, seed, size_px)
                    pill.save(partial, "JPEG", quality=92)
            paths.append(folder / name)
            if on_progress is not None:
                on_progress(len(paths), per_class * len(DEMO_CLASSES))
    return paths


def _pill_of(
    class_name: str, index: int, plant: Plant | None, folder: Path, seed: int, size_px: int
) -> Image.Image:
    if plant is Plant.MISLABELED:
        return render_pill("crack", _CRACK_AMONG_GOOD, seed=seed, size_px=size_px)
    pill = render_pill(class_name, index, seed=seed, size_px=size_px)
    return _seen_again(folder / PLANTED[plant][0], seed) if plant is Plant.SAME_PART else pill


def _seen_again(path: Path, seed: int) -> Image.Image:
    """The pill of an image on another shot: turned by a degree, closer, brighter, other noise."""
    with Image.open(path) as first:
        side, margin = first.width, round(0.03 * first.width)
        turned = first.rotate(1, Image.Resampling.BICUBIC)
    closer = turned.crop((margin, margin, side - margin, side - margin))
    whole = closer.resize((side, side), Image.Resampling.BICUBIC)
    pixels = np.asarray(ImageEnhance.Brightness(whole).enhance(1.06), np.float32)
    noise = np.random.default_rng(seed).normal(0, 2, (side, side, 1))
    return Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))
