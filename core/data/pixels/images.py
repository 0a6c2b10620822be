"""Files to images: decode once, safely, and the same way everywhere."""

import math
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from core.administration import how_to_change, limits_of
from core.data.pixels.deep import deep_pixels, describe, is_deep, to_8_bits
from core.domain.depth import DeepImage, GrayLevels
from core.errors import UnreadableImageError
from core.files import open_user_file
from core.words import shortened

# Why: an allow-list keeps Pillow's many exotic (and less tested) readers away from user files.
_READERS = (
    JpegImagePlugin,
    PngImagePlugin,
    BmpImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
    GifImagePlugin,
)  # imported, so that Pillow knows them
FORMATS = ("JPEG", "PNG", "BMP", "DIB", "TIFF", "WEBP", "GIF")
EXTENSIONS = frozenset(
    [
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".pjpeg", ".pjp", ".mpo"),
        *(".png", ".apng", ".bmp", ".dib", ".tif", ".tiff", ".btf", ".tf8", ".webp", ".gif"),
    ]
)
FORMAT_WORDS = "JPEG, PNG, BMP, TIFF, WebP or GIF"
MAX_FILE_BYTES = 1_000_000_000  # of an image: 16 bits of four channels, uncompressed, fit
_MEASURE_PX = 256
_ORIENTATION_TAG = 0x0112
_FIRST_TURNED = 5  # orientations from here on swap width and height
_UPRIGHT_BY = {  # what makes an image with this orientation upright; other values mean nothing
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PAGED_FORMATS = ("TIFF", "GIF", "WEBP", "PNG")  # in MPO, previews of the same image follow
_FORMAT_NAMES = {"MPO": "JPEG", "DIB": "BMP"}  # the common name

_READ_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    NotImplementedError,
    EOFError,
    MemoryError,
    OverflowError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    ZeroDivisionError,
    RuntimeError,
    AssertionError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


def read_image(
    source: Path | IO[bytes],
    *,
    levels: GrayLevels | None = None,
    draft_px: int | None = None,
    name: str = "This file",
) -> Image.Image:
    """The first frame of an image file, fully decoded and rotated upright, as mode L or RGB.

    Transparency is composed on white.

    Args:
        source: a file path or an open binary file.
        levels: what becomes black and white in images with more than 8 bits; others are read as
            they are. None: as before datasets had a scale: 16 bits linearly (65535 becomes 255),
            other values from the lowest to the highest of the image.
        draft_px: decode a JPEG no larger than needed for this side; much faster for large ones.
        name: of an open file, for messages.

    Raises:
        UnreadableImageError: with the reason in plain words.
    """
    with opened_image(source, name) as (image, file):
        if levels is not None and is_deep(image):
            plain = to_8_bits(deep_pixels(image, lambda: _open(file)), levels)
            return _upright(plain, _orientation(image))
        if draft_px is not None:
            image.draft(None, (draft_px, draft_px))
        image.load()
        # Why after load(): three valid PNGs would otherwise load silently with partial pixels.
        return _plain(_upright(image, _orientation(image)))


@dataclass(frozen=True)
class ImageProperties:
    """What an image is, as `read_image` would give it; see `Sample` for the meaning.

    `deep` is None for images with 8 bits; for others, brightness and sharpness are on a scale of
    the image alone. `has_more_pages`: the file holds further pages or frames, which are not read.
    """

    width: int
    height: int
    mode: str
    format: str
    brightness: float
    sharpness: float
    deep: DeepImage | None = None
    has_more_pages: bool = False


def image_properties(source: Path | IO[bytes], *, name: str = "This file") -> ImageProperties:
    """Decode an image completely, as `read_image` does, and describe it.

    A JPEG is decoded as a small gray image if that is enough: every byte is still read and checked,
    but fewer pixels are computed.

    Raises:
        UnreadableImageError: with the reason in plain words.
    """
    with opened_image(source, name) as (image, file):
        image_format = _FORMAT_NAMES.get(image.format or "", image.format or "")
        if is_deep(image):
            known = _deep_properties(image, file, image_format)
            return replace(known, has_more_pages=_has_more_pages(image))
        size, mode = image.size, image.mode
        if image_format == "JPEG" and mode in ("L", "RGB"):
            factor = _reduction(size)
            image.draft("L", (max(1, size[0] // factor), max(1, size[1] // factor)))
            image.load()
            measures = brightness_and_sharpness(image)
            if _orientation(image) >= _FIRST_TURNED:
                size = size[::-1]
        else:
            image.load()
            plain = _plain(_upright(image, _orientation(image)))
            size, mode, measures = plain.size, plain.mode, brightness_and_sharpness(plain)
        more = _has_more_pages(image)
        return ImageProperties(*size, mode, image_format, *measures, has_more_pages=more)


def deep_image(source: Path | IO[bytes], *, name: str = "This file") -> DeepImage | None:
    """What is known of the gray values of an image with more than 8 bits; None for others.

    Raises:
        UnreadableImageError: with the reason in plain words.
    """
    with opened_image(source, name) as (image, file):
        return _deep_properties(image, file, "").deep if is_deep(image) else None


def _deep_properties(image: Image.Image, file: IO[bytes], image_format: str) -> ImageProperties:
    pixels = deep_pixels(image, lambda: _open(file))
    deep = describe(pixels, mean_and_sharpness)
    height, width = pixels.values.shape[:2]
    if _orientation(image) >= _FIRST_TURNED:
        width, height = height, width
    mode = "L" if pixels.values.ndim == 2 and pixels.alpha is None else "RGB"
    return ImageProperties(width, height, mode, image_format, *deep.measures(), deep)


@contextmanager
def opened_image(source: Path | IO[bytes], name: str) -> Iterator[tuple[Image.Image, IO[bytes]]]:
    """An image of a known format and acceptable size, and its file; errors in plain words."""
    if isinstance(source, Path):
        name = source.name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _stream(source) as file, _open(file) as image:
                _refuse_huge(image, name)
                yield image, file
    except UnidentifiedImageError as err:
        raise UnreadableImageError(
            f"{name} is not a {FORMAT_WORDS} image.",
            "Convert it, or leave it out.",
        ) from err
    except Image.DecompressionBombError as err:  # above Pillow's own limit
        raise _huge(name, "over 178") from err
    except MemoryError as err:
        raise UnreadableImageError(
            f"{name} needs more memory than there is.",
            "Reduce it, or divide it into several images.",
        ) from err
    except OSError as err:
        if err.errno is None:  # the content's fault
            raise _damaged(name, err) from err
        raise UnreadableImageError(
            f"{name} cannot be opened: {err.strerror}.",
            "Check that it exists and is a regular file, and its permissions.",
        ) from err
    except _READ_ERRORS as err:
        raise _damaged(name, err) from err


def _damaged(name: str, err: Exception) -> UnreadableImageError:
    return UnreadableImageError(
        f"{name} cannot be decoded: {str(err).rstrip('.') or type(err).__name__}.",
        "The file may be damaged or incomplete. Export it again.",
    )


@contextmanager
def _stream(source: Path | IO[bytes]) -> Iterator[IO[bytes]]:
    if not isinstance(source, Path):
        yield source
        return
    with open_user_file(source, most_bytes=MAX_FILE_BYTES) as file:
        yield file


def _open(source: IO[bytes]) -> Image.Image:
    return Image.open(source, formats=FORMATS)


def brightness_and_sharpness(image: Image.Image) -> tuple[float, float]:
    """Brightness and sharpness of an image as read, both from a gray copy of at most 256 px.

    Returns:
        The mean gray value in [0, 1], and the variance of the Laplacian of gray values in [0, 255];
        0 if the image is too small for it.

    Source: Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy".
    """
    gray = image if image.mode == "L" else image.convert("L")
    factor = _reduction(gray.size)
    if factor > 1:
        gray = gray.reduce(factor)
    width, height = gray.size
    values = np.frombuffer(gray.tobytes(), np.uint8).reshape(height, width)
    brightness = int(values.sum()) / values.size / 255
    return brightness, _sharpness(values.astype(np.int16))


def mean_and_sharpness(image: Image.Image) -> tuple[float, float]:
    """As `brightness_and_sharpness` of a gray float image (mode F), in the units of its values."""
    factor = _reduction(image.size)
    values = np.asarray(image.reduce(factor) if factor > 1 else image, np.float64)
    return float(values.mean()), _sharpness(values)


def _sharpness(values: NDArray[np.int16] | NDArray[np.float64]) -> float:
    """Variance of the Laplacian [H, W]; 0 if there is none."""
    if min(values.shape) < 3:
        return 0.0
    inner = values[1:-1]
    columns = values[:-2] + values[2:]
    columns -= inner * 4
    edges = columns[:, 1:-1] + inner[:, :-2]
    edges += inner[:, 2:]
    flat = edges.ravel().astype(np.float32 if edges.dtype == np.int16 else np.float64)
    mean = float(flat.mean())
    return max(0.0, float(np.dot(flat, flat)) / flat.size - mean * mean)


def _reduction(size: tuple[int, int]) -> int:
    # Why a power of two: decoders scale by these, and scalings can be combined.
    return int(2 ** max(0, math.ceil(math.log2(max(size) / _MEASURE_PX))))


def _orientation(image: Image.Image) -> int:
    """The orientation by EXIF, 1 to 8; 1 (upright) where it is missing, broken or unknown."""
    try:
        value = int(image.getexif().get(_ORIENTATION_TAG, 1))
    except _READ_ERRORS:
        return 1  # broken EXIF does not affect the pixels
    return value if value in _UPRIGHT_BY else 1


def _has_more_pages(image: Image.Image) -> bool:
    """Whether pages follow the first; call it last, as it may move on in the file."""
    if image.format not in _PAGED_FORMATS:
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except _READ_ERRORS:
        return False  # what follows the first page is damaged, and not needed


def _refuse_huge(image: Image.Image, name: str) -> None:
    megapixels, limit = image.width * image.height / 1e6, limits_of().image_megapixels
    if megapixels > limit:
        raise _huge(name, shortened(megapixels, beside=[limit]))


def _huge(name: str, megapixels: str) -> UnreadableImageError:
    limit = limits_of().image_megapixels
    # Why the setting here too: lists of skipped and unreadable images show the message alone.
    return UnreadableImageError(
        f"{name} has {megapixels} megapixels; the limit is {limit:g} (limits.image_megapixels).",
        f"Reduce it, or divide it into several images. {how_to_change('image_megapixels')}",
    )


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = _UPRIGHT_BY.get(orientation)
    return image if turn is None else image.transpose(turn)


def _plain(image: Image.Image) -> Image.Image:
    mode = image.mode
    if mode in ("L", "RGB"):
        return image.copy()
    if mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image, np.uint32) // 257).astype(np.uint8))
    if mode in ("I", "F"):
        return Image.fromarray(_stretched(np.asarray(image, np.float64)))
    if mode == "1":
        return image.convert("L")
    if "A" in mode or "a" in mode or "transparency" in image.info:
        return _on_white(image.convert("RGBA"))
    return image.convert("RGB")


def _stretched(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if low >= 0 and 255 < high <= 65535:
        low, high = 0.0, 65535.0  # 16-bit gray in a 32-bit mode
    filled = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    scaled: NDArray[np.float64] = (filled - low) / (high - low or 1.0) * 255
    return scaled.astype(np.uint8)


def _on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")
