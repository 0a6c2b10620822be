import csv
import io
import os
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFilter

from core.data.pixels.images import (
    FORMATS,
    brightness_and_sharpness,
    image_properties,
    read_image,
)
from core.domain.depth import GrayLevels
from core.errors import UnreadableImageError
from tests.real_data import SHARED_DATA

BAD_INPUTS = SHARED_DATA / "bad_inputs"
needs_bad_inputs = pytest.mark.skipif(
    not (BAD_INPUTS / "manifest.csv").exists(),
    reason="the collection of odd images (../shared/data/bad_inputs) is not here",
)

# An image whose four corners differ, so that every turn and mirror can be told apart.
CORNERS = np.zeros((20, 30, 3), np.uint8)
CORNERS[:10, :15], CORNERS[:10, 15:], CORNERS[10:, :15] = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def _encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    buffer.seek(0)
    return buffer


# What a camera that notes this orientation has done to the upright image.
STORED_AS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_turned_photograph_comes_out_upright(orientation, kind):
    upright = Image.fromarray(CORNERS)
    turn = STORED_AS[orientation]
    stored = upright.transpose(turn) if turn is not None else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = read_image(_encoded(stored, kind, exif=exif))
    assert image.size == (30, 20)
    facts = image_properties(_encoded(stored, kind, exif=exif))
    assert (facts.width, facts.height, facts.mode, facts.format) == (30, 20, "RGB", kind)
    pixels = np.asarray(image, int)
    assert np.abs(pixels[2:8, 2:12] - (255, 0, 0)).max() < 60
    assert np.abs(pixels[2:8, 18:28] - (0, 255, 0)).max() < 60
    assert np.abs(pixels[12:18, 2:12] - (0, 0, 255)).max() < 60


def test_without_a_scale_sixteen_bit_gray_is_scaled_linearly_not_cut():
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    for kind in ("PNG", "TIFF"):
        pixels = np.asarray(read_image(_encoded(Image.fromarray(ramp), kind)), int)
        assert np.abs(pixels - ramp / 257).max() <= 1


def test_without_a_scale_float_gray_is_stretched_and_survives_values_that_are_no_numbers():
    values = np.linspace(-3, 7, 100, dtype=np.float32).reshape(10, 10)
    values[0, :3] = np.nan, np.inf, -np.inf
    pixels = np.asarray(read_image(_encoded(Image.fromarray(values), "TIFF")))
    assert pixels[0].tolist()[:3] == [0, 255, 0]
    assert (pixels[-1, -1], pixels[5, 0]) == (
        255,
        int((values[5, 0] - values[0, 3]) / (7 - values[0, 3]) * 255),
    )
    nothing = np.full((4, 4), np.nan, np.float32)
    assert np.asarray(read_image(_encoded(Image.fromarray(nothing), "TIFF"))).max() == 0


def test_one_bit_images_are_black_and_white():
    bits = Image.fromarray(np.tile([[True, False]], (4, 4)))
    assert np.unique(read_image(_encoded(bits))).tolist() == [0, 255]


def test_a_palette_becomes_its_colours():
    palette = Image.fromarray(CORNERS).quantize(4)
    assert palette.mode == "P"
    assert np.array_equal(np.asarray(read_image(_encoded(palette))), CORNERS)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_regions_are_laid_on_white(mode):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:4, :, 3] = 255
    image = Image.fromarray(pixels)
    if mode == "P":
        image = Image.fromarray((pixels[:, :, 3] > 0).astype(np.uint8), "P")
        image.putpalette([9, 9, 9, 0, 0, 0])
        stored = _encoded(image, transparency=0)
    else:
        stored = _encoded(image.convert(mode))
    read = np.asarray(read_image(stored).convert("RGB"))
    assert read[0, 0].tolist() == [0, 0, 0]
    assert read[7, 0].tolist() == [255, 255, 255]


