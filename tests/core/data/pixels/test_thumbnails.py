import hashlib
import os

import numpy as np
import pytest
from PIL import Image

from core.data.pixels import thumbnails
from core.data.pixels.kept import webp_content
from core.data.pixels.thumbnails import THUMBNAIL_PX, thumbnail, view
from core.domain.depth import GrayLevels
from core.domain.files import KnownFile
from core.errors import UnreadableImageError
from tests.conftest import save_image


def known_of(path):
    content = path.read_bytes()
    return KnownFile(str(path), len(content), hashlib.sha256(content).hexdigest(), None)


def test_a_thumbnail_is_small_and_made_once(tmp_path):
    source = save_image(tmp_path / "a.png", np.full((300, 900, 3), 120))
    known = known_of(source)
    made = thumbnail(known, tmp_path / "thumbnails")
    source.unlink()
    assert thumbnail(known, tmp_path / "thumbnails") == made
    with Image.open(made) as image:
        assert image.size == (THUMBNAIL_PX, 75)
    assert [p.name for p in made.parent.iterdir()] == [f"{known.sha256}.webp"]


def test_another_scale_makes_another_thumbnail_and_8_bit_names_stay(tmp_path):
    source = save_image(tmp_path / "a.png", np.full((30, 90, 3), 120))
    known = known_of(source)
    plain = thumbnail(known, tmp_path / "t")
    scaled = thumbnail(known, tmp_path / "t", levels=GrayLevels(0, 4095))
    assert (plain.name, scaled.name) == (
        f"{known.sha256}.webp",
        f"{known.sha256}-0_4095.webp",
    )


def test_a_whole_image_is_shown_with_exactly_its_pixels_and_the_oldest_are_removed(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(thumbnails, "MOST_VIEWS_BYTES", 25_000)
    made = []
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 255, (60, 60, 3))
        source = save_image(tmp_path / f"{number}.png", noise)
        made.append(view(known_of(source), tmp_path / "views"))
        os.utime(made[-1], (number + 1, number + 1))
        with Image.open(made[-1]) as shown:
            assert np.array_equal(np.asarray(shown), noise)
    assert [path.exists() for path in made] == [False, True, True]


@pytest.mark.parametrize("shown", [thumbnail, view])
@pytest.mark.parametrize("first", [0, 100, -60], ids=["start", "middle", "end"])
def test_what_was_damaged_on_disk_is_not_shown_but_made_again(tmp_path, shown, first):
    noise = np.random.default_rng(0).integers(0, 255, (60, 60, 3))
    known = known_of(save_image(tmp_path / "a.png", noise))
    made = shown(known, tmp_path / "shown")
    whole = made.read_bytes()
    damaged = bytearray(whole)
    damaged[first : first + 59] = bytes(59)
    made.write_bytes(damaged)
    assert shown(known, tmp_path / "shown").read_bytes() == whole


def test_a_thumbnail_of_an_earlier_version_stays_where_its_image_is_gone(tmp_path):
    source = save_image(tmp_path / "a.png", np.full((30, 90, 3), 120))
    known = known_of(source)
    made = thumbnail(known, tmp_path / "t")
    made.write_bytes(webp_content(made))  # no checksum behind it
    source.unlink()
    assert thumbnail(known, tmp_path / "t") == made


def test_an_unreadable_image_has_none(tmp_path):
    (tmp_path / "a.png").write_bytes(b"broken")
    with pytest.raises(UnreadableImageError):
        thumbnail(known_of(tmp_path / "a.png"), tmp_path)
