"""What a gallery hands to the image dialog: among which images it walks, and whose results."""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from core.domain.models import Model

MOST_KEYS = 2000
# What the style sheets know; each goes with an icon of another shape.
Tone = Literal["", "right", "wrong", "accept", "review", "reject"]


class ImageKind(StrEnum):
    """Where the images of a dialog are; the first part of their addresses."""

    SAMPLES = "pictures"
    UPLOADS = "uploaded"


@dataclass(frozen=True)
class Viewing:
    """The images that the dialog opens from a gallery, in its order.

    Attributes:
        keys: ids of samples, or tokens of uploads.
        models: whose confidences and heatmaps are shown; the first one at once, the others by a
            switch; none: the image alone.
        kind: where the images are.
        first: number of the first key among `total` images, from 1.
        total: None: as many as keys.
        action: label of a further button, which reports the image as `gallery` reports a click.
    """

    keys: tuple[str, ...]
    models: tuple[Model, ...] = ()
    kind: ImageKind = ImageKind.SAMPLES
    first: int = 1
    total: int | None = None
    action: str = ""

    @property
    def as_data(self) -> dict[str, object]:
        """What `viewer.js` reads."""
        return {
            "id": zlib.crc32(repr((self.keys, [m.id for m in self.models])).encode()),
            "keys": self.keys,
            "models": [{"id": model.id, "name": model.name} for model in self.models],
            "kind": self.kind.value,
            "first": self.first,
            "total": self.total or len(self.keys),
            "action": self.action,
        }


def around(keys: Sequence[object], at: int) -> tuple[tuple[str, ...], int]:
    """At most `MOST_KEYS` keys around a place, and the number of the first one, from 1."""
    start = max(0, min(at - MOST_KEYS // 2, len(keys) - MOST_KEYS))
    return tuple(str(key) for key in keys[start : start + MOST_KEYS]), start + 1


def of_samples(
    sample_ids: Iterable[int], models: Sequence[Model] = (), *, at: int = 0, action: str = ""
) -> Viewing:
    """The dialog over samples in this order.

    Args:
        sample_ids: all images of the gallery, those on other pages too.
        models: see `Viewing`.
        at: place of the first image on the page in view.
        action: see `Viewing`.
    """
    ids = [int(i) for i in sample_ids]
    keys, first = around(ids, at)
    return Viewing(keys, tuple(models), first=first, total=len(ids), action=action)
