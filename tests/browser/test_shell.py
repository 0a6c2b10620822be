"""What surrounds every page, in a real browser: the context bar, its links, and the keys."""

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from core.domain.datasets import LabelSource
from core.domain.jobs import JobKind
from core.store import jobs as job_rows
from core.store.database import connect
from core.worker.launcher import lane_lock
from core.workflows import jobs
from core.workflows.data import datasets, edits, splits
from core.workflows.use import models
from core.workspace import Workspace
from tests.browser.conftest import App, Begin, becomes, free_port, open_page, running
from tests.conftest import Trained, copy_of, write_class_folders

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}
NOTE_SHIFT = """
window.shift = 0;
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
}).observe({type: 'layout-shift', buffered: true});
"""
NOTE_BARS = """
window.bars = 0;
new MutationObserver(changes => {
  for (const { addedNodes } of changes) for (const node of addedNodes)
    window.bars += node.querySelectorAll?.('[data-testid="stSkeleton"]').length ?? 0;
}).observe(document, {subtree: true, childList: true});
"""
LONG = "Gearbox housing castings line 4, camera left, spring of 2026"


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
    expect(page.locator(".ts-keys")).not_to_be_visible()
    # Escape left the cursor in the field, and the keys of the app wrote there.
    page.keyboard.press("/")
    expect(page.locator("[class*='st-key-search'] input").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("[class*='st-key-search'] input").first).not_to_be_focused()
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
    # The focus fell to the page, and Tab began at its top.
    menu.fill("Old")
    menu.press("Enter")
    page.wait_for_url(re.compile(f"/datasets.*dataset={ids['Older']}"))
    menu = page.locator(f".st-key-context_dataset-{ids['Older']} input")
    expect(menu).to_be_focused()
    expect(menu).to_have_attribute("aria-expanded", "false")


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


@pytest.fixture(scope="module")
def long_names(
    trained: Trained, tmp_path_factory: pytest.TempPathFactory, begin: Begin
) -> Iterator[App]:
    """A dataset of two versions and two splits, and its model; the name has 60 characters."""
    root = tmp_path_factory.mktemp("long") / "workspace"
    workspace = copy_of(trained.workspace, root)
    datasets.rename_dataset(workspace, trained.dataset.id, LONG)
    models.rename_model(workspace, trained.model.id, f"{LONG} EfficientNet-Lite0 quick")
    splits.create_split(workspace, trained.dataset.id, seed=7, name="Other split")
    images, _ = datasets.samples(workspace, trained.dataset.id, limit=1)
    edits.exclude(workspace, trained.dataset.id, [images[0].id])
    yield from running(root, free_port(), begin)


NOTE_TOPS = """
window.tops = []
const note = () => {
  const heading = document.querySelector('.st-key-steps h1')
  if (heading) window.tops.push(heading.getBoundingClientRect().top)
  requestAnimationFrame(note)
}
note()
"""


def is_whole(place: Locator, page: Page) -> bool:
    """Whether neither the window nor an ellipsis cuts off any of it."""
    box, width = place.bounding_box(), page.evaluate("innerWidth")
    fits = bool(place.evaluate("place => place.scrollWidth <= place.clientWidth"))
    return fits and box is not None and 0 <= box["x"] < box["x"] + box["width"] <= width


def test_a_phone_shows_dataset_and_model_whole_and_a_running_job(
    long_names: App, page: Page, trained: Trained
) -> None:
    # The model was cut off behind a swipe.
    workspace = Workspace(long_names.workspace)
    with connect(workspace) as db:
        job_id = job_rows.enqueue(db, JobKind.IMPORT, "ds-new", {"name": "New"}, now=1.0)
    assert job_id is not None
    page.set_viewport_size(PHONE)
    page.add_init_script(NOTE_TOPS)
    # Why the lock: a worker would take the job, which has no images, and it would be over.
    with lane_lock(workspace, JobKind.IMPORT.lane).acquire():
        open_page(page, long_names, f"models?model={trained.model.id}")
        chip = page.locator(".st-key-running_jobs button")
        expect(chip).to_be_in_viewport(ratio=1)
        expect(chip).to_contain_text("Import")
        with connect(workspace) as db:
            job_rows.stop_queued(db, job_id, now=2.0)
    dataset = page.locator('[class*="st-key-context_dataset-"] input')
    model = page.locator('[class*="st-key-context_model-"] input')
    expect(dataset).to_have_value("Gearbox hou…a left, spring of 2026")
    expect(model).to_have_value("EfficientNet-Lite0 quick")
    assert is_whole(dataset, page)
    assert is_whole(model, page)
    tops = page.evaluate("window.tops")  # of the heading below the bar, since it is there
    assert max(tops) - min(tops) < 4, set(tops)
    assert Axe().run(page, ".stApp").response["violations"] == []


