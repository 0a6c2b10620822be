import numpy as np
import pytest
from PIL import Image

from core.data import demo_set
from core.data.demo import DEMO_CLASSES, render_pill
from core.data.demo_set import PLANTED, Plant, write_demo_images


@pytest.mark.parametrize("class_name", DEMO_CLASSES)
def test_same_arguments_give_the_same_pixels(class_name):
    first, second = (render_pill(class_name, 3, seed=7, size_px=96) for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_index_seed_and_class_each_change_the_image():
    images = [
        render_pill("good", 0, seed=7, size_px=64),
        render_pill("good", 1, seed=7, size_px=64),
        render_pill("good", 0, seed=8, size_px=64),
        render_pill("crack", 0, seed=7, size_px=64),
    ]
    assert len({image.tobytes() for image in images}) == len(images)


@pytest.mark.parametrize("class_name", DEMO_CLASSES)
@pytest.mark.parametrize("size_px", [33, 128, 300])
def test_image_has_the_asked_size_and_shows_something(class_name, size_px):
    image = render_pill(class_name, 0, size_px=size_px)
    assert (image.mode, image.size) == ("RGB", (size_px, size_px))
    assert np.asarray(image).std() > 10


def test_every_kind_of_pill_and_defect_can_be_drawn():
    # Thirty images of each class meet every mark, background, stain and break.
    for class_name in DEMO_CLASSES:
        for index in range(30):
            assert np.asarray(render_pill(class_name, index, size_px=48)).max() > 90


def test_unknown_class_and_negative_index_are_refused():
    with pytest.raises(ValueError, match="scratch"):
        render_pill("scratch", 0)
    with pytest.raises(ValueError, match=r"non-negative|negative"):
        render_pill("good", -1)


def test_set_is_one_folder_per_class_and_progress_counts_to_the_total(tmp_path):
    steps = []
    paths = write_demo_images(
        tmp_path / "pills",
        per_class=2,
        size_px=64,
        on_progress=lambda done, total: steps.append((done, total)),
    )
    expected = [
        tmp_path / "pills" / name / f"{name}_{number:04d}.jpg"
        for name in DEMO_CLASSES
        for number in (1, 2)
    ]
    assert paths == expected
    # Nothing else, above all no half-written file, is left in the tree.
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == sorted(expected)
    assert steps == [(done, 6) for done in range(1, 7)]
    for path in paths:
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (64, 64))


def test_a_larger_set_starts_with_the_same_files(tmp_path):
    small = write_demo_images(tmp_path / "small", per_class=1, size_px=64)
    write_demo_images(tmp_path / "large", per_class=3, size_px=64)
    for path in small:
        twin = tmp_path / "large" / path.relative_to(tmp_path / "small")
        assert path.read_bytes() == twin.read_bytes()


def test_writing_again_replaces_the_files(tmp_path):
    paths = write_demo_images(tmp_path, per_class=1, seed=1, size_px=64)
    before = [path.read_bytes() for path in paths]
    assert write_demo_images(tmp_path, per_class=1, seed=2, size_px=64) == paths
    assert all(path.read_bytes() != old for path, old in zip(paths, before, strict=True))


def test_the_whole_set_has_a_duplicate_a_crack_among_the_good_and_a_pill_seen_twice(tmp_path):
    write_demo_images(tmp_path, size_px=24)
    files = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*.jpg")}
    assert len(files) == demo_set.DEMO_IMAGES
    first, copy = (files[name].read_bytes() for name in PLANTED[Plant.DUPLICATE])
    assert first == copy
    contents = {path.read_bytes() for path in files.values()}
    assert len(contents) == len(files) - 1
    (mislabeled,) = PLANTED[Plant.MISLABELED]
    crack = render_pill("crack", 150, size_px=24)
    drawn = np.asarray(Image.open(files[mislabeled]), float)
    assert abs(drawn - np.asarray(crack, float)).mean() < 8
    first, again = (np.asarray(Image.open(files[n]), float) for n in PLANTED[Plant.SAME_PART])
    likeness = np.corrcoef(first.ravel(), again.ravel())[0, 1]
    assert 0.9 < likeness < 0.9999
