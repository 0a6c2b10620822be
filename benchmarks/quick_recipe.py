"""What does the exact solution of the quick recipe bring, against the training in steps of before?

    python benchmarks/quick_recipe.py FOLDER FOLDER … [--grouped NAME …]

Imports every folder into a new workspace and computes the features once. Then, on the same
features and splits, both in one run: the last layer trained by SGD for 100 epochs with the best
one kept (the recipe until 0.1), and the product's own solutions with its default settings on the
features of each detail level, with each kind of last layer. References: scikit-learn's
LogisticRegression (C = 0.01, balanced) on the same features of the last layer, and always the
largest class. Prints accuracy, macro recall, macro F1 and log loss on the test images, and the
seconds on one thread without the features.
Splits: 5 seeds of 60/20/20 with look-alikes kept together for the sets named by --grouped, else
3 seeds of 60/10/30.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

from core.domain.configs.choices import Detail, DetailChoice, HeadKind, Recipe  # noqa: E402
from core.domain.configs.train import TrainConfig, recipe_defaults  # noqa: E402
from core.domain.splits import Subset  # noqa: E402
from core.domain.training import chosen_penalty  # noqa: E402
from core.evaluation.measures.classification import macro_f1  # noqa: E402
from core.models.catalog import DEFAULT_NETWORK  # noqa: E402
from core.store import datasets, splits  # noqa: E402
from core.store.database import connect  # noqa: E402
from core.training.engine import fit  # noqa: E402
from core.training.heads import fit_kind, kind_path  # noqa: E402
from core.training.linear_head import HeadTask, log_softmax  # noqa: E402
from core.training.loop.state import new_state  # noqa: E402
from core.worker.training.data import known_groups  # noqa: E402
from core.workspace import Workspace  # noqa: E402

CPU = torch.device("cpu")
LEVELS = DetailChoice.AUTO_MIRRORED_TILES.levels
STEPS = TrainConfig(
    recipe=Recipe.QUICK,
    epochs=100,
    batch_size=32,
    learning_rate=0.01,
    momentum=0.9,
    weight_decay=0.001,
)


@dataclass
class Images:
    """Features [N, D] by level, classes and groups [N], and the subset [N] of all in each split."""

    name: str
    features: dict[Detail, np.ndarray]
    targets: np.ndarray
    groups: np.ndarray
    subsets: list[np.ndarray]

    @property
    def class_count(self) -> int:
        """Number of classes C."""
        return int(self.targets.max()) + 1


@dataclass
class _Vectors:
    values: torch.Tensor
    targets: np.ndarray
    axes: None = None

    def inputs(self, positions, *, epoch):
        return self.values[torch.from_numpy(positions)]


class _NoCheckpoints:
    def save(self, state, *, urgent):
        pass

    def load(self):
        return None


def touchstone(workspace: Path, *arguments: object) -> dict:
    command = [sys.executable, "-m", "core.cli", *map(str, arguments)]
    command += ["--workspace", str(workspace), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def load(workspace: Path, folder: Path, *, grouped: bool) -> Images:
    name = folder.name
    touchstone(workspace, "import", folder, "--name", name)
    options = ["--group-by", "auto"] if grouped else ["--validation", 0.1, "--test", 0.3]
    if grouped:
        touchstone(workspace, "quality", name)
    seeds = range(1, 6) if grouped else range(1, 4)
    for seed in seeds:
        if not grouped and seed == 1:
            options = ["--train", 0.6, *options]
        touchstone(workspace, "split", name, "--seed", seed, "--name", f"seed {seed}", *options)
    place = Workspace(workspace)
    features = {}
    for detail in LEVELS:  # a run fills the cache of its level
        known = set(place.features.glob("*"))
        options = ["--recipe", "quick", "--device", "cpu", "--detail", detail]
        touchstone(workspace, "train", name, *options)
        # The first one may have been filled by the quality check.
        (cache,) = set(place.features.glob("*")) - known or known
        features[detail] = np.load(cache / "rows.npy")
    with connect(place) as db:
        dataset = datasets.find_dataset(db, name)
        every = datasets.every_sample(db, dataset.id)
        chosen = [splits.find_split(db, dataset.id, f"seed {seed}") for seed in seeds]
        members = [splits.split_members(db, split.id) for split in chosen]
        groups = known_groups(db, dataset, every, chosen[0])
    return Images(
        name,
        features,
        np.array([s.label for s in every], np.int64),
        groups,
        [np.array([m.get(s.id, "") for s in every]) for m in members],
    )


def in_steps(images: Images, rows: dict[Subset, np.ndarray]) -> np.ndarray:
    """Log confidences [M, C] of the test images by the recipe of before."""
    features = images.features[Detail.WHOLE]
    train = features[rows[Subset.TRAIN]]
    mean, deviation = train.mean(0), np.maximum(train.std(0), 1e-3)

    def examples(subset: Subset) -> _Vectors:
        values = (features[rows[subset]] - mean) / deviation
        return _Vectors(torch.from_numpy(values), images.targets[rows[subset]])

    model = torch.nn.Linear(train.shape[1], images.class_count)
    torch.nn.init.zeros_(model.weight)
    torch.nn.init.zeros_(model.bias)
    state = new_state(model, STEPS, CPU)
    epochs = fit(
        state,
        examples(Subset.TRAIN),
        examples(Subset.VALIDATION),
        STEPS,
        class_count=images.class_count,
        device=CPU,
        checkpoints=_NoCheckpoints(),
        should_stop=lambda: False,
        on_step=lambda *_: None,
    )
    for _ in epochs:
        pass
    model.load_state_dict(state.best_weights)
    with torch.inference_mode():
        return torch.log_softmax(model(examples(Subset.TEST).values).double(), 1).numpy()


def solved(
    images: Images, rows: dict[Subset, np.ndarray], detail: Detail, kind: HeadKind
) -> np.ndarray:
    """The same by the recipe of today with its defaults, on the features of one level."""
    features = images.features[detail]
    config = recipe_defaults(Recipe.QUICK, DEFAULT_NETWORK)
    task = HeadTask(
        features,
        images.targets,
        images.groups,
        images.class_count,
        config.class_weights,
        config.label_smoothing,
        config.seed,
    )
    learned = task.only(rows[Subset.TRAIN])
    path = [judged.point for judged in kind_path(kind, learned, on_step=lambda: None)]
    both = np.concatenate([rows[Subset.TRAIN], rows[Subset.VALIDATION]])
    head = fit_kind(kind, task.only(both), chosen_penalty(config, path), on_step=lambda: None)
    return log_softmax(head.logits(features[rows[Subset.TEST]]).astype(np.float64))


def by_scikit_learn(images: Images, rows: dict[Subset, np.ndarray]) -> np.ndarray:
    """The same by an independent program, on training and validation images."""
    both = np.concatenate([rows[Subset.TRAIN], rows[Subset.VALIDATION]])
    features = images.features[Detail.WHOLE]
    model = LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)
    steps = make_pipeline(StandardScaler(), model).fit(features[both], images.targets[both])
    scores = np.full((len(rows[Subset.TEST]), images.class_count), -30.0)
    scores[:, steps.classes_] = steps.predict_log_proba(features[rows[Subset.TEST]])
    return scores


def by_chance(images: Images, rows: dict[Subset, np.ndarray]) -> np.ndarray:
    """The same by the shares of the classes among the training images."""
    counts = np.bincount(images.targets[rows[Subset.TRAIN]], minlength=images.class_count)
    shares = np.log(np.maximum(counts, 0.5) / counts.sum())
    return np.tile(shares, (len(rows[Subset.TEST]), 1))


def measured(scores: np.ndarray, targets: np.ndarray) -> tuple[float, float, float, float]:
    """Accuracy, macro recall, macro F1 and log loss."""
    right = scores.argmax(1) == targets
    recalls = [right[targets == c].mean() for c in np.unique(targets)]
    loss = -scores[np.arange(len(targets)), targets].mean()
    f1 = macro_f1(scores.argmax(1), targets, scores.shape[1])
    return float(right.mean()), float(np.mean(recalls)), f1, float(loss)


def compare(images: Images) -> None:
    print(f"\n{images.name}: {len(images.targets):,} images, {len(images.subsets)} splits")
    recipes = {
        "chance": by_chance,
        "before (SGD, best epoch)": in_steps,
        "scikit-learn": by_scikit_learn,
        **{
            f"{kind}, {detail}": partial(solved, detail=detail, kind=kind)
            for detail in LEVELS
            for kind in HeadKind
        },
    }
    for title, recipe in recipes.items():
        results = []
        for in_subset in images.subsets:
            rows = {subset: np.flatnonzero(in_subset == subset.value) for subset in Subset}
            started = time.perf_counter()
            scores = recipe(images, rows)
            seconds = time.perf_counter() - started
            results.append((*measured(scores, images.targets[rows[Subset.TEST]]), seconds))
        for number, (*rates, loss, seconds) in enumerate(results, start=1):
            told = "  ".join(f"{rate:.4f}" for rate in (*rates, loss))
            print(f"  {title:26} {number}  {told}  {seconds:.1f} s")
        accuracy, recall, f1, loss, seconds = np.mean(results, axis=0)
        print(
            f"  {title:26} mean: accuracy {accuracy:.4f}, macro recall {recall:.4f}, "
            f"macro F1 {f1:.4f}, log loss {loss:.4f}, {seconds:.1f} s",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--grouped", nargs="*", default=["magnetic_tile"])
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        for folder in arguments.folders:
            workspace = Path(scratch) / folder.name
            compare(load(workspace, folder.resolve(), grouped=folder.name in arguments.grouped))


if __name__ == "__main__":
    main()
