"""How long from a folder to a judged model, against one epoch of plain fine-tuning?

    python benchmarks/time_to_model.py FOLDER [--rounds 3]

Both run in turn on the same machine: the whole quick job through the command line (import, split,
train, evaluate; every process start included, new workspace each round), and one epoch of a plain
PyTorch/timm loop (PIL loader, batch 32, SGD, same network, weights, image size and training
images; its imports and model building are not counted). Prints both, and the ratio.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLAIN_EPOCH = """
import json, sys, time
import numpy as np, timm, torch
from pathlib import Path
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from core.models.catalog import find_network
from core.models.weights import pretrained_state

class Images(Dataset):
    def __init__(self, items): self.items = items
    def __len__(self): return len(self.items)
    def __getitem__(self, i):
        path, label = self.items[i]
        image = Image.open(path).convert("RGB").resize((224, 224), Image.BICUBIC)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        return (pixels - 0.5) / 0.5, label

if __name__ == "__main__":
    items = json.loads(Path(sys.argv[1]).read_text())
    network = find_network("tf_efficientnet_lite0")
    model = timm.create_model(network.name, num_classes=1 + max(label for _, label in items))
    state = pretrained_state(network, Path("."))
    model.load_state_dict({k: v for k, v in state.items() if "classifier" not in k}, strict=False)
    loader = DataLoader(Images(items), batch_size=32, shuffle=True, num_workers=2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    model.train()
    started = time.perf_counter()
    for images, targets in loader:
        loss = torch.nn.functional.cross_entropy(model(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(time.perf_counter() - started)
"""


def touchstone(workspace: Path, *arguments: str) -> dict:
    command = [
        sys.executable,
        "-m",
        "core.cli",
        *arguments,
        "--workspace",
        str(workspace),
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def quick_job(folder: Path, workspace: Path) -> tuple[float, dict, dict]:
    started = time.perf_counter()
    touchstone(workspace, "import", str(folder), "--name", "set")
    touchstone(workspace, "split", "set")
    trained = touchstone(workspace, "train", "set", "--recipe", "quick", "--device", "cpu")
    report = touchstone(workspace, "evaluate", trained["model_id"], "--subset", "test")
    return time.perf_counter() - started, trained, report


def plain_epoch(workspace: Path, scratch: Path) -> float:
    from core.domain.splits import Subset
    from core.workflows.data import datasets, splits
    from core.workspace import Workspace

    place = Workspace(workspace)
    dataset = datasets.find_dataset(place, "set")
    split = splits.find_split(place, dataset.id, None)
    samples, _ = datasets.samples(place, dataset.id, split_id=split.id, subset=Subset.TRAIN)
    items = scratch / "train.json"
    items.write_text(json.dumps([[str(place.resolve(s.path)), s.label] for s in samples]))
    script = scratch / "plain_epoch.py"
    script.write_text(PLAIN_EPOCH)
    done = subprocess.run(
        [sys.executable, str(script), str(items)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])
    sys.path.insert(0, os.environ["PYTHONPATH"])
    ratios, jobs, epochs = [], [], []
    for number in range(1, arguments.rounds + 1):
        with tempfile.TemporaryDirectory() as scratch:
            workspace = Path(scratch) / "workspace"
            job, trained, report = quick_job(arguments.folder.resolve(), workspace)
            epoch = plain_epoch(workspace, Path(scratch))
        jobs.append(job)
        epochs.append(epoch)
        ratios.append(job / epoch)
        print(
            f"round {number}: quick job {job:.1f} s (training {trained['duration_s']:.1f} s, "
            f"test accuracy {report['accuracy']:.4f}), plain epoch {epoch:.1f} s, "
            f"ratio {job / epoch:.3f}",
            flush=True,
        )
    print(
        f"median: quick job {statistics.median(jobs):.1f} s, plain epoch "
        f"{statistics.median(epochs):.1f} s, ratio {statistics.median(ratios):.3f}"
    )


if __name__ == "__main__":
    main()
