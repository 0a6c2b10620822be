import io
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.data.pixels import preprocess
from core.data.pixels.preprocess import (
    load_pixels,
    normalization_constants,
    placement,
    preprocess_image,
)
from core.domain.configs.choices import Channels, Normalization, ResizeMode
from core.domain.configs.preprocess import PreprocessConfig

WIDE = np.zeros((50, 100, 3), np.uint8)
WIDE[:, :50], WIDE[:, 50:] = (200, 0, 0), (0, 0, 200)


def _pixels(image, **settings):
    return preprocess_image(Image.fromarray(image), PreprocessConfig(image_size_px=64, **settings))


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from(ResizeMode),
    st.sampled_from(Channels),
    st.sampled_from(Normalization),
    st.tuples(st.floats(0, 0.95), st.floats(0, 0.95)),
    st.sampled_from(["L", "RGB"]),
)
@settings(max_examples=80, deadline=None)
def test_any_image_becomes_the_square(width, height, mode, channels, normalization, corner, kind):
    image = Image.new(kind, (width, height), 77 if kind == "L" else (77, 88, 99))
    config = PreprocessConfig(32, mode, channels, normalization, corner[0], corner[1], 1.0, 1.0)
    pixels = preprocess_image(image, config)
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8


def test_stretch_uses_every_pixel():
    pixels = _pixels(WIDE)
    assert pixels[:, 0].tolist() == [[200, 0, 0]] * 64
    assert pixels[:, -1].tolist() == [[0, 0, 200]] * 64


def test_letterbox_keeps_proportions_between_gray_bars():
    pixels = _pixels(WIDE, resize_mode=ResizeMode.LETTERBOX)
    assert np.all(pixels[:16] == 127)
    assert np.all(pixels[48:] == 127)
    assert pixels[32, 0].tolist() == [200, 0, 0]
    assert pixels[32, -1].tolist() == [0, 0, 200]


def test_crop_keeps_the_middle():
    image = WIDE.copy()
    image[:, :20] = 255
    pixels = _pixels(image, resize_mode=ResizeMode.CROP)
    assert pixels.max() <= 210
    assert pixels[32, 2].tolist() == [200, 0, 0]
    assert pixels[32, -2].tolist() == [0, 0, 200]


def test_gray_makes_three_equal_channels():
    pixels = _pixels(WIDE, channels=Channels.GRAY)
    assert np.array_equal(pixels[..., 0], pixels[..., 1])
    assert np.array_equal(pixels[..., 0], pixels[..., 2])
    gray_file = preprocess_image(Image.fromarray(WIDE).convert("L"), PreprocessConfig(64))
    assert np.array_equal(gray_file, pixels)


def test_the_region_is_cut_out_first():
    pixels = _pixels(WIDE, roi_left=0.5, resize_mode=ResizeMode.STRETCH)
    assert np.all(pixels == (0, 0, 200))


def test_a_region_of_a_tiny_image_still_holds_a_pixel_of_it():
    # A region at the far edge of a 1 px image used to lie outside and came out black.
    image = Image.new("RGB", (1, 1), (10, 200, 30))
    config = PreprocessConfig(32, roi_left=0.9, roi_top=0.9)
    assert np.all(preprocess_image(image, config) == (10, 200, 30))


