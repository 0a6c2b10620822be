"""What a browser shows of an image: made by the one reader, on first use, and kept.

Each is made in a helper process (`core/data/apart.py`): the file of an image may hang or be
replaced after its import, and a large one takes hundreds of megabytes to decode. What is shown is
the content that was imported, or nothing.
"""

import contextlib
import io
from pathlib import Path

from PIL import Image

from core.data.apart import call_apart
from core.data.file_checks import imported_content
from core.data.pixels.images import read_image
from core.data.pixels.kept import is_intact, save_lossless, save_webp
from core.data.pixels.preprocess import preprocess_image
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.depth import GrayLevels
from core.domain.files import KnownFile
from core.errors import UnreadableImageError
from core.files import atomic_write

THUMBNAIL_PX = 224
MOST_VIEWS_BYTES = 2_000_000_000
_WEBP_PX = 16_383  # the longest side that the format allows


def thumbnail(known: KnownFile, folder: Path, *, levels: GrayLevels | None = None) -> Path:
    """The WebP thumbnail of an image; created on first use, and again if it was damaged.

    Args:
        known: the file as it was imported; its hash names the thumbnail together with the levels.
        folder: of all thumbnails.
        levels: see `read_image`.

    Raises:
        NotFoundError: if the file may not or cannot be read.
        FilesChangedError: if it has another content.
        UnreadableImageError: if it cannot be decoded, or does not answer in time.
    """
    target = _target(folder, known.sha256, levels, "webp")
    if not is_intact(target):
        call_apart(Path(known.path), _make_thumbnail, known, target, levels)
    return target


def view(known: KnownFile, folder: Path, *, levels: GrayLevels | None = None) -> Path:
    """The whole image with exactly the pixels of `read_image`; created on first use.

    A lossless WebP, or a PNG where the image is too long for that; made again if it was damaged.
    The oldest views are removed when all together are larger than `MOST_VIEWS_BYTES`.

    Args:
        known: the file as it was imported; its hash names the view together with the levels.
        folder: of all views.
        levels: see `read_image`.

    Raises:
        NotFoundError: if the file may not or cannot be read.
        FilesChangedError: if it has another content.
        UnreadableImageError: if it cannot be decoded, or does not answer in time.
    """
    targets = [_target(folder, known.sha256, levels, ending) for ending in ("webp", "png")]
    for target in targets:
        if is_intact(target):
            return target
    target = call_apart(Path(known.path), _make_view, known, targets, levels)
    _remove_oldest(folder, keep=target)
    return target


def network_preview(
    known: KnownFile, config: PreprocessConfig, size_px: int
) -> tuple[bytes, bytes]:
    """An image and what the network gets of it, both as PNG of at most this side.

    Raises:
        NotFoundError: if the file may not or cannot be read.
        FilesChangedError: if it has another content.
        UnreadableImageError: if it cannot be decoded, or does not answer in time.
    """
    made: tuple[bytes, bytes] = call_apart(Path(known.path), _make_preview, known, config, size_px)
    return made


def _make_thumbnail(known: KnownFile, target: Path, levels: GrayLevels | None) -> None:
    image = _read(known, levels, 2 * THUMBNAIL_PX)
    try:
        image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BICUBIC)
    except MemoryError as err:
        raise _too_large(known) from err
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target, durable=False) as partial:
        save_webp(image, partial, quality=82, method=2)


def _make_view(known: KnownFile, targets: list[Path], levels: GrayLevels | None) -> Path:
    image = _read(known, levels)
    target = targets[max(image.size) > _WEBP_PX]
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with atomic_write(target, durable=False) as partial:
            # Why the fastest settings: it is made while a person waits.
            if target.suffix == ".webp":
                save_lossless(image, partial)
            else:
                image.save(partial, "PNG", compress_level=1)
    except MemoryError as err:
        raise _too_large(known) from err
    return target


def _make_preview(known: KnownFile, config: PreprocessConfig, size_px: int) -> tuple[bytes, bytes]:
    try:
        image = _read(known, config.levels)
        after = Image.fromarray(preprocess_image(image, config))
        image.thumbnail((size_px, size_px))
    except MemoryError as err:
        raise _too_large(known) from err
    return _png(image), _png(after)


def _read(known: KnownFile, levels: GrayLevels | None, draft_px: int | None = None) -> Image.Image:
    name = Path(known.path).name
    content = io.BytesIO(imported_content(known))
    return read_image(content, levels=levels, draft_px=draft_px, name=name)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


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


def _too_large(known: KnownFile) -> UnreadableImageError:
    return UnreadableImageError(
        f"{Path(known.path).name} needs more memory than there is.", "Reduce it, or divide it."
    )
