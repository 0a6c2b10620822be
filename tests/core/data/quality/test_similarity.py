"""Duplicates, planted and real-looking: found, and not found where there are none."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from core.data.quality import similarity
from core.data.quality.similarity import connected, links_of_equal, near_pairs, neighbour_accuracy
from tests.conftest import save_image
from tests.real_data import SHARED_DATA
from tests.rendered_parts import Design, Look, render_parts

DATA = SHARED_DATA
SILENT = lambda *_: None  # noqa: E731


def _texture(seed):
    noise = np.random.default_rng(seed).normal(0, 1, (160, 160))
    waves = ndimage.gaussian_filter(noise, 3) * 6 + ndimage.gaussian_filter(noise, 9) * 12
    return np.clip(128 + 30 * waves, 30, 225).astype(np.uint8)


def _jpeg(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=40)
    return np.asarray(Image.open(buffer))


CHANGES = {
    "brighter": lambda p: np.clip(p * 1.2, 0, 255).astype(np.uint8),
    "darker": lambda p: np.clip(p * 0.8, 0, 255).astype(np.uint8),
    "half the exposure": lambda p: p // 2,
    "JPEG 40": _jpeg,
    "a corner cut off": lambda p: p[14:, 14:],
    "a little of a corner cut off": lambda p: p[8:, 8:],
    "a side cut off": lambda p: p[:, 14:],
    "the border cut off": lambda p: p[8:-8, 8:-8],
    "more of the border cut off": lambda p: p[12:-12, 12:-12],
}


def _small(pixels):
    image = Image.fromarray(pixels)
    return np.asarray(image.resize((48, 48), Image.Resampling.BOX))


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found_and_other_textures_are_not(change):
    originals = [_texture(seed) for seed in range(40)]
    copies = [CHANGES[change](pixels) for pixels in originals[:20]]
    images = np.stack([_small(pixels) for pixels in originals + copies])
    pairs, likeness = near_pairs(images, on_progress=SILENT)
    found = {tuple(pair) for pair in pairs.tolist()}
    planted = {(number, 40 + number) for number in range(20)}
    assert len(found & planted) >= 19
    assert not found - planted
    assert likeness.min() >= similarity.LIKENESS


def test_cells_of_a_large_set_find_the_same_pairs(monkeypatch):
    images = np.stack([_small(_texture(s)) for s in range(60)] * 2)
    expected, _ = near_pairs(images, on_progress=SILENT)
    monkeypatch.setattr(similarity, "EACH_WITH_EACH", 50)
    found, _ = near_pairs(images, on_progress=SILENT)
    assert found.tolist() == expected.tolist() == [[i, i + 60] for i in range(60)]


def test_images_of_one_kind_of_part_are_no_duplicates():
    # The same mark on every image used to make one group of the whole set.
    random = np.random.default_rng(0)
    rows, columns = np.ogrid[:48, :48]
    disc = np.where((rows - 24) ** 2 + (columns - 24) ** 2 < 200, 200, 60)
    images = np.clip(disc + random.normal(0, 8, (40, 48, 48)), 0, 255).astype(np.uint8)
    pairs, _ = near_pairs(images, on_progress=SILENT)
    assert len(pairs) <= 2


@pytest.mark.parametrize(
    ("design", "seed", "look"),
    [
        (Design.SOLAR_CELL, 1, Look()),
        (Design.CASTING, 2, Look(noise=0.7)),
        (Design.MESH, 3, Look()),  # aliases on small images
        (Design.BOARD, 4, Look(jitter=0.015, turn_deg=1.5)),
    ],
)
def test_different_parts_of_one_design_are_not_joined(design, seed, look):
    # 2,624 different solar cells used to become 201 "parts", the largest of 121 cells.
    made = render_parts(design, 120, seed, side_px=96, look=look)
    pairs, _ = near_pairs(np.stack([_small(image) for image in made.images]), on_progress=SILENT)
    assert len(np.unique(pairs)) <= 2


@pytest.mark.parametrize("frames", [2, 3, 40])
def test_frames_of_one_part_are_found_whatever_the_other_images_are(frames):
    # Held against their neighbours, which were such frames too, they shared nothing of their own:
    # a set of 120 frames of two parts got a green certificate.
    parts = render_parts(Design.GEAR, 61, 5, side_px=96).images
    noise = np.random.default_rng(0).normal(0, 2, (frames, *parts[0].shape))
    shot = np.clip(parts[0] + noise, 0, 255).astype(np.uint8)
    for others in (parts[1:], parts[:0]):
        images = np.stack([_small(image) for image in [*others, *shot]])
        pairs, likeness = near_pairs(images, on_progress=SILENT)
        groups = connected(len(images), pairs)
        assert len(set(groups[len(others) :])) == 1
        assert len(np.unique(groups)) == len(others) + 1
        assert likeness.min() > 0.87


def test_what_is_blank_is_equal_to_nothing():
    shading = np.linspace(60, 180, 48)[:, None] * np.linspace(0.8, 1, 48)  # of every blank plate
    noise = np.random.default_rng(0).normal(0, 0.5, (30, 48, 48))
    pairs, _ = near_pairs(np.round(shading + noise).astype(np.uint8), on_progress=SILENT)
    assert len(pairs) == 0


def test_a_copy_among_parts_of_one_design_is_found():
    made = render_parts(Design.GEAR, 100, 5, side_px=96)
    copies = [CHANGES["half the exposure"](image) for image in made.images[:20]]
    images = np.stack([_small(image) for image in [*made.images, *copies]])
    found = {tuple(pair) for pair in near_pairs(images, on_progress=SILENT)[0].tolist()}
    planted = {(number, 100 + number) for number in range(20)}
    assert len(found & planted) >= 18
    assert len(found - planted) <= 1


def test_neighbours_of_neighbours_make_no_chain():
    # Sixty views, each moved by 3% from the one before, used to be one part.
    wide = ndimage.gaussian_filter(np.random.default_rng(1).normal(0, 1, (160, 460)), 3) * 200
    views = [
        _small(np.clip(128 + wide[:, 5 * n :][:, :160], 0, 255).astype("u1")) for n in range(60)
    ]
    others = [_small(_texture(seed)) for seed in range(40)]
    images = np.stack([*views, *others])
    pairs, _ = near_pairs(images, on_progress=SILENT)
    assert len(pairs) > 0
    assert np.bincount(connected(len(images), pairs)).max() <= 6


@pytest.mark.parametrize("n", [0, 1, 5])
def test_few_or_empty_images_match_nothing(n):
    pairs, likeness = near_pairs(np.full((n, 48, 48), 128, np.uint8), on_progress=SILENT)
    assert pairs.shape == (0, 2)
    assert likeness.shape == (0,)


def test_linked_positions_share_a_group():
    links = links_of_equal(["a", "b", "a", None, None, "b", "a"])
    assert links.tolist() == [[0, 2], [1, 5], [0, 6]]
    numbers = connected(7, links, np.array([[3, 1]]))
    assert numbers[0] == numbers[2] == numbers[6]
    assert numbers[1] == numbers[5] == numbers[3]
    assert len(set(numbers.tolist())) == 3


def test_small_images_are_read_once_and_bad_ones_are_left_out(tmp_path):
    paths = [save_image(tmp_path / f"{i}.png", _texture(i)) for i in range(3)]
    (tmp_path / "1.png").write_bytes(b"broken")
    read = []
    note = lambda phase, done, total: read.append(done)  # noqa: E731
    cache = similarity.small_images(tmp_path / "c", paths, list("abc"), on_progress=note)
    assert cache.ready.tolist() == [True, False, True]
    assert np.array_equal(cache.rows[2], _small(_texture(2)))
    paths[0].unlink()
    read.clear()
    again = similarity.small_images(tmp_path / "c", paths, list("abc"), on_progress=note)
    assert again.ready.tolist() == [True, False, True]
    assert read == [2, 3]  # two were there, only the broken one was tried again


def test_nearest_neighbours_know_the_class_of_a_copy():
    images = np.stack([_small(_texture(s)) for s in range(4)] * 2)
    labels = np.array([0, 1, 0, 1, 0, 1, 0, 0])
    accuracy = neighbour_accuracy(images, labels, np.arange(4), np.arange(4, 8))
    assert accuracy == 0.75


@pytest.mark.skipif(not DATA.is_dir(), reason="the real images (../shared/data) are not here")
@pytest.mark.soak
def test_real_textures_have_nine_identical_pairs_and_hardly_any_near_ones(tmp_path):
    paths = sorted(p for p in (DATA / "x_sdd").rglob("*") if p.suffix in (".jpg", ".png"))
    cache = similarity.small_images(tmp_path, paths, [p.name for p in paths], on_progress=SILENT)
    pairs, likeness = near_pairs(np.asarray(cache.rows), on_progress=SILENT)
    assert (likeness > 0.999).sum() == 9
    assert len(pairs) - 9 <= 0.01 * len(paths)
