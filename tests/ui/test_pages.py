"""Every page, empty and filled, and what it says when something is wrong."""

import ast
import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.domain.datasets import LabelSource
from core.domain.splits import Subset
from core.store import jobs as job_rows
from core.store.database import connect
from core.worker.launcher import lane_lock
from core.workflows import jobs
from core.workflows.data import datasets, splits
from core.workflows.use import prediction
from core.workspace import ROOT_VARIABLE, Workspace
from pages.ui.places import MENU, Door, Place
from pages.ui.viewer import uploads
from tests.conftest import Trained, copy_of, save_image, write_class_folders
from tests.ui.conftest import OpenPage
from tests.ui.shown_tables import tables

PAGES = Path(__file__).parents[2] / "pages"
# People keep these addresses in bookmarks and documents: none may ever change.
ADDRESSES = {
    "": "home.py",
    "import": "data/import_images.py",
    "datasets": "data/datasets.py",
    "versions": "data/versions.py",
    "quality": "data/quality.py",
    "split": "data/split.py",
    "preprocess": "data/preprocess.py",
    "train": "training/train.py",
    "search": "training/search.py",
    "runs": "training/runs.py",
    "evaluate": "results/evaluate.py",
    "decide": "results/operating_point.py",
    "compare": "results/compare.py",
    "plan": "signoff/plan.py",
    "signoff": "signoff/signoff.py",
    "record": "signoff/record.py",
    "predict": "use/predict.py",
    "models": "use/models.py",
    "health": "use/health.py",
}


def test_every_page_is_declared_and_in_the_menu_once() -> None:
    # Whatever no other module imports is a page; a page that nobody declares opens for nobody.
    files = [path for path in PAGES.rglob("*.py") if path.name != "__init__.py"]
    modules = {".".join(path.relative_to(PAGES.parent).with_suffix("").parts) for path in files}
    importing = [*PAGES.rglob("*.py"), PAGES.parent / "app.py"]
    imported = {name for path in importing for name in _imported(path)}
    pages = modules - imported - {"pages.frame"}
    assert pages == {f"pages.{place[:-3].replace('/', '.')}" for place in Place}
    assert sorted(place for places in MENU.values() for place in places) == sorted(Place)
    assert sorted(MENU) == sorted(Door)


def _imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {name for node in froms for name in (node.module or "", *_members(node))}


def _members(node: ast.ImportFrom) -> list[str]:
    return [f"{node.module}.{alias.name}" for alias in node.names]


def test_no_page_is_named_by_its_path_anywhere_else() -> None:
    paths = [path for path in PAGES.rglob("*.py") if path.name != "places.py"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    assert [place.value for place in Place if f'"{place.value}"' in text] == []


def test_scripts_and_styles_lie_in_files_of_their_own() -> None:
    # They used to be Python strings, where no tool read them.
    script = re.compile(r"addEventListener|document\.|=> ?\{|export default")
    for path in PAGES.rglob("*.py"):
        assert not script.search(path.read_text(encoding="utf-8")), path


def test_every_address_of_the_past_opens_its_page(
    monkeypatch: pytest.MonkeyPatch, workspace: Workspace
) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(workspace.root))
    app = AppTest.from_file(str(PAGES / "frame.py"), default_timeout=60)
    app.run()
    opened = {
        page["url_pathname"]: Path(page["script_path"]).relative_to(PAGES).as_posix()
        for page in app._registered_pages.values()
    }
    assert opened == ADDRESSES


@pytest.mark.parametrize("file", Place)
def test_an_empty_workspace_shows_a_next_step_and_no_error(
    file: str, open_page: OpenPage, workspace: Workspace
) -> None:
    app = open_page(file, workspace)
    assert not app.exception
    assert not app.error
    assert app.title
    # It led to Configure, where there was nothing to train on.
    links = [link.proto.label for link in app.get("page_link")]
    assert "Train a model" not in links
    assert file is not Place.EVALUATE or "Import images" in links


@pytest.mark.parametrize("file", Place)
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

    link = {"model": trained.model.id, "subset": "validation"}
    app = open_page("results/evaluate.py", trained.workspace, **link)
    report = evaluation.evaluation_report(trained.workspace, trained.model.id, Subset.VALIDATION)
    right = round(report.accuracy * report.n)
    counted = f"All {right}" if right == report.n else f"{right} of {report.n}"
    shown = [item.value for item in [*app.header, *app.subheader]]
    assert any(f"{counted} validation images right" in words for words in shown), shown
    app.query_params["tab"] = "Measures"
    table = app.run().dataframe[0].value.set_index("measure")
    assert table.loc["Macro F1", "value"] == f"{report.macro_f1:.3f}"


