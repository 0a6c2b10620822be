"""Pixels and features of the images of a dataset, cached for training and quality checks.

There is a row for every image the dataset ever had, in import order, including excluded ones: an
edit changes which rows are needed, never their content.
"""

import hashlib
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.data.pixels.cache import READY, RowCache, fill_pixels, open_row_cache, pixel_cache
from core.data.pixels.isolated_pool import worker_count
from core.data.pixels.preprocess import normalization_constants
from core.domain.configs.choices import Detail
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import Sample
from core.domain.jobs import Phase
from core.errors import TrainingError
from core.inference.runtime import FeatureRuntime, backbone_digest, chunks, open_runtime
from core.models.backbone import Backbone, load_backbone
from core.models.catalog import Network
from core.training.pixel_views import PixelView
from core.worker.session import JobSession

if TYPE_CHECKING:
    from core.models.build import PixelFeatures

_FEATURE_ROWS = 256
_ANY_CLASSES = 2  # of a last layer that is not used
_CPU = "cpu"
Report = Callable[[int, int], None]


def resolve_device(name: str) -> str:
    """The device of a name as torch calls it; `auto` is a GPU if torch can use one.

    Raises:
        TrainingError: if the device is not available.
    """
    # Why first: importing torch takes seconds, and most machines have nothing to ask it for.
    if name == _CPU or (name == "auto" and not _may_have_gpu()):
        return _CPU
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return "cuda:0"
        return "mps" if torch.backends.mps.is_available() else _CPU
    device = torch.device(name)
    missing_cuda = device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()
    if missing_cuda or (device.type == "mps" and not torch.backends.mps.is_available()):
        raise TrainingError(
            f"The device {name} is not available on this machine.",
            "Choose 'auto' or 'cpu', or check the GPU driver.",
        )
    return str(device)


def _may_have_gpu() -> bool:
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if shutil.which("nvidia-smi"):
        return True
    # Drivers of NVIDIA, of AMD, and of Windows below Linux.
    drivers = ("nvidia0", "nvidiactl", "kfd", "dxg")
    return any(Path("/dev", name).exists() for name in drivers)


def device_title(device: str) -> str:
    """The name of a device for users."""
    if device == _CPU:
        return f"CPU ({worker_count()} threads)"
    if device == "mps":
        return "Apple GPU"
    import torch

    return f"{torch.cuda.get_device_name(torch.device(device))} ({device})"


def dataset_pixels(
    session: JobSession,
    dataset_id: str,
    every: Sequence[Sample],
    wanted: NDArray[np.intp],
    preprocess: PreprocessConfig,
    *,
    report: Report | None = None,
    lazily: bool = False,
) -> tuple[RowCache, dict[int, str]]:
    """Pixels [N, S, S, 3] uint8 of the wanted images; other rows may be empty.

    Args:
        session: for progress; after a stop, the computation continues where it was.
        dataset_id: names the cache.
        every: all N samples the dataset ever had, in import order.
        wanted: positions to read.
        preprocess: how files become pixels.
        report: called with done, total; by default the job reports the phase of its own.
        lazily: rows that are there are compared with their checksums when they are used, by
            `RowCache.intact`: where features are kept, nobody needs the gigabytes of pixels.

    Returns:
        The cache, and position -> reason for images that cannot be read.
    """
    paths = [session.workspace.resolve(sample.path) for sample in every]
    key = f"{dataset_id}-{_content_key(every)}"
    cache = pixel_cache(session.workspace.pixels, paths, preprocess, key=key)
    report = report or reporter(session, Phase.PREPARING)
    before = cache.ready
    fill = partial(fill_pixels, cache, paths, preprocess)
    failures = fill(on_progress=report, wanted=wanted, compare=not lazily)
    if lazily:
        cache = replace(cache, repair=_Repair(cache, fill, unseen=before))
    return cache, failures


