"""Which precision was faster on this machine: measured once for runs alike, then kept.

Why kept: two runs of the same request must not decide by the load of the moment.
"""

import json
import platform
from pathlib import Path

import torch

from core.domain.configs.choices import Precision
from core.files import atomic_write
from core.worker.session import JobSession
from core.worker.training.data import TrainingData

_FILE = "precision.json"


def measured_precision(session: JobSession, data: TrainingData) -> Precision | None:
    """What an earlier run like this one found; None: nothing yet."""
    known = _read(_path(session)).get(_key(data))
    return Precision(known) if known in tuple(Precision) else None


def keep_precision(session: JobSession, data: TrainingData, precision: Precision) -> None:
    """Keep what a run found, unless it found nothing."""
    path = _path(session)
    every = _read(path)
    if precision is Precision.AUTO or every.get(_key(data)) == precision.value:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps({**every, _key(data): precision.value}, indent=1, sort_keys=True)
    with atomic_write(path, durable=False) as partial:
        partial.write_text(content, encoding="utf-8")


def _path(session: JobSession) -> Path:
    return session.workspace.runtimes / _FILE


def _key(data: TrainingData) -> str:
    """What decides about the time of a step: machine, network, pixels, batch, frozen stages."""
    config, device = data.run.train, data.device
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    parts = (platform.node(), gpu, torch.__version__, config.recipe.value, config.network)
    sizes = (data.run.preprocess.image_size_px, config.batch_size, config.frozen_stages)
    return " ".join(map(str, (*parts, *sizes)))


def _read(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
