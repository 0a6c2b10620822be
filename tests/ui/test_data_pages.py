"""The pages on which datasets are looked at and edited."""

import time

import pytest

from core.domain.datasets import Verdict
from core.domain.files import FileCheck
from core.domain.findings import FeatureInsight
from core.domain.signoff import MarkKind
from core.store import properties, quality
from core.store.database import connect, transaction
from core.workflows.data import datasets, edits, splits, versions
from core.workflows.results import evaluation
from core.workspace import Workspace
from tests.conftest import store_rows
from tests.ui.conftest import OpenPage


@pytest.fixture
def rows(workspace: Workspace):  # type: ignore[no-untyped-def]
    return store_rows(workspace, [n % 3 for n in range(90)])


def grid(app, key: str = "pictures"):  # type: ignore[no-untyped-def]
    """What the page remembers of the gallery in view."""
    return app.session_state[f"{key}_pin"]


def test_filters_and_pages_of_the_gallery(open_page: OpenPage, workspace: Workspace, rows) -> None:  # type: ignore[no-untyped-def]
    app = open_page("data/datasets.py", workspace)
    assert (len(grid(app).ids), grid(app).total, len(grid(app).ahead)) == (60, 90, 30)
    app.pills(key="class").set_value("crack").run()
    assert grid(app).total == 30
    app.text_input(key="search").set_value("/1").run()
    assert {s.label for s in datasets.find_samples(workspace, grid(app).ids)} == {1}
    assert grid(app).total == 5  # crack/1, 10, 13, 16, 19
    app.text_input(key="search").set_value("nothing like it").run()
    assert any("No images match" in info.value for info in app.info)
    assert not app.exception
    # A link, or a reload, shows the same.
    marked = grid(open_page("data/datasets.py", workspace)).ids[:2]
    evaluation.mark(workspace, marked, MarkKind.GOLDEN, on=True)
    app = open_page("data/datasets.py", workspace, mark="Golden sample", **{"class": "good"})
    assert not app.exception
    good = {s.id for s in datasets.find_samples(workspace, marked) if s.label == 0}
    assert set(grid(app).ids) == good
    app = open_page("data/datasets.py", workspace, pictures_page="2")
    assert len(grid(app).ids) == 30


def test_the_list_stays_while_its_images_are_relabelled(
    open_page: OpenPage, workspace: Workspace, rows
) -> None:  # type: ignore[no-untyped-def]
    app = open_page("data/datasets.py", workspace)
    app.pills(key="class").set_value("good").run()
    shown = grid(app).ids
    edits.relabel(workspace, rows.id, {shown[0]: 1})
    app.run()
    assert grid(app).ids == shown
    assert any("no longer match" in c.value for c in app.caption)
    app.button(key="pictures_refresh").click().run()
    assert grid(app).ids == shown[1:]
    # What changes the classes themselves makes a new list.
    edits.merge_classes(workspace, rows.id, ["good"], "crack")
    app.run()
    assert grid(app).class_names == ("crack", "dent")


def test_excluded_images_can_be_looked_at(open_page: OpenPage, workspace: Workspace, rows) -> None:  # type: ignore[no-untyped-def]
    edits.exclude(workspace, rows.id, [5, 6])
    app = open_page("data/datasets.py", workspace)
    app.toggle(key="excluded").set_value(True).run()
    assert grid(app).ids == (5, 6)


def said(app) -> str:  # type: ignore[no-untyped-def]
    return "\n".join(item.value for item in app.markdown)


def open_tab(app, name: str):  # type: ignore[no-untyped-def]
    app.session_state["tab"] = name
    return app.run()


def test_without_a_map_the_way_to_the_check_is_shown(
    open_page: OpenPage, workspace: Workspace, rows
) -> None:  # type: ignore[no-untyped-def]
    app = open_tab(open_page("data/datasets.py", workspace), "Map")
    assert any("no map yet" in info.value for info in app.info)
    assert app.button(key="to_quality")


