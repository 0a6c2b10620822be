"""Datasets and models with made probabilities: what judging needs, without a training."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.administration import FILE
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import Dataset, Sample, Verdict
from core.domain.models import Model
from core.domain.splits import Split, SplitStrategy, Subset
from core.files import atomic_write
from core.store import datasets, models, predictions, splits
from core.store.database import connect, transaction
from core.workspace import Workspace

NAMES = ("good", "hole", "scratch")
VERDICTS = (Verdict.OK, Verdict.NOK, Verdict.NOK)


@dataclass(frozen=True)
class Made:
    """What was made: sample ids by subset, and the true class of each."""

    workspace: Workspace
    ids: dict[Subset, NDArray[np.int64]]
    targets: dict[Subset, NDArray[np.int64]]


def make_dataset(
    workspace: Workspace,
    *,
    per_subset: int = 200,
    verdicts: tuple[Verdict | None, ...] = VERDICTS,
    groups: bool = False,
    images: Path | None = None,
    sealed: bool = False,
) -> Made:
    """Dataset "parts" with as many images in each subset: half good, a quarter of each defect."""
    targets = np.resize(np.array([0, 1, 0, 2]), 3 * per_subset)
    paths = [_image(images, i, int(label)) for i, label in enumerate(targets)]
    samples = [
        Sample(
            0,
            paths[i],
            _sha256(paths[i], i),
            int(label),
            24,
            24,
            "RGB",
            _size_bytes(paths[i]),
            name=f"{i:05d}.png",
            group=f"part {i // 8}" if groups else None,
        )
        for i, label in enumerate(targets)
    ]
    dataset = Dataset("ds-1", "parts", NAMES, "/p", "d", len(samples), 1.0, class_verdicts=verdicts)
    split = Split(
        "split-1", "ds-1", "s", SplitStrategy(), 1, (0.4, 0.3, 0.3), "d", 1.0, sealed=sealed
    )
    with connect(workspace) as db, transaction(db):
        datasets.insert_dataset(db, dataset, samples)
        ids = np.array([s.id for s in datasets.samples_of(db, "ds-1")], np.int64)
        subsets = dict(zip(Subset, np.split(ids, 3), strict=True))
        splits.insert_split(db, split, {int(i): s for s, of in subsets.items() for i in of})
    return Made(workspace, subsets, dict(zip(Subset, np.split(targets, 3), strict=True)))


def _sha256(path: str, number: int) -> str:
    """Of the file where there is one."""
    file = Path(path)
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else f"sha{number}"


def _size_bytes(path: str) -> int:
    """Of the file where there is one."""
    file = Path(path)
    return file.stat().st_size if file.is_file() else 9


def _image(folder: Path | None, number: int, label: int) -> str:
    if folder is None:
        return f"/p/{number:05d}.png"
    path = folder / NAMES[label] / f"{number:05d}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((24, 24, 3), ((90, 140, 120), (40, 40, 40), (200, 190, 60))[label], np.uint8)
    pixels[:, number % 24] = 255
    pixels[0, 0] = (number % 256, number // 256, 0)  # equal files would be one part
    Image.fromarray(pixels).save(path)
    return str(path)


def made_probabilities(
    targets: NDArray[np.int64], *, seed: int, skill: float = 3.0
) -> NDArray[np.float32]:
    """[N, 3]: noise, with the true class lifted by `skill`."""
    logits = np.random.default_rng(seed).normal(0, 1.2, (len(targets), len(NAMES)))
    logits[np.arange(len(targets)), targets] += skill
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def add_model(
    made: Made,
    name: str,
    *,
    seed: int = 0,
    skill: float = 3.0,
    given: dict[Subset, NDArray[np.float32]] | None = None,
    class_names: tuple[str, ...] = NAMES,
    subsets: tuple[Subset, ...] = (Subset.VALIDATION, Subset.TEST),
) -> Model:
    """A model "model-NAME" with stored probabilities, made ones or those given."""
    model = Model(
        f"model-{name}",
        name,
        None,
        "ds-1",
        "parts",
        "split-1",
        class_names,
        "n",
        PreprocessConfig(),
        1,
        hashlib.sha256(name.encode()).hexdigest(),
        1.0 + seed,
        version=1,
    )
    with connect(made.workspace) as db, transaction(db):
        models.insert_model(db, model, name.encode())
        for subset in subsets:
            rows = (given or {}).get(subset)
            if rows is None:
                rows = made_probabilities(
                    made.targets[subset], seed=seed + len(subset), skill=skill
                )
            predictions.insert_predictions(db, model.id, "ds-1", subset, made.ids[subset], rows)
    return model


def set_limits(root: Path, **limits: float) -> None:
    """Write `touchstone.toml` into the folder of a workspace, with these limits alone."""
    root.mkdir(parents=True, exist_ok=True)
    lines = [f"{name} = {value}" for name, value in limits.items()]
    with atomic_write(root / FILE) as partial:
        partial.write_text("\n".join(["[limits]", *lines]))
