from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from core.data.pixels.saved import SavedAs, read_saved_as
from core.data.quality.file_properties import file_property_leaks
from core.domain.datasets import Sample
from core.domain.findings import Severity


def _sample(key, label, file_size, *, suffix="jpg"):
    return Sample(key, f"{key}.{suffix}", f"s{key}", label, 64, 64, "RGB", file_size)


def _sizes_apart():
    """Ninety good files of about 14.5 kB, and ninety cracks of about 18 kB."""
    good = [_sample(i, 0, 14_500 + i) for i in range(90)]
    return good + [_sample(200 + i, 1, 18_000 + 7 * i) for i in range(90)]


def _leaks(samples, saved_as=lambda _: SavedAs()):
    return list(file_property_leaks(samples, ["good", "crack"], ["good", "crack"], saved_as))


def test_a_difference_in_file_size_alone_is_a_note_with_its_range():
    good, crack = _leaks(_sizes_apart())
    assert {good.severity, crack.severity} == {Severity.NOTE}
    assert good.message.startswith(
        "All 90 images with a file size of 14,500 to 14,589 bytes have the class 'good'."
    )
    assert "sees pixels, not file sizes" in good.message
    assert len(good.sample_ids) == len(crack.sample_ids) == 90


def test_files_of_one_size_have_no_range():
    samples = [_sample(i, 0, 14_500) for i in range(40)]
    samples += [_sample(100 + i, 1, 20_000 + i) for i in range(360)]
    assert "a file size of 14,500 bytes have the class 'good'" in _leaks(samples)[0].message


def test_sizes_that_follow_from_the_quality_of_a_class_are_serious():
    quality = {0: 75, 1: 95}
    leaks = _leaks(_sizes_apart(), lambda s: SavedAs(quality[s.label]))
    assert {leak.severity for leak in leaks} == {Severity.SERIOUS}
    assert "All 90 images with JPEG quality 75 have the class 'good'" in leaks[0].message
    equal = _leaks(_sizes_apart(), lambda _: SavedAs(92, "Camera 1"))
    assert {leak.severity for leak in equal} == {Severity.NOTE}


def test_sizes_that_follow_from_the_program_of_a_class_are_serious():
    (edited, others) = _leaks(
        _sizes_apart(), lambda s: SavedAs(92, "Retouch 3" if s.label else None)
    )
    assert edited.severity is others.severity is Severity.SERIOUS
    assert "with program Retouch 3 have the class 'crack'" in edited.message
    assert "with program not named have the class 'good'" in others.message


def test_headers_are_read_only_where_sizes_tell_the_classes_apart():
    random = np.random.default_rng(0)
    samples = [_sample(i, i % 2, int(random.integers(9_000, 90_000))) for i in range(200)]

    def refuse(_):
        pytest.fail("a header was read")

    assert _leaks(samples, refuse) == []


def test_sizes_say_nothing_of_images_that_another_property_gives_away():
    samples = [replace(s, path=f"{s.id}.png") if s.label else s for s in _sizes_apart()]
    assert {leak.severity for leak in _leaks(samples)} == {Severity.SERIOUS}
    assert all("file extension" in leak.message for leak in _leaks(samples))


@pytest.mark.parametrize("quality", [20, 50, 75, 92, 100])
def test_the_quality_of_a_jpeg_is_read_from_its_header(tmp_path, quality):
    exif = Image.Exif()
    exif[0x0131] = "Line  camera\n2.1\x00"
    path = tmp_path / "a.jpg"
    Image.new("RGB", (16, 16)).save(path, quality=quality, exif=exif)
    assert read_saved_as(path) == SavedAs(quality, "Line camera 2.1")


def test_other_files_name_a_program_or_nothing(tmp_path):
    named = PngInfo()
    named.add_text("Software", "Retouch 3")
    Image.new("L", (8, 8)).save(tmp_path / "a.png", pnginfo=named)
    Image.new("L", (8, 8)).save(tmp_path / "b.bmp")
    (tmp_path / "c.jpg").write_bytes(b"\xff\xd8\xff no image")
    assert read_saved_as(tmp_path / "a.png") == SavedAs(None, "Retouch 3")
    for name in ("b.bmp", "c.jpg", "missing.jpg"):
        assert read_saved_as(tmp_path / name) == SavedAs()
