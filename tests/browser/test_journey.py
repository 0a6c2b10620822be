"""The main job in a real browser, on the demo: import, split, train, judge, explain, use."""

import os
import re
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from core.domain.configs.preprocess import PreprocessConfig
from core.domain.jobs import JobStatus, Phase
from core.domain.splits import Subset
from core.workflows.data import datasets
from core.workflows.results import evaluation
from core.workflows.training import runs
from core.workflows.use import models
from core.workspace import Workspace
from pages.ui.places import Place
from tests.browser.conftest import (
    App,
    click,
    close_image,
    drawn,
    eventually,
    open_page,
    run_streamlit,
    running,
    settled,
    show_test_results,
    worker_pids,
)

pytestmark = pytest.mark.browser
LONG = 120_000


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[App]:
    """Started as people do, and so are its workers."""
    yield from running(tmp_path_factory.mktemp("browser") / "workspace", port, run_streamlit)


def test_the_main_job_from_demo_to_prediction(app: App, page: Page) -> None:
    workspace = Workspace(app.workspace)
    open_page(page, app)
    page.wait_for_function("document.querySelectorAll('.st-key-examples img').length > 2")
    assert serious_faults(page) == []  # its pictures had no text for whoever cannot see them
    click(page, "demo")
    page.wait_for_selector(".st-key-to_split", timeout=LONG)
    assert "300 images" in page.inner_text('[data-testid="stMain"]')

    click(page, "to_split")
    page.wait_for_selector(".st-key-do_split")
    click(page, "do_split")
    page.wait_for_selector(".st-key-to_train")
    click(page, "to_train")

    page.wait_for_selector(".st-key-start")
    # One level of detail: comparing them takes as long as all the rest of this test.
    open_page(page, app, f"train?{urlsplit(page.url).query}&set=detail=whole")
    click(page, "start")
    page.wait_for_url(re.compile("/runs"))
    page.wait_for_selector(".st-key-to_evaluate", timeout=LONG)
    # The curve is drawn by our own chart, which must have one point per penalty that was tried.
    drawn(page, ".st-key-penalty_path .ts-chart")
    points = page.evaluate(
        "document.querySelector('.st-key-penalty_path .ts-chart').data[0].x.length"
    )
    run_id = runs.list_runs(workspace)[0].run.id
    assert points == len(runs.penalty_path(workspace, run_id)) > 5

    click(page, "to_evaluate")
    # The first look at the test results is asked for, not slipped in.
    page.wait_for_selector(".ts-chart .heatmaplayer")
    page.locator(".st-key-subset").get_by_text("test", exact=True).click()
    expect(page.get_by_text(re.compile("have not been viewed"))).to_be_visible()
    show_test_results(page)
    expect(page.locator(".st-key-show_test")).to_have_count(0)
    page.wait_for_selector('[class*="st-key-matrix_model"][class*="_test_"] .heatmaplayer')
    settled(page)
    model = models.list_models(workspace)[0]
    report = evaluation.evaluation_report(workspace, model.id, Subset.TEST)
    good = report.class_names.index("good")
    click_cell(page, good, good)
    expect(page.locator(".st-key-gallery_head").get_by_text("correct")).to_be_visible()
    tiles = page.locator(".ts-images .tile")
    expect(tiles).to_have_count(int(report.confusion_matrix[good, good]))

    tiles.first.click()
    dialog = page.locator("dialog.viewer")
    expect(page.locator('dialog.viewer[data-heat="shown"]')).to_be_visible(timeout=LONG)
    expect(dialog.locator(".title")).to_contain_text("Right: good")
    close_image(page)

    open_page(page, app, f"predict?model={model.id}")
    upload = next((app.workspace / "uploads").rglob("crack_*.jpg"))
    broken = app.workspace.parent / "broken.png"
    broken.write_bytes(b"this is no image")
    page.locator('[data-testid="stFileUploader"] input').set_input_files([str(upload), str(broken)])
    expect(page.get_by_text("1 file could not be read")).to_be_visible(timeout=LONG)
    page.locator(".ts-images .tile").last.click()
    expect(page.locator('dialog.viewer[data-heat="shown"]')).to_be_visible(timeout=LONG)
    expect(dialog.locator(".title")).to_contain_text("crack")


def test_a_cold_deep_link_opens_inside_the_frame(app: App, page: Page) -> None:
    # A fresh server once ran a page without its frame when the first request was a deep link.
    app.stop()
    app.start()
    model = models.list_models(Workspace(app.workspace))[0]
    open_page(page, app, f"evaluate?model={model.id}&cell=0-0")
    page.wait_for_selector(".ts-chart .heatmaplayer")
    assert page.locator(".st-key-doors").is_visible()
    expect(page.locator(".st-key-gallery_head").get_by_text("correct")).to_be_visible()


def test_a_cell_can_be_closed_and_opened_again_and_is_in_the_link_with_its_subset(
    app: App, page: Page
) -> None:
    # A second click on the same cell was once no event.
    model = models.list_models(Workspace(app.workspace))[0]
    open_page(page, app, f"evaluate?model={model.id}&subset=validation")
    page.wait_for_selector(".ts-chart .heatmaplayer")
    for _ in range(2):
        settled(page)
        click_cell(page, 0, 0)
        page.wait_for_url(re.compile("cell=0-0"))
        expect(page.locator(".st-key-gallery_head").get_by_text("correct")).to_be_visible()
        click(page, "clear_cell")
        expect(page.get_by_role("heading", name=re.compile("errors"))).to_be_visible()
    assert "subset=validation" in page.url


