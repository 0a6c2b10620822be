"""The Preprocess page: gray levels of images with more than 8 bits."""

from dataclasses import replace

import pytest

from core.domain.configs.choices import ResizeMode
from core.domain.depth import DatasetDepth, GrayLevels
from core.store import properties
from core.store.database import connect, transaction
from core.workflows.data import datasets
from core.workspace import Workspace
from tests.conftest import store_rows
from tests.ui.conftest import OpenPage

TWELVE_BITS = DatasetDepth(images=4, most=3000.0, high=3000.0)


def _dataset(workspace: Workspace, depth: DatasetDepth) -> str:
    dataset = store_rows(workspace, [0, 1, 0, 1])
    with connect(workspace) as db, transaction(db):
        properties.save_depth(db, dataset.id, depth)
    return dataset.id


def test_gray_levels_are_offered_as_measured_saved_if_changed_and_forgotten(
    workspace: Workspace, open_page: OpenPage
) -> None:
    dataset_id = _dataset(workspace, TWELVE_BITS)
    app = open_page("data/preprocess.py", workspace, dataset=dataset_id)
    black, white = (
        app.number_input(f"pre_{dataset_id}_black_level"),
        app.number_input(f"pre_{dataset_id}_white_level"),
    )
    assert (black.value, white.value) == (0.0, 4095.0)
    assert black.help
    assert white.help
    assert any(c.value == "Measured: 0 to 4,095 (12 bits)." for c in app.caption)
    # An impossible scale is refused in words and cannot be saved.
    white.set_value(-5.0).run()
    assert any("must be above" in error.value for error in app.error)
    app.number_input(f"pre_{dataset_id}_white_level").set_value(3000.0).run()
    app.button("save").click().run()
    assert datasets.find_dataset(workspace, dataset_id).levels == GrayLevels(0, 3000)
    app.button("forget").click().run()
    assert datasets.find_dataset(workspace, dataset_id).levels == GrayLevels(0, 4095)
    shown = open_page("data/datasets.py", workspace, dataset=dataset_id, tab="Settings")
    assert any("4,095 is white (12 bits)" in caption.value for caption in shown.caption)


def test_images_with_8_bits_have_no_gray_levels(workspace: Workspace, open_page: OpenPage) -> None:
    dataset_id = _dataset(workspace, DatasetDepth())
    app = open_page("data/preprocess.py", workspace, dataset=dataset_id)
    assert not any("level" in str(field.label) for field in app.number_input)


def test_a_mix_of_kinds_is_warned_of_where_the_levels_are_set(
    workspace: Workspace, open_page: OpenPage
) -> None:
    mixed = replace(TWELVE_BITS, floats=1, is_whole=False, float_names=("good/f_32.tif",))
    dataset_id = _dataset(workspace, mixed)
    app = open_page("data/preprocess.py", workspace, dataset=dataset_id)
    (warning,) = [w.value.replace("\\", "") for w in app.warning if "more than 8" in w.value]
    assert "1 holds decimal numbers (good/f_32.tif) and the others whole numbers" in warning
    with connect(workspace) as db, transaction(db):
        properties.save_depth(db, dataset_id, TWELVE_BITS)
    app = open_page("data/preprocess.py", workspace, dataset=dataset_id)
    assert not [w for w in app.warning if "more than 8" in w.value]


def test_a_reload_keeps_what_is_not_saved_and_saving_forgets_it(
    workspace: Workspace, open_page: OpenPage
) -> None:
    # The image size jumped back to 224 when the browser reloaded the page.
    dataset_id = _dataset(workspace, TWELVE_BITS)
    app = open_page("data/preprocess.py", workspace, dataset=dataset_id)
    app.number_input(f"pre_{dataset_id}_image_size_px").set_value(320)
    app.selectbox(f"pre_{dataset_id}_resize_mode").set_value(ResizeMode.CROP)
    app.slider(f"pre_{dataset_id}_roi_left").set_value((10, 90)).run()
    link = app.query_params["pixels"]
    app = open_page("data/preprocess.py", workspace, dataset=dataset_id, pixels=link)
    assert app.number_input(f"pre_{dataset_id}_image_size_px").value == 320
    assert app.selectbox(f"pre_{dataset_id}_resize_mode").value == ResizeMode.CROP
    assert app.slider(f"pre_{dataset_id}_roi_left").value == (10, 90)
    assert app.number_input(f"pre_{dataset_id}_white_level").value == 4095.0

    app.button("save").click().run()
    saved = datasets.saved_preprocess(workspace, dataset_id)
    assert saved is not None
    assert (saved.image_size_px, saved.roi_left, saved.roi_right) == (320, 0.1, 0.9)
    assert "pixels" not in app.query_params
    app.number_input(f"pre_{dataset_id}_image_size_px").set_value(480).run()
    assert app.query_params["pixels"] == f"of={dataset_id},image_size_px=480"
    app.button("forget").click().run()
    assert app.number_input(f"pre_{dataset_id}_image_size_px").value == 224
    assert "pixels" not in app.query_params


@pytest.mark.parametrize(
    "draft",
    [
        "of=another,image_size_px=320",  # of another dataset
        "image_size_px=320",
        "of={id},image_size_px=9,channels=blue,colour=red",
        "of={id},image_size_px=nan,white_level=inf,roi_left=,roi_top=0.9,roi_bottom=0.1",
        "of={id}",
        ",=,",
    ],
)
def test_a_draft_that_is_broken_or_of_another_dataset_is_passed_over(
    workspace: Workspace, open_page: OpenPage, draft: str
) -> None:
    dataset_id = _dataset(workspace, TWELVE_BITS)
    link = draft.format(id=dataset_id)
    app = open_page("data/preprocess.py", workspace, dataset=dataset_id, pixels=link)
    assert not app.exception
    assert app.number_input(f"pre_{dataset_id}_image_size_px").value == 224
    assert app.slider(f"pre_{dataset_id}_roi_top").value == (0, 100)
    assert "pixels" not in app.query_params
