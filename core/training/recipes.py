"""Networks of the recipes: what is trained, on which inputs, what becomes the model file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.data.pixels.preprocess import normalization_constants
from core.domain.configs.augment import AugmentConfig
from core.domain.configs.choices import Detail
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.train import TrainConfig
from core.errors import ConfigError
from core.models.build import (
    PixelFeatures,
    build_network,
    head_name,
    head_of,
    load_body,
    logits_of,
)
from core.models.bundle import Tensors
from core.models.catalog import Network
from core.models.detail import (
    StageFeatures,
    feature_width,
    features_module,
    pooled_maps,
    stage_maps,
)
from core.training.augment import augment
from core.training.stages import lower_part, stages_of, upper_part

State = dict[str, Tensor]
Pool = Callable[[Tensor], Tensor]
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)


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
    axes: tuple[int, int] | None = (1, 2)

    def inputs(self, positions: NDArray[np.intp], *, epoch: int | None) -> Tensor:
        """Gray values 0 to 255, float [B, S, S, 3]; augmented where an epoch is given."""
        chosen = self.positions[positions]
        pixels = torch.from_numpy(np.stack([self.rows[i] for i in chosen]))
        if self.device.type == "cuda":
            pixels = pixels.pin_memory().to(self.device, non_blocking=True)
        if epoch is None:
            return pixels.to(self.device).float()
        images = pixels.to(self.device).permute(0, 3, 1, 2)
        changed = augment(images, self.augmentation, seed=self.seed, epoch=epoch, samples=chosen)
        return changed.permute(0, 2, 3, 1)


@dataclass
class MapExamples:
    """Outputs of the frozen stages for the staged recipe, read from their cache.

    `rows` [V * N_all, c, h, w] are float16: first the unchanged images, then V - 1 versions that
    were changed at random. An epoch shows each image in one version; V epochs show all of them.
    """

    rows: NDArray[np.float16]
    positions: NDArray[np.intp]
    targets: NDArray[np.int64]
    images: int
    versions: int
    axes: tuple[int, int] | None = (2, 3)

    def inputs(self, positions: NDArray[np.intp], *, epoch: int | None) -> Tensor:
        """Maps, float [B, c, h, w]; without an epoch, of the unchanged images."""
        chosen = self.positions[positions]
        version = 0 if epoch is None else (epoch + positions) % self.versions
        maps = torch.from_numpy(np.stack([self.rows[i] for i in version * self.images + chosen]))
        return maps.float().contiguous(memory_format=torch.channels_last)


class TunedNetwork(nn.Module):
    """A network that is trained, or its upper part; frozen parts stay as they are.

    Args:
        network: a timm network, or one whose lower stages were cut off.
        before: turns inputs into what the network takes.
        pool: what the network takes to what its head takes [B, D], where that is not its own way.
        drop_rate: of the features before the head.
        frozen: modules that keep weights and statistics.
        frozen_norm: all batch statistics are kept.
    """

    def __init__(
        self,
        network: nn.Module,
        before: nn.Module,
        *,
        pool: Pool | None = None,
        drop_rate: float = 0.0,
        frozen: Sequence[nn.Module] = (),
        frozen_norm: bool = False,
    ) -> None:
        super().__init__()
        self.network, self.before, self._pool = network, before, pool
        self.drop = nn.Dropout(drop_rate)
        self._kept = list(frozen)
        if frozen_norm:
            self._kept += [m for m in network.modules() if isinstance(m, _BATCH_NORMS)]
        for module in frozen:
            module.requires_grad_(False)
        if drop_rate:
            head_of(network).register_forward_pre_hook(lambda _, inputs: self.drop(inputs[0]))

    def train(self, mode: bool = True) -> "TunedNetwork":
        """Training mode, except for what is frozen."""
        super().train(mode)
        for module in self._kept:
            module.eval()
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs [B, …] to logits [B, C]."""
        images = self.before(inputs)
        if self._pool is None:
            return logits_of(self.network, images)
        return head_of(self.network)(self._pool(images))  # type: ignore[no-any-return]


class Normalized(nn.Module):
    """Gray values [B, S, S, 3] to what a network takes [B, 3, S, S]."""

    def __init__(self, features: PixelFeatures) -> None:
        super().__init__()
        self.register_buffer("mean", features.mean, persistent=False)
        self.register_buffer("scale", 1 / features.std, persistent=False)

    mean: Tensor
    scale: Tensor

    def forward(self, pixels: Tensor) -> Tensor:
        """Gray values [B, S, S, 3] to normalized [B, 3, S, S], channels last in memory."""
        images = pixels.permute(0, 3, 1, 2)
        images = images.contiguous(memory_format=torch.channels_last)
        return (images - self.mean) * self.scale


