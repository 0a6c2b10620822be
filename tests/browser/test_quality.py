"""Check, fix and undo in a real browser."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.domain.datasets import LabelSource
from core.domain.findings import FindingKind
from core.workflows import jobs
from core.workflows.data import datasets, quality
from core.workspace import Workspace
from tests.browser.conftest import App, click, open_page, settled
from tests.core.workflows.data.test_quality import write_parts

pytestmark = pytest.mark.browser
LONG = 120_000


def test_a_finding_is_fixed_in_one_click_and_undone(app: App, page: Page, tmp_path: Path) -> None:
    workspace = Workspace(app.workspace).create()
    source = write_parts(tmp_path / "parts")
    job = datasets.start_import(workspace, source, "Parts", LabelSource.LAST_FOLDER)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    dataset = datasets.find_dataset(workspace, "Parts")

    open_page(page, app, f"quality?dataset={dataset.id}")
    click(page, "do_check")
    page.wait_for_selector(".st-key-card_exact_duplicate", timeout=LONG)
    tiles = page.locator(".st-key-card_exact_duplicate .ts-images .tile")
    expect(tiles).to_have_count(2)

    (equal,) = quality.findings(workspace, dataset.id, FindingKind.EXACT_DUPLICATE)
    click(page, f"fix_{equal.id}_0")
    expect(page.locator(".st-key-undo_bar")).to_contain_text("Excluded 1 image")
    expect(page.locator(".st-key-card_exact_duplicate")).to_have_count(0)
    assert datasets.find_dataset(workspace, "Parts").sample_count == dataset.sample_count - 1

    click(page, "undo_fix")
    expect(page.locator(".st-key-card_exact_duplicate .ts-images .tile")).to_have_count(2)
    expect(page.locator(".st-key-undo_bar")).to_have_count(0)
    assert datasets.find_dataset(workspace, "Parts").digest == dataset.digest

    # An image opens large, and can be left out from there.
    settled(page)
    tiles.first.click()
    drawer = page.locator('[data-testid="stDialog"]')
    expect(drawer.get_by_text(re.compile("96 × 96"))).to_be_visible()
    click(page, "exclude_one")
    expect(page.locator(".st-key-undo_bar")).to_contain_text("Excluded 1 image")
    expect(page.locator(".st-key-card_exact_duplicate")).to_have_count(0)
