import numpy as np
import pytest
from PIL import Image

from core.data.pixels.thumbnails import THUMBNAIL_PX, thumbnail
from core.errors import UnreadableImageError
from tests.conftest import save_image


def test_a_thumbnail_is_small_and_made_once(tmp_path):
    source = save_image(tmp_path / "a.png", np.full((300, 900, 3), 120))
    made = thumbnail(source, "ab12", tmp_path / "thumbnails")
    source.unlink()
    assert thumbnail(source, "ab12", tmp_path / "thumbnails") == made
    with Image.open(made) as image:
        assert image.size == (THUMBNAIL_PX, 75)
    assert [p.name for p in made.parent.iterdir()] == ["ab12.webp"]


def test_an_unreadable_image_has_none(tmp_path):
    (tmp_path / "a.png").write_bytes(b"broken")
    with pytest.raises(UnreadableImageError):
        thumbnail(tmp_path / "a.png", "ab12", tmp_path)
