"""What 8 bits bring and cost: speed against float32 in one run, and answers on test images.

    python benchmarks/int8.py WORKSPACE MODEL [--rounds 5]

Exports a model of a workspace as OpenVINO and in 8 bits, runs both networks in turns as OpenVINO
does it for throughput and for single images, and classifies the test images of the model with both:
accuracy, images of another class or decision, and the largest difference of a confidence.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from core.data.pixels.preprocess import load_pixels  # noqa: E402
from core.domain.models import ModelFormat  # noqa: E402
from core.domain.splits import Subset  # noqa: E402
from core.inference.runtime import openvino_module  # noqa: E402
from core.workflows.data import datasets  # noqa: E402
from core.workflows.results import judging, thresholds  # noqa: E402
from core.workflows.use import exporting, models  # noqa: E402
from core.workspace import Workspace  # noqa: E402

FORMATS = (ModelFormat.OPENVINO, ModelFormat.INT8)


def compiled(folder: Path, hint: str) -> object:
    """The network of a folder, for `THROUGHPUT` or `LATENCY`."""
    core = openvino_module().Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": hint}
    return core.compile_model(core.read_model(folder / "model.xml"), "CPU", settings)


def per_second(network: object, pixels: np.ndarray, *, side_by_side: bool) -> float:
    """Images per second of one pass over all of them."""
    began = time.perf_counter()
    if side_by_side:
        queue = openvino_module().AsyncInferQueue(network)
        for row in pixels:
            queue.start_async({0: row[None]})
        queue.wait_all()
    else:
        request = network.create_infer_request()
        for row in pixels:
            request.infer({0: row[None]})
    return len(pixels) / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    workspace = Workspace(arguments.workspace)
    model = models.find_model(workspace, arguments.model)
    judged = judging.judged_set(workspace, model.id, Subset.TEST)
    samples = datasets.find_samples(workspace, judged.sample_ids.tolist())
    paths = [workspace.resolve(sample.path) for sample in samples]
    pixels = np.stack([load_pixels(path, model.preprocess) for path in paths])
    rule = thresholds.saved_rule(workspace, model.id)
    said = {}
    with tempfile.TemporaryDirectory() as scratch:
        folders = {kind: Path(scratch) / kind.value for kind in FORMATS}
        for kind, folder in folders.items():
            check = exporting.export_model(workspace, model, folder, kind, paths)
            print(f"{kind.value}: {exporting.check_in_words(check)}")
            network = compiled(folder, "THROUGHPUT")
            said[kind] = np.concatenate([network(row[None])[0] for row in pixels])
        for hint, side_by_side in (("THROUGHPUT", True), ("LATENCY", False)):
            networks = {kind: compiled(folder, hint) for kind, folder in folders.items()}
            speeds = {kind: [] for kind in FORMATS}
            for _ in range(arguments.rounds):
                for kind, network in networks.items():
                    speeds[kind].append(per_second(network, pixels, side_by_side=side_by_side))
            middle = {kind: statistics.median(values) for kind, values in speeds.items()}
            ratio = middle[ModelFormat.INT8] / middle[ModelFormat.OPENVINO]
            print(hint.lower(), *(f"{k.value} {v:.0f}/s" for k, v in middle.items()), end=" ")
            print(f"ratio {ratio:.2f}")
    exact, rough = (said[kind] for kind in FORMATS)
    for kind in FORMATS:
        right = int((said[kind].argmax(1) == judged.targets).sum())
        print(f"{kind.value}: {right} of {len(pixels)} test images right")
    changed = int((exact.argmax(1) != rough.argmax(1)).sum())
    print(f"another class: {changed}; largest difference {np.abs(exact - rough).max():.3f}")
    if rule is not None:
        print(f"rule: {rule.in_words}")


if __name__ == "__main__":
    main()
