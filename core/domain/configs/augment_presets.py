"""Named sets of random changes, and what a run has unless asked otherwise."""

from dataclasses import replace
from enum import StrEnum
from typing import assert_never

from core.domain.configs.augment import AugmentConfig
from core.domain.datasets import Orientation

# The settings whose default is the answer that a person gave about the dataset.
ORIENTATION_SETTINGS = ("flip_horizontal", "flip_vertical", "rotate_quarter")


class AugmentPreset(StrEnum):
    """What varies between the images of a line."""

    STANDARD = "standard"
    FIXED_ORIENTATION = "fixed_orientation"
    ANY_ORIENTATION = "any_orientation"
    VARYING_LIGHT = "varying_light"
    FINE_TEXTURE = "fine_texture"


def augment_preset(which: AugmentPreset, orientation: Orientation) -> AugmentConfig:
    """The settings of a preset on a dataset; flips and quarter turns only where answered yes.

    Args:
        which: standard is what a run has unless asked otherwise.
        orientation: what was answered about flipped and turned parts of the dataset.
    """
    as_answered = AugmentConfig(
        flip_horizontal=orientation.flip_horizontal is True,
        flip_vertical=orientation.flip_vertical is True,
        rotate_quarter=orientation.rotate_quarter is True,
    )
    match which:
        case AugmentPreset.STANDARD:
            return as_answered
        case AugmentPreset.FIXED_ORIENTATION:
            upright = AugmentConfig(flip_horizontal=False, flip_vertical=False)
            return replace(upright, rotate_degrees=4.0, scale=0.05, shift=0.05)
        case AugmentPreset.ANY_ORIENTATION:
            return replace(as_answered, probability=0.8, rotate_degrees=180.0, shift=0.05)
        case AugmentPreset.VARYING_LIGHT:
            lit = replace(as_answered, probability=0.7, brightness=0.25, contrast=0.25)
            return replace(lit, light_spot=0.25, saturation=0.2, hue=5.0, noise=0.02)
        case AugmentPreset.FINE_TEXTURE:
            # Why no rotation, crop or scale: resampling blurs what must be seen.
            return replace(as_answered, crop=0.0, noise=0.02)
        case _:
            assert_never(which)
