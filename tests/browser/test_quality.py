"""Check, fix and undo in a real browser."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.domain.datasets import LabelSource
from core.domain.findings import FindingKind
from core.domain.splits import Subset
from core.workflows import jobs
from core.workflows.data import datasets, quality
from core.workspace import Workspace
from tests.browser.conftest import App, click, open_page, settled
from tests.core.workflows.data.test_look_alikes import save_check
from tests.core.workflows.data.test_quality import write_parts
from tests.made import make_dataset

pytestmark = pytest.mark.browser
LONG = 120_000


def test_a_finding_is_fixed_in_one_click_and_undone(app: App, page: Page, tmp_path: Path) -> None:
    workspace = Workspace(app.workspace).create()
    source = write_parts(tmp_path / "parts")
    job = datasets.start_import(workspace, source, "Photographs", LabelSource.LAST_FOLDER)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    dataset = datasets.find_dataset(workspace, "Photographs")

    open_page(page, app, f"quality?dataset={dataset.id}")
    click(page, "do_check")
    page.wait_for_selector(".st-key-card_exact_duplicate", timeout=LONG)
    tiles = page.locator(".st-key-card_exact_duplicate .ts-images .tile")
    expect(tiles).to_have_count(2)

    (equal,) = quality.findings(workspace, dataset.id, FindingKind.EXACT_DUPLICATE)
    click(page, f"fix_{equal.id}_0")
    expect(page.locator(".st-key-undo_bar")).to_contain_text("Excluded 1 image")
    expect(page.locator(".st-key-card_exact_duplicate")).to_have_count(0)
    assert datasets.find_dataset(workspace, "Photographs").sample_count == dataset.sample_count - 1

    click(page, "undo_fix")
    expect(page.locator(".st-key-card_exact_duplicate .ts-images .tile")).to_have_count(2)
    expect(page.locator(".st-key-undo_bar")).to_have_count(0)
    assert datasets.find_dataset(workspace, "Photographs").digest == dataset.digest

    # An image opens large, and can be left out from there.
    settled(page)
    tiles.first.click()
    drawer = page.locator('[data-testid="stDialog"]')
    expect(drawer.get_by_text(re.compile("96 × 96"))).to_be_visible()
    click(page, "exclude_one")
    expect(page.locator(".st-key-undo_bar")).to_contain_text("Excluded 1 image")
    expect(page.locator(".st-key-card_exact_duplicate")).to_have_count(0)


def test_look_alikes_are_answered_pair_by_pair_and_for_one_image(
    app: App, page: Page, tmp_path: Path
) -> None:
    workspace = Workspace(app.workspace).create()
    made = make_dataset(workspace, per_subset=8, images=tmp_path / "cells")
    chain = made.ids[Subset.TRAIN].tolist()[:6]
    save_check(made, list(pairwise(chain)))

    def groups() -> list[tuple[int, ...]]:
        found = quality.findings(workspace, "ds-1", FindingKind.NEAR_DUPLICATE)
        return [finding.sample_ids for finding in found]

    (finding,) = quality.findings(workspace, "ds-1", FindingKind.NEAR_DUPLICATE)
    open_page(page, app, "quality?dataset=ds-1")
    click(page, f"pairs_{finding.id}")
    dialog = page.locator('[data-testid="stDialog"]')
    expect(dialog.get_by_text("Pair 1 of 5")).to_be_visible()
    click(page, "pair_next")
    expect(dialog.get_by_text("Pair 2 of 5")).to_be_visible()
    click(page, "pair_different-parts")
    expect(page.locator(".st-key-undo_bar")).to_contain_text("Different parts: 2 images")
    assert groups() == [tuple(chain[:2]), tuple(chain[2:])]

    # One image of the rest is another part than the others.
    settled(page)
    page.locator(".st-key-card_near_duplicate .ts-images .tile").nth(2).click()
    click(page, "apart_one")
    expect(page.locator(".st-key-undo_bar")).to_contain_text("1 image and 3 look-alikes")
    assert groups() == [tuple(chain[:2]), tuple(chain[3:])]
    click(page, "undo_fix")
    expect(page.locator(".st-key-undo_bar")).to_contain_text("Different parts: 2 images")
    assert groups() == [tuple(chain[:2]), tuple(chain[2:])]