def test_printing_colours_become_screen_colours():
    image = read_image(_encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    assert image.mode == "RGB"
    red, green, blue = np.asarray(image, int).mean((0, 1))
    assert red > 200 > 60 > max(green, blue)


def test_a_cut_off_image_is_refused_not_filled_with_gray():
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    for kind in ("PNG", "JPEG", "TIFF", "BMP"):
        content = _encoded(Image.fromarray(noise), kind).getvalue()
        with pytest.raises(UnreadableImageError, match=r"part\.jpg"):
            read_image(io.BytesIO(content[: len(content) // 2]), name="part.jpg")


def test_a_huge_image_is_refused_before_it_is_decoded():
    small_file = _encoded(Image.new("1", (7072, 7072)))
    # Import and Predict show the message without the hint, so it names the setting itself.
    limit = r"the limit is 50 \(limits\.image_megapixels\)\."
    with pytest.raises(UnreadableImageError, match=rf"has 50\.01 megapixels; {limit}"):
        read_image(small_file)
    small_file = _encoded(Image.new("1", (15_000, 15_000)))
    with pytest.raises(UnreadableImageError, match=rf"has over 178 megapixels; {limit}"):
        read_image(small_file)


def test_text_and_documents_in_disguise_are_refused(tmp_path):
    for number, content in enumerate(
        (
            b"",
            b"hello",
            b"%PDF-1.4",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b"%!PS-Adobe-3.0 EPSF",
        )
    ):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(content)
        with pytest.raises(UnreadableImageError, match=r"\.jpg is not a"):
            read_image(path)


def test_a_missing_file_and_a_folder_are_unreadable(tmp_path):
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(UnreadableImageError):
            read_image(path)


def test_a_draft_decodes_less_but_no_less_than_asked():
    large = _encoded(Image.new("RGB", (1600, 1200), (90, 120, 30)), "JPEG")
    image = read_image(large, draft_px=200)
    assert image.size < (1600, 1200)
    assert min(image.size) >= 200


def _manifest():
    if not (BAD_INPUTS / "manifest.csv").exists():
        return []
    with (BAD_INPUTS / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _read_or_refuse(path, levels=None):
    try:
        return read_image(path, levels=levels)
    except UnreadableImageError as err:
        return err


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("size", [(700, 500), (2300, 90), (256, 100), (2, 300), (1, 1)])
def test_brightness_and_sharpness_are_those_of_the_image_whatever_its_format(kind, size):
    random = np.random.default_rng(3)
    small = Image.fromarray(random.integers(0, 255, (40, 40, 3), np.uint8))
    image = small.resize(size, Image.Resampling.BICUBIC)
    facts = image_properties(_encoded(image, kind, quality=100))
    bright, sharp = brightness_and_sharpness(image)
    assert facts.brightness == pytest.approx(bright, abs=0.01)
    assert facts.sharpness == pytest.approx(sharp, rel=0.1, abs=1.0)


def test_a_blurred_image_is_less_sharp_and_a_dark_one_less_bright():
    pixels = np.random.default_rng(0).integers(0, 255, (200, 300), np.uint8)
    image = Image.fromarray(pixels)
    assert (
        brightness_and_sharpness(image.filter(ImageFilter.GaussianBlur(3)))[1]
        < brightness_and_sharpness(image)[1] / 10
    )
    assert brightness_and_sharpness(Image.fromarray(pixels // 2))[0] == pytest.approx(
        brightness_and_sharpness(image)[0] / 2, abs=0.01
    )
    # The definition, computed plainly.
    v = pixels[::, :250].astype(float)
    laplacian = v[:-2, 1:-1] + v[2:, 1:-1] + v[1:-1, :-2] + v[1:-1, 2:] - 4 * v[1:-1, 1:-1]
    assert brightness_and_sharpness(Image.fromarray(pixels[:, :250]))[1] == pytest.approx(
        laplacian.var(), rel=1e-4
    )


def test_a_cut_off_photograph_has_no_facts():
    # Decoded as a small gray image, a JPEG is still read to its last byte.
    pixels = np.random.default_rng(0).integers(0, 255, (400, 600, 3), np.uint8)
    whole = _encoded(Image.fromarray(pixels), "JPEG").getvalue()
    assert image_properties(io.BytesIO(whole)).width == 600
    for share in (0.3, 0.7, 0.97):
        with pytest.raises(UnreadableImageError):
            image_properties(io.BytesIO(whole[: int(len(whole) * share)]))


@needs_bad_inputs
@pytest.mark.parametrize("row", _manifest(), ids=lambda row: row["file"])
def test_images_that_break_readers_are_read_right_or_refused_in_words(row):
    path = BAD_INPUTS / row["file"]
    readable = row["expected"] != "fails" and row["format"] in (*FORMATS, "MPO")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = _read_or_refuse(path)
    if isinstance(image, UnreadableImageError):
        with pytest.raises(UnreadableImageError):
            image_properties(path)
        assert image.hint
        assert not readable or "megapixels" in image.message
        return
    assert image.mode in ("L", "RGB")
    scaled = _read_or_refuse(path, GrayLevels(0, 65535))
    assert (scaled.mode, scaled.size) == (image.mode, image.size)
    facts = image_properties(path)
    assert (facts.width, facts.height, facts.mode) == (*image.size, image.mode)
    if readable:
        width, height = (int(v) for v in row["size_after_exif_transpose"].split("x"))
        assert image.size == (width, height)
        if row["format"] in ("TIFF", "GIF", "WEBP", "PNG"):
            assert facts.has_more_pages == (int(row["n_frames"]) > 1)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_never_waited_for(tmp_path):
    # Opening a pipe waits for a writer: a prediction of a folder with one never ended.
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    with pytest.raises(UnreadableImageError, match="not a regular file"):
        read_image(pipe)
