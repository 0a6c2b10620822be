"""How fast a model answers, against OpenVINO's own benchmark of the same network.

    python benchmarks/inference.py MODEL_FILE FOLDER [--rounds 3] [--seconds 8]

In turns, so that all see the same machine, in images per second:

- many: our runtime on images in memory; reference: `benchmark_app -hint throughput` (aim 95 %).
- single: one image after the other; reference: `benchmark_app -hint latency` (aim 90 %).
- folder: files to predictions. Decoding alone and the network alone say what would be possible
  if both shared the processors without any loss (aim 90 %).

Both compute in float32. Also printed: seconds of a heatmap of two classes, the first and the next.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from core.data.importing.walk import images_in  # noqa: E402
from core.data.pixels.isolated_pool import run_isolated  # noqa: E402
from core.data.pixels.preprocess import load_pixels  # noqa: E402
from core.domain.models import HeatmapMethod  # noqa: E402
from core.inference.heatmaps import Explainer  # noqa: E402
from core.inference.predictor import Predictor  # noqa: E402
from core.models.backbone import CACHE_VARIABLE  # noqa: E402

MOST_IMAGES = 1500


def main() -> None:
    """Measure all kinds in turns and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        _measure(options, Path(scratch))


def _measure(options: argparse.Namespace, scratch: Path) -> None:
    os.environ[CACHE_VARIABLE] = str(scratch / "cache")  # else another model's network is found
    predictor = Predictor.open(options.model, runtimes=scratch / "runtimes")
    (network,) = (scratch / "runtimes").glob("*/network.xml")
    config = predictor.card.preprocess
    files = list(images_in(options.folder).paths[:MOST_IMAGES])
    decoded = partial(load_pixels, config=config)
    pixels = np.stack([load_pixels(file, config) for file in files[:64]])

    def many() -> int:
        return len(predictor.features(pixels))

    def single() -> int:
        return sum(len(predictor.alone(image)[None]) for image in pixels)

    def decoding() -> int:
        return sum(1 for _ in run_isolated(decoded, files))

    def folder() -> int:
        images = ((files[i].name, image) for i, image in run_isolated(decoded, files))
        return sum(1 for _ in predictor.judge(images))

    ours = {"many": many, "single": single, "decoding": decoding, "folder": folder}
    rates: dict[str, list[float]] = {}
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors, {len(files)} images")
    for _ in range(options.rounds):
        for name, work in ours.items():
            rates.setdefault(name, []).append(_rate(work, options.seconds))
        for name, hint in (("many reference", "throughput"), ("single reference", "latency")):
            rates.setdefault(name, []).append(_reference(network, hint, options.seconds))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, value in medians.items():
        print(f"{name:17} {value:7.1f} images/s (median of {options.rounds})")
    print(f"many {medians['many'] / medians['many reference']:.0%} of the reference")
    print(f"single {medians['single'] / medians['single reference']:.0%} of the reference")
    possible = 1 / (1 / medians["decoding"] + 1 / medians["many"])
    print(f"folder {medians['folder'] / possible:.0%} of {possible:.0f}/s, decoding and network")
    _heatmaps(options.model, scratch / "runtimes", pixels[0])


def _rate(work: Callable[[], int], seconds: float) -> float:
    work()
    began, done = time.perf_counter(), 0
    while (taken := time.perf_counter() - began) < seconds:
        done += work()
    return done / taken


def _reference(network: Path, hint: str, seconds: int) -> float:
    command = [
        str(Path(sys.executable).with_name("benchmark_app")),
        *("-m", str(network), "-d", "CPU", "-hint", hint, "-t", str(seconds)),
        *("-infer_precision", "f32"),
    ]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Throughput:\s+([\d.]+)", answer)
    assert found, answer
    return float(found[1])


def _heatmaps(model: Path, runtimes: Path, image: np.ndarray) -> None:
    """Two classes of an image that was not seen before; the first one opens the model, too."""
    began = time.perf_counter()
    explainer = Explainer(Predictor.open(model, runtimes=runtimes))
    for method in (HeatmapMethod.GRAD_CAM, HeatmapMethod.FINE_GRAD_CAM, HeatmapMethod.OCCLUSION):
        times = []
        for turn in range(4):
            other = np.roll(image, turn, axis=0)
            other.flags.writeable = False
            for index in (0, 1):
                explainer.heatmap(other, index, method)
            times.append(time.perf_counter() - began)
            began = time.perf_counter()
        print(f"{method.value:14} two classes: first {times[0]:.2f} s, then {min(times[1:]):.3f} s")


if __name__ == "__main__":
    main()
