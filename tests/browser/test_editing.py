"""Editing in a real browser: relabel by keyboard and take it back, lasso on the map."""

import pytest
from playwright.sync_api import Page, expect

from core.domain.datasets import LabelSource, Sample, SampleFilter, SampleStatus
from core.domain.findings import FeatureInsight, QualityCheck
from core.store import datasets as dataset_rows
from core.store import quality
from core.store.database import connect, transaction
from core.workflows import jobs
from core.workflows.data import datasets, versions
from core.workspace import Workspace
from tests.browser.conftest import App, click, eventually, open_page, settled
from tests.conftest import save_image

pytestmark = pytest.mark.browser
PER_CLASS = 25
LEFT_CLASS = "größe falsch"
FOCUSED = """() => { let at = document.activeElement
  while (at?.shadowRoot) at = at.shadowRoot.activeElement
  return at?.dataset.key }"""


@pytest.fixture(scope="module")
def dataset(app: App):  # type: ignore[no-untyped-def]
    """75 images of three classes; the map shows each class in a corner of its own."""
    workspace = Workspace(app.workspace).create()
    folder = app.workspace.parent / "set"
    for gray, name in enumerate((LEFT_CLASS, "<b>gut", "割れ")):
        for n in range(PER_CLASS):
            save_image(folder / name / f"{n:03d}.png", [[[60 * gray + n] * 3] * 40] * 30)
    job = datasets.start_import(workspace, folder, "Parts", LabelSource.LAST_FOLDER)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    dataset = datasets.find_dataset(workspace, "Parts")
    left = dataset.class_names.index(LEFT_CLASS)
    with connect(workspace) as db, transaction(db):
        samples = dataset_rows.samples_of(db, dataset.id)
        quality.save_check(db, QualityCheck(dataset.id, 1.0, (), 0, 0), [])
        quality.save_insights(
            db,
            [
                FeatureInsight(s.id, 0.9, s.label, 0.0 if s.label == left else 10.0, n / 25)
                for n, s in enumerate(samples)
            ],
        )
    return dataset


def by_id(app: App, sample_id: int) -> Sample:
    return datasets.find_samples(Workspace(app.workspace), [sample_id])[0]


def class_of(app: App, sample_id: int) -> str:
    workspace = Workspace(app.workspace)
    label = by_id(app, sample_id).label
    assert label is not None
    return datasets.find_dataset(workspace, "Parts").class_names[label]


def open_gallery(page: Page, app: App) -> list[int]:
    open_page(page, app, "datasets")
    page.wait_for_selector(".ts-images .tile")
    settled(page)
    keys = page.eval_on_selector_all(".ts-images .tile", "tiles => tiles.map(t => t.dataset.key)")
    return [int(key) for key in keys]


def test_images_are_relabelled_by_keyboard_and_taken_back(app: App, page: Page, dataset) -> None:  # type: ignore[no-untyped-def]
    ids = open_gallery(page, app)
    names = dataset.class_names
    before = datasets.find_dataset(Workspace(app.workspace), dataset.id)
    assert [class_of(app, i) for i in ids[:3]] == [names[0]] * 3
    page.locator(".tile").first.focus()
    # Quick presses, faster than the page reruns: none may be lost.
    for digit in ("2", "3", "2"):
        page.keyboard.press(digit)
        page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    eventually(lambda: [class_of(app, i) for i in ids[:3]] == [names[1], names[2], names[1]])
    eventually(lambda: by_id(app, ids[3]).status is SampleStatus.EXCLUDED)
    expect(page.locator(".tile").nth(1).locator(".title")).to_have_text(names[2])
    expect(page.get_by_text("excluded", exact=False).first).to_be_visible()
    # The list stays as it is while one works on it, and so does the place of the keyboard.
    page.wait_for_timeout(1500)
    settled(page)
    assert page.evaluate(FOCUSED) == str(ids[3])
    for _ in range(4):
        page.keyboard.press("u")
        page.wait_for_timeout(300)
    eventually(lambda: [class_of(app, i) for i in ids[:4]] == [names[0]] * 4)
    eventually(lambda: by_id(app, ids[3]).status is SampleStatus.USED)
    today = datasets.find_dataset(Workspace(app.workspace), dataset.id)
    assert today.digest == before.digest
    assert versions.next_undo(Workspace(app.workspace), dataset.id) is None


