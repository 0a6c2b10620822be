"""Images per second of the training loop, against a plain PyTorch loop and the bare step.

    python benchmarks/training.py [--rounds 3] [--steps 6] [--batch 32] [--size 224]

Every kind runs in a process of its own, in turns, so that all see the same machine; ours get the
environment of the training worker. The kinds:

- plain: a timm network, contiguous, AdamW, the same augmentation, `loss.item()` at each step.
- bare: only forward, backward and optimizer of our network on one batch in memory, channels last.
- full, staged: `core.training.engine.fit`, as a worker runs it, without evaluation.
- unchanged: as full, on images that are not augmented.

Printed are medians over the rounds, and ratios: full to plain (aim 1.6 to 2), the overhead of the
loop itself against the bare step (aim below 5 %), what augmentation takes, the share of waiting
for data (aim below 5 %) and epochs per hour of staged to full (aim 4).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
KINDS = ("plain", "bare", "unchanged", "full", "staged")
NETWORK = "tf_efficientnet_lite0"
CLASSES = 6


def main() -> None:
    """Run all kinds in turns and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--child", choices=KINDS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(_measured(options)))
        return
    results: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for number in range(options.rounds):
        for kind in KINDS:
            results[kind].append(_in_process(kind))
            print(
                f"round {number + 1} {kind:9} {results[kind][-1]['rate']:7.1f} images/s", flush=True
            )
    rates = {k: statistics.median(r["rate"] for r in v) for k, v in results.items()}
    waits = statistics.median(r["waiting"] for r in results["full"])
    for kind, rate in rates.items():
        print(f"{kind:9} {rate:7.1f} images/s (median of {options.rounds})")
    print(f"full to plain {rates['full'] / rates['plain']:.2f}")
    print(f"overhead of the loop {1 - rates['unchanged'] / rates['bare']:.1%}")
    print(f"augmentation {1 - rates['full'] / rates['unchanged']:.1%}, waiting {waits:.1%}")
    print(f"staged to full {rates['staged'] / rates['full']:.1f}")


def _in_process(kind: str) -> dict[str, float]:
    from core.worker.launcher import TRAINING_ENVIRONMENT

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if kind != "plain":
        environment |= TRAINING_ENVIRONMENT
    command = [sys.executable, *sys.argv, "--child", kind]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return result


def _measured(options: argparse.Namespace) -> dict[str, float]:
    match options.child:
        case "plain":
            return _plain(options)
        case "bare":
            return _bare(options)
        case _:
            return _loop(options)


def _images(options: argparse.Namespace):
    import numpy as np

    random = np.random.default_rng(0)
    count = options.batch * options.steps
    rows = random.integers(0, 255, (count, options.size, options.size, 3), np.uint8)
    return rows, np.arange(count) % CLASSES


def _plain(options: argparse.Namespace) -> dict[str, float]:
    import numpy as np
    import timm
    import torch

    from core.domain.configs.augment import AugmentConfig
    from core.training.augment import augment

    rows, targets = _images(options)
    model = timm.create_model(NETWORK, num_classes=CLASSES).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4)
    loss_function = torch.nn.CrossEntropyLoss()
    times = []
    for positions in np.array_split(np.arange(len(rows)), options.steps):
        began = time.perf_counter()
        images = torch.from_numpy(rows[positions]).permute(0, 3, 1, 2).float().contiguous()
        images = augment(images, AugmentConfig(), seed=1, epoch=0, samples=positions).contiguous()
        loss = loss_function(
            model((images / 255 - 0.5) / 0.5), torch.from_numpy(targets[positions])
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        times.append(time.perf_counter() - began)
    return {"rate": options.batch / statistics.median(times[1:]), "waiting": 0.0}


def _bare(options: argparse.Namespace) -> dict[str, float]:
    import torch

    model, config = _network(options)
    rows, targets = _images(options)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, weight_decay=config.weight_decay)
    pixels = torch.from_numpy(rows[: options.batch]).float()
    wanted = torch.from_numpy(targets[: options.batch])
    model.train()
    times = []
    for _ in range(options.steps):
        began = time.perf_counter()
        torch.nn.functional.cross_entropy(model(pixels), wanted).backward()
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter() - began)
    return {"rate": options.batch / statistics.median(times[1:]), "waiting": 0.0}


def _network(options: argparse.Namespace):
    import torch

    from core.domain.configs.choices import Recipe
    from core.domain.configs.train import recipe_defaults
    from core.models.build import PixelFeatures, build_network
    from core.training import recipes
    from core.training.stages import stages_to_store

    torch.manual_seed(0)
    recipe = Recipe.STAGED if options.child == "staged" else Recipe.FULL
    config = recipe_defaults(recipe, NETWORK)
    features = PixelFeatures(build_network(NETWORK, CLASSES), (0.5,) * 3, (0.5,) * 3)
    cpu = torch.device("cpu")
    if recipe is Recipe.STAGED:
        count = stages_to_store(features.network, 0)
        return recipes.upper_classifier(features, count, config, cpu), config
    return recipes.whole_classifier(features, config, cpu), config


def _loop(options: argparse.Namespace) -> dict[str, float]:
    from dataclasses import replace

    import numpy as np
    import torch

    from core.domain.configs.augment import AugmentConfig
    from core.training.engine import fit
    from core.training.loop.state import new_state
    from core.training.recipes import MapExamples, PixelExamples

    class Unchanged(PixelExamples):
        def inputs(self, positions, *, epoch):
            return super().inputs(positions, epoch=None)

    model, config = _network(options)
    cpu = torch.device("cpu")
    rows, targets = _images(options)
    positions = np.arange(len(rows))
    if options.child == "staged":
        maps = np.random.default_rng(0).normal(0, 1, (len(rows), 112, 14, 14)).astype(np.float16)
        examples = MapExamples(maps, positions, targets, len(rows), 1)
        few = MapExamples(maps, positions[:CLASSES], targets[:CLASSES], len(rows), 1)
    else:
        kind = Unchanged if options.child == "unchanged" else PixelExamples
        examples = kind(rows, positions, targets, AugmentConfig(), 1, cpu)
        few = PixelExamples(rows, positions[:CLASSES], targets[:CLASSES], AugmentConfig(), 1, cpu)
    config = replace(
        config, epochs=1, batch_size=options.batch, start_from_head=False, training_measure=False
    )
    state = new_state(model, config, cpu)
    times, began = [], [time.perf_counter()]

    def note(_done: int, _total: int) -> None:
        times.append(time.perf_counter() - began[0])
        began[0] = time.perf_counter()

    lines = fit(
        state,
        examples,
        few,
        config,
        class_count=CLASSES,
        device=cpu,
        checkpoints=_Nowhere(),
        should_stop=lambda: False,
        on_step=note,
    )
    (line,) = [item.metrics for item in lines]
    waiting = line.seconds_waiting_for_data or 0.0
    return {
        "rate": options.batch / statistics.median(times[1:]),
        "waiting": waiting / sum(times[1:]),
    }


class _Nowhere:
    def save(self, state, *, urgent) -> None:
        pass

    def load(self) -> None:
        return None


if __name__ == "__main__":
    main()