@dataclass
class _Repair:
    """Compares rows with their checksums, each one once, and computes damaged ones anew.

    `fill` computes rows, `unseen` [N] are those that nobody has compared. Calling it raises a
    TrainingError if an image of a damaged row cannot be read any more.
    """

    cache: RowCache
    fill: Callable[..., dict[int, str]]
    unseen: NDArray[np.bool_]

    def __call__(self, positions: NDArray[np.intp]) -> None:
        rows = positions[self.unseen[positions]]
        self.unseen[rows] = False
        if len(self.cache.todo(rows, _no_report)) and (
            failures := self.fill(on_progress=_no_report, wanted=rows, compare=False)
        ):
            raise TrainingError(
                f"{len(failures):,} images can no longer be read: {next(iter(failures.values()))}",
                "Start again: images that cannot be read are then left out.",
            )


def pretrained(session: JobSession, network: Network) -> Backbone:
    """The weights of the pretrained network.

    Raises:
        NetworkUnavailableError: if they are not on this machine and cannot be fetched.
    """
    session.report(Phase.LOADING_NETWORK, 0, 0)
    return load_backbone(network, session.workspace.weights)


class FeatureSource:
    """What makes the features of one detail level from pixels, ready to run."""

    def __init__(
        self,
        backbone: Backbone,
        preprocess: PreprocessConfig,
        detail: Detail,
        device: str,
        runtimes: Path,
    ) -> None:
        """Prepare it.

        Args:
            backbone: the pretrained network.
            preprocess: what makes the pixels of this level.
            detail: the level.
            device: where to compute.
            runtimes: folder of converted networks.
        """
        network = backbone.network
        # Why: features of a GPU differ in their last digits, and a run repeats on its own device.
        self.device_class = "" if device == _CPU else f"-{device.partition(':')[0]}"
        constants = normalization_constants(preprocess, network.mean, network.std)
        side = preprocess.image_size_px
        self.key = backbone_digest(backbone.tensors, backbone.head, *constants, side, detail)
        self._runtime: FeatureRuntime = open_runtime(
            self.key,
            lambda: _module(backbone, constants, detail),
            runtimes,
            side,
            device=device,
            share=True,
        )

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Uint8 [N, P, P, 3] to float32 [N, D]."""
        return self._runtime.features(pixels)


def _module(
    backbone: Backbone, constants: tuple[tuple[float, ...], tuple[float, ...]], detail: Detail
) -> "PixelFeatures":
    import torch

    from core.models.build import build_network, load_body
    from core.models.detail import features_module

    network = build_network(backbone.network.name, _ANY_CLASSES)
    load_body(network, {k: torch.from_numpy(v) for k, v in backbone.tensors.items()})
    return features_module(network.eval(), *constants, detail)


def dataset_features(
    session: JobSession,
    pixels: RowCache,
    wanted: NDArray[np.intp],
    source: FeatureSource,
    *,
    report: Report | None = None,
    view: PixelView = PixelView.PLAIN,
) -> NDArray[np.float32]:
    """Features [N, D] in the order of the pixel rows, from the cache or computed now.

    Those of one view. Rows that are not wanted or could not be read are 0 or from an earlier
    computation.
    """
    width = source.features(np.asarray(pixels.rows[:1])).shape[1]
    ending = source.device_class + (f"-{view}" if view else "")
    bank = open_row_cache(
        session.workspace.features / f"{pixels.folder.name}-{source.key[:16]}{ending}",
        (len(pixels.state), width),
        np.float32,
    )
    usable = wanted[pixels.ready[wanted]]
    report = report or reporter(session, Phase.FEATURES)
    todo = bank.todo(usable, report)
    done = len(usable) - len(todo)
    report(done, len(usable))
    for part in chunks(len(todo), _FEATURE_ROWS):
        positions = todo[part]
        rows = np.asarray(pixels.intact(positions), np.uint8)
        bank.rows[positions] = source.features(view.of(rows))
        bank.mark(positions, READY)
        report(done + part.stop, len(usable))
    return np.asarray(bank.rows, dtype=np.float32)


def reporter(session: JobSession, phase: Phase) -> Report:
    """A function that reports the progress of one phase: done, total."""
    return lambda done, total: session.report(phase, done, total)


def _no_report(_done: int, _total: int) -> None:
    """Of what hardly ever happens."""


def _content_key(samples: Sequence[Sample]) -> str:
    """Identifies images and their order."""
    return hashlib.sha256("\n".join(s.sha256 for s in samples).encode()).hexdigest()[:12]
