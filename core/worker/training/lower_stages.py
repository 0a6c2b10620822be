"""What the frozen stages give for the images of a staged run, computed once and kept on disk."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from core.administration import limits_of
from core.data.pixels.cache import READY, RowCache, open_row_cache
from core.domain.configs.stored import config_to_json
from core.domain.jobs import Phase
from core.domain.splits import Subset
from core.errors import TrainingError
from core.inference.runtime import backbone_digest, chunks, open_runtime
from core.models.build import PixelFeatures, head_name
from core.training import recipes
from core.training.augment import augment
from core.training.stages import lower_part
from core.worker.features import reporter
from core.worker.session import JobSession
from core.worker.training.data import TrainingData

_ROWS = 64
_FREE_BYTES = 2_000_000_000  # stays free on the disk
_MOST_BYTES = 40_000_000_000  # of one run


def stored_maps(
    session: JobSession, data: TrainingData, module: PixelFeatures, count: int
) -> tuple[RowCache, int]:
    """Maps [V * N, c, h, w] float16 after the first `count` stages, and the number of versions V.

    Version 0 holds the unchanged images, the others randomly changed training images. There are
    fewer versions than asked for where the disk has no room for them; the run says so.

    Raises:
        TrainingError: if there is no room for the unchanged images.
        StopRequested: if a stop was requested; what was computed is kept.
    """
    session.report(Phase.ACTIVATIONS, 0, 0)
    part = lower_part(module, count).eval()
    size, images = data.run.preprocess.image_size_px, len(data.cache.state)
    with torch.inference_mode():
        example = part(torch.zeros(1, size, size, 3, dtype=torch.uint8))
    shape = tuple(example.shape[1:])
    key = _key_of_lower(data, module, count)
    folder = _folder(session, data, key)
    versions = _room_for(session, data, folder, images * int(np.prod(shape)) * 2)
    cache = open_row_cache(
        folder.with_name(f"{folder.name}-{versions}"), (versions * images, *shape), np.float16
    )
    _fill(session, data, part, cache, key)
    return cache, versions


def _folder(session: JobSession, data: TrainingData, lower: str) -> Path:
    """Named by all that decides about the content: pixels, network, stages, changes, seed."""
    run = data.run
    parts = (lower, config_to_json(run.augment), str(run.train.seed), data.device.type)
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return session.workspace.features / f"{data.cache.folder.name}-stages-{key}"


def _key_of_lower(data: TrainingData, module: PixelFeatures, count: int) -> str:
    """Names the network up to a stage, with its normalization and image size."""
    tensors = recipes.numpy_state(module.network)
    mean = tuple(float(v) for v in module.mean.ravel())
    std = tuple(float(v) for v in module.std.ravel())
    size = data.run.preprocess.image_size_px
    whole = backbone_digest(tensors, head_name(module.network), mean, std, size)
    return f"{whole}-stages-{count}"


def _room_for(session: JobSession, data: TrainingData, folder: Path, bytes_each: int) -> int:
    """How many versions are stored; older stored stages of this dataset make room first."""
    config = data.run
    asked = config.train.stored_versions if config.augment.probability > 0 else 1
    own = f"{folder.name}-"
    for old in folder.parent.glob(f"{config.dataset_id}-*-stages-*"):
        if not old.name.startswith(own):
            shutil.rmtree(old, ignore_errors=True)
    here = {int(p.name.rpartition("-")[2]) for p in folder.parent.glob(f"{own}*")}
    if asked in here:
        return asked
    disk = shutil.disk_usage(session.workspace.root)
    free = disk.free - max(_FREE_BYTES, limits_of().kept_free(disk.total))
    most = min(_MOST_BYTES, free) // max(1, bytes_each)
    if most < 1:
        raise TrainingError(
            f"The stored stages need {bytes_each / 1e9:.1f} GB, but only "
            f"{max(0, free) / 1e9:.1f} GB can be used.",
            "Free some disk space, choose a smaller image size, or use the recipe full.",
        )
    if most < asked:
        session.warn(
            f"Only {most} of {asked} versions of each image are stored: one takes "
            f"{bytes_each / 1e9:.1f} GB of disk space."
        )
    return int(min(asked, most))


def _fill(
    session: JobSession, data: TrainingData, part: torch.nn.Module, cache: RowCache, key: str
) -> None:
    images = len(data.cache.state)
    train = data.subsets[Subset.TRAIN]
    unchanged = np.sort(np.concatenate([train, data.subsets[Subset.VALIDATION]]))
    wanted = [unchanged, *[v * images + train for v in range(1, len(cache.state) // images)]]
    rows = np.concatenate(wanted)
    report = reporter(session, Phase.ACTIVATIONS)
    todo = cache.todo(rows, report)
    done = len(rows) - len(todo)
    report(done, len(rows))
    if not len(todo):
        return
    runtime = open_runtime(
        key,
        lambda: part,
        session.workspace.runtimes,
        data.run.preprocess.image_size_px,
        device=str(data.device),
    )
    for chunk in chunks(len(todo), _ROWS):
        chosen = todo[chunk]
        cache.rows[chosen] = runtime.features(_pixels(data, chosen, images)).astype(np.float16)
        cache.mark(chosen, READY)
        report(done + chunk.stop, len(rows))


def _pixels(data: TrainingData, rows: NDArray[np.intp], images: int) -> NDArray[np.uint8]:
    """Uint8 [B, S, S, 3]: unchanged where the version is 0, else changed as in that epoch."""
    positions, versions = rows % images, rows // images
    pixels: NDArray[np.uint8] = np.array(data.cache.rows[positions], np.uint8)
    for version in np.unique(versions[versions > 0]):
        own = versions == version
        gray = torch.from_numpy(pixels[own]).permute(0, 3, 1, 2).float()
        changed = augment(
            gray,
            data.run.augment,
            seed=data.run.train.seed,
            epoch=int(version),
            samples=positions[own],
        )
        pixels[own] = changed.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return pixels
