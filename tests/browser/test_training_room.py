"""The training room in a real browser: from a preset to runs beside each other, and a new class."""

import re
from collections.abc import Iterator

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Page, expect

from core.domain.configs.preprocess import PreprocessConfig
from core.domain.jobs import JobStatus
from core.workflows.data import datasets, edits
from core.workflows.training import runs
from core.workflows.use import models
from core.workspace import Workspace
from tests.browser.conftest import App, Begin, click, eventually, open_page, running
from tests.conftest import Trained, copy_of

pytestmark = [pytest.mark.browser, pytest.mark.soak]
LONG = 180_000


@pytest.fixture(scope="module")
def app(
    trained: Trained, tmp_path_factory: pytest.TempPathFactory, begin: Begin, port: int
) -> Iterator[App]:
    root = tmp_path_factory.mktemp("browser") / "workspace"
    workspace = copy_of(trained.workspace, root)
    # Small images: it is the room that is tested.
    datasets.save_preprocess(workspace, trained.dataset.id, PreprocessConfig(image_size_px=64))
    yield from running(root, port, begin)


def status_of(app: App, page: Page) -> JobStatus:
    return runs.find_run(Workspace(app.workspace), opened_run(page)).status


def opened_run(page: Page) -> str:
    page.wait_for_url(re.compile(r"run=run-"))
    return str(re.findall(r"run=(run-\w+)", page.url)[0])


def test_a_run_is_set_up_watched_paused_resumed_and_compared(
    app: App, page: Page, trained: Trained
) -> None:
    open_page(page, app, f"train?dataset={trained.dataset.id}&set=recipe=full,epochs=40")
    page.locator(".st-key-advanced summary").first.click()
    page.locator(".st-key-augmentation summary").click()
    pictures = page.locator(".st-key-augmentation img")
    expect(pictures.first).to_be_visible(timeout=LONG)
    expect(page.get_by_text("Originals, then epochs 1 to")).to_be_visible()
    assert pictures.count() >= 4

    click(page, "start")
    first = opened_run(page)
    expect(page.locator(".st-key-live_matrix .heatmaplayer")).to_be_attached(timeout=LONG)
    expect(page.locator(".st-key-score .scatterlayer")).to_be_attached(timeout=LONG)
    click(page, "pause")
    page.wait_for_selector(".st-key-resume", timeout=LONG)
    assert status_of(app, page) is JobStatus.PAUSED
    click(page, "resume")
    page.wait_for_selector(".st-key-to_evaluate", timeout=LONG)
    assert status_of(app, page) is JobStatus.COMPLETED

    open_page(page, app, f"train?dataset={trained.dataset.id}&set=recipe=full")
    page.locator(".st-key-advanced summary").first.click()
    usual = page.locator(".st-key-set_full_epochs input")
    before = int(usual.input_value())
    page.locator(".st-key-preset").get_by_text("Fast").click()
    expect(usual).not_to_have_value(str(before))
    assert int(usual.input_value()) < before
    click(page, "start")
    page.wait_for_selector(".st-key-to_evaluate", timeout=LONG)
    second = opened_run(page)
    assert second != first
    for run in (first, second):
        box = page.locator(f".st-key-compare_{run} input")
        if not box.is_checked():
            page.locator(f".st-key-compare_{run} label").click()
    chart = page.locator(".st-key-compare_scores .scatterlayer .trace")
    expect(chart).not_to_have_count(0)
    assert chart.count() >= 2


def test_a_search_of_three_trials_ends_with_a_best_one(
    app: App, page: Page, trained: Trained
) -> None:
    open_page(page, app, f"search?dataset={trained.dataset.id}&set=recipe=full,epochs=2")
    trials = page.locator(".st-key-search_trials input")
    trials.fill("3")
    trials.press("Enter")
    click(page, "start_search")
    page.wait_for_url(re.compile("search="))
    expect(page.locator(".st-key-train_best")).to_be_visible(timeout=LONG)
    expect(page.locator(".st-key-delete_search")).to_be_visible(timeout=LONG)  # it has ended
    expect(page.locator(".st-key-search_history .scatterlayer .point")).not_to_have_count(0)


def test_a_new_class_is_refitted_by_one_click(app: App, page: Page, trained: Trained) -> None:
    workspace = Workspace(app.workspace)
    dataset = datasets.find_dataset(workspace, trained.dataset.id)
    edits.add_class(workspace, dataset.id, "spare")
    samples, _ = datasets.samples(workspace, dataset.id)
    some = [sample.id for sample in samples if sample.label == 0][:6]
    edits.relabel(workspace, dataset.id, dict.fromkeys(some, len(dataset.class_names)))
    open_page(page, app, f"runs?run={trained.run.run.id}")
    click(page, "refit")
    page.wait_for_url(lambda url: "run=run-" in url and trained.run.run.id not in url)
    eventually(lambda: status_of(app, page) is JobStatus.COMPLETED)
    made = runs.find_run(workspace, opened_run(page))
    (model,) = [m for m in models.list_models(workspace) if m.run_id == made.run.id]
    assert "spare" in model.class_names
