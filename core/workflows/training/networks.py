"""The networks of this machine: bring one of your own, measure how fast they are."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.domain.keeping.people import Right
from core.errors import NetworkUnavailableError
from core.models import brought, speed
from core.models.catalog import Network
from core.workflows.keeping import people
from core.workspace import Workspace

Call = Callable[..., Any]
_refused: dict[tuple[str, int, int], NetworkUnavailableError] = {}  # by path, size, time of change


def _directly(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def add_network(
    workspace: Workspace,
    source: Path,
    name: str,
    *,
    license: str = "",
    call: Call = _directly,
) -> Network:
    """Check weights that a person brings, and keep them for new runs.

    Args:
        workspace: where they are kept.
        source: a `.safetensors` file under timm's names.
        name: of the network in timm.
        license: as the person states it.
        call: runs a function that imports torch.

    Raises:
        NotAllowedError: if whoever acts may not.
        NetworkUnavailableError: if they do not fit; the layers are named.
    """
    people.require(workspace, Right.TRAIN, "network")
    stated = license.strip() or "not stated"
    result: Network = call(_add, source, name.strip(), workspace.weights, stated)
    return result


def take_found(
    workspace: Workspace, *, only: str | None = None, call: Call = _directly
) -> list[NetworkUnavailableError]:
    """Check weights that were put into the weights folder: those that fit are listed from now on.

    Each file is checked once, as long as it stays as it is and this process lives.

    Args:
        workspace: whose folder it is.
        only: the name of one network; None: all.
        call: runs a function that imports torch.

    Returns:
        Why others cannot be used; the layers that do not fit are named.
    """
    refused = []
    for path in brought.undescribed(workspace.weights):
        if only is not None and path.stem != only:
            continue
        with contextlib.suppress(FileNotFoundError):  # it was taken away meanwhile
            status = path.stat()
            key = (str(path), status.st_size, status.st_mtime_ns)
            if key not in _refused:
                try:
                    call(brought.describe, path)
                    continue
                except NetworkUnavailableError as err:
                    _refused[key] = err
            refused.append(_refused[key])
    return refused


def measure(workspace: Workspace, network: Network, *, call: Call = _directly) -> float:
    """Milliseconds for one image on the CPU of this machine; kept for the next time."""
    result: float = call(speed.measure_speed, network, workspace.weights)
    return result


def speeds(workspace: Workspace) -> dict[str, float]:
    """Network -> milliseconds per image, of those that were measured on this machine."""
    return speed.known_speeds(workspace.weights)


def _add(source: Path, name: str, weights_folder: Path, license: str) -> Network:
    return brought.add_network(source, name, weights_folder, license=license)
