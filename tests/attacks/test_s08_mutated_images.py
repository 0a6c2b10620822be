"""S8: images with changed, missing or repeated bytes are read, or refused in words."""

import io

import numpy as np
from PIL import Image

from core.data.pixels.images import image_properties, read_image
from core.errors import UnreadableImageError

_EACH = 50
_KINDS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF")


def _mutated(content, random):
    changed = bytearray(content)
    start, end = sorted(int(n) for n in random.integers(0, len(changed), 2))
    match int(random.integers(3)):
        case 0:
            for place in random.integers(0, len(changed), 1 + len(changed) // 100):
                changed[place] = int(random.integers(256))
        case 1:
            del changed[start:end]
        case _:
            changed[start:start] = changed[start : min(end, start + 1000)]
    return bytes(changed)


def test_images_with_any_bytes_are_read_or_refused_in_words():
    pixels = np.random.default_rng(8).integers(0, 255, (24, 32, 3), np.uint8)
    refusals = dict.fromkeys(_KINDS, 0)
    for number, kind in enumerate(_KINDS):
        content, random = io.BytesIO(), np.random.default_rng(number)
        Image.fromarray(pixels).save(content, kind)
        for _ in range(_EACH):
            file = io.BytesIO(_mutated(content.getvalue(), random))
            for read in (read_image, image_properties):
                file.seek(0)
                said = None
                try:
                    read(file)
                except UnreadableImageError as err:  # any other error fails this test
                    said = err
                if said is not None:
                    assert said.message.startswith("This file")
                    assert said.hint
                    refusals[kind] += 1
    assert all(refusals.values()), refusals
