import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from core.data.importing.preview import PREVIEW_PX, preview_images
from tests.conftest import save_image


def test_images_of_any_shape_become_squares_and_a_bad_one_is_none(tmp_path):
    save_image(tmp_path / "wide.png", np.full((100, 400, 3), 200))
    save_image(tmp_path / "tall.png", np.full((300, 30), 90))
    save_image(tmp_path / "small.png", np.full((60, 30), 90))
    (tmp_path / "bad.png").write_bytes(b"no image")
    names = ["wide.png", "tall.png", "small.png", "bad.png"]
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in names:
            archive.write(tmp_path / name, name)
    for source in (tmp_path, tmp_path / "all.zip"):
        *pictures, bad = preview_images(source, names)
        assert bad is None
        shown = [Image.open(io.BytesIO(image)) for image in pictures]
        assert [image.size for image in shown] == [(PREVIEW_PX, PREVIEW_PX)] * 3
        boxes = [(0, 90, 240, 150), (108, 0, 132, 240), (60, 0, 180, 240)]
        assert [image.getbbox() for image in shown] == boxes


def test_images_with_more_than_8_bits_are_previewed_on_one_scale(tmp_path):
    # Each was stretched to its own range, so that dark and bright ones looked alike.
    names = []
    for level in (300, 1200, 3600):
        values = np.full((8, 8), level, np.uint16)
        values[0, 0] = 0
        names.append(f"{level}.png")
        Image.fromarray(values).save(tmp_path / names[-1])
    means = [
        np.asarray(Image.open(io.BytesIO(small)).convert("LA"), int)[120, 120, 0]
        for small in preview_images(tmp_path, names)
    ]
    assert means == pytest.approx([300 / 4095 * 255, 1200 / 4095 * 255, 3600 / 4095 * 255], abs=1)
