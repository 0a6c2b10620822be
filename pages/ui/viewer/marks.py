"""How marks are shown: on tiles, in the image dialog, in lists."""

from dataclasses import dataclass

from core.domain.signoff import MarkKind


@dataclass(frozen=True)
class MarkStyle:
    """How a mark is shown: its name, icon, key in the dialog and sign on a tile."""

    label: str
    icon: str
    shortcut: str
    sign: str
    help: str


MARKS = {
    MarkKind.WRONG_LABEL: MarkStyle(
        "Label is wrong",
        "flag",
        "W",
        "⚑",
        "Marks the image for a later decision. Its label stays as it is.",
    ),
    MarkKind.LIMIT_SAMPLE: MarkStyle(
        "Limit sample",
        "contrast",
        "L",
        "◐",
        "Just acceptable or just not acceptable: shows where the line is.",
    ),
    MarkKind.GOLDEN: MarkStyle(
        "Golden sample",
        "star",
        "G",
        "★",
        "A model must judge this image correctly to be released (Sign-off page).",
    ),
}
