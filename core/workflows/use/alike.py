"""What an image looks like to a model: its nearest training images, or none of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.domain.datasets import Dataset, Sample
from core.domain.models import Model, UnfamiliarLimit
from core.evaluation.measures.intervals import upper_bounds
from core.inference import service
from core.inference.detector import read_detector
from core.inference.unfamiliar import read_unfamiliar
from core.store import datasets, properties
from core.store.database import connect
from core.words import count, percent, percent_at_most
from core.workflows.use.models import exported_bundle
from core.workflows.use.prediction import call_directly
from core.workspace import Workspace

SHOWN = 6


@dataclass(frozen=True)
class AlikeImage:
    """A training image that is near to another one.

    `score` is the distance in units of the limit of the model: beyond 1, not even the nearest
    images are alike.
    """

    sample: Sample
    dataset: Dataset | None
    score: float

    @property
    def class_name(self) -> str | None:
        """Its label now; None without one."""
        if self.dataset is None or self.sample.label is None:
            return None
        return self.dataset.class_names[self.sample.label]


def unfamiliar_limit(workspace: Workspace, model: Model) -> UnfamiliarLimit | None:
    """What is known of the false alarms of a model; None if it cannot tell unfamiliar images."""
    bundle = exported_bundle(workspace, model)
    known = read_detector(bundle) if model.is_detector else read_unfamiliar(bundle)
    if known is None:
        return None
    bound = float(upper_bounds(*known.false_alarms))
    return UnfamiliarLimit(known.rate, bound, known.judged, known.parts and known.parts[1])


def judged_in_words(limit: UnfamiliarLimit) -> str:
    """What the bound of false alarms rests on: `120 images`, or `120 images of 40 parts`."""
    images = count(limit.judged, "image")
    return f"{images} of {count(limit.parts or 0, 'part')}" if limit.counts_parts else images


def limit_in_words(limit: UnfamiliarLimit, *, is_detector: bool) -> str:
    """How often familiar images are flagged, in a sentence."""
    kind = "good" if is_detector else "familiar"
    asked, bound = percent(limit.rate), percent_at_most(limit.bound)
    told = f"{bound} of parts have one that is" if limit.counts_parts else f"{bound} are"
    return (
        f"Of {kind} images {asked} should be flagged; at most {told} (95% confidence, from "
        f"{judged_in_words(limit)})."
    )


def nearest_images(
    workspace: Workspace,
    model: Model,
    source: Path | bytes,
    *,
    most: int = SHOWN,
    call: Callable[..., Any] = call_directly,
) -> list[AlikeImage] | None:
    """The nearest training images, nearest first, besides the image itself.

    Those that are not in this workspace are left out. None: the model has kept none.

    Raises:
        UnreadableImageError: if the image cannot be decoded.
    """
    bundle = exported_bundle(workspace, model)
    found: list[tuple[str, float]] | None = call(
        service.nearest, bundle, workspace.runtimes, source, most
    )
    if found is None:
        return None
    with connect(workspace) as db:
        digests = [digest for digest, _ in found]
        samples = properties.samples_by_content(db, digests, dataset_id=model.dataset_id)
        return [
            AlikeImage(samples[digest], datasets.dataset_of_sample(db, samples[digest].id), score)
            for digest, score in found
            if digest in samples
        ]
