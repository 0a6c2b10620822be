"""A few small images of a source that has not been imported yet."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageOps

from core.data.importing.archives import open_archive
from core.data.importing.walk import source_roots
from core.data.pixels.images import MAX_FILE_BYTES, deep_image, read_image
from core.domain.depth import DeepImage, GrayLevels, depth_of_images
from core.errors import UnreadableImageError
from core.files import read_user_file

PREVIEW_PX = 240


def preview_images(
    source: Path, names: list[str], zip_encoding: str | None = None
) -> list[bytes | None]:
    """PNG thumbnails of images in a folder or ZIP file; None for those that cannot be decoded.

    Each is a square with the image centered, so that images of any shape line up in rows. Decodes
    unchecked files: call it in a process that may crash.

    Args:
        source: a folder or a ZIP file.
        names: as `list_names` gave them.
        zip_encoding: with which it listed them; None: it was detected.
    """
    if source.is_dir():
        roots = source_roots(source)
        return _on_one_scale([_content(source / name, roots) for name in names])
    with open_archive(source, encoding=zip_encoding) as archive:
        contents = [io.BytesIO(archive.zip.read(archive.files[name])) for name in names]
        return _on_one_scale(contents)


def _content(path: Path, roots: Sequence[Path]) -> io.BytesIO:
    """The content of a file; empty if it may not or cannot be read."""
    try:
        return io.BytesIO(read_user_file(path, most_bytes=MAX_FILE_BYTES, roots=roots))
    except OSError:
        return io.BytesIO()


def _on_one_scale(sources: Sequence[io.BytesIO]) -> list[bytes | None]:
    deep = [known for source in sources if (known := _deep(source))]
    levels = depth_of_images(deep).levels
    return [_small(source, square=True, levels=levels) for source in sources]


def _deep(source: io.BytesIO) -> DeepImage | None:
    try:
        return deep_image(source)
    except UnreadableImageError:
        return None


def preview_uploaded(content: bytes, levels: GrayLevels | None = None) -> bytes | None:
    """PNG thumbnail of an uploaded image; None if it cannot be decoded.

    `levels` is the scale of images with more than 8 bits, as the model reads them.
    """
    return _small(io.BytesIO(content), levels=levels)


def whole_uploaded(content: bytes, levels: GrayLevels | None = None) -> bytes:
    """PNG of a whole uploaded image, with exactly the pixels of `read_image`.

    Raises:
        UnreadableImageError: if it cannot be decoded.
    """
    buffer = io.BytesIO()
    read_image(io.BytesIO(content), levels=levels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _small(
    source: io.BytesIO, *, square: bool = False, levels: GrayLevels | None = None
) -> bytes | None:
    try:
        image = read_image(source, levels=levels, draft_px=2 * PREVIEW_PX)
    except UnreadableImageError:
        return None
    if square:
        # Why enlarged: a square of mostly nothing shows a small image at half of its size.
        image = ImageOps.contain(image, (PREVIEW_PX, PREVIEW_PX), Image.Resampling.BICUBIC)
        canvas = Image.new("RGBA", (PREVIEW_PX, PREVIEW_PX))
        canvas.paste(image, ((PREVIEW_PX - image.width) // 2, (PREVIEW_PX - image.height) // 2))
        image = canvas
    else:
        image.thumbnail((PREVIEW_PX, PREVIEW_PX), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
