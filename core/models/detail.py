"""Features that see more than the last layer: stages of a network, and quarters of an image.

Everything is one module, so that it becomes one graph in the fast runtime.
"""

from typing import assert_never

import torch
from torch import Tensor, nn

from core.domain.configs.choices import Detail
from core.models.build import PixelFeatures, is_channels_last


class StageFeatures(PixelFeatures):
    """Uint8 pixels [B, P, P, 3] to means and maxima of the maps of several stages [B, D].

    Order: of the last maps the means, then the maxima; then the same of each stage, from the last
    to the first. Mirrored, each feature is the mean of the image and its mirror image; turned, the
    largest of the image turned by 0, 90, 180 and 270 degrees, counterclockwise. With tiles,
    P is twice the side that the network sees: it sees the whole image at half of its resolution and
    the four quarters at the full one, and each feature is the largest of the five views.
    """

    def __init__(
        self,
        network: nn.Module,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        detail: Detail,
    ) -> None:
        super().__init__(network, mean, std)
        self.detail = detail

    def forward(self, pixels: Tensor) -> Tensor:
        """Uint8 [B, P, P, 3] to features [B, D]."""
        return self.pooled(self.stages(self.views(pixels)))

    def pooled(self, stages: list[Tensor]) -> Tensor:
        """Maps of each stage [V * B, D_k, h, w] to features [B, D]."""
        features = pooled_maps(stages)  # [V * B, D]
        match self.detail:
            case Detail.WHOLE | Detail.STAGES | Detail.PLACES:
                return features
            case Detail.MIRRORED:
                return features.view(self.detail.views, -1, features.shape[1]).mean(0)
            case Detail.TURNED | Detail.TILES:
                return features.view(self.detail.views, -1, features.shape[1]).amax(0)
            case _:
                assert_never(self.detail)

    def views(self, pixels: Tensor) -> Tensor:
        """What the network sees of uint8 pixels [B, P, P, 3]: [V * B, 3, S, S], view by view."""
        images = self.normalized(pixels)
        match self.detail:
            case Detail.WHOLE | Detail.STAGES | Detail.PLACES:
                return images
            case Detail.MIRRORED:
                return torch.cat([images, images.flip(3)])
            case Detail.TURNED:
                across = images.transpose(2, 3)
                return torch.cat([images, across.flip(2), images.flip((2, 3)), across.flip(3)])
            case Detail.TILES:
                side = images.shape[2] // 2
                rows = images[:, :, :side], images[:, :, side:]
                quarters = [part for row in rows for part in (row[..., :side], row[..., side:])]
                return torch.cat([nn.functional.avg_pool2d(images, 2), *quarters])
            case _:
                assert_never(self.detail)

    def stages(self, images: Tensor) -> list[Tensor]:
        """The last maps of normalized images [B, 3, S, S], then those of each stage, last first."""
        return stage_maps(self.network, images)


def stage_maps(network: nn.Module, images: Tensor) -> list[Tensor]:
    """The last maps of normalized images, then those of each stage [B, D_k, h, w], last first."""
    return stages_with_last(network, images)[1]


def stages_with_last(network: nn.Module, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    """What the network gives before it pools, as it is; and `stage_maps`.

    The last maps are among those wherever a network has some that are not those of a stage.
    """
    final, stages = network.forward_intermediates(images, norm=False)  # type: ignore[operator]
    if stages[-1] is not final and final.ndim == 4:
        stages = [*stages, final.permute(0, 3, 1, 2) if is_channels_last(network) else final]
    ordered: list[Tensor] = stages[::-1]
    return final, ordered


def pooled_maps(stages: list[Tensor]) -> Tensor:
    """Means and maxima of maps [B, D_k, h, w], side by side [B, D]."""
    pooled = [values for maps in stages for values in (maps.mean((2, 3)), maps.amax((2, 3)))]
    return torch.cat(pooled, 1)


class PlaceFeatures(PixelFeatures):
    """Uint8 pixels [B, S, S, 3] to the features of the places of an image, [B, P, C].

    The maps of two middle stages, each averaged over 3 x 3 of its places, on the grid of the
    coarser one; place by place, row by row. Source: Roth et al. 2022, PatchCore.
    """

    detail = Detail.PLACES

    def forward(self, pixels: Tensor) -> Tensor:
        """Uint8 [B, S, S, 3] to features [B, P, C]."""
        stages: list[Tensor] = self.network.forward_intermediates(  # type: ignore[operator]
            self.normalized(pixels), norm=False, intermediates_only=True
        )
        near = [nn.functional.avg_pool2d(maps, 3, 1, 1) for maps in stages[-3:-1]]
        side = int(near[-1].shape[2])
        maps = torch.cat([nn.functional.adaptive_avg_pool2d(m, side) for m in near], 1)
        return maps.flatten(2).transpose(1, 2)  # [B, C, h, w] to [B, h * w, C]


def features_module(
    network: nn.Module, mean: tuple[float, ...], std: tuple[float, ...], detail: Detail
) -> PixelFeatures:
    """The module that makes the features of a detail level."""
    match detail:
        case Detail.WHOLE:
            return PixelFeatures(network, mean, std)
        case Detail.STAGES | Detail.MIRRORED | Detail.TURNED | Detail.TILES:
            return StageFeatures(network, mean, std, detail)
        case Detail.PLACES:
            return PlaceFeatures(network, mean, std)
        case _:
            assert_never(detail)


def feature_width(module: PixelFeatures, side: int) -> int:
    """Number of features D.

    Args:
        module: that makes them.
        side: P, of the pixels that it gets; networks of patches take one size only.
    """
    with torch.inference_mode():
        example = torch.zeros(1, side, side, 3, dtype=torch.uint8, device=module.mean.device)
        return int(module.eval()(example).shape[1])
