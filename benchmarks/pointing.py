"""Does the hottest pixel of a heatmap lie on the defect?

    python benchmarks/pointing.py MODEL.safetensors … [--count 40] [--first 400]
        [--method grad_cam occlusion]

Draws pills of the demo with a defect that no model has seen, each a second time without it, and
asks every model (trained on the demo, downloaded) for the heatmap of the true class. Prints on how
many pills the hottest pixel lies within 15 of 300 px of a drawn defect, how many a pixel chosen by
chance would hit, and the median time of a heatmap; at the end, each method over all models.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from scipy.ndimage import binary_dilation  # noqa: E402

from core.data import demo  # noqa: E402
from core.data.pixels.preprocess import preprocess_image  # noqa: E402
from core.domain.models import HeatmapMethod  # noqa: E402
from core.inference.heatmaps import Explainer  # noqa: E402
from core.inference.predictor import Predictor  # noqa: E402

FIRST_UNSEEN = 400  # fine maps and occlusion were chosen on 400 to 439
TOLERANCE_PX = 15
SIDE_PX = 300


def drawn(kind: str, index: int) -> tuple[Image.Image, np.ndarray]:
    """A pill, and where its defect is within the tolerance: bool [300, 300]."""
    name = "_contaminate" if kind == "contamination" else "_break"
    real = getattr(demo, name)

    def nothing(rng, surface, pill, severity):
        real(rng, surface, pill, severity)  # draws the same random numbers
        return surface

    image = demo.render_pill(kind, index)
    with mock.patch.object(demo, name, nothing):
        clean = demo.render_pill(kind, index)
    difference = np.abs(np.asarray(image, np.int16) - np.asarray(clean, np.int16)).max(axis=2)
    across = np.arange(-TOLERANCE_PX, TOLERANCE_PX + 1)
    disc = np.hypot(*np.meshgrid(across, across)) <= TOLERANCE_PX
    return image, binary_dilation(difference > 24, disc)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--first", type=int, default=FIRST_UNSEEN)
    parser.add_argument("--method", nargs="+", choices=list(HeatmapMethod), default=["grad_cam"])
    arguments = parser.parse_args()
    pills = {
        kind: [drawn(kind, arguments.first + i) for i in range(arguments.count)]
        for kind in ("contamination", "crack")
    }
    for kind, items in pills.items():
        chance = np.mean([near.mean() for _, near in items])
        print(f"chance, {kind}: {chance:.0%}")
    with tempfile.TemporaryDirectory() as scratch:
        totals: dict[HeatmapMethod, list[int]] = {}
        for path in arguments.models:
            predictor = Predictor.open(path, runtimes=Path(scratch))
            explainer, names = Explainer(predictor), predictor.card.class_names
            for method in map(HeatmapMethod, arguments.method):
                for kind, items in pills.items():
                    hits, times = pointed(
                        explainer, predictor.card.preprocess, names.index(kind), items, method
                    )
                    print(
                        f"{path.name} ({predictor.card.detail}), {method}, {kind}: {hits} of "
                        f"{len(items)}, {np.median(times):.3f} s",
                        flush=True,
                    )
                    totals.setdefault(method, [0, 0])
                    totals[method][0] += hits
                    totals[method][1] += len(items)
        for method, (hits, tried) in totals.items():
            print(f"{method}: {hits} of {tried} ({hits / tried:.0%})")


def pointed(
    explainer: Explainer, preprocess, class_index: int, items: list, method: HeatmapMethod
) -> tuple[int, list[float]]:
    """How many heatmaps are hottest on the defect, and how long each took, in seconds."""
    hits, times = 0, []
    for image, near in items:
        pixels = preprocess_image(image, preprocess)
        started = time.perf_counter()
        heat = explainer.heatmap(pixels, class_index, method)
        times.append(time.perf_counter() - started)
        y, x = np.unravel_index(heat.argmax(), heat.shape)
        hits += bool(near[int(y * SIDE_PX / len(heat)), int(x * SIDE_PX / len(heat))])
    return hits, times


if __name__ == "__main__":
    main()
