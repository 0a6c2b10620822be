"""Small images for galleries, created on first use and kept."""

from pathlib import Path

from PIL import Image

from core.data.pixels.images import read_image
from core.files import atomic_write

THUMBNAIL_PX = 224


def thumbnail(source: Path, sha256: str, folder: Path) -> Path:
    """The WebP thumbnail of an image; created on first use.

    Args:
        source: the image.
        sha256: its content hash; names the thumbnail.
        folder: of all thumbnails.

    Raises:
        UnreadableImageError: if the image cannot be decoded.
    """
    target = folder / sha256[:2] / f"{sha256}.webp"
    if target.exists():
        return target
    image = read_image(source, draft_px=2 * THUMBNAIL_PX)
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BICUBIC)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target, durable=False) as partial:
        image.save(partial, "WEBP", quality=82, method=2)
    return target
