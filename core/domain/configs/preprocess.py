"""How a file becomes pixels."""

from dataclasses import asdict, dataclass, replace
from typing import assert_never

from core.domain.configs.choices import Channels, Detail, Normalization, ResizeMode
from core.domain.depth import LEVEL_SETTINGS, MOST_LEVEL, GrayLevels
from core.domain.ids import json_digest
from core.domain.settings import check_ranges, setting
from core.errors import ConfigError

MOST_PX = 1024  # of a side


@dataclass(frozen=True)
class PreprocessConfig:
    """How a file becomes pixels. Travels inside the model; training and inference share it."""

    image_size_px: int = setting(
        224,
        "Image size",
        "Side of the square image that the network sees, in pixels. Larger images show finer "
        "defects and take longer.",
        low=32,
        high=MOST_PX,
        step=16,
        option="image-size",
    )
    resize_mode: ResizeMode = setting(
        ResizeMode.STRETCH,
        "Fit into the square",
        "Stretch keeps every pixel but changes the proportions; letterbox keeps the proportions "
        "and adds gray bars; crop keeps them and cuts off the ends of the longer side.",
    )
    channels: Channels = setting(
        Channels.COLOR,
        "Channels",
        "Gray hides color from the network. Use it if color depends only on the lighting.",
    )
    normalization: Normalization = setting(
        Normalization.NETWORK,
        "Normalization",
        "Network: the mean and deviation of pretraining. All channels, first channel: first "
        "stretch the contrast of each image to its darkest and brightest value. None: gray values "
        "divided by 255.",
    )
    roi_left: float = setting(
        0.0, "Region: left", "Left edge of the region of interest.", low=0.0, high=0.95, step=0.01
    )
    roi_top: float = setting(
        0.0, "Region: top", "Top edge of the region of interest.", low=0.0, high=0.95, step=0.01
    )
    roi_right: float = setting(
        1.0, "Region: right", "Right edge of the region of interest.", low=0.05, high=1, step=0.01
    )
    roi_bottom: float = setting(
        1.0, "Region: bottom", "Bottom edge of the region of interest.", low=0.05, high=1, step=0.01
    )
    black_level: float = setting(
        0.0,
        "Black level",
        "Gray value that becomes black, in images with more than 8 bits. One scale for all images "
        "keeps their brightness comparable. If both levels are 0, those of the dataset are used.",
        low=-MOST_LEVEL,
        high=MOST_LEVEL,
    )
    white_level: float = setting(
        0.0,
        "White level",
        "Gray value that becomes white, in images with more than 8 bits, for example 4095 for 12 "
        "bits. Brighter values cannot be told apart.",
        low=-MOST_LEVEL,
        high=MOST_LEVEL,
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        _ = self.levels  # refuses a white level that is not above the black one
        if self.roi_right - self.roi_left < 0.02 or self.roi_bottom - self.roi_top < 0.02:
            raise ConfigError(
                "The region of interest is empty.",
                "Its right edge must lie right of its left edge, its bottom below its top.",
            )

    @property
    def levels(self) -> GrayLevels | None:
        """The scale of images with more than 8 bits; None: as before datasets had one."""
        if self.black_level == self.white_level == 0:
            return None
        return GrayLevels(self.black_level, self.white_level)

    def at_detail(self, detail: Detail) -> "PreprocessConfig":
        """The pixels that a model of this detail level gets.

        Raises:
            ConfigError: if they would be more than are allowed.
        """
        side = self.image_size_px * detail.scale
        if side > MOST_PX:
            raise ConfigError(
                f"The detail '{detail}' needs images of {side:,} x {side:,} pixels; at most "
                f"{MOST_PX:,} x {MOST_PX:,} are allowed.",
                f"Choose an image size of at most {MOST_PX // detail.scale} pixels, or less "
                "detail.",
            )
        return replace(self, image_size_px=side)

    @property
    def digest(self) -> str:
        """Names the pixel cache: everything that changes the uint8 pixels, and only that."""
        pixels = asdict(self)
        if self.levels is None:  # then the name is that of before datasets had a scale
            for name in LEVEL_SETTINGS:
                del pixels[name]
        match self.normalization:
            case Normalization.NETWORK | Normalization.NONE:
                # Why: these two differ only in constants applied after the cached pixels.
                pixels["normalization"] = "constant"
            case Normalization.ALL_CHANNELS | Normalization.FIRST_CHANNEL:
                pass
            case _:
                assert_never(self.normalization)
        return json_digest(pixels)[:16]
