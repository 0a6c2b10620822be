"""Every page, empty and filled, and what it says when something is wrong."""

import pytest

from core.domain.datasets import LabelSource
from core.domain.splits import Subset
from core.workflows import jobs
from core.workflows.data import datasets, splits
from core.workspace import Workspace
from tests.conftest import Trained, save_image, write_class_folders
from tests.ui.conftest import OpenPage

PAGES = (
    "home.py",
    "data/import_images.py",
    "data/datasets.py",
    "data/versions.py",
    "data/quality.py",
    "data/split.py",
    "data/preprocess.py",
    "training/train.py",
    "training/runs.py",
    "results/evaluate.py",
    "results/operating_point.py",
    "results/compare.py",
    "signoff/plan.py",
    "signoff/signoff.py",
    "use/predict.py",
    "use/models.py",
)


@pytest.mark.parametrize("file", PAGES)
def test_an_empty_workspace_shows_a_next_step_and_no_error(
    file: str, open_page: OpenPage, workspace: Workspace
) -> None:
    app = open_page(file, workspace)
    assert not app.exception
    assert not app.error
    assert app.title


@pytest.mark.parametrize("file", PAGES)
def test_a_filled_workspace_shows_every_page_without_error(
    file: str, open_page: OpenPage, trained: Trained
) -> None:
    app = open_page(file, trained.workspace)
    assert not app.exception
    assert not app.error


def test_the_evaluation_page_shows_the_numbers_of_the_stored_probabilities(
    open_page: OpenPage, trained: Trained
) -> None:
    from core.workflows.results import evaluation

    app = open_page("results/evaluate.py", trained.workspace, model=trained.model.id)
    report = evaluation.evaluation_report(trained.workspace, trained.model.id, Subset.TEST)
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Images"] == str(report.n)
    assert shown["Macro F1"] == f"{report.macro_f1:.3f}"


def test_a_link_to_a_cell_opens_exactly_its_images(open_page: OpenPage, trained: Trained) -> None:
    app = open_page("results/evaluate.py", trained.workspace, model=trained.model.id, cell="0-0")
    assert any("right: true class" in caption.value for caption in app.caption)


@pytest.mark.parametrize("cell", ["9-9", "x", "1-", "-1-0", "0-0-0"])
def test_a_broken_link_to_a_cell_shows_all_errors_instead(
    cell: str, open_page: OpenPage, trained: Trained
) -> None:
    app = open_page("results/evaluate.py", trained.workspace, model=trained.model.id, cell=cell)
    assert not app.exception
    assert any(item.value == "All errors" for item in app.subheader)


def test_a_link_to_a_deleted_model_says_so(open_page: OpenPage, trained: Trained) -> None:
    app = open_page("results/evaluate.py", trained.workspace, model="model-gone")
    assert any("not there any more" in warning.value for warning in app.warning)


def test_a_folder_that_does_not_exist_is_answered_in_words(
    open_page: OpenPage, workspace: Workspace
) -> None:
    app = open_page("data/import_images.py", workspace)
    app.text_input(key="folder").set_value("/no/such/folder").run()
    assert "does not exist" in app.error[0].value


def test_a_preview_counts_and_a_confirmed_import_stores(
    open_page: OpenPage, workspace: Workspace, class_folders
) -> None:  # type: ignore[no-untyped-def]
    app = open_page("data/import_images.py", workspace)
    app.text_input(key="folder").set_value(str(class_folders)).run()
    assert "18 images" in app.markdown[0].value
    assert not datasets.list_datasets(workspace)
    app.button(key="do_import").click().run()
    job = next(iter(jobs.latest_of_kind(workspace, jobs.JobKind.IMPORT).values()))
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    assert datasets.list_datasets(workspace)[0].sample_count == 18


def test_split_refuses_a_class_that_is_too_small_and_says_what_to_do(
    open_page: OpenPage, workspace: Workspace, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    root = write_class_folders(tmp_path / "set")
    save_image(root / "only one" / "a.png", [[[1, 2, 3]] * 40] * 40)
    imported(workspace, root, "small")
    app = open_page("data/split.py", workspace)
    app.button(key="do_split").click().run()
    assert "only one" in app.error[0].value.replace("\\", "")
    assert "Add images" in app.error[0].value.replace("\\", "")


def test_a_second_split_of_the_same_name_never_overwrites(
    open_page: OpenPage, workspace: Workspace, class_folders
) -> None:  # type: ignore[no-untyped-def]
    dataset = imported(workspace, class_folders, "set")
    first = splits.create_split(workspace, dataset.id, name="mine")
    app = open_page("data/split.py", workspace)
    app.segmented_control(key="split_view").set_value("New split").run()
    app.segmented_control(key="split_view").set_value("New split").run()
    app.text_input(key="split_name").set_value("mine").run()
    app.button(key="do_split").click().run()
    assert "already" in app.error[0].value
    assert [s.id for s in splits.list_splits(workspace, dataset.id)] == [first.id]


HOSTILE = "<script>alert(1)</script> [x](javascript:a) ![i](https://example.com/x) $x^2$ :red[y]"


def test_hostile_names_are_shown_literally(
    open_page: OpenPage, workspace: Workspace, class_folders
) -> None:  # type: ignore[no-untyped-def]
    imported(workspace, class_folders, HOSTILE)
    app = open_page("home.py", workspace)
    assert not app.exception
    texts = [item.value for item in (*app.markdown, *app.caption, *app.success)]
    named = [value for value in texts if "script" in value]
    assert named
    assert all("\\<script\\>" in value and "\\[x\\]" in value for value in named)


def imported(workspace: Workspace, folder, name: str):  # type: ignore[no-untyped-def]
    job = datasets.start_import(workspace, folder, name, LabelSource.LAST_FOLDER)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    return datasets.find_dataset(workspace, job.subject_id)
