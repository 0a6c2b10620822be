"""What a browser shows of an image: made by the one reader, on first use, and kept."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from core.data.pixels.images import read_image
from core.domain.depth import GrayLevels
from core.errors import UnreadableImageError
from core.files import atomic_write

THUMBNAIL_PX = 224
MOST_VIEWS_BYTES = 2_000_000_000
_WEBP_PX = 16_383  # the longest side that the format allows


def thumbnail(
    source: Path,
    sha256: str,
    folder: Path,
    *,
    levels: GrayLevels | None = None,
    check: Callable[[], object] | None = None,
) -> Path:
    """The WebP thumbnail of an image; created on first use.

    Args:
        source: the image.
        sha256: its content hash; names the thumbnail together with the levels.
        folder: of all thumbnails.
        levels: see `read_image`.
        check: called before the file is read; raises if it no longer has this content.

    Raises:
        UnreadableImageError: if the image cannot be decoded.
    """
    target = _target(folder, sha256, levels, "webp")
    if target.exists():
        return target
    if check is not None:
        check()
    image = read_image(source, levels=levels, draft_px=2 * THUMBNAIL_PX)
    try:
        image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BICUBIC)
    except MemoryError as err:
        raise _too_large(source) from err
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target, durable=False) as partial:
        image.save(partial, "WEBP", quality=82, method=2)
    return target


def view(
    source: Path,
    sha256: str,
    folder: Path,
    *,
    levels: GrayLevels | None = None,
    check: Callable[[], object] | None = None,
) -> Path:
    """The whole image with exactly the pixels of `read_image`; created on first use.

    A lossless WebP, or a PNG where the image is too long for that. The oldest views are removed
    when all together are larger than `MOST_VIEWS_BYTES`.

    Args:
        source: the image.
        sha256: its content hash; names the view together with the levels.
        folder: of all views.
        levels: see `read_image`.
        check: called before the file is read; raises if it no longer has this content.

    Raises:
        UnreadableImageError: if the image cannot be decoded.
    """
    targets = [_target(folder, sha256, levels, ending) for ending in ("webp", "png")]
    for target in targets:
        if target.exists():
            return target
    if check is not None:
        check()
    image = read_image(source, levels=levels)
    target = targets[max(image.size) > _WEBP_PX]
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with atomic_write(target, durable=False) as partial:
            # Why the fastest settings: it is made while a person waits.
            if target.suffix == ".webp":
                image.save(partial, "WEBP", lossless=True, quality=0, method=0)
            else:
                image.save(partial, "PNG", compress_level=1)
    except MemoryError as err:
        raise _too_large(source) from err
    _remove_oldest(folder, keep=target)
    return target


def _target(folder: Path, sha256: str, levels: GrayLevels | None, ending: str) -> Path:
    scale = f"-{levels.key}" if levels else ""
    return folder / sha256[:2] / f"{sha256}{scale}.{ending}"


def _remove_oldest(folder: Path, *, keep: Path) -> None:
    files: list[tuple[float, int, Path]] = []
    for path in folder.glob("*/[0-9a-f]*.*"):
        with contextlib.suppress(FileNotFoundError):  # removed for another person in between
            status = path.stat()
            files.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= MOST_VIEWS_BYTES:
            return
        if path != keep:
            path.unlink(missing_ok=True)
            total -= size


def _too_large(source: Path) -> UnreadableImageError:
    return UnreadableImageError(
        f"{source.name} needs more memory than there is.", "Reduce it, or divide it."
    )
