"""How marks are shown: on tiles, in the image dialog, in lists."""

from dataclasses import dataclass
from typing import assert_never

from core.domain.keeping.people import Right
from core.domain.signoff import MarkKind


@dataclass(frozen=True)
class MarkStyle:
    """How a mark is shown: its name, icon, key in the dialog and sign on a tile."""

    label: str
    icon: str
    shortcut: str
    sign: str
    help: str


def right_to_set(kind: MarkKind) -> Right:
    """What somebody needs to mark images so."""
    match kind:
        case MarkKind.GOLDEN:  # by them, releases are decided
            return Right.SIGN_OFF
        case MarkKind.WRONG_LABEL | MarkKind.LIMIT_SAMPLE:
            return Right.FEEDBACK
        case _:
            assert_never(kind)


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
