import numpy as np
import pytest

from core.data.pixels.cache import FAILED, MISSING, READY, fill_pixels, open_row_cache, pixel_cache
from core.data.pixels.preprocess import load_pixels
from core.domain.configs.preprocess import PreprocessConfig
from core.errors import WorkspaceError
from tests.conftest import save_image

CONFIG = PreprocessConfig(32)


@pytest.fixture
def paths(tmp_path):
    random = np.random.default_rng(0)
    return [
        save_image(tmp_path / f"{n}.png", random.integers(0, 255, (40, 50, 3))) for n in range(6)
    ]


def _fill(folder, paths, steps=None):
    cache = pixel_cache(folder, paths, CONFIG, key="ds-1")
    note = (lambda *at: steps.append(at)) if steps is not None else (lambda *_: None)
    return cache, fill_pixels(cache, paths, CONFIG, on_progress=note)


def test_every_row_holds_the_pixels_of_its_image(tmp_path, paths):
    steps = []
    cache, failures = _fill(tmp_path / "cache", paths, steps)
    assert failures == {}
    assert cache.ready.all()
    for row, path in zip(cache.rows, paths, strict=True):
        assert np.array_equal(row, load_pixels(path, CONFIG))
    assert (steps[0], steps[-1]) == ((0, 6), (6, 6))


def test_a_second_run_decodes_nothing(tmp_path, paths):
    first, _ = _fill(tmp_path / "cache", paths)
    pixels = np.array(first.rows)
    for path in paths:
        path.unlink()
    cache, failures = _fill(tmp_path / "cache", paths)
    assert failures == {}
    assert np.array_equal(cache.rows, pixels)


def test_a_killed_filling_goes_on_where_it_was(tmp_path, paths):
    cache, _ = _fill(tmp_path / "cache", paths)
    cache.rows[2] = 0
    cache.rows[4] = 7
    cache.mark([2, 4], MISSING)
    paths[0].unlink()  # ready rows are not read again
    steps = []
    cache, failures = _fill(tmp_path / "cache", paths, steps)
    assert failures == {}
    assert steps[0] == (4, 6)
    assert np.array_equal(cache.rows[2], load_pixels(paths[2], CONFIG))
    assert np.array_equal(cache.rows[4], load_pixels(paths[4], CONFIG))


def test_a_failed_image_is_marked_told_and_tried_again_next_time(tmp_path, paths):
    good = paths[3].read_bytes()
    paths[3].write_bytes(b"broken")
    cache, failures = _fill(tmp_path / "cache", paths)
    assert list(failures) == [3]
    assert "3.png" in failures[3]
    assert cache.state.tolist() == [READY] * 3 + [FAILED] + [READY] * 2
    assert cache.ready.sum() == 5
    paths[3].write_bytes(good)
    cache, failures = _fill(tmp_path / "cache", paths)
    assert failures == {}
    assert cache.ready.all()


def test_other_settings_have_their_own_cache(tmp_path, paths):
    first, _ = _fill(tmp_path / "cache", paths)
    other = pixel_cache(tmp_path / "cache", paths, PreprocessConfig(48), key="ds-1")
    assert other.folder != first.folder
    assert first.ready.all()
    assert not other.ready.any()


@pytest.mark.parametrize("damage", ["rows cut", "state empty", "rows gone", "other shape"])
def test_a_damaged_cache_is_made_anew(tmp_path, damage):
    cache = open_row_cache(tmp_path / "c", (4, 3), np.float32)
    cache.mark([0, 1], READY)
    del cache
    if damage == "rows cut":
        (tmp_path / "c" / "rows.npy").write_bytes((tmp_path / "c" / "rows.npy").read_bytes()[:-8])
    elif damage == "state empty":
        (tmp_path / "c" / "state.npy").write_bytes(b"")
    elif damage == "rows gone":
        (tmp_path / "c" / "rows.npy").unlink()
    shape = (5, 3) if damage == "other shape" else (4, 3)
    again = open_row_cache(tmp_path / "c", shape, np.float32)
    assert again.rows.shape == shape
    assert not again.ready.any()


def test_a_cache_larger_than_the_disk_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(WorkspaceError, match="free on the disk"):
        open_row_cache(tmp_path / "c", (10**9, 224, 224, 3), np.uint8)
    assert list(tmp_path.iterdir()) == []
