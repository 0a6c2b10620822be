"""Networks of the two recipes: what is trained, on which inputs, what becomes the model file."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.data.pixels.preprocess import normalization_constants
from core.domain.configs.augment import AugmentConfig
from core.domain.configs.preprocess import PreprocessConfig
from core.models.build import PixelFeatures, build_network, head_name, head_of
from core.models.bundle import Tensors
from core.models.catalog import Network
from core.training.augment import augment

State = dict[str, Tensor]


@dataclass
class PixelExamples:
    """Images of the full recipe, read from the pixel cache.

    `rows` is the whole cache [N_all, S, S, 3]; `positions` says which rows are ours.
    """

    rows: NDArray[np.uint8]
    positions: NDArray[np.intp]
    targets: NDArray[np.int64]
    augmentation: AugmentConfig
    seed: int
    device: torch.device

    def inputs(self, positions: NDArray[np.intp], *, epoch: int | None) -> Tensor:
        """Gray values 0 to 255, float [B, S, S, 3]; augmented where an epoch is given."""
        chosen = self.positions[positions]
        pixels = torch.from_numpy(np.stack([self.rows[i] for i in chosen])).to(self.device)
        if epoch is None:
            return pixels.float()
        images = pixels.permute(0, 3, 1, 2).float()
        changed = augment(images, self.augmentation, seed=self.seed, epoch=epoch, samples=chosen)
        return changed.permute(0, 2, 3, 1)


class PixelClassifier(nn.Module):
    """A whole network on gray values [B, S, S, 3], as the full recipe trains it."""

    def __init__(self, features: PixelFeatures) -> None:
        super().__init__()
        self.features = features

    def forward(self, pixels: Tensor) -> Tensor:
        """Gray values [B, S, S, 3] to logits [B, C]."""
        return self.features.logits(pixels)


def pretrained_features(
    network: Network, preprocess: PreprocessConfig, state: State, class_count: int
) -> PixelFeatures:
    """The pretrained network with a new head of zeros for `class_count` classes."""
    model = build_network(network.name, class_count)
    head = f"{head_name(model)}."
    model.load_state_dict(
        {k: v for k, v in state.items() if not k.startswith(head)}
        | {k: torch.zeros_like(v) for k, v in model.state_dict().items() if k.startswith(head)}
    )
    mean, std = normalization_constants(preprocess, network.mean, network.std)
    return PixelFeatures(model.eval(), mean, std)


def whole_classifier(features: PixelFeatures, device: torch.device) -> PixelClassifier:
    """The full recipe's model on its device; channels-last is faster there and here."""
    classifier = PixelClassifier(features).to(device)
    return classifier.to(memory_format=torch.channels_last)


def with_head(features: PixelFeatures, head: State) -> Tensors:
    """All weights of a network, its head replaced: the tensors of a model file."""
    model = features.network
    head_of(model).load_state_dict(head)
    return numpy_state(model)


def numpy_state(model: nn.Module) -> Tensors:
    """A network's weights as arrays."""
    return {name: value.detach().cpu().numpy() for name, value in model.state_dict().items()}
