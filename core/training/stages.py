"""The stages of a network, from the image up: which are frozen, and a network cut between them."""

import copy
import math

from torch import Tensor, nn

from core.errors import ConfigError
from core.models.build import PixelFeatures

# What comes before and after the list of stages, by the attribute that holds the list.
_KINDS = {
    "blocks": (("conv_stem", "bn1"), ("conv_head", "bn2", "norm_head")),
    "stages": (("stem",), ("norm_pre",)),
}
_NUMBERED = (
    (("conv1", "bn1", "act1", "maxpool"), ("layer1", "layer2", "layer3", "layer4"), ()),
    (("stem",), ("s1", "s2", "s3", "s4"), ("final_conv",)),
)

Stages = list[list[str]]


def stages_of(network: nn.Module) -> Stages:
    """The names of the modules of each stage, without the head; empty for an unknown structure."""
    names = dict(network.named_children())
    for attribute, (before, after) in _KINDS.items():
        if attribute in names and all(name in names for name in before):
            middle = [[f"{attribute}.{i}"] for i in range(len(list(names[attribute].children())))]
            return [[*before], *middle, *_present(names, after)]
    for before, numbered, after in _NUMBERED:
        if all(name in names for name in (*before[:1], *numbered)):
            first = [name for name in before if name in names]
            return [first, *[[name] for name in numbered], *_present(names, after)]
    return []


def stage_parameters(network: nn.Module) -> list[list[Tensor]]:
    """The parameters of each stage; the head, and what is in no stage, are missing."""
    return [
        [p for name in stage for p in network.get_submodule(name).parameters()]
        for stage in stages_of(network)
    ]


def stages_to_store(network: nn.Module, frozen: int) -> int:
    """How many lower stages a staged run stores: as asked, 0 for two thirds.

    Raises:
        ConfigError: if the network cannot be divided, or nothing would be left to train.
    """
    count = len(stages_of(network))
    if count < 2:
        raise ConfigError(
            "This network cannot be divided into stages.", "Choose the recipe quick or full."
        )
    if frozen >= count:
        raise ConfigError(
            f"Frozen stages is {frozen}, but this network has {count}.",
            f"Choose at most {count - 1}, or the recipe quick.",
        )
    return frozen or math.ceil(count * 2 / 3)


def lower_part(features: PixelFeatures, count: int) -> nn.Module:
    """Uint8 pixels [B, S, S, 3] to the maps [B, c, h, w] after so many stages."""
    part = copy.deepcopy(features)
    for stage in stages_of(part.network)[count:]:
        _remove(part.network, stage)
    return _LowerPart(part)


class _LowerPart(nn.Module):
    def __init__(self, features: PixelFeatures) -> None:
        super().__init__()
        self.features = features

    def forward(self, pixels: Tensor) -> Tensor:
        """Uint8 [B, S, S, 3] to maps [B, c, h, w]."""
        network = self.features.network
        return network.forward_features(self.features.normalized(pixels))  # type: ignore[operator, no-any-return]


def upper_part(network: nn.Module, count: int) -> nn.Module:
    """The same network on the maps [B, c, h, w] after so many stages; it shares its weights."""
    part = copy.copy(network)
    part._modules = dict(network._modules)
    for stage in stages_of(network)[:count]:
        _remove(part, stage)
    return part


def _remove(network: nn.Module, stage: list[str]) -> None:
    """Let modules pass on what they get."""
    for name in stage:
        *path, last = name.split(".")
        holder = network
        for step in path:
            inner = copy.copy(holder.get_submodule(step))
            inner._modules = dict(inner._modules)
            holder._modules[step] = inner
            holder = inner
        holder._modules[last] = nn.Identity()


def _present(names: dict[str, nn.Module], wanted: tuple[str, ...]) -> Stages:
    kept = [name for name in wanted if name in names]
    return [kept] if kept else []
