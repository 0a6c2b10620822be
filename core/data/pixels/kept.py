"""Images that are kept to be shown again, with a checksum behind them: WebP has none of its own.

A decoder reads an image up to the end that its header names, and so never sees the checksum.
"""

import zlib
from pathlib import Path

from PIL import Image

_CHECKSUM_BYTES = 4


def save_webp(image: Image.Image, target: Path, *, quality: int, method: int) -> None:
    """Write an image with losses, and its checksum.

    Args:
        image: to write.
        target: the file.
        quality: 0 to 100.
        method: 0 (fast) to 6 (small).
    """
    image.save(target, "WEBP", quality=quality, method=method)
    _append_checksum(target)


def save_lossless(image: Image.Image, target: Path) -> None:
    """Write an image with exactly its pixels, as fast as possible, and its checksum."""
    image.save(target, "WEBP", lossless=True, quality=0, method=0)
    _append_checksum(target)


def is_intact(path: Path) -> bool:
    """Whether the file of an image is there, and as it was written.

    Of earlier versions, which kept no checksum, and of PNG, which has its own, only whether it is
    there.
    """
    try:
        if path.suffix == ".png":
            return path.exists()
        content = path.read_bytes()
    except OSError:
        return False
    end = _end(content)
    return len(content) == end or content[end:] == _checksum(content[:end])


def webp_content(path: Path) -> bytes:
    """The image alone."""
    content = path.read_bytes()
    return content[: _end(content)]


def _append_checksum(path: Path) -> None:
    checksum = _checksum(path.read_bytes())
    with path.open("ab") as file:
        file.write(checksum)


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little")


def _end(content: bytes) -> int:
    """Where the image ends, as the header of its RIFF container says."""
    return 8 + int.from_bytes(content[4:8], "little")