def test_a_zip_is_uploaded_previewed_and_imported(app: App, page: Page) -> None:
    images = sorted((app.workspace / "uploads").rglob("*_000?.jpg"))
    archive = app.workspace.parent / "few pills.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for image in images:
            file.write(image, f"{image.parent.name}/{image.name}")
    open_page(page, app, "import")
    page.get_by_text("ZIP file", exact=True).click()
    page.locator(".ts-upload input").set_input_files(str(archive))
    expect(page.get_by_text(f"{len(images)} images")).to_be_visible(timeout=LONG)
    click(page, "do_import")
    page.wait_for_selector(".st-key-to_split", timeout=LONG)
    expect(page.get_by_text(f"has {len(images)} images in 3 classes")).to_be_visible()


def test_the_matrix_can_be_read_by_keyboard(app: App, page: Page) -> None:
    model = models.list_models(Workspace(app.workspace))[0]
    open_page(page, app, f"evaluate?model={model.id}")
    page.wait_for_selector(".ts-chart .heatmaplayer")
    page.locator('[class*="st-key-matrix_model"] .ts-chart').focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url(re.compile("cell=0-0"))
    page.keyboard.press("ArrowRight")
    page.wait_for_url(re.compile("cell=0-1"))


def test_training_goes_on_when_the_tab_is_closed_and_is_watched_paused_and_resumed(
    app: App, page: Page
) -> None:
    workspace = Workspace(app.workspace)
    run_id = start_full_training(page, app)
    page.wait_for_selector(".st-key-pause")
    page.goto("about:blank")
    eventually(lambda: steps_of(workspace, run_id) > 2)

    open_page(page, app, f"runs?run={run_id}")
    page.wait_for_selector(".st-key-live_matrix .heatmaplayer", timeout=LONG)
    page.wait_for_selector(".st-key-score .scatterlayer")
    click(page, "pause")
    page.wait_for_selector(".st-key-resume", timeout=LONG)
    assert job_of(workspace, run_id).status is JobStatus.PAUSED

    click(page, "resume")
    page.wait_for_selector(".st-key-stop", timeout=LONG)
    eventually(lambda: steps_of(workspace, run_id) > 5)
    assert job_of(workspace, run_id).attempt == 2


def test_killed_worker_and_app_leave_a_true_state(app: App, page: Page) -> None:
    workspace = Workspace(app.workspace)
    run_id = runs.list_runs(workspace)[0].run.id
    open_page(page, app, f"runs?run={run_id}")
    page.wait_for_selector(".st-key-stop")
    app.kill()  # the training must not notice
    before = steps_of(workspace, run_id)
    eventually(lambda: steps_of(workspace, run_id) > before)
    app.start()

    open_page(page, app, f"runs?run={run_id}")
    page.wait_for_selector(".st-key-stop")
    os.kill(worker_pid(app.workspace), signal.SIGKILL)
    page.wait_for_selector(".st-key-resume", timeout=5_000)
    assert job_of(workspace, run_id).status is JobStatus.INTERRUPTED


def start_full_training(page: Page, app: App) -> str:
    workspace = Workspace(app.workspace)
    dataset = datasets.find_dataset(workspace, "Pill demo")
    # Small images: it is the control of the run that is tested.
    datasets.save_preprocess(workspace, dataset.id, PreprocessConfig(image_size_px=64))
    # Long enough to be stopped, killed and resumed on any machine; it ends if nobody kills it.
    open_page(page, app, f"train?dataset={dataset.id}&set=recipe=full,epochs=100")
    page.wait_for_selector(".st-key-start")
    click(page, "start")
    page.wait_for_url(re.compile(r"run=run-"))
    run_id: str = re.findall(r"run=(run-\w+)", page.url)[0]
    assert runs.find_run(workspace, run_id).run.train.epochs == 100
    return run_id


def click_cell(page: Page, row: int, column: int) -> None:
    """Click the middle of a cell of the confusion matrix."""
    page.mouse.click(*cell_place(page, row, column))


def cell_place(page: Page, row: int, column: int) -> tuple[float, float]:
    """Where the middle of a cell of the confusion matrix is in the window, in pixels."""
    matrix = page.locator('[class*="st-key-matrix_model"] .ts-chart')
    matrix.scroll_into_view_if_needed()
    box = matrix.bounding_box()
    assert box is not None
    at = matrix.evaluate(
        """(el, [r, c]) => { const L = el._fullLayout
        return [L.xaxis.d2p(c) + L.xaxis._offset, L.yaxis.d2p(r) + L.yaxis._offset] }""",
        [row, column],
    )
    return box["x"] + at[0], box["y"] + at[1]


def job_of(workspace: Workspace, run_id: str):  # type: ignore[no-untyped-def]
    job = runs.find_run(workspace, run_id).job
    assert job is not None
    return job


def steps_of(workspace: Workspace, run_id: str) -> int:
    """Training steps that were done; other phases of a run count something else."""
    job = job_of(workspace, run_id)
    return job.done if job.phase == Phase.TRAINING else 0


def worker_pid(workspace: Path) -> int:
    """The training worker of this workspace."""
    found = worker_pids(workspace)
    if found:
        return found[0]
    jobs = [run.job for run in runs.list_runs(Workspace(workspace))]
    logs = [log.read_text()[-2000:] for log in (workspace / "logs").glob("*.log")]
    raise AssertionError(f"no worker is running: {jobs[:2]} {logs}")


def test_no_page_keeps_people_with_disabilities_out(app: App, page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    broken = {}
    for place in Place:
        open_page(page, app, "" if place is Place.HOME else place.url_path)
        settled(page)
        if serious := serious_faults(page):
            broken[place.label] = serious
    assert broken == {}


def serious_faults(page: Page) -> list[str]:
    """The rules of axe-core that this page breaks seriously."""
    violations = Axe().run(page).response["violations"]
    return [item["id"] for item in violations if item["impact"] in ("serious", "critical")]
