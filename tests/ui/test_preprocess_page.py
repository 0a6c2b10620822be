"""The Preprocess page: gray levels of images with more than 8 bits."""

from dataclasses import replace

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
