"""Parts photographed several times, in a real browser: the warning, and a split that holds."""

import re

import pytest
from playwright.sync_api import Page, expect

from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import LabelSource
from core.domain.jobs import JobStatus
from core.workflows import jobs
from core.workflows.data import datasets, splits
from core.workflows.training import runs
from core.workspace import Workspace
from tests.browser.conftest import App, click, drawn, open_page, settled
from tests.browser.test_quality import store_check
from tests.core.workflows.data.test_quality import write_parts

pytestmark = pytest.mark.browser
LONG = 120_000


@pytest.fixture(scope="module")
def parts(app: App):  # type: ignore[no-untyped-def]
    workspace = Workspace(app.workspace).create()
    root = write_parts(app.workspace.parent / "parts")
    job = datasets.start_import(workspace, root, "Parts", LabelSource.LAST_FOLDER)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    return datasets.find_dataset(workspace, "Parts")


def test_a_grouped_split_shows_zeros_in_green_where_a_random_one_is_warned_of(
    app: App, page: Page, parts
) -> None:  # type: ignore[no-untyped-def]
    open_page(page, app, f"split?dataset={parts.id}")
    expect(page.get_by_text("has not been checked for look-alikes")).to_be_visible()
    page.get_by_role("link", name="Run the quality check").click()
    page.wait_for_selector(".st-key-do_check")

    workspace = Workspace(app.workspace)
    store_check(workspace, parts)
    open_page(page, app, f"split?dataset={parts.id}")
    page.wait_for_selector(".st-key-do_split")
    choose(page, "grouping", "identical files only")
    expect(page.get_by_text("make results look better than they are")).to_be_visible()
    settled(page)
    certificate = page.locator('[data-testid="stAlert"]', has_text="Leak certificate")
    expect(certificate).to_contain_text(re.compile(r"[1-9]\d* groups? of look-alikes"))

    choose(page, "grouping", "look-alikes (from the quality check)")
    green = page.locator('[data-testid="stAlertContentSuccess"]')
    expect(green).to_contain_text("no part, identical file or look-alike")
    settled(page)
    click(page, "do_split")
    page.wait_for_selector(".st-key-to_train")
    expect(green).to_contain_text("no part, identical file or look-alike")
    assert splits.list_splits(workspace, parts.id)[0].certificate.is_clean
    expect(page.locator(".ts-images .tile").first).to_be_visible()


def test_folds_are_trained_together_and_their_mean_is_shown(app: App, page: Page, parts) -> None:  # type: ignore[no-untyped-def]
    workspace = Workspace(app.workspace)
    datasets.save_preprocess(workspace, parts.id, PreprocessConfig(image_size_px=64))
    split = splits.create_split(workspace, parts.id, folds=2, fractions=(0, 0, 0))
    open_page(page, app, f"train?dataset={parts.id}&split={split.id}&set=detail=whole")
    page.wait_for_selector(".st-key-start")
    expect(page.get_by_role("combobox", name="Fold")).to_have_value(
        re.compile("all 2 folds", re.IGNORECASE)
    )
    click(page, "start")
    page.wait_for_url(re.compile("/runs"))
    means = page.locator('[data-testid="stMetricValue"]', has_text="% ±")
    expect(means).to_have_count(2, timeout=LONG)
    views = runs.list_runs(workspace, parts.id)
    assert [v.status for v in views] == [JobStatus.COMPLETED] * 2
    drawn(page, ".st-key-fold_scores .ts-chart")
    points = page.evaluate(
        "document.querySelector('.st-key-fold_scores .ts-chart').data[0].x.length"
    )
    assert points == 2


def test_a_live_theme_change_recolours_a_chart_and_its_table_is_saved_by_keyboard(
    app: App, page: Page, parts
) -> None:  # type: ignore[no-untyped-def]
    splits.create_split(Workspace(app.workspace), parts.id, name="Theme")
    page.emulate_media(color_scheme="light")
    open_page(page, app, f"split?dataset={parts.id}")
    drawn(page, ".ts-chart")
    # Axes and names stayed dark on dark until the page was loaded again.
    ink = "document.querySelector('.ts-chart')._fullLayout.font.color"
    light = page.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{ink} != '{light}'")
    page.get_by_role("button", name="Save chart: Images per class").first.focus()
    page.keyboard.press("Enter")
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    with page.expect_download() as saved:
        page.keyboard.press("Enter")
    assert saved.value.suggested_filename.endswith("side-of-the-split.csv")
    rows = saved.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert rows[0].startswith("class,")
    assert len(rows) == 1 + len(parts.class_names)


def choose(page: Page, key: str, option: str) -> None:
    """Pick an option of a select box."""
    page.locator(f".st-key-{key} input").click()
    page.get_by_role("option", name=option).click()
    settled(page)
