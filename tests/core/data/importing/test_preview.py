import io
import zipfile

import numpy as np
from PIL import Image

from core.data.importing.preview import PREVIEW_PX, preview_pictures
from tests.conftest import save_picture


def test_pictures_of_any_shape_become_squares_and_a_bad_one_is_none(tmp_path):
    save_picture(tmp_path / "wide.png", np.full((100, 400, 3), 200))
    save_picture(tmp_path / "tall.png", np.full((300, 30), 90))
    (tmp_path / "bad.png").write_bytes(b"no picture")
    names = ["wide.png", "tall.png", "bad.png"]
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in names:
            archive.write(tmp_path / name, name)
    for source in (tmp_path, tmp_path / "all.zip"):
        wide, tall, bad = preview_pictures(source, names)
        assert bad is None
        shown = [Image.open(io.BytesIO(picture)) for picture in (wide, tall)]
        assert [image.size for image in shown] == [(PREVIEW_PX, PREVIEW_PX)] * 2
        assert [image.getbbox() for image in shown] == [(0, 90, 240, 150), (108, 0, 132, 240)]
