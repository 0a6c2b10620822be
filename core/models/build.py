"""Building networks and the module that turns raw pixels into features."""

import re
from collections.abc import Mapping

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
    _keep_one_head(network)
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
    heads = network.get_classifier()  # type: ignore[operator]
    return heads[0] if isinstance(heads, tuple) else heads  # type: ignore[no-any-return]


def head_name(network: nn.Module) -> str:
    """Where the last layer is in the network's names, for example `classifier`."""
    head = head_of(network)
    names: dict[nn.Module, str] = {module: name for name, module in network.named_modules()}
    return names[head]


def head_names(network: nn.Module) -> tuple[str, ...]:
    """The last layers among the pretrained weights of a network, under timm's names.

    Most have one. A distilled transformer has two, and one that only gives features none; as they
    are built here, each has the first alone.
    """
    known = network.pretrained_cfg.get("classifier") or ()  # type: ignore[union-attr, operator]
    return tuple({head_name(network), *((known,) if isinstance(known, str) else known)})


def load_body(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Give a network all of these weights but those of last layers; its own one stays as it is.

    Raises:
        RuntimeError: if a weight is missing, left over or of another shape.
    """
    own = f"{head_name(network)}."
    others = tuple(f"{name}." for name in head_names(network))
    body = {name: value for name, value in state.items() if not name.startswith(others)}
    head = {name: value for name, value in network.state_dict().items() if name.startswith(own)}
    network.load_state_dict(body | head)


def logits_of(network: nn.Module, images: Tensor) -> Tensor:
    """Normalized images [B, 3, S, S], or what a part of a network takes, to logits [B, C]."""
    return head_of(network)(features_of(network, images))  # type: ignore[no-any-return]


def features_of(network: nn.Module, images: Tensor) -> Tensor:
    """The same to what the last layer takes, [B, D]."""
    maps = network.forward_features(images)  # type: ignore[operator]
    return network.forward_head(maps, pre_logits=True)  # type: ignore[operator, no-any-return]


def is_channels_last(network: nn.Module) -> bool:
    """Whether a network gives its last maps as [B, h, w, D], as one of shifted windows does."""
    return getattr(network, "output_fmt", None) == "NHWC"


def _keep_one_head(network: nn.Module) -> None:
    """Leave the first of several last layers: it gets the mean of what all of them would get."""
    heads = network.get_classifier()  # type: ignore[operator]
    for name, child in list(network.named_children()):
        if isinstance(heads, tuple) and any(child is head for head in heads[1:]):
            setattr(network, name, None)


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
        return features_of(self.network, self.normalized(pixels))

    def logits(self, pixels: Tensor) -> Tensor:
        """Uint8 [B, S, S, 3] to logits [B, C]."""
        return logits_of(self.network, self.normalized(pixels))