def test_uploads_of_one_name_are_told_apart_and_a_bad_one_stops_no_other(
    open_page: OpenPage, trained: Trained
) -> None:
    # Three rows of the table were called x.png.
    images = [image.read_bytes() for image in sorted(trained.images.rglob("*.png"))[:3]]
    app = open_page("use/predict.py", trained.workspace, model=trained.model.id)
    files = [("x.png", content, "image/png") for content in [images[0], b"broken", *images[1:]]]
    app.file_uploader(key="pictures_0").set_value(files).run()
    assert not app.exception
    (table,) = tables(app)
    assert table["image"] == ["x.png", "x (2).png", "x (3).png", "x (4).png"]
    assert [error == "" for error in table["error"]] == [True, False, True, True]
    assert [value.endswith("%") for value in table["confidence"]] == [True, False, True, True]
    assert any("1 file could not be read" in warning.value for warning in app.warning)

    # What was dropped stays until somebody clears it; dropping more adds to it.
    app.file_uploader(key="pictures_1").set_value([("y.png", images[0], "image/png")]).run()
    assert len(tables(app)[-1]["image"]) == 5
    app.selectbox(key="upload_part").set_value("pattern").run()
    app.text_input(key="upload_pattern").set_value("(?P<group>[xy])").run()
    labels = [expander.label for expander in app.expander]
    assert any("2 parts" in label for label in labels)
    # The first result stood at 640 px, below the box for files; it is folded now.
    assert "Add images, set the part" in labels
    assert tables(app)[0]["images"] == ["4", "1"]
    app.selectbox(key="upload_part").set_value("none").run()
    (same,) = (u for u in app.session_state["uploads"] if u.name == "y.png")
    assert uploads.find(same.token) is same
    uploads.forget_oldest([same], most_bytes=10)
    app.run()
    assert any("can no longer be opened" in caption.value for caption in app.caption)
    assert len(tables(app)[-1]["image"]) == 5
    # Opening another model classified and recorded all of them again, silently.
    (known,) = same.predictions.values()
    same.predictions, same.content = {"model-other": known}, images[0]
    app.run()
    assert len(tables(app)[-1]["image"]) == 4
    app.button(key="classify_again").click().run()
    assert len(tables(app)[-1]["image"]) == 5
    app.button(key="clear").click().run()
    assert not tables(app)


def test_a_killed_folder_is_opened_again_and_resumed(
    open_page: OpenPage, trained: Trained, tmp_path: Path
) -> None:
    workspace = copy_of(trained.workspace, tmp_path / "copy")
    with lane_lock(workspace, "data"), connect(workspace) as db:
        begun = prediction.start_batch(workspace, trained.model, trained.images / "stripes")
        lost = job_rows.claim(db, "data", owner="me", now=2.0)
        assert lost is not None
        job_rows.mark_interrupted(db, lost, now=3.0)
    app = open_page("use/predict.py", workspace, model=trained.model.id)
    app.segmented_control(key="source").set_value("folder").run()
    app.button(key=f"open_{begun.subject_id}").click().run()
    assert any("Resume continues" in warning.value for warning in app.warning)
    app.button(key="resume").click().run()
    again = jobs.latest(workspace, begun.subject_id)
    assert again is not None
    assert again.attempt == 2
    ended = jobs.wait(workspace, again.id, on_change=lambda _: None)
    assert ended.result["n"] == 20

    # The results were a raw table, without pictures and numbers by class.
    app = open_page("use/predict.py", workspace, model=trained.model.id)
    app.segmented_control(key="source").set_value("history").run()
    app.button(key=f"open_{begun.subject_id}").click().run()
    assert not app.exception
    assert app.segmented_control(key="source").value == "folder"
    assert app.subheader[0].value.startswith("20 images: 20 ")
    table = app.dataframe[0].value
    assert list(table.columns)[:3] == ["image", "class", "confidence"]
    assert table["image"][0] == "000.png"
    (_, rows) = app.session_state["folder_rows"]
    assert rows[0].upload.load() == (trained.images / "stripes" / "000.png").read_bytes()


def test_a_link_to_a_cell_opens_exactly_its_images(open_page: OpenPage, trained: Trained) -> None:
    app = open_page("results/evaluate.py", trained.workspace, model=trained.model.id, cell="0-0")
    assert any(" → " in item.value for item in app.subheader)


@pytest.mark.parametrize("cell", ["9-9", "x", "1-", "-1-0", "0-0-0"])
def test_a_broken_link_to_a_cell_shows_all_errors_instead(
    cell: str, open_page: OpenPage, trained: Trained
) -> None:
    app = open_page("results/evaluate.py", trained.workspace, model=trained.model.id, cell=cell)
    assert not app.exception
    assert any("errors" in item.value.lower() for item in app.subheader)


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


def test_split_names_a_class_that_is_too_small_and_trains_with_its_image(
    open_page: OpenPage, workspace: Workspace, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    root = write_class_folders(tmp_path / "set")
    save_image(root / "only one" / "a.png", [[[1, 2, 3]] * 40] * 40)
    imported(workspace, root, "small")
    app = open_page("data/split.py", workspace)
    app.button(key="do_split").click().run()
    shown = [item.value.replace("\\", "") for item in app.warning]
    assert any("'only one' has 1 image in this split" in text for text in shown)
    assert not app.exception


def test_a_second_split_of_the_same_name_never_overwrites(
    open_page: OpenPage, workspace: Workspace, class_folders
) -> None:  # type: ignore[no-untyped-def]
    dataset = imported(workspace, class_folders, "set")
    first = splits.create_split(workspace, dataset.id, name="mine")
    app = open_page("data/split.py", workspace)
    app.segmented_control(key="split_view").set_value("new").run()
    app.segmented_control(key="split_view").set_value("new").run()
    app.text_input(key=f"split_name_{dataset.id}").set_value("mine").run()
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
    texts = [item.value for item in (*app.header, *app.markdown, *app.caption)]
    named = [value for value in texts if "script" in value]
    assert named
    assert all("\\<script\\>" in value and "\\[x\\]" in value for value in named)


def imported(workspace: Workspace, folder, name: str):  # type: ignore[no-untyped-def]
    job = datasets.start_import(workspace, folder, name, LabelSource.LAST_FOLDER)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    return datasets.find_dataset(workspace, job.subject_id)
