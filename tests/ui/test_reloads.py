"""What a person has typed or chosen and not saved yet: a reload keeps it, in the link."""

from pathlib import Path

import pytest

from core.domain.splits import Subset
from core.workflows.data import splits
from core.workflows.signoff import sealing
from core.workspace import Workspace
from pages.ui import state
from pages.ui.places import Place
from tests.conftest import Trained, store_rows
from tests.made import Made, add_model, make_dataset
from tests.ui.conftest import OpenPage


@pytest.fixture
def made(workspace: Workspace, tmp_path: Path) -> Made:
    made = make_dataset(workspace, per_subset=24, images=tmp_path / "images")
    add_model(made, "new", seed=5, skill=4.0)
    add_model(made, "present", seed=1, skill=2.0)
    return made


def test_the_name_of_a_run_is_kept_for_its_own_dataset(
    open_page: OpenPage, trained: Trained
) -> None:
    key = f"run_name_{trained.dataset.id}"
    app = open_page(Place.TRAIN, trained.workspace, **{key: "Line 3, new lamp"})
    assert app.text_input(key=key).value == "Line 3, new lamp"
    app = open_page(Place.TRAIN, trained.workspace, run_name_another="Line 3")
    assert app.text_input(key=key).value == ""
    app = open_page(Place.TRAIN, trained.workspace, **{key: "x" * 5000})
    assert not app.exception
    assert len(app.text_input(key=key).value or "") <= 100


def test_the_settings_that_a_search_varies_are_kept(open_page: OpenPage, trained: Trained) -> None:
    chosen = {"search_recipe": "Full", "search_over_full": "Momentum"}
    app = open_page(Place.SEARCH, trained.workspace, **chosen)
    assert app.multiselect(key="search_over_full").value == ["momentum"]
    app = open_page(Place.SEARCH, trained.workspace, search_over_full="Nothing of the kind")
    assert not app.exception


def test_name_and_seal_of_a_split_are_kept_until_it_is_made(
    open_page: OpenPage, workspace: Workspace
) -> None:
    dataset = store_rows(workspace, [0, 1] * 20)
    name, seal = f"split_name_{dataset.id}", f"seal_{dataset.id}"
    app = open_page(Place.SPLIT, workspace)
    app.text_input(key=name).set_value("50%, by lamp").run()
    app.toggle(key=seal).set_value(True).run()
    draft = app.query_params["naming"]
    app = open_page(Place.SPLIT, workspace, naming=draft.replace(dataset.id, "another"))
    assert app.text_input(key=name).value == ""
    assert not app.toggle(key=seal).value
    app = open_page(Place.SPLIT, workspace, naming=draft)
    assert app.text_input(key=name).value == "50%, by lamp"
    assert app.toggle(key=seal).value
    app.button(key="do_split").click().run()
    (split,) = splits.list_splits(workspace, dataset.id)
    assert (split.name, split.sealed) == ("50%, by lamp", True)
    app.segmented_control(key="split_view").set_value("new").run()
    assert app.text_input(key=name).value == ""
    assert "naming" not in app.query_params


def test_compare_keeps_which_images_are_shown(open_page: OpenPage, made: Made) -> None:
    link = {
        "model": "model-new",
        "against": "model-present",
        "compare_subset": Subset.VALIDATION.value,
        "confidence": "99%",
    }
    app = open_page(Place.COMPARE, made.workspace, **link)
    first = app.segmented_control(key="compare_kind").value
    app.segmented_control(key="compare_kind").set_value("Newly correct").run()
    assert first != "Newly correct"
    assert app.query_params["kind"] == "Newly correct"
    app = open_page(Place.COMPARE, made.workspace, **link, kind="Newly correct")
    assert app.segmented_control(key="compare_kind").value == "Newly correct"
    assert app.segmented_control(key="compare_subset").value is Subset.VALIDATION
    assert app.selectbox(key="confidence").value == 0.99
    app.segmented_control(key="compare_kind").set_value(first).run()
    assert "kind" not in app.query_params
    app = open_page(Place.COMPARE, made.workspace, **link, kind="nonsense")
    assert not app.exception
    assert app.segmented_control(key="compare_kind").value == first


def test_the_intended_use_of_a_model_is_kept_until_it_is_saved(
    open_page: OpenPage, made: Made
) -> None:
    words = "Lids of line 3, 100% inspected.\nNot for lids = wet, or dirty."
    link = {"model": "model-new"}
    app = open_page(Place.SIGN_OFF, made.workspace, **link)
    app.text_area(key="use_model-new").set_value(words).run()
    draft = app.query_params["intended"]
    app = open_page(Place.SIGN_OFF, made.workspace, model="model-present", intended=draft)
    assert app.text_area(key="use_model-present").value == ""
    app = open_page(Place.SIGN_OFF, made.workspace, **link, intended=draft)
    assert app.text_area(key="use_model-new").value == words
    app.button(key="save_use").click().run()
    assert sealing.intended_use(made.workspace, "model-new") == words
    assert "intended" not in app.query_params
    # A proxy refuses an address of 40,000 characters, and the page would not open any more.
    app.text_area(key="use_model-new").set_value("ü€" * 1900).run()
    assert not app.exception
    assert "intended" not in app.query_params


def test_the_comparison_and_length_of_a_report_are_kept(open_page: OpenPage, made: Made) -> None:
    link = {"model": "model-new", "form": "Short: two pages", "against_report": "present"}
    app = open_page(Place.SIGN_OFF, made.workspace, **link)
    assert app.segmented_control(key="form").value == "short"
    assert app.selectbox(key="against_report").value == "model-present"


def test_drafts_are_read_as_they_were_written() -> None:
    values = {"a": 0.1, "b": None, "c": True, "d": "50%, x=y\n%2C", "e": 7}
    written = {"a": "0.1", "b": "", "c": "yes", "d": "50%, x=y\n%2C", "e": "7"}
    assert state.read_values(state.written_values(values)) == written
