"""Random changes of training images."""

from dataclasses import dataclass
from enum import StrEnum

from core.domain.settings import check_ranges, setting


class AugmentMode(StrEnum):
    """How many of the changes that are on an image gets."""

    SEVERAL = "several"
    ONE = "one"


class AugmentChange(StrEnum):
    """One kind of change; its value is the setting that turns it on.

    The order is part of what a seed means: new members come last.
    """

    FLIP_HORIZONTAL = "flip_horizontal"
    FLIP_VERTICAL = "flip_vertical"
    ROTATE_QUARTER = "rotate_quarter"
    ROTATE_STEP = "rotate_step"
    ROTATE_DEGREES = "rotate_degrees"
    CROP = "crop"
    SCALE = "scale"
    SHIFT = "shift"
    SHEAR = "shear"
    PERSPECTIVE = "perspective"
    BRIGHTNESS = "brightness"
    LIGHT_SPOT = "light_spot"
    CONTRAST = "contrast"
    SATURATION = "saturation"
    HUE = "hue"
    BLUR = "blur"
    NOISE = "noise"
    ERASE = "erase"


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of training images, so that the network learns what does not matter.

    The defaults are those of runs of earlier versions.
    """

    augment_mode: AugmentMode = setting(
        AugmentMode.SEVERAL,
        "Changes per image",
        "Several: a changed image gets every change that is on, each with its own random strength. "
        "One: it gets a single one of them.",
    )
    probability: float = setting(
        0.5,
        "Probability",
        "How likely a training image is to be changed at random in each epoch.",
        low=0.0,
        high=1.0,
        step=0.05,
        option="augment-probability",
    )
    flip_horizontal: bool = setting(
        True,
        "Flip horizontal",
        "Mirror left to right. Turn off if a mirrored part is another class or a defect.",
    )
    flip_vertical: bool = setting(
        True,
        "Flip vertical",
        "Mirror top to bottom. Turn off if an upside-down part is another class or a defect.",
    )
    rotate_quarter: bool = setting(
        False, "Quarter turns", "Rotate by 90, 180 or 270 degrees, for parts without a fixed top."
    )
    rotate_step: int = setting(
        0,
        "Rotation step",
        "Rotate by random multiples of this many degrees: 180 for half turns, 60 for a hexagon. "
        "0 turns it off.",
        low=0,
        high=180,
        step=1,
    )
    rotate_degrees: float = setting(
        0.0, "Rotation", "Rotate by up to this many degrees.", low=0, high=180, step=1
    )
    crop: float = setting(
        0.1,
        "Random crop",
        "Cut off up to this fraction of the image area and enlarge the rest.",
        low=0.0,
        high=0.7,
        step=0.05,
    )
    scale: float = setting(
        0.0,
        "Scale",
        "Enlarge or reduce by up to this fraction, for parts at a varying distance.",
        low=0.0,
        high=0.5,
        step=0.05,
    )
    shift: float = setting(
        0.0,
        "Shift",
        "Move by up to this fraction of the image size, for parts at a varying place.",
        low=0.0,
        high=0.5,
        step=0.05,
    )
    shear: float = setting(
        0.0, "Shear", "Slant by up to this many degrees in both directions.", low=0, high=30, step=1
    )
    perspective: float = setting(
        0.0,
        "Perspective",
        "Tilt the image plane by up to this much, for a camera whose angle varies.",
        low=0.0,
        high=0.3,
        step=0.02,
    )
    brightness: float = setting(
        0.1, "Brightness", "Largest random change of brightness.", low=0.0, high=0.9, step=0.05
    )
    light_spot: float = setting(
        0.0,
        "Light spot",
        "Largest brightness of a spot of light or shade at a random place, half to all of the "
        "image wide.",
        low=0.0,
        high=0.9,
        step=0.05,
    )
    contrast: float = setting(
        0.1, "Contrast", "Largest random change of contrast.", low=0.0, high=0.9, step=0.05
    )
    saturation: float = setting(
        0.0,
        "Saturation",
        "Largest random change of color strength. Gray images stay as they are.",
        low=0.0,
        high=1.0,
        step=0.05,
    )
    hue: float = setting(
        0.0,
        "Hue",
        "Turn colors by up to this many degrees of the color circle. Gray images stay as they are.",
        low=0,
        high=180,
        step=1,
    )
    blur: float = setting(
        0.0,
        "Blur",
        "Largest radius of a soft blur, in pixels of the network's image, for a varying focus.",
        low=0.0,
        high=4.0,
        step=0.1,
    )
    noise: float = setting(
        0.0,
        "Noise",
        "Largest camera noise, as a fraction of the brightest gray value.",
        low=0.0,
        high=0.3,
        step=0.01,
    )
    erase: float = setting(
        0.0,
        "Erasing",
        "Cover a random rectangle of up to this fraction of the image with its mean color, so that "
        "no single place decides.",
        low=0.0,
        high=0.5,
        step=0.05,
    )

    def __post_init__(self) -> None:
        check_ranges(self)

    def has(self, change: AugmentChange) -> bool:
        """Whether a change is on."""
        return bool(getattr(self, change.value))
