"""Does the hottest pixel of a heatmap lie on the defect?

    python benchmarks/pointing.py MODEL.safetensors … [--seed 0 1 2] [--count 100] [--first 0]
        [--method fine_grad_cam occlusion]

Draws pills of the demo with a defect that no model has seen, each a second time without it, and
asks every model (trained on the demo, whose seed is 42; downloaded) for the heatmap of the true
class, or of the other one where it only knows good images. Prints for each seed on how many pills
the hottest pixel lies within 15 of 300 px of a drawn defect, how many a pixel chosen by chance
would hit, and the median time of a heatmap; at the end, each method over all models and seeds.
Pills that the model takes for another class are told apart: a fibre that is seen as a crack has no
evidence of a contamination to be found.
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
    totals: dict[HeatmapMethod, np.ndarray] = {}
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
                        hit, right, times = pointed(predictor, kind, items, method)
                        print(
                            f"  {path.name} ({predictor.card.detail}), {method}: {hit.sum()} of "
                            f"{len(hit)}, {hit[right].sum()} of {right.sum()} classified rightly, "
                            f"{np.median(times):.3f} s",
                            flush=True,
                        )
                        counts = hit.sum(), len(hit), hit[right].sum(), right.sum()
                        totals[method] = totals.get(method, 0) + np.array(counts)
    for method, (hits, tried, hits_right, right) in totals.items():
        for what, k, n in (("all", hits, tried), ("classified rightly", hits_right, right)):
            low = float(lower_bounds(k, n))
            print(f"{method}, {what}: {k} of {n} ({k / n:.1%}, above {low:.1%} with 95 %)")


def pointed(
    predictor: Predictor, kind: str, items: list, method: HeatmapMethod
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Which heatmaps [N] are hottest on the defect, which pills are of it, and seconds of each."""
    explainer, preprocess = Explainer(predictor), predictor.card.preprocess
    names = predictor.card.class_names
    # A model that only knows good images has one class for all others.
    class_index = 1 if predictor.detector is not None else names.index(kind)
    hit, right, times = [], [], []
    for image, near in items:
        pixels = preprocess_image(image, preprocess)
        started = time.perf_counter()
        heat = explainer.heatmap(pixels, class_index, method)
        times.append(time.perf_counter() - started)
        y, x = np.unravel_index(heat.argmax(), heat.shape)
        hit.append(bool(near[int(y * SIDE_PX / len(heat)), int(x * SIDE_PX / len(heat))]))
        right.append(int(predictor.probabilities(pixels[None])[0].argmax()) == class_index)
    return np.array(hit), np.array(right), times


if __name__ == "__main__":
    main()
