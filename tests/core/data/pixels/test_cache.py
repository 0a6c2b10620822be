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


def _damaged(cache, damage):
    """Damage rows 1 and 4 on disk; the others stay."""
    match damage:
        case "zeros":
            cache.rows[[1, 4]] = 0
        case "noise":
            cache.rows[[1, 4]] = np.random.default_rng(9).integers(0, 255, cache.rows[:2].shape)
        case "checksums":
            cache.checksums[[1, 4]] = 0
        case "states":
            cache.state[[1, 4]] = 77
    for array in (cache.rows, cache.checksums, cache.state):
        array.flush()


@pytest.mark.parametrize("damage", ["zeros", "noise", "checksums", "states"])
def test_rows_that_were_damaged_on_disk_are_read_again_and_no_others(tmp_path, paths, damage):
    # A run learned from them and said 83 % in place of 67 %; odd states left images out unsaid.
    cache, _ = _fill(tmp_path / "cache", paths)
    before = np.array(cache.rows)
    _damaged(cache, damage)
    for position in (0, 2, 3, 5):
        paths[position].unlink()
    steps = []
    cache, failures = _fill(tmp_path / "cache", paths, steps)
    assert failures == {}
    assert cache.ready.all()
    assert np.array_equal(cache.rows, before)
    assert steps[-1] == (6, 6)
    assert (4, 6) in steps


def test_rows_that_nobody_wants_are_not_compared(tmp_path):
    cache = open_row_cache(tmp_path / "c", (4, 3), np.float32)
    cache.rows[:] = 1
    cache.mark([0, 1, 2], READY)
    cache.rows[[0, 2], 1] = np.nan
    steps = []
    todo = cache.todo(np.array([2, 1, 3]), lambda *at: steps.append(at))
    assert todo.tolist() == [2, 3]
    assert steps == [(2, 3)]
    assert cache.state.tolist() == [READY, READY, MISSING, MISSING]
    assert cache.todo(None, lambda *_: None).tolist() == [0, 2, 3]


@pytest.mark.parametrize(
    "damage",
    ["rows cut", "state empty", "rows gone", "other shape", "header zeroed", "no checksums yet"],
)
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
    elif damage == "header zeroed":  # ended in an error of NumPy
        content = (tmp_path / "c" / "rows.npy").read_bytes()
        (tmp_path / "c" / "rows.npy").write_bytes(content[:20] + bytes(80) + content[100:])
    elif damage == "no checksums yet":  # as earlier versions left it
        (tmp_path / "c" / "checksums.npy").unlink()
    shape = (5, 3) if damage == "other shape" else (4, 3)
    again = open_row_cache(tmp_path / "c", shape, np.float32)
    assert again.rows.shape == shape
    assert not again.ready.any()


def test_a_cache_larger_than_the_disk_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(WorkspaceError, match="free on the disk"):
        open_row_cache(tmp_path / "c", (10**9, 224, 224, 3), np.uint8)
    assert list(tmp_path.iterdir()) == []
