"""What a person has typed or chosen and not saved yet: a reload keeps it, in the link."""

from pathlib import Path

import pytest

from core.domain.parts import PartHow, part_rule
from core.domain.splits import Subset
from core.evaluation.decisions.outcome import OperatingPoint
from core.workflows.data import splits
from core.workflows.results import thresholds
from core.workflows.signoff import sealing
from core.workspace import Workspace
from pages.ui import state
from pages.ui.places import Place
from tests.conftest import Trained, store_rows
from tests.made import Made, add_model, make_dataset
from tests.ui.conftest import OpenPage
from tests.ui.test_import_page import tree


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
    assert app.query_params["compare_kind"] == "Newly correct"
    app = open_page(Place.COMPARE, made.workspace, **link, compare_kind="Newly correct")
    assert app.segmented_control(key="compare_kind").value == "Newly correct"
    assert app.segmented_control(key="compare_subset").value is Subset.VALIDATION
    assert app.selectbox(key="confidence").value == 0.99
    app.segmented_control(key="compare_kind").set_value(first).run()
    assert "compare_kind" not in app.query_params
    app = open_page(Place.COMPARE, made.workspace, **link, compare_kind="nonsense")
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


def test_evaluate_keeps_the_choices_of_its_tabs(open_page: OpenPage, made: Made) -> None:
    link = {"model": "model-new", "subset": Subset.VALIDATION.value}
    app = open_page(Place.EVALUATE, made.workspace, **link, tab="Errors")
    app.segmented_control(key="errors_kind").set_value("hardest images").run()
    kept = app.query_params["errors_kind"]
    app = open_page(Place.EVALUATE, made.workspace, **link, tab="Errors", errors_kind=kept)
    assert app.segmented_control(key="errors_kind").value == "hardest images"
    app = open_page(Place.EVALUATE, made.workspace, **link, tab="Errors", errors_kind="all")
    assert not app.exception
    assert app.segmented_control(key="errors_kind").value == "most confident mistakes"

    app = open_page(Place.EVALUATE, made.workspace, **link, tab="Confidence")
    name = app.selectbox(key="curve_of").options[-1]
    app.selectbox(key="curve_of").set_value(name).run()
    kept = app.query_params["curve_of"]
    app = open_page(Place.EVALUATE, made.workspace, **link, tab="Confidence", curve_of=kept)
    assert app.selectbox(key="curve_of").value == name

    app = open_page(Place.EVALUATE, made.workspace, **link, tab="Slices")
    app.segmented_control(key="slice_what").set_value("escapes").run()
    kept = app.query_params["slice_what"]
    app = open_page(Place.EVALUATE, made.workspace, **link, tab="Slices", slice_what=kept)
    assert app.segmented_control(key="slice_what").value == "escapes"


def test_predict_keeps_folders_parts_and_tables(open_page: OpenPage, trained: Trained) -> None:
    link = {
        "source": "Folder on the server",
        "batch_folder": "/data/incoming",
        "batch_part": "Pattern in the name",
        "batch_pattern": "(?P<group>part[0-9]+)",
    }
    app = open_page(Place.PREDICT, trained.workspace, **link)
    assert app.text_input(key="batch_folder").value == "/data/incoming"
    assert app.text_input(key="batch_pattern").value == "(?P<group>part[0-9]+)"
    link = {
        "source": "Watched folder",
        "watch_folder": "/data/camera",
        "watch_table": "/data/answers.csv",
        "watch_moves": "true",
        "watch_delimiter": "Semicolon ( ; )",
    }
    app = open_page(Place.PREDICT, trained.workspace, **link)
    (command,) = [code.value for code in app.code]
    assert "/data/camera --out /data/answers.csv --move-to /data/done --delimiter" in command
    app = open_page(Place.PREDICT, trained.workspace, source="nowhere", batch_part="nothing")
    assert not app.exception


