"""A pretrained network as arrays, kept once per machine so that later uses need no torch.

Reading the weights of an installed package takes torch and timm, which cost seconds to import. The
first use therefore writes them as safetensors into the user's cache folder; the file is named by
the digest of where they came from and checked against its own digest whenever it is read.
"""

import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from core.files import atomic_write, read_user_file
from core.models.bundle import Tensors
from core.models.catalog import Network, local_weights, wheel_file

CACHE_VARIABLE = "TOUCHSTONE_CACHE"
_FORMAT = "touchstone-backbone-1"
_MOST_BYTES = 8_000_000_000


@dataclass(frozen=True)
class Backbone:
    """The weights of a network under timm's names, and the name of its last layer.

    A network that only gives features has no weights of a last layer.
    """

    network: Network
    tensors: Tensors
    head: str

    def without_head(self) -> Tensors:
        """All weights but those of the last layer."""
        return {k: v for k, v in self.tensors.items() if not k.startswith(f"{self.head}.")}


def machine_cache() -> Path:
    """The folder of what all workspaces of this user share and could be made again.

    TOUCHSTONE_CACHE, or `touchstone` in the folder that the system has for caches.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "touchstone")


def load_backbone(
    network: Network, weights_folder: Path, cache_folder: Path | None = None
) -> Backbone:
    """The pretrained weights of a network; torch is imported only if they are not kept yet.

    Args:
        network: of the catalog.
        weights_folder: where users put weights; these win over all others.
        cache_folder: where weights are kept; that of the user by default.

    Raises:
        NetworkUnavailableError: if they are not on this machine and cannot be fetched.
    """
    source = local_weights(network, weights_folder) or wheel_file(network)
    if source is None:  # in the cache of the model hub, or to be downloaded
        return _read_by_torch(network, weights_folder)
    key = hashlib.sha256(read_user_file(source, most_bytes=_MOST_BYTES)).hexdigest()[:32]
    place = (cache_folder or machine_cache()) / "networks" / f"{network.name}-{key}.safetensors"
    kept = _kept(network, place)
    if kept is not None:
        return kept
    backbone = _read_by_torch(network, weights_folder)
    _or_go_on(lambda: _keep(backbone, place))
    return backbone


def _read_by_torch(network: Network, weights_folder: Path) -> Backbone:
    from core.models.build import network_shapes
    from core.models.weights import pretrained_state

    state = pretrained_state(network, weights_folder)
    shapes, head = network_shapes(network.name, 2)
    tensors = {k: v.detach().cpu().numpy() for k, v in state.items() if k in shapes}
    return Backbone(network, tensors, head)


def _kept(network: Network, place: Path) -> Backbone | None:
    """What is kept; None if there is nothing, or it is damaged."""
    try:
        with safe_open(place, framework="numpy") as file:
            about = file.metadata() or {}
            tensors: Tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError):
        return None
    if about.get("format") != _FORMAT or about.get("digest") != _digest(tensors):
        return None
    return Backbone(network, tensors, about["head"])


def _keep(backbone: Backbone, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    about = {"format": _FORMAT, "head": backbone.head, "digest": _digest(backbone.tensors)}
    with atomic_write(place, durable=False) as partial:
        save_file({k: v.copy() for k, v in backbone.tensors.items()}, partial, about)


def _digest(tensors: Tensors) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()


def _or_go_on(write: Callable[[], None]) -> None:
    # Why: a home folder that is full or read-only costs time, not the training.
    try:
        write()
    except OSError:
        return
