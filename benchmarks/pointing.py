"""Does the hottest pixel of a heatmap lie on the defect?

    python benchmarks/pointing.py MODEL.safetensors … [--seed 0 1 2] [--count 100] [--first 0]
        [--method fine_grad_cam occlusion]

Draws pills of the demo with a defect that no model has seen, each a second time without it, and
asks every model (trained on the demo, whose seed is 42; downloaded) for the heatmap of the true
class. Prints for each seed on how many pills the hottest pixel lies within 15 of 300 px of a drawn
defect, how many a pixel chosen by chance would hit, and the median time of a heatmap; at the end,
each method over all models and seeds.
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
from core.evaluation.measures.intervals import lower_bounds  # noqa: E402
from core.inference.heatmaps import Explainer  # noqa: E402
from core.inference.predictor import Predictor  # noqa: E402

TRAINED_SEED, FIRST_UNSEEN = 42, 400
TOLERANCE_PX = 15
SIDE_PX = 300


def drawn(kind: str, index: int, seed: int) -> tuple[Image.Image, np.ndarray]:
    """A pill, and where its defect is within the tolerance: bool [300, 300]."""
    name = "_contaminate" if kind == "contamination" else "_break"
    real = getattr(demo, name)

    def nothing(rng, surface, pill, severity):
        real(rng, surface, pill, severity)  # draws the same random numbers
        return surface

    image = demo.render_pill(kind, index, seed=seed)
    with mock.patch.object(demo, name, nothing):
        clean = demo.render_pill(kind, index, seed=seed)
    difference = np.abs(np.asarray(image, np.int16) - np.asarray(clean, np.int16)).max(axis=2)
    across = np.arange(-TOLERANCE_PX, TOLERANCE_PX + 1)
    disc = np.hypot(*np.meshgrid(across, across)) <= TOLERANCE_PX
    return image, binary_dilation(difference > 24, disc)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--seed", type=int, nargs="+", default=[0, 1, 2], help="of the pills")
    parser.add_argument("--count", type=int, default=100, help="of each kind and seed")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--method", nargs="+", choices=list(HeatmapMethod), default=["grad_cam"])
    arguments = parser.parse_args()
    if TRAINED_SEED in arguments.seed and arguments.first < FIRST_UNSEEN:
        parser.error(f"the models have seen pills of seed {TRAINED_SEED} below {FIRST_UNSEEN}")
    totals: dict[HeatmapMethod, list[int]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        opened = [(p, Predictor.open(p, runtimes=Path(scratch))) for p in arguments.models]
        for seed in arguments.seed:
            numbers = range(arguments.first, arguments.first + arguments.count)
            for kind in ("contamination", "crack"):
                items = [drawn(kind, index, seed) for index in numbers]
                chance = np.mean([near.mean() for _, near in items])
                print(f"seed {seed}, {kind}: chance {chance:.0%}", flush=True)
                for path, predictor in opened:
                    for method in map(HeatmapMethod, arguments.method):
                        hits, times = pointed(predictor, kind, items, method)
                        print(
                            f"  {path.name} ({predictor.card.detail}), {method}: {hits} of "
                            f"{len(items)}, {np.median(times):.3f} s",
                            flush=True,
                        )
                        total = totals.setdefault(method, [0, 0])
                        total[0] += hits
                        total[1] += len(items)
    for method, (hits, tried) in totals.items():
        low = float(lower_bounds(hits, tried))
        print(f"{method}: {hits} of {tried} ({hits / tried:.1%}, above {low:.1%} with 95 %)")


def pointed(
    predictor: Predictor, kind: str, items: list, method: HeatmapMethod
) -> tuple[int, list[float]]:
    """How many heatmaps are hottest on the defect, and how long each took, in seconds."""
    explainer, preprocess = Explainer(predictor), predictor.card.preprocess
    class_index = predictor.card.class_names.index(kind)
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