def test_a_card_of_home_shows_the_value_of_its_best_model_on_a_phone(
    long_names: App, page: Page
) -> None:
    # The line was cut off after "macro F1".
    page.set_viewport_size(PHONE)
    open_page(page, long_names, "")
    line = page.locator('[class*="st-key-best_"] p:visible')
    expect(line).to_contain_text(re.compile(r"macro F1\s[01]\.\d+ on validation"))
    assert is_whole(line, page)
    card, box = page.locator('[class*="st-key-card_"]').first.bounding_box(), line.bounding_box()
    assert card is not None
    assert box is not None
    assert box["x"] + box["width"] <= card["x"] + card["width"]


def test_a_phone_shows_the_steps_in_one_row_that_moves_nothing(
    long_names: App, page: Page, trained: Trained
) -> None:
    # The strip wrapped while its links were drawn, and moved all below it: .28 on this page.
    page.set_viewport_size({"width": 320, "height": 844})
    page.add_init_script(NOTE_SHIFT)
    open_page(page, long_names, f"versions?model={trained.model.id}")
    heading = page.locator(".st-key-steps h1")
    expect(heading).to_be_in_viewport(ratio=0.99)  # the last step, of more than there is room for
    links = page.locator(".st-key-steps a:visible")
    expect(links).to_have_count(4)
    tops = links.evaluate_all("all => all.map(link => link.getBoundingClientRect().top)")
    assert len(set(tops)) == 1
    assert page.evaluate("window.shift") < 0.1


def test_what_later_pages_show_is_drawn_unseen_with_the_first(
    long_names: App, page: Page, trained: Trained
) -> None:
    # Each page began with gray bars where elements were to come whose code no page had needed yet.
    page.add_init_script(NOTE_BARS)
    open_page(page, long_names, f"models?model={trained.model.id}")
    ahead = page.locator(".st-key-drawn_ahead")
    expect(ahead.get_by_test_id("stMetric")).to_be_attached()
    expect(ahead).to_be_hidden()
    expect(ahead.get_by_test_id("stSkeleton")).to_have_count(0)
    page.evaluate("window.bars = 0")
    page.get_by_role("link", name="Data", exact=True).click()
    page.get_by_role("link", name="Split").click()
    expect(page.locator(".st-key-split_numbers").get_by_test_id("stMetric")).to_have_count(3)
    assert page.evaluate("window.bars") == 0
    expect(ahead).not_to_be_attached()


def test_a_phone_opens_splits_and_versions_by_one_button(
    long_names: App, page: Page, trained: Trained
) -> None:
    page.set_viewport_size(PHONE)
    open_page(page, long_names, f"split?model={trained.model.id}")
    # The header of Streamlit lay over the bar, and took every tap on its menus.
    page.locator('[class*="st-key-context_dataset-"] input').click()
    expect(page.get_by_role("option", name="Gearbox")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".st-key-context_bar").get_by_label("Split", exact=True)).to_be_hidden()
    fold = page.get_by_role("button", name="Version and split")
    fold.click()
    page.get_by_test_id("stPopoverBody").get_by_label("Split").click()
    page.get_by_role("option", name="Other split").click()
    other = splits.find_split(Workspace(long_names.workspace), trained.dataset.id, "Other split")
    page.wait_for_url(re.compile(f"/split.*split={other.id}"))
    expect(page.get_by_test_id("stPopoverBody")).to_have_count(0)
    # By keys: what the button opens stands at the end of the page, where Tab came last.
    fold.press("Enter")
    expect(page.get_by_test_id("stPopoverBody")).to_be_visible()
    fold.press("Tab")
    version = page.get_by_test_id("stPopoverBody").get_by_label("Version")
    expect(version).to_be_focused()
    version.fill("Version 1")
    version.press("Enter")
    page.wait_for_url(re.compile("/versions.*version=1"))
    page.get_by_test_id("stExpandSidebarButton").click()
    expect(page.locator(".st-key-doors a").first).to_be_in_viewport()


def test_a_wide_window_shows_version_and_split_in_the_bar(
    long_names: App, page: Page, trained: Trained
) -> None:
    page.set_viewport_size({"width": 1024, "height": 800})
    open_page(page, long_names, f"models?model={trained.model.id}")
    for label in ("Dataset", "Version", "Split", "Model"):
        menu = page.locator(".st-key-context_bar").get_by_label(label, exact=True)
        expect(menu).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("button", name="Version and split")).to_be_hidden()
