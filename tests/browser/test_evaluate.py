"""The Evaluate page as a person uses it: from a number to its images, and a label corrected."""

import hashlib
import re

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Page, Route, expect

from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import Dataset, Sample, Verdict
from core.domain.models import Model
from core.domain.splits import Split, SplitStrategy, Subset
from core.store import datasets, models, predictions, splits
from core.store.database import connect, transaction
from core.workflows.results import access
from core.workspace import Workspace
from tests.browser.conftest import App, becomes, click, close_image, open_page, settled
from tests.browser.test_journey import click_cell
from tests.conftest import save_image

pytestmark = pytest.mark.browser
# True and predicted class: two cracks are called good.
PAIRS = [(0, 0)] * 10 + [(1, 1)] * 8 + [(1, 0)] * 2


@pytest.fixture(scope="module")
def made(app: App) -> str:
    """A model with made-up probabilities and real small images."""
    workspace = Workspace(app.workspace).create()
    root = app.workspace.parent / "made"
    samples = []
    for n, (true, _) in enumerate(PAIRS):
        path = save_image(root / f"{n}.png", np.full((24, 24, 3), 10 * n + 20))
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        size = len(content)
        samples.append(Sample(0, str(path), digest, true, 24, 24, "RGB", size, name=path.name))
    matrix = np.full((len(PAIRS), 2), 0.1, np.float32)
    matrix[np.arange(len(PAIRS)), [said for _, said in PAIRS]] = 0.9
    verdicts = (Verdict.OK, Verdict.NOK)
    dataset = Dataset(
        "ds-made",
        "made",
        ("good", "crack"),
        str(root),
        "d",
        len(PAIRS),
        1.0,
        class_verdicts=verdicts,
    )
    split = Split("split-made", dataset.id, "s", SplitStrategy(), 1, (0.6, 0.2, 0.2), "d", 1.0)
    model = Model(
        "model-made",
        "made",
        None,
        dataset.id,
        "made",
        split.id,
        dataset.class_names,
        "n",
        PreprocessConfig(),
        1,
        "sha",
        1.0,
        version=1,
    )
    with connect(workspace) as db, transaction(db):
        datasets.insert_dataset(db, dataset, samples)
        ids = [s.id for s in datasets.samples_of(db, dataset.id)]
        splits.insert_split(db, split, dict.fromkeys(ids, Subset.TEST))
        models.insert_model(db, model, b"x")
        predictions.insert_predictions(
            db, model.id, dataset.id, Subset.TEST, np.array(ids, np.int64), matrix
        )
        # The heat of each image is one column of its own, further right in later ones.
        columns = {key: np.eye(14, dtype=np.uint8)[n % 14] for n, key in enumerate(ids)}
        heats = {key: np.tile(255 * row, (14, 1)).tobytes() for key, row in columns.items()}
        predictions.save_heats(db, model.id, heats)
    access.record_view(workspace, model, "before")
    return model.id


def cell_text(page: Page, row: int, column: int) -> str:
    """What a cell of the confusion matrix says."""
    return page.evaluate(
        """([r, c]) => document.querySelector('[class*="st-key-matrix_model"] .ts-chart')
           ?.data?.[0].text[r][c]""",
        [row, column],
    )


def verdict(page: Page) -> str:
    """The first sentence of the page."""
    return page.locator("[class*=st-key-verdict_] h2").inner_text()