def test_a_selection_on_the_map_shows_exactly_its_images(
    open_page: OpenPage, workspace: Workspace, rows
) -> None:  # type: ignore[no-untyped-def]
    with connect(workspace) as db, transaction(db):
        quality.save_insights(db, [FeatureInsight(n, 0.5, 0, n, n) for n in range(1, 91)])
    app = open_tab(open_page("data/datasets.py", workspace), "Map")
    app.session_state[f"map_{rows.id}"] = {"chosen": {"ids": [3, 4, 80]}}
    app.run()
    assert any("3 selected images" in item.value for item in app.header)
    assert grid(app, "map_pictures").ids == (3, 4, 80)


def test_classes_are_renamed_merged_and_added_as_versions(
    open_page: OpenPage, workspace: Workspace, rows
) -> None:  # type: ignore[no-untyped-def]
    app = open_tab(open_page("data/datasets.py", workspace), "Classes")
    app.selectbox(key=f"rename_from_{rows.id}").set_value("dent")
    app.text_input(key=f"rename_to_{rows.id}").set_value("bump")
    app.button(key="do_rename_class").click().run()
    app.multiselect(key=f"merge_from_{rows.id}").set_value(["crack", "bump"])
    app.text_input(key=f"merge_into_{rows.id}").set_value("fault")
    app.button(key="do_merge_classes").click().run()
    app.text_input(key=f"add_name_{rows.id}").set_value("hole")
    app.button(key="do_add_class").click().run()
    assert not app.exception
    assert datasets.find_dataset(workspace, rows.id).class_names == ("good", "fault", "hole")
    app.text_input(key=f"add_name_{rows.id}").set_value("GOOD")
    app.button(key="do_add_class").click().run()
    assert "already" in app.error[0].value
    app.button(key="undo").click().run()
    assert datasets.find_dataset(workspace, rows.id).class_names == ("good", "fault")


def test_verdicts_take_one_click_each_and_are_saved_once(
    open_page: OpenPage, workspace: Workspace, rows
) -> None:  # type: ignore[no-untyped-def]
    # They were cells of a table: nothing said that they can be edited, or that they were saved.
    app = open_page("data/datasets.py", workspace, dataset=rows.id, back="evaluate")
    app = open_tab(app, "Classes")
    assert "3 of 3 classes have no verdict yet." in said(app)
    assert app.button(key="save_verdicts").disabled
    app.segmented_control(key=f"verdicts_0_{rows.id}_1").set_value(Verdict.OK).run()
    assert "2 of 3 classes have no verdict yet. :gray[Not saved.]" in said(app)
    app.button(key="save_verdicts").click().run()
    assert "**Saved.** 2 of 3 classes have no verdict yet." in said(app)
    assert app.toast[0].value == "Verdicts saved. Still open: crack and dent."
    app.button(key="others_NOK").click().run()
    app.button(key="save_verdicts").click().run()
    assert "**Saved.** Every class has a verdict." in said(app)
    assert not app.exception
    kept = datasets.find_dataset(workspace, rows.id)
    assert kept.verdicts == (Verdict.OK, Verdict.NOK, Verdict.NOK)
    assert kept.version == 3
    assert app.button(key="back_from_verdicts").label == "Back to Evaluate"


def test_statistics_say_what_is_not_measured(
    open_page: OpenPage, workspace: Workspace, rows
) -> None:  # type: ignore[no-untyped-def]
    app = open_tab(open_page("data/datasets.py", workspace), "Statistics")
    assert not app.exception
    assert any("not measured yet" in info.value for info in app.info)


def test_versions_are_listed_compared_undone_and_gone_back_to(
    open_page: OpenPage, workspace: Workspace, rows
) -> None:  # type: ignore[no-untyped-def]
    edits.relabel(workspace, rows.id, {1: 2, 2: 0})
    edits.set_verdicts(workspace, rows.id, {"good": Verdict.OK})
    app = open_page("data/versions.py", workspace)
    said = [item.value for item in app.markdown]
    assert [words.split("version ")[1][0] for words in said if ":gray[version" in words] == list(
        "321"
    )
    app.button(key="changes_2").click().run()
    assert any("**2** relabeled" in item.value for item in app.markdown)
    app.button(key="undo").click().run()
    assert versions.next_undo(workspace, rows.id).number == 2
    app.button(key="restore_1").click().run()
    assert not app.exception
    assert datasets.find_dataset(workspace, rows.id).digest == rows.digest


