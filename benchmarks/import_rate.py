"""How fast are images imported, against two processes that merely decode them?

The section `import` of `data_room.py`. Makes so many JPEG files, then in turn: two processes that
decode them with Pillow and do nothing else, and the reading of the import (decode, hash, measure,
check), process start included in both. The goal is 0.8 of the plain rate.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.data.importing.listing import plan_import, read_images
from core.data.importing.rules import ImportRules


def write_images(root: Path, count: int, side: int) -> list[Path]:
    """Textured JPEG files in two classes; seeded."""
    random = np.random.default_rng(7)
    coarse = random.integers(0, 255, (64, side // 8 + 1, side // 8 + 1, 3), np.uint8)
    paths = []
    for number in range(count):
        image = Image.fromarray(coarse[number % 64]).resize((side, side), Image.Resampling.BICUBIC)
        noise = random.integers(0, 24, (side, side, 3), np.uint8)
        pixels = np.asarray(image) // 2 + noise + number % 90
        path = root / f"class {number % 2}" / f"{number:06d}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path, quality=90)
        paths.append(path)
    return paths


def decode(path: Path) -> tuple[int, int]:
    """What any reader must do."""
    with Image.open(path) as image:
        image.load()
        return image.size


def decode_all(paths: list[Path]) -> None:
    """Two processes, nothing but decoding."""
    # Why: readers of the import give way to interactive work; on a busy machine that would count.
    with ProcessPoolExecutor(2, initializer=os.nice, initargs=(10,)) as pool:
        list(pool.map(decode, paths, chunksize=16))


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """How long it takes, by the clock and in processor time, ended children included."""
    started, used = time.perf_counter(), _processor_s()
    work()
    return time.perf_counter() - started, _processor_s() - used


def _processor_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def measure(images: int, side: int, rounds: int) -> dict[str, object]:
    """Rates and processor times of both, medians over the rounds."""
    with tempfile.TemporaryDirectory() as folder:
        paths = write_images(Path(folder), images, side)
        plain, ours = [], []
        for _ in range(rounds):
            plain.append(seconds(lambda: decode_all(paths)))
            ours.append(seconds(lambda: read(Path(folder))))
    (plain_s, plain_cpu_s), (import_s, import_cpu_s) = (
        [statistics.median(values) for values in zip(*times, strict=True)]
        for times in (plain, ours)
    )
    return {
        "pictures": images,
        "plain_per_s": round(images / plain_s),
        "import_per_s": round(images / import_s),
        "share": plain_s / import_s,
        "plain_cpu_s": plain_cpu_s,
        "import_cpu_s": import_cpu_s,
        "share_of_cpu": plain_cpu_s / import_cpu_s,
    }


def read(root: Path) -> None:
    """The import without its storing."""
    found = read_images(root, plan_import(root, ImportRules()))
    assert not found.skipped