def test_from_a_cell_to_a_corrected_label_and_back(app: App, page: Page, made: str) -> None:
    open_page(page, app, f"evaluate?model={made}")
    matrix = page.locator('[class*="st-key-matrix_model"] .ts-chart')
    matrix.locator(".heatmaplayer").wait_for()
    becomes(lambda: (cell_text(page, 1, 0), "; 2 of 10 defects" in verdict(page)), ("2", True))
    # The answer, the matrix and the first errors are on the first screen.
    for part in (matrix, page.locator(".ts-images .tile").first):
        box = part.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 800

    click_cell(page, 1, 0)
    page.wait_for_url(re.compile("cell=1-0"))
    expect(page.get_by_role("heading", name="crack → good")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="All errors (2)")).to_be_visible()
    page.go_forward()
    expect(page.get_by_role("heading", name="crack → good")).to_be_visible()
    settled(page)
    tiles = page.locator(".ts-images .tile")
    expect(tiles).to_have_count(2)
    tiles.first.click()
    dialog = page.locator("dialog.viewer")
    expect(dialog.locator(".title")).to_have_text("Wrong: predicted good 90.0%, labeled crack")
    heat = dialog.locator("[data-do=heat]")
    page.keyboard.press("h")
    page.keyboard.press("ArrowRight")
    expect(dialog.locator(".place")).to_have_text("2 of 2")
    expect(heat).to_have_attribute("aria-checked", "false")
    # A key pressed too early once corrected the image before.
    expect(dialog).to_have_attribute("aria-busy", "false")
    page.keyboard.press("1")
    expect(dialog.locator(".said")).to_contain_text("Relabeled 1 image crack → good")
    expect(dialog.locator(".title")).to_contain_text("Right: good")
    close_image(page)
    expect(page.get_by_text("Relabeled 1 image crack → good").first).to_be_visible()
    settled(page)
    becomes(lambda: (cell_text(page, 1, 0), cell_text(page, 0, 0)), ("1", "11"))
    becomes(lambda: "1 of 9 defects escapes" in verdict(page), True)

    click(page, "undo")
    expect(page.locator(".st-key-undo")).to_have_count(0)
    settled(page)
    becomes(lambda: (cell_text(page, 1, 0), "; 2 of 10 defects" in verdict(page)), ("2", True))
    # Switched off once, mistakes opened without a heatmap ever after.
    tiles.first.click()
    expect(dialog.locator(".title")).to_contain_text("Wrong: predicted good")
    expect(heat).to_have_attribute("aria-checked", "true")
    close_image(page)


NOTE_TOPS = """
window.tops = { '.st-key-controls': [], '[class*="st-key-verdict_"]': [], '.stTabs': [] }
const note = () => {
  for (const [place, tops] of Object.entries(window.tops)) {
    const found = document.querySelector(place)
    if (found) tops.push(found.getBoundingClientRect().top)
  }
  requestAnimationFrame(note)
}
note()
"""


def test_a_narrow_page_does_not_move_while_it_loads(app: App, page: Page, made: str) -> None:
    # The gray bars that stand for links and buttons were higher than these, and narrower.
    page.set_viewport_size({"width": 600, "height": 800})
    page.add_init_script(NOTE_TOPS)

    def late(route: Route) -> None:  # what is drawn until then stands for links and buttons
        page.wait_for_selector('.st-key-steps [data-testid="stSkeleton"]', state="attached")
        page.wait_for_selector(".stTabs", state="attached")
        route.continue_()

    page.route(re.compile(r"/(PageLink|Button|ButtonGroup)\.[^/]*\.js"), late)
    open_page(page, app, f"evaluate?model={made}")
    expect(page.locator('.stMain [data-testid="stSkeleton"]')).to_have_count(0)
    for place, tops in page.evaluate("window.tops").items():
        assert tops, place
        assert max(tops) - min(tops) < 4, (place, set(tops))


def test_classes_are_sorted_and_chosen_by_keyboard_and_stay_in_the_link(
    app: App, page: Page, made: str
) -> None:
    open_page(page, app, f"evaluate?model={made}&tab=Classes")
    names = page.locator(".ts-classes tbody td:first-child")
    expect(names).to_have_text(["crack", "good"])  # the worst first
    page.get_by_role("button", name="Class").click()
    page.wait_for_url(re.compile("order=name"))
    page.locator('.ts-classes tr[tabindex="0"]').focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("class=good"))
    expect(page.get_by_role("heading", name="good")).to_be_visible()
    expect(page.get_by_text("crack mistaken for it (2)")).to_be_visible()
    expect(page.locator(".ts-images .tile")).to_have_count(2)
    page.reload()
    expect(page.get_by_role("heading", name="good")).to_be_visible()
    expect(names).to_have_text(["crack", "good"])


