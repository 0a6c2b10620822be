"""The stages of a network, from the image up: which are frozen, and a network cut between them."""

import copy
import math

from torch import Tensor, nn

from core.errors import ConfigError
from core.models.build import PixelFeatures
from core.models.structure import structure_of

Stages = list[list[str]]


def stages_of(network: nn.Module) -> Stages:
    """The names of the modules of each stage, without the head; empty for an unknown structure."""
    children = dict(network.named_children())
    structure = structure_of(children)
    if structure is None:
        return []
    names = structure.stages
    if structure.listed:
        (holder,) = names
        names = tuple(f"{holder}.{i}" for i in range(len(list(children[holder].children()))))
    last = [[*structure.after]] if structure.after else []
    return [[*structure.before], *[[name] for name in names], *last]


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
