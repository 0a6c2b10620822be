"""Building networks and the module that turns raw pixels into features."""

import re

import timm
import torch
from torch import Tensor, nn

from core.domain.configs.choices import Detail
from core.errors import ModelFileError


def build_network(name: str, class_count: int) -> nn.Module:
    """An untrained timm network with a linear head for `class_count` classes.

    Raises:
        ModelFileError: if timm has no such network, or its head is not linear.
    """
    if not re.fullmatch(r"[\w.]{1,80}", name) or not timm.is_model(name):
        raise ModelFileError(
            f"The network '{name}' is not known.",
            "The model may come from a newer version of Touchstone.",
        )
    network: nn.Module = timm.create_model(name, pretrained=False, num_classes=class_count)
    if not isinstance(head_of(network), nn.Linear):
        raise ModelFileError(f"The network '{name}' has no linear head.", "Choose another network.")
    return network


def network_shapes(name: str, class_count: int) -> tuple[dict[str, tuple[int, ...]], str]:
    """The shape of each weight of a network, which takes no memory for them, and its head's name.

    Raises:
        ModelFileError: as `build_network`.
    """
    with torch.device("meta"):
        network = build_network(name, class_count)
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    return shapes, head_name(network)


def head_of(network: nn.Module) -> nn.Module:
    """The last layer: features [B, D] to logits [B, C]."""
    return network.get_classifier()  # type: ignore[operator, no-any-return]


def head_name(network: nn.Module) -> str:
    """Where the last layer is in the network's names, for example `classifier`."""
    head = head_of(network)
    names: dict[nn.Module, str] = {module: name for name, module in network.named_modules()}
    return names[head]


class PixelFeatures(nn.Module):
    """Uint8 pixels [B, S, S, 3] to pooled features [B, D], normalization included."""

    mean: Tensor
    std: Tensor
    detail = Detail.WHOLE

    def __init__(self, network: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1) * 255)

    def normalized(self, pixels: Tensor) -> Tensor:
        """Uint8 [B, S, S, 3] to normalized float32 [B, 3, S, S]."""
        return (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std

    def forward(self, pixels: Tensor) -> Tensor:
        """Uint8 [B, S, S, 3] to features [B, D]."""
        maps = self.network.forward_features(self.normalized(pixels))  # type: ignore[operator]
        return self.network.forward_head(maps, pre_logits=True)  # type: ignore[operator, no-any-return]

    def logits(self, pixels: Tensor) -> Tensor:
        """Uint8 [B, S, S, 3] to logits [B, C]."""
        return self.network(self.normalized(pixels))  # type: ignore[no-any-return]