def test_a_region_drawn_by_hand_sorts_the_images_by_their_heat_in_it(
    app: App, page: Page, made: str
) -> None:
    open_page(page, app, f"evaluate?model={made}&cell=0-0&sort=region")
    field, tiles = page.locator(".ts-region"), page.locator(".ts-images .tile")
    expect(page.get_by_text("Average heatmap of 10 images")).to_be_visible()
    unsorted = tiles.first.get_attribute("data-key")
    field.scroll_into_view_if_needed()

    def at(x: float, y: float) -> tuple[float, float]:
        box = field.bounding_box()
        assert box is not None
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    page.mouse.move(*at(0.6, 0.7))
    page.mouse.down()
    page.mouse.move(*at(0.8, 0.4), steps=3)
    page.mouse.move(*at(0.75, 0.2), steps=3)
    page.mouse.up()
    page.wait_for_url(re.compile("region=60-20-75-70"))
    expect(tiles.first).to_contain_text("heat 50%")  # half of the column of the last image
    expect(tiles.last).to_contain_text("heat 0%")
    last = tiles.first.get_attribute("data-key")
    assert last != unsorted
    expect(page.locator(".ts-images .outline")).to_have_count(10)

    # By keys it moves; the link keeps it, and nothing is left of it once it is cleared.
    field.focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    page.wait_for_url(re.compile("region=52-20-67-70"))
    expect(tiles.first).not_to_have_attribute("data-key", str(last))
    page.reload()
    expect(field.locator(".box")).to_have_attribute("style", re.compile("left: 52%; top: 20%"))
    page.get_by_role("button", name="Clear").click()
    expect(field.locator(".box")).to_be_hidden()
    expect(tiles.first).to_have_attribute("data-key", str(unsorted))


def test_charts_follow_the_width_and_what_did_not_change_is_not_drawn_again(
    app: App, page: Page, made: str
) -> None:
    # Something else than the window made the place wider, but charts kept the width of before.
    open_page(page, app, f"evaluate?model={made}")
    matrix = page.locator('[class*="st-key-matrix_model"] .ts-chart')
    matrix.locator(".heatmaplayer").wait_for()
    narrow = matrix.evaluate("e => e.clientWidth")
    page.add_style_tag(content=":has(> .st-key-matrix_side) { flex-basis: 540px !important; }")
    becomes(lambda: matrix.evaluate("e => e.clientWidth") > narrow + 20, True)
    becomes(lambda: matrix.evaluate("e => Math.round(e._fullLayout.width - e.clientWidth)"), 0)

    tiles, dialog = page.locator(".ts-images .tile"), page.locator("dialog.viewer")
    click_cell(page, 0, 0)
    expect(tiles).to_have_count(10)
    tiles.last.evaluate("e => { e._same = true }")
    matrix.evaluate("e => { e._drawings = 0; e.on('plotly_afterplot', () => e._drawings++) }")
    tiles.first.click()
    expect(dialog.locator(".place")).to_have_text("1 of 10")
    close_image(page)
    settled(page)
    assert matrix.evaluate("e => e._drawings") == 0

    tiles.first.click()
    expect(dialog.locator(".title")).to_contain_text("Right")
    page.keyboard.press("x")
    expect(dialog.locator(".said")).to_contain_text("Excluded 1 image")
    page.keyboard.press("Escape")
    expect(tiles).to_have_count(9)
    assert tiles.last.evaluate("e => e._same === true")
    becomes(lambda: matrix.evaluate("e => e._drawings > 0"), True)
    settled(page)
    click(page, "undo")
    expect(page.locator(".st-key-undo")).to_have_count(0)
    expect(tiles).to_have_count(10)
