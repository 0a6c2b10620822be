"""Pixels and features of the images of a dataset, cached for training and quality checks.

There is a row for every image the dataset ever had, in import order, including excluded ones: an
edit changes which rows are needed, never their content.
"""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.pixels.cache import READY, RowCache, fill_pixels, open_row_cache, pixel_cache
from core.data.pixels.preprocess import normalization_constants
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import Sample
from core.domain.jobs import Phase
from core.errors import TrainingError
from core.inference.runtime import backbone_digest, chunks, open_runtime
from core.models.build import PixelFeatures, head_name
from core.models.catalog import Network
from core.models.weights import pretrained_state
from core.training import recipes
from core.worker.session import JobSession

_FEATURE_ROWS = 256


def resolve_device(name: str) -> torch.device:
    """The torch device of a name; `auto` is a GPU if torch can use one.

    Raises:
        TrainingError: if the device is not available.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda:0")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device = torch.device(name)
    missing_cuda = device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()
    if missing_cuda or (device.type == "mps" and not torch.backends.mps.is_available()):
        raise TrainingError(
            f"The device {name} is not available on this machine.",
            "Choose 'auto' or 'cpu', or check the GPU driver.",
        )
    return device


def device_title(device: torch.device) -> str:
    """The name of a device for users."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device})"
    return "Apple GPU" if device.type == "mps" else f"CPU ({torch.get_num_threads()} threads)"


def dataset_pixels(
    session: JobSession,
    dataset_id: str,
    every: Sequence[Sample],
    wanted: NDArray[np.intp],
    preprocess: PreprocessConfig,
) -> tuple[RowCache, dict[int, str]]:
    """Pixels [N, S, S, 3] uint8 of the wanted images; other rows may be empty.

    Args:
        session: for progress; after a stop, the computation continues where it was.
        dataset_id: names the cache.
        every: all N samples the dataset ever had, in import order.
        wanted: positions to read.
        preprocess: how files become pixels.

    Returns:
        The cache, and position -> reason for images that cannot be read.
    """
    paths = [session.workspace.resolve(sample.path) for sample in every]
    key = f"{dataset_id}-{_content_key(every)}"
    cache = pixel_cache(session.workspace.pixels, paths, preprocess, key=key)
    report = reporter(session, Phase.PREPARING)
    return cache, fill_pixels(cache, paths, preprocess, on_progress=report, wanted=wanted)


def pretrained(
    session: JobSession, network: Network, preprocess: PreprocessConfig, class_count: int
) -> PixelFeatures:
    """The pretrained network with an empty head.

    Raises:
        NetworkUnavailableError: if its weights are not on this machine and cannot be fetched.
    """
    session.report(Phase.LOADING_NETWORK, 0, 0)
    state = pretrained_state(network, session.workspace.weights)
    return recipes.pretrained_features(network, preprocess, state, class_count)


def dataset_features(
    session: JobSession,
    pixels: RowCache,
    wanted: NDArray[np.intp],
    network: Network,
    preprocess: PreprocessConfig,
    module: PixelFeatures,
    device: torch.device,
) -> NDArray[np.float32]:
    """Features [N, D] in the order of the pixel rows, from the cache or computed now.

    Rows that are not wanted or could not be read are 0 or from an earlier computation.
    """
    session.report(Phase.PREPARING_NETWORK, 0, 0)
    mean, std = normalization_constants(preprocess, network.mean, network.std)
    size = preprocess.image_size_px
    tensors = recipes.numpy_state(module.network)
    key = backbone_digest(tensors, head_name(module.network), mean, std, size)
    runtime = open_runtime(
        key, lambda: module, session.workspace.runtimes, size, device=str(device)
    )
    bank = open_row_cache(
        session.workspace.features / f"{pixels.folder.name}-{key[:16]}",
        (len(pixels.state), head_width(module)),
        np.float32,
    )
    usable = wanted[pixels.ready[wanted]]
    todo = usable[bank.state[usable] != READY]
    done = len(usable) - len(todo)
    report = reporter(session, Phase.FEATURES)
    report(done, len(usable))
    for part in chunks(len(todo), _FEATURE_ROWS):
        positions = todo[part]
        bank.rows[positions] = runtime.features(pixels.rows[positions])
        bank.mark(positions, READY)
        report(done + part.stop, len(usable))
    return np.asarray(bank.rows, dtype=np.float32)


def head_width(module: PixelFeatures) -> int:
    """Number of features D."""
    width = getattr(module.network, "head_hidden_size", module.network.num_features)
    return int(width)  # type: ignore[arg-type]


def reporter(session: JobSession, phase: Phase) -> Callable[[int, int], None]:
    """A function that reports the progress of one phase: done, total."""
    return lambda done, total: session.report(phase, done, total)


def _content_key(samples: Sequence[Sample]) -> str:
    """Identifies images and their order."""
    return hashlib.sha256("\n".join(s.sha256 for s in samples).encode()).hexdigest()[:12]