def test_an_import_keeps_its_rules_and_its_name_until_it_starts(
    open_page: OpenPage, workspace: Workspace, tmp_path: Path
) -> None:
    folder = str(tree(tmp_path / "set", "crack_1.png", "good_2.png", "good_3.png"))
    link = {
        "folder": folder,
        "labels": "pattern in the path",
        "pattern": "(?P<label>[a-z]+)_[0-9]",
        "leave_out": "crack",
    }
    app = open_page(Place.IMPORT, workspace, **link)
    assert app.text_input(key="pattern").value == link["pattern"]
    assert app.multiselect(key="leave_out").value == ["crack"]
    app.text_input(key="dataset_name").set_value("Lids of May").run()
    assert app.query_params["name"] == "Lids of May"
    app = open_page(Place.IMPORT, workspace, **link, name="Lids of May")
    assert app.text_input(key="dataset_name").value == "Lids of May"
    app.button(key="do_import").click().run()
    assert "name" not in app.query_params
    # Fields of the link outlast the form: the next import left out the same classes.
    assert not any(key in app.session_state for key in ("folder", "pattern", "leave_out"))
    app = open_page(Place.IMPORT, workspace, labels="by the moon", leave_out="x", name="y" * 900)
    assert not app.exception


def test_the_threshold_page_keeps_how_images_of_a_part_are_combined(
    open_page: OpenPage, workspace: Workspace
) -> None:
    add_model(make_dataset(workspace, groups=True), "new", seed=1)
    app = open_page(Place.OPERATING_POINT, workspace, model="model-new")
    app.selectbox(key="combine_model-new").set_value(PartHow.AT_LEAST).run()
    app.number_input(key="combine_model-new_k").set_value(3).run()
    assert app.query_params["parts"] == "3"
    app.number_input(key="combine_model-new_k").set_value(4).run()
    app.query_params["parts"] = "3"  # Back
    app.run()
    assert app.number_input(key="combine_model-new_k").value == 3
    del app.query_params["parts"]  # and once more, to what is saved
    app.run()
    assert app.selectbox(key="combine_model-new").value is PartHow.ANY
    app = open_page(Place.OPERATING_POINT, workspace, model="model-new", parts="3")
    assert app.selectbox(key="combine_model-new").value is PartHow.AT_LEAST
    assert app.number_input(key="combine_model-new_k").value == 3
    app.button(key="save_rule").click().run()
    saved = thresholds.saved_rule(workspace, "new")
    assert saved is not None
    assert saved.point.parts == part_rule("3")
    for broken in ("0", "99999", "100", "most"):
        app = open_page(Place.OPERATING_POINT, workspace, model="model-new", parts=broken)
        assert not app.exception
        assert app.number_input(key="combine_model-new_k").value == 3


def test_a_reload_keeps_how_a_threshold_was_chosen(
    open_page: OpenPage, workspace: Workspace
) -> None:
    add_model(make_dataset(workspace, groups=True), "new", seed=1)
    point = OperatingPoint(0.3, 0.3, parts=part_rule("2"))
    choice = thresholds.ThresholdChoice(point, "escapes at most 1%")
    thresholds.save_rule(workspace, thresholds.load_basis(workspace, "new"), choice)
    link = {"model": "model-new", "reject": "30", "line": "1,1000,500,5,1,10,2"}
    app = open_page(Place.OPERATING_POINT, workspace, **link)
    assert any("Chosen: escapes at most 1%." in item.value for item in app.markdown)
    app = open_page(Place.OPERATING_POINT, workspace, **{**link, "reject": "31"})
    assert any("Chosen: by hand." in item.value for item in app.markdown)


def test_drafts_are_read_as_they_were_written() -> None:
    values = {"a": 0.1, "b": None, "c": True, "d": "50%, x=y\n%2C", "e": 7}
    written = {"a": "0.1", "b": "", "c": "yes", "d": "50%, x=y\n%2C", "e": "7"}
    assert state.read_values(state.written_values(values)) == written
