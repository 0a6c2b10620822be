"""From which images the network of a model learned, below its last layer.

A model that starts from another one has seen that one's images, too: as validation or test images
of its own they would prove nothing.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.models.bundle import BESIDE, Tensors, read_beside

Contents = NDArray[np.uint64]  # [N], the first 64 bits of the SHA-256 of each file, ascending
_NAME = f"{BESIDE}learned"


def content_digest(sha256: str) -> int:
    """The first 64 bits of a SHA-256."""
    return int(sha256[:16], 16)


def contents_of(sha256s: list[str]) -> Contents:
    """The digests of files."""
    return np.unique(np.array([content_digest(sha256) for sha256 in sha256s], np.uint64))


def learned_as_tensors(contents: Contents | None) -> Tensors:
    """As it is written into a model file; nothing where it is not known."""
    return {} if contents is None else {_NAME: contents}


def read_learned(path: Path) -> Contents | None:
    """What a model file says its network learned from; None if it does not say it.

    Raises:
        ModelFileError: if it is damaged.
    """
    values = read_beside(path, _NAME).get(_NAME)
    return None if values is None else np.unique(values.astype(np.uint64))
