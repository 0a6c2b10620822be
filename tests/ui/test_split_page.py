"""Splits by counts and folds, sealed test sets and edits, as a person meets them."""

import json

import pytest

from core.domain.splits import CountedGroups, Grouping, GroupKind, Leaks, SplitMethod
from core.store import splits as split_rows
from core.store.database import connect
from core.workflows.data import splits
from core.workflows.data.split_words import leaks_in_words
from core.workspace import Workspace
from pages.data.split_form import View
from tests.conftest import store_rows
from tests.core.workflows.data.test_splits import add, look, make_parts
from tests.ui.conftest import OpenPage


@pytest.fixture
def parts(workspace: Workspace):  # type: ignore[no-untyped-def]
    dataset = make_parts(workspace)
    look(workspace, dataset)
    return dataset


def test_folds_are_previewed_made_and_filled_into_the_form_again(
    open_page: OpenPage, workspace: Workspace, parts
) -> None:  # type: ignore[no-untyped-def]
    app = open_page("data/split.py", workspace)
    app.segmented_control(key="method").set_value(SplitMethod.FOLDS).run()
    app.number_input(key="folds").set_value(4).run()
    app.selectbox(key="grouping").set_value("attribute:lot").run()
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Folds"] == "4"
    app.button(key="do_split").click().run()
    (split,) = splits.list_splits(workspace, parts.id)
    assert split.folds == 4
    assert split.strategy.grouping == Grouping(GroupKind.ATTRIBUTE, "lot")
    assert any("4 folds" in badge.value for badge in app.markdown)

    app.button(key="like").click().run()
    link = json.loads(app.query_params["form"])
    assert (link["folds"], link["grouping"]) == (4, "attribute:lot")
    assert app.segmented_control(key="method").value == SplitMethod.FOLDS
    assert app.number_input(key="folds").value == 4
    assert app.selectbox(key="grouping").value == "attribute:lot"
    app.button(key="do_split").click().run()
    again = splits.list_splits(workspace, parts.id)[0]
    assert again.digest == split.digest


def test_a_link_fills_the_form_and_what_cannot_be_is_left_out(
    open_page: OpenPage, workspace: Workspace, parts
) -> None:  # type: ignore[no-untyped-def]
    splits.create_split(workspace, parts.id)
    form = {"bounds": [50, 75], "seed": 7, "folds": 900, "method": "provided", "order": 3}
    app = open_page("data/split.py", workspace, view="new", form=json.dumps(form))
    assert not app.exception
    assert app.slider(key="bounds").value == (50, 75)
    assert app.number_input(key="seed").value == 7
    assert app.segmented_control(key="method").value == SplitMethod.FRACTIONS
    assert open_page("data/split.py", workspace, view="new", form="{").exception == []


def test_counts_beyond_the_images_are_answered_in_words(
    open_page: OpenPage, workspace: Workspace, parts
) -> None:  # type: ignore[no-untyped-def]
    app = open_page("data/split.py", workspace)
    app.segmented_control(key="method").set_value(SplitMethod.COUNTS).run()
    app.number_input(key="count_train_False").set_value(4000).run()
    assert any("were asked for" in item.value for item in app.warning)
    app.number_input(key="count_train_False").set_value(40).run()
    app.button(key="do_split").click().run()
    assert not app.exception
    assert splits.list_splits(workspace, parts.id)[0].strategy.counts == (40, 24, 24)


def test_a_test_set_is_sealed_kept_and_given_up_only_knowingly(
    open_page: OpenPage, workspace: Workspace, parts
) -> None:  # type: ignore[no-untyped-def]
    first = splits.create_split(workspace, parts.id, group_by="auto")
    app = open_page("data/split.py", workspace)
    app.button(key="do_seal").click().run()
    app.button(key="do_seal").click()  # a dialog lives as long as its button is pressed here
    app.button(key="seal_now").click().run()
    assert splits.find_split(workspace, parts.id, first.id).sealed

    app.segmented_control(key="split_view").set_value(View.NEW).run()
    assert "sealed" in app.info[0].value
    assert "other versions" in app.info[0].value
    app.slider(key="sealed_bound").set_value(60).run()
    app.button(key="do_split").click().run()
    assert not app.error
    second = splits.list_splits(workspace, parts.id)[0]
    assert second.sealed
    counts = [splits.subset_counts(workspace, parts, s.id)["test"] for s in (first, second)]
    assert counts[0] == counts[1]

    app.button(key="do_delete").click().run()
    assert app.button(key="delete_now").disabled
    app.button(key="do_delete").click()
    app.checkbox(key=f"delete_sealed_{second.id}").check().run()
    app.button(key="do_delete").click()
    app.button(key="delete_now").click().run()
    assert [s.id for s in splits.list_splits(workspace, parts.id)] == [first.id]


