"""Random changes of training images: defaults of a dataset, and a preview of what they do."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.domain.configs.augment import AugmentConfig
from core.domain.configs.augment_presets import AugmentPreset, augment_preset
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import Sample
from core.store import properties
from core.store.database import connect
from core.worker.augment_preview import AugmentedImage as AugmentedImage
from core.worker.augment_preview import PreviewRequest as PreviewRequest
from core.worker.augment_preview import augmented as augmented
from core.workflows.data.datasets import orientation_of
from core.workspace import Workspace


def default_augment(
    workspace: Workspace, dataset_id: str, which: AugmentPreset = AugmentPreset.STANDARD
) -> AugmentConfig:
    """The random changes of a preset; flips as answered about the dataset, else off."""
    return augment_preset(which, orientation_of(workspace, dataset_id))


@dataclass(frozen=True)
class PreviewDraw:
    """Which epochs of which run a preview shows; epochs count from 0."""

    seed: int
    epochs: tuple[int, ...]
    size_px: int


def preview_request(
    workspace: Workspace,
    dataset_id: str,
    samples: Sequence[Sample],
    pixels: PreprocessConfig,
    augment: AugmentConfig,
    shown: PreviewDraw,
) -> PreviewRequest:
    """What `augmented` needs to draw images just as a run with this seed will see them."""
    with connect(workspace) as db:
        positions = properties.positions_of(db, dataset_id, [sample.id for sample in samples])
    return PreviewRequest(
        sources=tuple(workspace.resolve(sample.path) for sample in samples),
        samples=positions,
        pixels=pixels,
        augment=augment,
        seed=shown.seed,
        epochs=shown.epochs,
        size_px=shown.size_px,
    )