def test_the_large_view_shows_what_is_known_and_is_left_by_keyboard(
    app: App,
    page: Page,
    dataset,  # type: ignore[no-untyped-def]
) -> None:
    ids = open_gallery(page, app)
    page.locator(".tile").nth(1).focus()
    page.keyboard.press("Enter")
    large = page.locator("dialog.viewer")
    expect(large).to_be_visible()
    expect(large.locator(".place")).to_have_text(f"2 of {3 * PER_CLASS}")
    expect(large.locator("dl")).to_contain_text(by_id(app, ids[1]).name)
    expect(large.locator("dl")).to_contain_text("90.0% in its label")
    page.keyboard.press("ArrowRight")
    expect(large.locator("dl")).to_contain_text(by_id(app, ids[2]).name)
    page.keyboard.press("2")  # and on to the next image
    expect(large.locator(".place")).to_have_text(f"4 of {3 * PER_CLASS}")
    expect(large.locator(".said")).to_contain_text("Relabeled 1 image")
    page.keyboard.press("ArrowLeft")
    expect(large.locator(".title")).to_have_text(dataset.class_names[1])
    expect(large.locator(".history")).to_contain_text(f"→ {dataset.class_names[1]}")
    page.keyboard.press("u")
    eventually(lambda: class_of(app, ids[2]) == dataset.class_names[0])
    page.keyboard.press("Escape")
    expect(large).to_be_hidden()


def test_the_keyboard_goes_on_to_the_next_page(app: App, page: Page, dataset) -> None:  # type: ignore[no-untyped-def]
    ids = open_gallery(page, app)
    assert len(ids) < 3 * PER_CLASS
    page.locator(".tile").last.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".ts-images .summary")).to_contain_text(f"of {3 * PER_CLASS}")
    expect(page.locator(".tile")).to_have_count(3 * PER_CLASS - len(ids))


def test_a_lasso_on_the_map_opens_exactly_its_images(app: App, page: Page, dataset) -> None:  # type: ignore[no-untyped-def]
    workspace = Workspace(app.workspace)
    open_gallery(page, app)
    page.get_by_role("tab", name="Map").click()
    page.wait_for_selector(".ts-chart .gl-container", state="attached")
    settled(page)
    # Nothing may offer to send a chart to a server of somebody else.
    assert page.locator(".modebar-btn").count() > 3
    assert page.locator('.modebar-btn[data-title*="Share"]').count() == 0
    page.locator(".ts-chart").evaluate("el => el.scrollIntoView({ block: 'center' })")
    page.wait_for_timeout(300)
    corners = page.evaluate(
        """() => { const el = document.querySelector('.ts-chart'), L = el._fullLayout
        const box = el.getBoundingClientRect(), at = (x, y) =>
          [box.left + L.xaxis._offset + L.xaxis.d2p(x), box.top + L.yaxis._offset + L.yaxis.d2p(y)]
        return [at(-0.3, -0.5), at(4, -0.5), at(4, 3.5), at(-0.3, 3.5), at(-0.3, -0.5)] }"""
    )
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*corner, steps=12)
    page.mouse.up()
    expect(page.get_by_text(f"{PER_CLASS} selected images")).to_be_visible()
    expect(page.locator(".tile")).to_have_count(PER_CLASS)
    shown = page.eval_on_selector_all(".ts-images .tile", "tiles => tiles.map(t => t.dataset.key)")
    label = dataset.class_names.index(LEFT_CLASS)
    expected, _ = datasets.find_images(workspace, dataset.id, SampleFilter(label=label))
    assert {int(key) for key in shown} == {sample.id for sample in expected}
    page.locator(".tile").first.focus()
    page.keyboard.press("Control+a")
    page.locator("[data-action=exclude]").click()
    eventually(lambda: datasets.find_dataset(workspace, dataset.id).sample_count == 2 * PER_CLASS)
    page.locator(".tools [data-action=undo]").click()
    eventually(lambda: datasets.find_dataset(workspace, dataset.id).sample_count == 3 * PER_CLASS)


def test_versions_are_taken_back_and_exported(app: App, page: Page, dataset) -> None:  # type: ignore[no-untyped-def]
    workspace = Workspace(app.workspace)
    first = versions.list_versions(workspace, dataset.id)[-1]
    open_page(page, app, "datasets")
    page.wait_for_selector(".ts-images .tile")
    page.locator(".tile").first.focus()
    page.keyboard.press("2")
    eventually(lambda: datasets.find_dataset(workspace, dataset.id).digest != first.digest)
    open_page(page, app, "versions")
    page.wait_for_selector(".st-key-undo")
    with page.expect_download() as download:
        page.get_by_role("link", name="Table (CSV)").click()
    assert download.value.suggested_filename.endswith(".csv")
    click(page, "undo")
    eventually(lambda: datasets.find_dataset(workspace, dataset.id).digest == first.digest)