def test_images_that_came_after_a_split_are_named_on_its_page(
    open_page: OpenPage, workspace: Workspace, parts
) -> None:  # type: ignore[no-untyped-def]
    splits.create_split(workspace, parts.id)
    add(workspace, parts, 3)
    app = open_page("data/split.py", workspace)
    assert not app.exception
    assert any("**3** added since" in item.value for item in app.warning)
    assert not app.code  # of very many images it takes seconds: it is made when it is looked at
    app.session_state["certificate_text"] = True
    app.run()
    assert json.loads(app.code[0].value)["dataset_version"] == 1


def test_a_split_without_validation_offers_to_make_it_beside_its_test_set(
    open_page: OpenPage, workspace: Workspace, parts
) -> None:  # type: ignore[no-untyped-def]
    # A delivered train/test split could not be trained, and nothing said how to go on.
    ready = splits.create_split(workspace, parts.id, name="ready")
    with connect(workspace) as db:
        db.execute("UPDATE split_members SET subset = 'train' WHERE subset = 'validation'")
        db.execute("UPDATE splits SET train = 0.8, validation = 0.0")
        test = {i for i, s in split_rows.split_members(db, ready.id).items() if s == "test"}
    app = open_page("data/split.py", workspace)
    assert any("has no validation images" in item.value for item in app.warning)
    assert not [b for b in app.button if b.key == "to_train"]
    app.button(key="make_validation").click().run()
    assert app.selectbox(key="keep_test").value == "ready"
    assert {metric.label: metric.value for metric in app.metric}["Test"] == str(len(test))
    app.button(key="do_split").click().run()
    assert not app.exception
    made = splits.list_splits(workspace, parts.id)[0]
    assert made.strategy.keep_test == "ready"
    with connect(workspace) as db:
        members = split_rows.split_members(db, made.id)
    assert {i for i, s in members.items() if s == "test"} == test
    assert "validation" in set(members.values())
    home = open_page("home.py", workspace)
    # Both splits divide look-alikes, so home leads to a better one before it leads to training.
    next_step = home.button(key=f"next_{parts.id}")
    assert next_step.label == "Split the images"
    said = " ".join(item.value.replace("\\", "") for item in home.markdown)
    assert "look-alikes are in more than one subset" in said
    # It opened the leaking split, whose only main button led to training.
    form = next_step.click().run()
    assert form.segmented_control(key="split_view").value == View.NEW


def test_a_leaking_split_leads_to_one_without_leaks_and_names_what_it_shares(
    open_page: OpenPage, workspace: Workspace, parts
) -> None:  # type: ignore[no-untyped-def]
    splits.create_split(workspace, parts.id)
    app = open_page("data/split.py", workspace)
    leaks = splits.list_splits(workspace, parts.id)[0].certificate.leaks
    shared = f"{leaks.groups} parts or groups of look-alikes are in more than one subset"
    assert shared in app.error[0].value
    assert "identical files" not in app.error[0].value  # there are none: it was told as 0
    assert app.button(key="to_train").proto.type == "secondary"
    app.session_state["grouping"] = "none"  # as an earlier split of this tab was made
    app.button(key="make_clean").click().run()
    assert app.segmented_control(key="split_view").value == View.NEW
    app.button(key="do_split").click().run()
    assert not app.exception
    assert splits.list_splits(workspace, parts.id)[0].certificate.is_clean
    assert not [button for button in app.button if button.key == "make_clean"]
    assert app.button(key="to_train").proto.type == "primary"


def test_what_a_split_shares_is_said_in_words() -> None:
    assert leaks_in_words(Leaks(1, 1, 1, CountedGroups.LOOK_ALIKES)) == (
        "1 group of look-alikes is in more than one subset"
    )
    assert leaks_in_words(Leaks(2, 0, 3, CountedGroups.PARTS)) == (
        "2 parts and 3 pairs of look-alikes are in more than one subset"
    )
    assert leaks_in_words(Leaks(files=1)) == "1 set of identical files is in more than one subset"


def test_the_train_page_says_why_a_split_cannot_be_trained(
    open_page: OpenPage, workspace: Workspace, parts
) -> None:  # type: ignore[no-untyped-def]
    splits.create_split(workspace, parts.id)
    with connect(workspace) as db:
        db.execute("UPDATE split_members SET subset = 'train' WHERE subset = 'validation'")
    app = open_page("training/train.py", workspace)
    assert any("has no validation images" in item.value for item in app.error)
    assert not [b for b in app.button if b.key == "start"]


def test_a_class_that_no_subset_tests_is_named(open_page: OpenPage, workspace: Workspace) -> None:
    store_rows(workspace, [0] * 9 + [1] * 9 + [2])
    app = open_page("data/split.py", workspace)
    assert any("'dent'" in item.value and "1 image" in item.value for item in app.warning)
    app.checkbox(key="leave_out_small").set_value(True).run()
    assert any("'dent' has no images in this split" in item.value for item in app.warning)
    assert not app.exception
