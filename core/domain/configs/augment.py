"""Random changes of training images."""

from dataclasses import dataclass

from core.domain.settings import check_ranges, setting


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of training images, so that the network learns what does not matter."""

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
    rotate_degrees: float = setting(
        0.0, "Rotation", "Rotate by up to this many degrees.", low=0, high=180, step=1
    )
    brightness: float = setting(
        0.1, "Brightness", "Largest random change of brightness.", low=0.0, high=0.9, step=0.05
    )
    contrast: float = setting(
        0.1, "Contrast", "Largest random change of contrast.", low=0.0, high=0.9, step=0.05
    )
    crop: float = setting(
        0.1,
        "Random crop",
        "Cut off up to this fraction of the image area and enlarge the rest.",
        low=0.0,
        high=0.7,
        step=0.05,
    )

    def __post_init__(self) -> None:
        check_ranges(self)