def test_all_channels_stretches_every_channel_to_its_own_range():
    ramp = np.linspace(50, 100, 64).astype(np.uint8)
    image = np.stack(
        [np.tile(ramp, (64, 1)), np.tile(ramp // 2, (64, 1)), np.full((64, 64), 9, np.uint8)], -1
    )
    pixels = _pixels(image, normalization=Normalization.ALL_CHANNELS)
    assert [(pixels[..., c].min(), pixels[..., c].max()) for c in range(3)] == [
        (0, 255),
        (0, 255),
        (0, 0),
    ]


def test_first_channel_stretches_all_by_the_range_of_the_first():
    ramp = np.linspace(50, 100, 64).astype(np.uint8)
    image = np.stack(
        [np.tile(ramp, (64, 1)), np.full((64, 64), 75, np.uint8), np.full((64, 64), 200, np.uint8)],
        -1,
    )
    pixels = _pixels(image, normalization=Normalization.FIRST_CHANNEL)
    assert (pixels[..., 0].min(), pixels[..., 0].max()) == (0, 255)
    assert np.unique(pixels[..., 1]).tolist() == [128]
    assert np.unique(pixels[..., 2]).tolist() == [255]


def test_no_normalization_means_gray_values_between_0_and_1():
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    none = PreprocessConfig(normalization=Normalization.NONE)
    assert normalization_constants(none, mean, std) == ((0.0,) * 3, (1.0,) * 3)
    for other in (Normalization.NETWORK, Normalization.ALL_CHANNELS, Normalization.FIRST_CHANNEL):
        config = PreprocessConfig(normalization=other)
        assert normalization_constants(config, mean, std) == (mean, std)


STRIP = """
import io, resource, sys
from PIL import Image
from core.data.pixels.preprocess import load_pixels
from core.domain.configs.choices import ResizeMode
from core.domain.configs.preprocess import PreprocessConfig
strip = io.BytesIO()
Image.linear_gradient("L").resize((8000, 1)).convert("RGB").save(strip, "PNG")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
load_pixels(strip, PreprocessConfig(resize_mode=ResizeMode.CROP))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured in kilobytes only there")
def test_a_thin_strip_is_cut_before_it_is_resized():
    # Its 8000 x 1 pixels were enlarged to 1,792,000 x 224 first: 1.6 GB.
    measured = subprocess.run([sys.executable, "-c", STRIP], capture_output=True, check=True)
    assert int(measured.stdout) < 50_000  # kilobytes


@pytest.mark.parametrize("size", [(900, 7), (7, 900), (5, 1300), (3000, 11), (1, 700)])
def test_the_cut_of_a_strip_has_the_pixels_of_the_whole(monkeypatch, size):
    noise = np.random.default_rng(2).integers(0, 255, (size[1], size[0], 3), np.uint8)
    whole = _pixels(noise, resize_mode=ResizeMode.CROP).astype(int)
    monkeypatch.setattr(preprocess, "_LARGEST_RESIZED_PX", 0)
    cut = _pixels(noise, resize_mode=ResizeMode.CROP)
    assert np.abs(cut - whole).max() <= 2


def test_images_of_usual_shapes_keep_the_pixels_of_earlier_versions():
    # Up to 40:1 at the usual size, what models were trained on is made exactly as before.
    for width, height in ((4000, 100), (1200, 1600), (30, 900)):
        noise = np.random.default_rng(3).integers(0, 255, (height, width, 3), np.uint8)
        image, scale = Image.fromarray(noise), max(224 / width, 224 / height)
        size = (round(width * scale), round(height * scale))
        resized = image.resize(size, Image.Resampling.BICUBIC)
        left, top = ((224 - side) // 2 for side in size)
        former = Image.new("RGB", (224, 224))
        former.paste(resized, (left, top))
        config = PreprocessConfig(resize_mode=ResizeMode.CROP)
        assert np.array_equal(preprocess_image(image, config), np.asarray(former))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_path_and_an_open_file_give_the_same_pixels(tmp_path, kind):
    noise = np.random.default_rng(1).integers(0, 255, (700, 900, 3), np.uint8)
    path = tmp_path / "picture"
    Image.fromarray(noise).save(path, kind)
    config = PreprocessConfig(96)
    from_path = load_pixels(path, config)
    assert np.array_equal(from_path, load_pixels(io.BytesIO(path.read_bytes()), config))
    with path.open("rb") as file:
        assert np.array_equal(from_path, load_pixels(file, config))


@pytest.mark.parametrize("mode", ResizeMode)
@pytest.mark.parametrize("size", [(90, 60), (60, 91), (640, 480)])
def test_a_heatmap_lies_on_the_pixels_that_the_network_saw(mode, size):
    # A bright spot must be found where the placement says, for every region and every mode.
    width, height = size
    config = PreprocessConfig(64, mode, roi_left=0.1, roi_top=0.2, roi_right=0.9, roi_bottom=0.95)
    x, y, radius = width * 0.45, height * 0.6, max(2.0, width / 40)
    rows, columns = np.ogrid[:height, :width]
    spot = (columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 < radius**2
    pixels = preprocess_image(Image.fromarray((spot * 255).astype(np.uint8)), config)[:, :, 0]
    bright = np.where(pixels > 200, pixels, 0).astype(float)
    row, column = (
        float((bright.sum(axis) * np.arange(64)).sum() / bright.sum()) for axis in (1, 0)
    )
    left, top, right, bottom = placement(size, config).square
    assert (left + (column + 0.5) / 64 * (right - left)) * width == pytest.approx(x, abs=radius)
    assert (top + (row + 0.5) / 64 * (bottom - top)) * height == pytest.approx(y, abs=radius)
    seen = placement(size, config).seen
    assert 0 <= seen[0] < seen[2] <= 1
    assert seen == pytest.approx((0.1, 0.2, 0.9, 0.95), abs=0.3)
