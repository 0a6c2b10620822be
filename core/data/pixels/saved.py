"""How a file was saved: the quality of a JPEG, and the program that the header names."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from core.data.pixels.images import opened_image
from core.errors import UnreadableImageError

_NAME_PROGRAMS = ("JPEG", "MPO", "TIFF")  # in a tag; PNG has a text
_SOFTWARE_TAG = 0x0131
_MOST_OF_NAME = 60
_STANDARD_TABLE_SUM = 3688  # of the luminance quantization table in Annex K of the JPEG standard


@dataclass(frozen=True)
class SavedAs:
    """How a file was saved, as its header says; None where it says nothing.

    `jpeg_quality` is in [1, 100], on the scale of the IJG library; other programs have tables of
    their own, and get the quality that quantizes as much.
    """

    jpeg_quality: int | None = None
    program: str | None = None


def read_saved_as(path: Path) -> SavedAs:
    """What the header of a file says; nothing of files that are damaged or not there."""
    try:
        with opened_image(path, path.name) as (image, _):
            return SavedAs(_jpeg_quality(image), _program(image))
    except UnreadableImageError:
        return SavedAs()  # unreadable files have findings of their own


def _jpeg_quality(image: Image.Image) -> int | None:
    table: list[int] | None = getattr(image, "quantization", {}).get(0)
    if not table:
        return None
    if max(table) == 1:
        return 100
    percent = 100 * sum(table) / _STANDARD_TABLE_SUM
    quality = 100 - percent / 2 if percent <= 100 else 5000 / percent
    return max(1, round(quality))


def _program(image: Image.Image) -> str | None:
    text = None
    if image.format in _NAME_PROGRAMS:
        text = image.getexif().get(_SOFTWARE_TAG)
    elif image.format == "PNG":  # its EXIF data may follow the pixels, which would be decoded
        text = image.info.get("Software")
    name = "".join(c for c in " ".join(str(text or "").split()) if c.isprintable())
    return name[:_MOST_OF_NAME] or None