def test_deleting_a_dataset_says_what_goes_and_an_open_page_says_that_it_is_gone(
    open_page: OpenPage, workspace: Workspace, rows
) -> None:  # type: ignore[no-untyped-def]
    other = store_rows(workspace, [0, 1], dataset_id="ds-other")
    splits.create_split(workspace, rows.id)
    evaluation.mark(workspace, [1, 2], MarkKind.GOLDEN, on=True)
    app = open_tab(open_page("data/datasets.py", workspace, dataset=rows.id), "Settings")
    told = [item.value for item in app.markdown if "Also deletes" in item.value]
    assert told[0].startswith(
        "Also deletes 1 split, 2 marked images and the history of this dataset."
    )
    open_elsewhere = open_page("data/datasets.py", workspace, dataset=rows.id)
    app.button(key="delete").click().run()
    app.button(key="delete").click()
    app.button(key="delete_now").click().run()
    assert [d.id for d in datasets.list_datasets(workspace)] == [other.id]
    # One stood in the settings of the other dataset, in whose field was the name of this one.
    assert app.title[0].value == "Home"
    assert app.info[0].value == "**Rows ds\\-rows** was deleted. It stays in the bin for 30 days."
    settings = open_tab(open_page("data/datasets.py", workspace, dataset=other.id), "Settings")
    assert settings.text_input[0].value == other.name
    link = open_page("data/datasets.py", workspace, dataset=rows.id)
    assert "The dataset **Rows ds\\-rows** of this link was deleted." in link.warning[0].value
    next(b for b in link.button if b.label == "Restore").click().run()
    assert link.title[0].value == "Images"
    assert len(datasets.list_datasets(workspace)) == 2
    next(b for b in app.button if b.label == "Undo").click().run()  # restored already: says so
    assert not app.exception
    assert not app.info
    datasets.delete_dataset(workspace, rows.id)
    open_elsewhere.pills(key="class").set_value("crack").run()
    assert not open_elsewhere.exception
    assert not open_elsewhere.error
    assert any("was deleted" in item.value for item in open_elsewhere.warning)


def test_changed_files_are_shown_with_what_can_be_done(
    open_page: OpenPage, workspace: Workspace, rows
) -> None:  # type: ignore[no-untyped-def]
    app = open_page("data/datasets.py", workspace)
    assert not [b for b in app.button if b.key == "files_leave_out"]
    ids = grid(app).ids
    with connect(workspace) as db:
        check = FileCheck(rows.id, time.time(), (ids[1],), (ids[2],))
        properties.save_file_check(db, check)
    app.run()
    (warning,) = [w for w in app.warning if "changed since the import" in w.value]
    assert "1 file missing" in warning.value
    assert {"files_new_version", "files_leave_out"} <= {b.key for b in app.button}
    edits.exclude(workspace, rows.id, [ids[1], ids[2]])  # answered in another way
    app.run()
    assert not [b for b in app.button if b.key == "files_leave_out"]
    assert not app.exception


def test_the_main_button_of_images_is_the_step_that_comes_next(
    open_page: OpenPage, workspace: Workspace, rows
) -> None:  # type: ignore[no-untyped-def]
    # The mark was at Quality, and the main button said "Next: split".
    app = open_page("data/datasets.py", workspace)
    assert (app.button(key="to_check").label, app.button(key="to_split").label) == (
        "Next: quality",
        "Split",
    )
    splits.create_split(workspace, rows.id)
    app.run()
    assert app.button(key="to_check").label == "Quality"
    assert app.button(key="to_split").label == "Split"
