"""What surrounds every page, in a real browser: the context bar, its links, and the keys."""

import re

import pytest
from playwright.sync_api import Page, expect

from core.domain.datasets import LabelSource
from core.workflows import jobs
from core.workflows.data import datasets
from core.workspace import Workspace
from tests.browser.conftest import App, becomes, open_page
from tests.conftest import write_class_folders

pytestmark = pytest.mark.browser


def test_what_the_bar_opens_stays_over_doors_reload_and_back(app: App, page: Page) -> None:
    workspace = Workspace(app.workspace).create()
    ids = {}
    for name in ("Older", "Newer"):
        images = write_class_folders(app.workspace.parent / name, per_class=2)
        job = datasets.start_import(workspace, images, name, LabelSource.LAST_FOLDER)
        ids[name] = jobs.wait(workspace, job.id, on_change=lambda _: None).subject_id
    menu = page.locator('[class*="st-key-context_dataset-"] input')

    def chosen() -> list[str]:
        # Why all: until a page has run, the menu of before stands beside that of now.
        return menu.evaluate_all("menus => menus.map(menu => menu.value)")

    open_page(page, app, "datasets")
    becomes(chosen, ["Newer"])
    # The link is completed in place: it used to cost a press of the Back button.
    page.wait_for_url(re.compile(f"dataset={ids['Newer']}"))
    menu.fill("Old")
    menu.press("Enter")
    # Until the page has run, the doors lead to what was open before: this click went there.
    page.locator(".st-key-doors a").last.click()
    page.wait_for_url(re.compile(f"/models.*dataset={ids['Older']}"))
    page.go_back()
    page.wait_for_url(re.compile(f"/datasets.*dataset={ids['Older']}"))
    becomes(chosen, ["Older"])

    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.locator(".ts-keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.wait_for_url(re.compile(f"/train.*dataset={ids['Older']}"))
    becomes(chosen, ["Older"])
    page.reload()
    becomes(chosen, ["Older"])
    expect(page.locator("h1")).to_have_text("Configure")
    page.go_back()
    page.wait_for_url(re.compile(f"/datasets.*dataset={ids['Older']}"))
    becomes(chosen, ["Older"])
    page.go_back()
    page.wait_for_url(re.compile(f"/datasets.*dataset={ids['Newer']}"))
    becomes(chosen, ["Newer"])


def test_an_address_without_a_page_is_said_in_the_frame(app: App, page: Page) -> None:
    # It showed a dialog of Streamlit; below a second slash the page stayed white.
    for path in ("nonsense", "data/evalute"):
        open_page(page, app, path)
        expect(page.locator("h1")).to_have_text("Page not found")
        expect(page.get_by_text(f"no page at /{path}")).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.locator('.st-key-doors a[aria-current="page"]')).to_have_count(0)
    page.locator(".st-key-missing_page a").last.click()
    expect(page.locator("h1")).not_to_have_text("Page not found")
    # The address kept what was missing, and a reload missed it again.
    expect(page).not_to_have_url(re.compile("missing="))
