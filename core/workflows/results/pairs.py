"""Which models can be compared with one: those that were tested on the same images."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from core.domain.models import Model
from core.domain.splits import Subset
from core.store import models, predictions
from core.store.database import connect
from core.workspace import Workspace

# With fewer shared images, the comparison speaks of a remainder that nobody chose.
MIN_SHARED = 0.5


class NotComparable(StrEnum):
    """Why two models cannot be compared."""

    OTHER_DATASET = "other dataset"
    NO_RESULTS = "no results"  # uploaded, or its dataset was deleted
    OTHER_IMAGES = "other images"  # too few of the images are in this subset of both


@dataclass(frozen=True)
class Pair:
    """A model beside another one.

    Attributes:
        model: the one that might be compared.
        shared: images that both have in the subset.
        most: images in the larger of the two subsets.
        reason: why they cannot be compared; None: they can.
    """

    model: Model
    shared: int = 0
    most: int = 0
    reason: NotComparable | None = None


def pairs_of(workspace: Workspace, model: Model, subset: Subset) -> list[Pair]:
    """Every other model, newest first, with the reason where it cannot be compared.

    Reads which images were predicted and no result: this is no view of test results.
    """
    with connect(workspace) as db:
        others = [other for other in models.list_models(db) if other.id != model.id]
        own = predictions.predicted_samples(db, model.id, subset)
        known: dict[bytes, int] = {own.tobytes(): len(own)}
        pairs = []
        for other in others:
            if own.size and other.dataset_id != model.dataset_id:
                pairs.append(Pair(other, reason=NotComparable.OTHER_DATASET))
                continue
            theirs = predictions.predicted_samples(db, other.id, subset)
            if not (own.size and theirs.size):
                pairs.append(Pair(other, reason=NotComparable.NO_RESULTS))
                continue
            # Why remembered: models of one split have exactly the same images.
            stored = theirs.tobytes()
            if stored not in known:
                known[stored] = len(np.intersect1d(own, theirs, assume_unique=True))
            shared, most = known[stored], max(len(own), len(theirs))
            few = shared < MIN_SHARED * most
            pairs.append(Pair(other, shared, most, NotComparable.OTHER_IMAGES if few else None))
    return pairs
