"""Check, compare, fix and undo in a real browser, by mouse and by keyboard."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.data.quality.findings import all_findings
from core.domain.datasets import Dataset, LabelSource
from core.domain.findings import FindingKind, QualityCheck
from core.domain.splits import Subset
from core.store import datasets as dataset_rows
from core.store import quality as check_rows
from core.store.database import connect, transaction
from core.workflows import jobs
from core.workflows.data import datasets, quality
from core.workspace import Workspace
from tests.browser.conftest import App, eventually, open_page
from tests.core.workflows.data.test_look_alikes import save_check
from tests.core.workflows.data.test_quality import write_parts
from tests.made import make_dataset

pytestmark = pytest.mark.browser
LONG = 120_000
COPIES = "[data-kind=exact_duplicate] .card"


def test_a_finding_is_fixed_in_one_click_and_undone_in_its_message(
    app: App, page: Page, tmp_path: Path
) -> None:
    workspace = Workspace(app.workspace).create()
    source = write_parts(tmp_path / "parts")
    job = datasets.start_import(workspace, source, "Photographs", LabelSource.LAST_FOLDER)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    dataset = datasets.find_dataset(workspace, "Photographs")

    store_check(workspace, dataset)
    open_page(page, app, f"quality?dataset={dataset.id}")
    page.wait_for_selector(COPIES, timeout=LONG)
    expect(page.locator(f"{COPIES} img")).to_have_count(2)
    said = page.locator(".message .said")

    # The reasons used to push the cards down; they lie over them, as on all other pages.
    section = page.locator("[data-kind=exact_duplicate]")
    place = section.locator(".card").bounding_box()
    section.get_by_role("button", name="Why?").click()
    expect(section.locator(".reasons")).to_be_visible()
    assert section.locator(".card").bounding_box() == place
    page.keyboard.press("Escape")
    expect(section.locator(".reasons")).to_be_hidden()

    page.locator(COPIES).get_by_role("button", name="Keep one").click()
    expect(said).to_have_text("Excluded 1 image.")
    expect(page.locator(COPIES)).to_have_count(0)
    assert datasets.find_dataset(workspace, "Photographs").sample_count == dataset.sample_count - 1
    page.locator(".message .undo").click()
    expect(said).to_have_text("Undone: excluded 1 image.")
    expect(page.locator(f"{COPIES} img")).to_have_count(2)
    expect(page.locator(".message .undo")).to_be_hidden()
    assert datasets.find_dataset(workspace, "Photographs").digest == dataset.digest

    # One kind, with its place in the link, which a reload keeps.
    page.locator("[data-kind=near_duplicate]").get_by_role("button", name="Show all").click()
    expect(page.locator(".card")).to_have_count(16)
    page.reload()
    expect(page.locator(".card")).to_have_count(16)


def test_pairs_are_compared_answered_and_undone_by_keyboard(
    app: App, page: Page, tmp_path: Path
) -> None:
    workspace = Workspace(app.workspace).create()
    made = make_dataset(workspace, per_subset=8, images=tmp_path / "cells")
    chain = made.ids[Subset.TRAIN].tolist()[:6]
    save_check(made, list(pairwise(chain)))

    def groups() -> list[tuple[int, ...]]:
        found = quality.findings(workspace, "ds-1", FindingKind.NEAR_DUPLICATE)
        return [finding.sample_ids for finding in found]

    open_page(page, app, "quality?dataset=ds-1")
    page.locator(".card").first.focus()
    page.keyboard.press("Enter")
    large, said = page.locator("dialog.zoom"), page.locator(".message .said")
    expect(large.get_by_text("pair 1 of 5")).to_be_visible()
    # Back left the page; it closes the dialog, as it closes the image dialog.
    page.go_back()
    expect(large).to_be_hidden()
    assert "/quality" in page.url
    page.locator(".card").first.focus()
    page.keyboard.press("Enter")
    expect(large.get_by_text("pair 1 of 5")).to_be_visible()

    # On to one of its images: each dialog had an entry in the history, and one was a dead step.
    steps = page.evaluate("history.length")
    large.locator("figcaption button").first.click()
    expect(page.locator("dialog.viewer")).to_be_visible()
    expect(large).to_be_hidden()
    assert page.evaluate("history.length") == steps
    page.go_back()
    expect(page.locator("dialog.viewer")).to_be_hidden()
    assert page.evaluate("history.state?.isHandedOver") is None
    page.locator(".card").first.focus()
    page.keyboard.press("Enter")
    expect(large.get_by_text("pair 1 of 5")).to_be_visible()

    # Both images move and zoom together; the space bar shows one, then the other.
    page.mouse.move(*middle(page, "dialog.zoom .view >> nth=0"))
    page.mouse.wheel(0, -400)
    zoom = large.locator(".panes").evaluate("p => getComputedStyle(p).getPropertyValue('--s')")
    boxes = [large.locator("img").nth(side).bounding_box() for side in (0, 1)]
    assert float(zoom) > 2
    assert boxes[0]
    assert boxes[1]
    assert boxes[0]["height"] == pytest.approx(boxes[1]["height"], rel=0.01)
    page.keyboard.press("Space")
    expect(large.locator("img").nth(0)).to_be_hidden()
    expect(large.locator("img").nth(1)).to_be_visible()
    page.keyboard.press("Space")
    expect(large.locator("img").nth(0)).to_be_visible()
    page.keyboard.press("f")

    page.keyboard.press("ArrowDown")
    expect(large.get_by_text("pair 2 of 5")).to_be_visible()
    large.locator(".pair-acts").get_by_role("button", name="Different").click()
    expect(said).to_contain_text("Different parts: 2 images")
    assert groups() == [tuple(chain[:2]), tuple(chain[2:])]
    page.keyboard.press("u")
    eventually(lambda: groups() == [tuple(chain)])
    expect(large.get_by_text("of 5")).to_be_visible()
    # Pressed twice, faster than the page reruns: it is done once.
    page.keyboard.press("d")
    page.keyboard.press("d")
    eventually(lambda: not groups())
    expect(said).to_contain_text("Different parts: 6 images")
    expect(large).to_be_hidden()
    page.locator(".message .undo").click()
    eventually(lambda: groups() == [tuple(chain)])
    page.locator(".card .dots").click()
    page.get_by_role("menuitem", name="Keep one").click()
    expect(said).to_have_text("Excluded 5 images.")
    expect(page.get_by_role("heading", name="Nothing to settle")).to_be_visible()


def store_check(workspace: Workspace, dataset: Dataset) -> None:
    """Findings of files and names; the check itself is what other tests are about."""
    with connect(workspace) as db, transaction(db):
        samples = dataset_rows.samples_of(db, dataset.id)
        parts = [(s.label, s.name.rsplit("_", 1)[0]) for s in samples]
        near = [(i - 1, i) for i in range(1, len(samples)) if parts[i] == parts[i - 1]]
        found = all_findings(samples, dataset.class_names, np.array(near), [])
        pairs = tuple((samples[a].id, samples[b].id) for a, b in near)
        check_rows.save_check(db, QualityCheck(dataset.id, 2.0, pairs, 16, 48), found)


def middle(page: Page, selector: str) -> tuple[float, float]:
    box = page.locator(selector).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