def pretrained_features(
    network: Network,
    preprocess: PreprocessConfig,
    state: State,
    class_count: int,
    detail: Detail = Detail.WHOLE,
) -> PixelFeatures:
    """The pretrained network with a new head of zeros for `class_count` classes."""
    mean, std = normalization_constants(preprocess, network.mean, network.std)
    side = preprocess.at_detail(detail).image_size_px
    features = empty_features(network.name, class_count, mean, std, detail, side)
    load_body(features.network, state)
    return features


def empty_features(
    name: str,
    class_count: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    detail: Detail,
    side: int,
) -> PixelFeatures:
    """An untrained network with a head of zeros that takes the features of a detail level.

    `side` is that of the pixels of the level.
    """
    network = build_network(name, class_count).eval()
    features = features_module(network, mean, std, detail)
    if detail is not Detail.WHOLE:
        head = nn.Linear(feature_width(features, side), class_count)
        network.set_submodule(head_name(network), head)
    for parameter in head_of(network).parameters():
        nn.init.zeros_(parameter)
    return features


def whole_classifier(
    features: PixelFeatures, config: TrainConfig, device: torch.device
) -> TunedNetwork:
    """The full recipe's model on its device; channels-last is faster there and here.

    Raises:
        ConfigError: if more stages are frozen than the network has.
    """
    network = features.network
    stages = stages_of(network)
    if config.frozen_stages > len(stages):
        raise ConfigError(
            f"Frozen stages is {config.frozen_stages}, but this network has {len(stages)}.",
            "Choose fewer, or the recipe quick.",
        )
    frozen = [network.get_submodule(n) for s in stages[: config.frozen_stages] for n in s]
    model = TunedNetwork(
        network,
        Normalized(features),
        pool=_pool_of(features),
        drop_rate=config.drop_rate,
        frozen=frozen,
        frozen_norm=config.frozen_norm,
    )
    return model.to(device).to(memory_format=torch.channels_last)


def upper_classifier(
    features: PixelFeatures, count: int, config: TrainConfig, device: torch.device
) -> TunedNetwork:
    """The staged recipe's model on its device: what comes after the first `count` stages."""
    part = upper_part(features.network, count)
    model = TunedNetwork(
        part,
        nn.Identity(),
        pool=_pool_of_upper(features, part, count),
        drop_rate=config.drop_rate,
        frozen_norm=config.frozen_norm,
    )
    return model.to(device).to(memory_format=torch.channels_last)


def upper_width(features: PixelFeatures, count: int, side: int) -> int:
    """How many of the features [B, D], from the first on, come from after `count` stages.

    Args:
        features: of the whole network.
        count: of its lower stages.
        side: of the pixels that it gets.

    Raises:
        ConfigError: if the network cannot be divided there.
    """
    if not isinstance(features, StageFeatures):
        return feature_width(features, side)
    with torch.inference_mode():
        maps = lower_part(features, count)(torch.zeros(1, side, side, 3, dtype=torch.uint8))
        known = _upper_maps(features, upper_part(features.network, count), count, maps)
    return sum(2 * int(m.shape[1]) for m in known)


def _pool_of(features: PixelFeatures) -> Pool | None:
    """How stages become features while a network trains: in one view, each in turn mirrored."""
    if not isinstance(features, StageFeatures):
        return None
    return lambda images: pooled_maps(features.stages(images))


def _pool_of_upper(features: PixelFeatures, part: nn.Module, count: int) -> Pool | None:
    """The same on stored maps; what the stages below them would give is 0."""
    if not isinstance(features, StageFeatures):
        return None
    width = int(head_of(part).weight.shape[1])  # type: ignore[index]

    def pool(maps: Tensor) -> Tensor:
        known = pooled_maps(_upper_maps(features, part, count, maps))
        return nn.functional.pad(known, (0, width - known.shape[1]))

    return pool


def _upper_maps(features: StageFeatures, part: nn.Module, count: int, maps: Tensor) -> list[Tensor]:
    """The maps of the stages after the first `count`, the last first; and the stored ones."""
    found = stage_maps(part, maps)
    upper = [item for item in found if item is not maps]
    last = stages_of(features.network)[count - 1][-1]
    is_a_stage = any(info["module"] == last for info in features.network.feature_info)  # type: ignore[union-attr]
    return [*upper, maps] if is_a_stage else upper


def set_head(
    features: PixelFeatures, weight: NDArray[np.float32], bias: NDArray[np.float32]
) -> None:
    """Put a solved head [C, D], [C] into a network."""
    state = {"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)}
    head_of(features.network).load_state_dict(state)


def with_head(features: PixelFeatures, head: State) -> Tensors:
    """All weights of a network, its head replaced: the tensors of a model file."""
    model = features.network
    head_of(model).load_state_dict(head)
    return numpy_state(model)


def numpy_state(model: nn.Module) -> Tensors:
    """A network's weights as arrays."""
    return {name: value.detach().cpu().numpy() for name, value in model.state_dict().items()}
