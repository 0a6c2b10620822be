"""Images with more than 8 bits keep their brightness, whatever the file they are stored in."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from core.data.pixels.images import deep_image, image_properties, read_image
from core.domain.depth import (
    DatasetDepth,
    GrayLevels,
    SampleKind,
    depth_from_json,
    depth_of_images,
    depth_to_json,
    joined_depth,
    levels_from_key,
)
from core.errors import ConfigError, UnreadableImageError

SIDE = 8
# The 8-bit image that every deep one is a twin of: a ramp, so that order can be seen.
RAMP = np.arange(SIDE * SIDE, dtype=np.uint8).reshape(SIDE, SIDE) * 4
BLACK_IS_ZERO, WHITE_IS_ZERO, RGB, CMYK = 1, 0, 2, 5


def _tiff(
    data,
    *,
    bits,
    photometric=BLACK_IS_ZERO,
    sample_format=1,
    channels=1,
    extra=None,
    big=False,
    more=(),
    side=SIDE,
):
    """A TIFF with tags of our choice; Pillow cannot write most of these."""
    order = ">" if big else "<"
    entries = [
        (256, 3, [side]),
        (257, 3, [side]),
        (258, 3, [bits] * channels),
        (259, 3, [1]),
        (262, 3, [photometric]),
        (277, 3, [channels]),
        (278, 3, [side]),
        (279, 4, [len(data)]),
        (339, 3, [sample_format] * channels),
        *([(338, 3, [extra])] if extra is not None else []),
        *more,
    ]
    start = 8 + 2 + 12 * (len(entries) + 1) + 4
    tail = b""
    fields = []
    for tag, kind, values in sorted([*entries, (273, 4, [0])]):
        fields.append((tag, kind, values))
    packed = []
    for tag, kind, values in fields:
        raw = struct.pack(order + {3: "H", 4: "I"}[kind] * len(values), *values)
        packed.append([tag, kind, len(values), raw])
    for item in packed:
        if len(item[3]) > 4:
            place = start + len(tail)
            tail += item[3]
            item[3] = struct.pack(order + "I", place)
    for item in packed:
        if item[0] == 273:
            item[3] = struct.pack(order + "I", start + len(tail))
    ifd = struct.pack(order + "H", len(packed)) + b"".join(
        struct.pack(order + "HHI", *item[:3]) + item[3].ljust(4, b"\0") for item in packed
    )
    head = (b"MM\0*" if big else b"II*\0") + struct.pack(order + "I", 8)
    return head + ifd + struct.pack(order + "I", 0) + tail + data


def _png(values, colour_type, *, key=None):
    """A 16-bit PNG of an array [H, W] or [H, W, C]; Pillow writes only gray ones."""
    height, width = values.shape[:2]
    rows = values.reshape(height, -1).astype(">u2")
    content = b"".join(b"\0" + row.tobytes() for row in rows)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)),
        *([(b"tRNS", struct.pack(f">{len(key)}H", *key))] if key else []),
        (b"IDAT", zlib.compress(content)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


WIDE = RAMP.astype(np.uint16) * 257  # all 16 bits in use
TWELVE = np.round(RAMP * (4095 / 255)).astype(np.uint16)
COLOUR = np.dstack([WIDE, WIDE[::-1], WIDE.T])
OPAQUE = np.full_like(WIDE, 65535)
FLOATS = (RAMP / 255).astype(np.float32)


def _twelve_bits_packed():
    flat = TWELVE.reshape(-1, 2).astype(int)
    triples = [(a >> 4, (a & 15) << 4 | b >> 8, b & 255) for a, b in flat]
    return bytes(value for triple in triples for value in triple)


GRAY_TWINS = {
    "PNG, 16 bits": (_saved(Image.fromarray(WIDE), "PNG"), GrayLevels(0, 65535)),
    "PNG, 12 of 16 bits": (_saved(Image.fromarray(TWELVE), "PNG"), GrayLevels(0, 4095)),
    "TIFF, 16 bits": (_saved(Image.fromarray(WIDE), "TIFF"), GrayLevels(0, 65535)),
    "TIFF, 16 bits, LZW": (
        _saved(Image.fromarray(WIDE), "TIFF", compression="tiff_lzw"),
        GrayLevels(0, 65535),
    ),
    "TIFF, 16 bits, big endian": (
        _tiff(WIDE.astype(">u2").tobytes(), bits=16, big=True),
        GrayLevels(0, 65535),
    ),
    "TIFF, 16 bits, 0 is white": (
        _tiff((65535 - WIDE).astype("<u2").tobytes(), bits=16, photometric=WHITE_IS_ZERO),
        GrayLevels(0, 65535),
    ),
    "TIFF, 12 bits packed": (_tiff(_twelve_bits_packed(), bits=12), GrayLevels(0, 4095)),
    "TIFF, signed 16 bits": (
        _tiff((WIDE.astype(int) - 32768).astype("<i2").tobytes(), bits=16, sample_format=2),
        GrayLevels(-32768, 32767),
    ),
    "TIFF, unsigned 32 bits": (
        _tiff((WIDE.astype(np.uint32) * 65537).astype("<u4").tobytes(), bits=32),
        GrayLevels(0, 2**32 - 1),
    ),
    "TIFF, signed 32 bits": (
        _tiff(
            (RAMP.astype(int) * 1000 - 100_000).astype("<i4").tobytes(), bits=32, sample_format=2
        ),
        GrayLevels(-100_000, 155_000),
    ),
    "TIFF, float": (_saved(Image.fromarray(FLOATS), "TIFF"), GrayLevels(0, 1)),
    "TIFF, float, 0 is white": (
        _tiff((-FLOATS).tobytes(), bits=32, sample_format=3, photometric=WHITE_IS_ZERO),
        GrayLevels(0, 1),
    ),
}


@pytest.mark.parametrize(("content", "levels"), GRAY_TWINS.values(), ids=GRAY_TWINS)
def test_deep_gray_equals_its_8_bit_twin(content, levels):
    # Floats and 32 bits were stretched to the range of each image, so its brightness was lost;
    # 16 bits with white as 0 came out as negatives, and unsigned 32 bits folded over.
    image = read_image(io.BytesIO(content), levels=levels)
    assert image.mode == "L"
    assert np.abs(np.asarray(image, int) - RAMP).max() <= 1
    facts = image_properties(io.BytesIO(content))
    assert facts.mode == "L"
    assert facts.deep is not None
    brightness, _ = facts.deep.measures(levels)
    assert brightness == pytest.approx(RAMP.mean() / 255, abs=0.002)


COLOUR_TWINS = {
    "PNG": _png(COLOUR, 2),
    "PNG with alpha": _png(np.dstack([COLOUR, OPAQUE]), 6),
    "TIFF": _tiff(COLOUR.astype("<u2").tobytes(), bits=16, channels=3, photometric=RGB),
    "TIFF, big endian": _tiff(
        COLOUR.astype(">u2").tobytes(), bits=16, channels=3, photometric=RGB, big=True
    ),
    "TIFF with a fourth channel": _tiff(
        np.dstack([COLOUR, WIDE]).astype("<u2").tobytes(),
        bits=16,
        channels=4,
        photometric=RGB,
        extra=0,
    ),
    "TIFF with alpha": _tiff(
        np.dstack([COLOUR, OPAQUE]).astype("<u2").tobytes(),
        bits=16,
        channels=4,
        photometric=RGB,
        extra=2,
    ),
    "TIFF, premultiplied": _tiff(
        np.dstack([COLOUR // 2, OPAQUE // 2]).astype("<u2").tobytes(),
        bits=16,
        channels=4,
        photometric=RGB,
        extra=1,
    ),
}


@pytest.mark.parametrize("name", COLOUR_TWINS)
@pytest.mark.parametrize("bits", [16, 12])
def test_deep_colour_has_all_its_bits(name, bits):
    # Pillow keeps the high byte alone: 12 bits in 16 were 16 gray levels, nearly black.
    white = 2**bits - 1
    image = read_image(io.BytesIO(COLOUR_TWINS[name]), levels=GrayLevels(0, white))
    assert image.mode == "RGB"
    whole = np.clip(np.round(COLOUR * (255 / white)), 0, 255)
    if name == "TIFF, premultiplied":
        whole = 255 - (255 - whole) * 0.5
    assert np.abs(np.asarray(image, int) - whole).max() <= 1
    dark = COLOUR // 16  # the same scene by a camera with 12 bits
    if name == "PNG":
        image = read_image(io.BytesIO(_png(dark, 2)), levels=GrayLevels(0, 4095))
        assert np.abs(np.asarray(image, int) - COLOUR / 257).max() <= 1


def test_deep_transparency_is_composed_on_white():
    alpha = np.zeros_like(WIDE)
    alpha[: SIDE // 2] = 65535
    for content in (
        _png(np.dstack([WIDE, alpha]), 4),
        _png(np.dstack([WIDE, WIDE, WIDE, alpha]), 6),
    ):
        pixels = np.asarray(read_image(io.BytesIO(content), levels=GrayLevels(0, 65535)), int)
        assert np.abs(pixels[: SIDE // 2, :, 0] - RAMP[: SIDE // 2]).max() <= 1
        assert pixels[SIDE // 2 :].min() == 255
        brightness, _ = deep_image(io.BytesIO(content)).measures(GrayLevels(0, 65535))
        assert brightness == pytest.approx(pixels.mean() / 255, abs=0.005)
    # One gray value or color can mean "transparent" too.
    for content in (_png(WIDE, 0, key=(WIDE[0, 1],)), _png(COLOUR, 2, key=tuple(COLOUR[0, 1]))):
        pixels = np.asarray(read_image(io.BytesIO(content), levels=GrayLevels(0, 65535)), int)
        assert pixels[0, 1].tolist() == [255, 255, 255]
        assert pixels[0, 0, 0] == 0


# Files with 8 bits or less per channel: gray values that must come out, with and without a scale.
PLAIN = {
    "1 bit": (_saved(Image.fromarray(RAMP >= 128), "PNG"), (RAMP >= 128) * 255),
    "1 bit, 0 is white": (
        _tiff(np.packbits(RAMP >= 128, axis=1).tobytes(), bits=1, photometric=WHITE_IS_ZERO),
        (RAMP < 128) * 255,
    ),
    "4 bits": (
        _tiff(
            ((RAMP[:, 0::2] >> 4) << 4 | RAMP[:, 1::2] >> 4).tobytes(),
            bits=4,
        ),
        (RAMP >> 4) * 17,
    ),
    "8 bits, 0 is white": (
        _tiff((255 - RAMP).tobytes(), bits=8, photometric=WHITE_IS_ZERO),
        RAMP,
    ),
    "palette": (_saved(Image.fromarray(RAMP).convert("P"), "PNG"), RAMP),
    "gray and alpha": (_saved(Image.fromarray(RAMP).convert("LA"), "PNG"), RAMP),
    "palette and alpha": (_saved(Image.fromarray(RAMP).convert("P").convert("PA"), "TIFF"), RAMP),
    "color and alpha": (_saved(Image.fromarray(RAMP).convert("RGBA"), "PNG"), RAMP),
    "YCbCr": (_saved(Image.fromarray(RAMP).convert("YCbCr"), "TIFF"), RAMP),
    "CMYK": (_saved(Image.fromarray(RAMP).convert("RGB").convert("CMYK"), "TIFF"), RAMP),
    "CMYK, 16 bits": (
        _tiff(
            np.dstack([65535 - WIDE] * 3 + [0 * WIDE]).astype("<u2").tobytes(),
            bits=16,
            channels=4,
            photometric=CMYK,
        ),
        RAMP,
    ),
}


@pytest.mark.parametrize(("content", "gray"), PLAIN.values(), ids=PLAIN)
def test_images_with_8_bits_are_the_same_with_and_without_a_scale(content, gray):
    image = read_image(io.BytesIO(content))
    assert np.abs(np.asarray(image.convert("L"), int) - gray).max() <= 1
    assert read_image(io.BytesIO(content), levels=GrayLevels(10, 20)).tobytes() == image.tobytes()
    assert deep_image(io.BytesIO(content)) is None


def test_lab_grows_with_its_lightness():
    means = [
        np.asarray(
            read_image(io.BytesIO(_saved(Image.new("LAB", (4, 4), (lightness, 128, 128)), "TIFF")))
        ).mean()
        for lightness in (10, 80, 160, 250)
    ]
    assert means == sorted(set(means))


def test_three_levels_of_a_float_image_stay_apart():
    # All three read as mean 138: each was stretched to its own minimum and maximum.
    contents = []
    for level in (0.1, 0.3, 0.8):
        noise = np.random.default_rng(1).normal(0, 0.01, (32, 32))
        contents.append(_saved(Image.fromarray((level + noise).astype(np.float32)), "TIFF"))
    images = [deep_image(io.BytesIO(content)) for content in contents]
    levels = depth_of_images(images).levels
    assert levels == GrayLevels(0, 1)
    means = [np.asarray(read_image(io.BytesIO(c), levels=levels)).mean() for c in contents]
    assert means == pytest.approx([0.1 * 255, 0.3 * 255, 0.8 * 255], abs=1)


def test_values_that_are_no_numbers_are_black_and_infinite_ones_the_ends():
    values = np.linspace(-3, 7, 100, dtype=np.float32).reshape(10, 10)
    values[0, :3] = np.nan, np.inf, -np.inf
    content = _saved(Image.fromarray(values), "TIFF")
    pixels = np.asarray(read_image(io.BytesIO(content), levels=GrayLevels(-3, 7)))
    assert pixels[0].tolist()[:3] == [0, 255, 0]
    facts = deep_image(io.BytesIO(content))
    assert (facts.least, facts.most) == pytest.approx((values[0, 3], 7))
    nothing = _saved(Image.fromarray(np.full((4, 4), np.nan, np.float32)), "TIFF")
    assert np.asarray(read_image(io.BytesIO(nothing), levels=GrayLevels(0, 1))).max() == 0
    assert image_properties(io.BytesIO(nothing)).brightness == 0


def _whole(least, most, *, bits=None, kind=SampleKind.INTEGER, is_whole=True):
    from core.domain.depth import DeepImage

    return DeepImage(kind, bits, least, most, least, most, is_whole, most / 2, 1.0)


@pytest.mark.parametrize(
    ("images", "black", "white"),
    [
        ([_whole(0, 200)], 0, 255),
        ([_whole(3, 256), _whole(0, 1000)], 0, 1023),
        ([_whole(0, 1024)], 0, 4095),
        ([_whole(0, 4095)], 0, 4095),
        ([_whole(0, 4096)], 0, 16383),
        ([_whole(0, 16384)], 0, 65535),
        ([_whole(0, 900, bits=12)], 0, 4095),  # the file knows better
        ([_whole(0, 900, bits=12), _whole(0, 60_000)], 0, 65535),
        ([_whole(0, 255, kind=SampleKind.FLOAT)], 0, 255),  # 8 bits stored as floats
        ([_whole(0.1, 0.3, kind=SampleKind.FLOAT, is_whole=False)], 0, 1),
        ([_whole(0.001, 0.002, kind=SampleKind.FLOAT, is_whole=False)], 0.001, 0.002),
        ([_whole(-50.5, 120, kind=SampleKind.FLOAT, is_whole=False)], -50.5, 120),
        ([_whole(-1000, 3000)], -1000, 3000),
        ([_whole(20.5, 20.5, kind=SampleKind.FLOAT, is_whole=False)], 20.5, 41),  # nothing to see
    ],
)
def test_the_scale_follows_from_the_bit_depth_or_else_from_the_values(images, black, white):
    levels = depth_of_images(images).levels
    assert (levels.black, levels.white) == pytest.approx((black, white), rel=1e-3)
    # It does not depend on how the images came together.
    parts = [depth_of_images([image]) for image in images]
    joined = DatasetDepth()
    for part in parts:
        joined = joined_depth(joined, part)
    assert joined.levels == levels


def test_dead_pixels_and_single_broken_images_do_not_set_the_scale():
    values = np.random.default_rng(0).uniform(20, 30, (64, 64)).astype(np.float32)
    values[0, 0], values[5, 5] = 1e30, -1e30
    facts = deep_image(io.BytesIO(_saved(Image.fromarray(values), "TIFF")))
    broken = _whole(1e9, 2e9, kind=SampleKind.FLOAT, is_whole=False)
    levels = depth_of_images([facts] * 200 + [broken]).levels
    assert 14 < levels.black < 20 < 30 < levels.white < 36
    assert facts.mean == pytest.approx(25, abs=1)


def test_depth_and_levels_survive_being_stored():
    depth = depth_of_images([_whole(0, 900, bits=12)])
    assert depth_from_json(depth_to_json(depth)) == depth
    assert DatasetDepth().levels is None
    assert levels_from_key(GrayLevels(-0.1, 1e9).key) == GrayLevels(-0.1, 1e9)
    for key in ("", "1_0", "0_nan", "inf_1", "a_b"):
        with pytest.raises(ConfigError):
            levels_from_key(key)


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_an_orientation_that_means_nothing_is_upright(orientation, kind):
    # The size of such a JPEG was stored with width and height exchanged.
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = _saved(Image.new("RGB", (30, 20), (200, 10, 10)), kind, exif=exif)
    facts = image_properties(io.BytesIO(content))
    assert (facts.width, facts.height) == read_image(io.BytesIO(content)).size == (30, 20)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_turned_deep_image_comes_out_like_its_8_bit_twin(orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    values = np.arange(24, dtype=np.uint16).reshape(4, 6) * 2570
    twin = Image.fromarray((values // 257).astype(np.uint8))
    plain = read_image(io.BytesIO(_saved(twin, kind, exif=exif)))
    content = _saved(Image.fromarray(values), kind, exif=exif)
    deep = read_image(io.BytesIO(content), levels=GrayLevels(0, 65535))
    assert np.array_equal(np.asarray(deep), np.asarray(plain))
    facts = image_properties(io.BytesIO(content))
    assert (facts.width, facts.height) == deep.size


def test_a_cut_off_deep_image_is_refused():
    noise = np.random.default_rng(0).integers(0, 65535, (200, 200, 3))
    content = _png(noise.astype(np.uint16), 2)
    with pytest.raises(UnreadableImageError):
        read_image(io.BytesIO(content[: len(content) // 2]), levels=GrayLevels(0, 65535))


def test_a_declared_maximum_counts_if_it_is_a_bit_depth():
    for most, bits in ((4095, 12), (3877, None), (65535, 16), (255, None)):
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[281] = most
        tags.tagtype[281] = 3
        content = _saved(Image.fromarray(TWELVE // 8), "TIFF", tiffinfo=tags)
        assert deep_image(io.BytesIO(content)).bits == bits
