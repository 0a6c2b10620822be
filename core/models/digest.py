"""The hash of weights: equal for equal models, whatever their file is called."""

import hashlib

import numpy as np

from core.models.bundle import Tensors


def weights_digest(tensors: Tensors) -> str:
    """SHA-256 of names, shapes, types and values of all tensors."""
    digest = hashlib.sha256()
    for name, values in sorted(tensors.items()):
        digest.update(f"{name} {values.shape} {values.dtype}".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
