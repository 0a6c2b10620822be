"""How long does the Evaluate page take from click to answer, in a real browser, when it is full?

    python benchmarks/evaluate_browser.py [--images 100000] [--classes 100] [--rounds 5]
    python benchmarks/evaluate_browser.py --workspace WORKSPACE [--rounds 5]

Starts the app with made-up predictions and clicks as a person does, with a pause before each click.
Every line is one interaction, the median and the slowest of the rounds: first until what was asked
for is on the screen, then until the page has come to rest. Heatmaps are not among it: the images
do not exist. With a workspace (copied), its newest model: a cell's images, the first image opened
with its heatmap after the app has started, and the next ones.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks.evaluate_page import MODEL, make_workspace  # noqa: E402
from tests.browser.conftest import App, close_image, free_port, launch  # noqa: E402
from tests.browser.test_journey import cell_place  # noqa: E402

RESTS = '[data-testid="stApp"][data-test-script-state="notRunning"]'
VIEWER, TILE = "dialog.viewer", ".ts-images .tile"
TABLE, IMAGES = '[data-testid="stDataFrame"]', '[data-testid="stBidiComponentIsolated"]'
TABS = {
    "Classes": "[class*=st-key-class_table]",
    "Errors": IMAGES,
    "Confidence": ".barlayer",
    "Slices": ".barlayer",
    "Measures": TABLE,
    "Overview": ".heatmaplayer",
}
VIEWS = ("% of true", "% of predicted", "OK / NOK", "confused pairs", "table", "counts")
Times = dict[str, list[tuple[float, float]]]


class Clicks:
    """A page with a stopwatch."""

    def __init__(self, page: Page, pause_s: float) -> None:
        self.page, self.pause_s = page, pause_s
        self.times: Times = defaultdict(list)

    def time(self, what: str, act: Callable[[], object], seen: str | Locator) -> None:
        """Act, and wait until an expression of JavaScript is true or an element is to be seen.

        After that, until the page rests.
        """
        self.page.wait_for_selector(RESTS)
        time.sleep(self.pause_s)
        started = time.perf_counter()
        act()
        if isinstance(seen, str):
            # Why rarely: asking lays the page out anew, which would slow what is measured.
            self.page.wait_for_function(f"() => {seen}", polling=40)
        else:
            seen.first.wait_for()
        answered = time.perf_counter() - started
        self.page.wait_for_selector(RESTS)
        self.times[what].append((answered, time.perf_counter() - started))

    def click(self, selector: str) -> Callable[[], None]:
        """To click the first element of this selector."""
        return lambda: self.page.locator(selector).first.click()


def there(selector: str, text: str = "") -> str:
    """That an element is on the screen, with this text in it."""
    return (
        f"[...document.querySelectorAll('{selector}')]"
        f".some(e => e.textContent.includes('{text}') && e.checkVisibility())"
    )


def rows(count: int) -> str:
    """That a matrix with this number of rows is drawn."""
    charts = "[...document.querySelectorAll('.ts-chart')]"
    return f"{charts}.some(e => e.grid && e.grid[0] === {count})"


def first_tile(text: str) -> str:
    """That the first image of the gallery says this."""
    galleries = f"[...document.querySelectorAll('{IMAGES}')]"
    tiles = "(e.shadowRoot ?? e.firstElementChild.shadowRoot ?? e).querySelector('.title')"
    return f"{galleries}.some(e => {tiles}?.textContent.includes('{text}'))"


def unfold(page: Page, box: str) -> None:
    """Unfold a select box."""
    page.wait_for_selector(RESTS)
    page.locator(f"{box} input").first.click()


def option(page: Page, name: str) -> Callable[[], None]:
    """To click this option of the box that is unfolded."""
    return page.get_by_role("option", name=name, exact=True).first.click


def a_round(clicks: Clicks) -> None:
    page = clicks.page
    for name, shown in TABS.items():
        clicks.time(f"tab {name}", page.get_by_role("tab", name=name).click, there(shown))
    for view in VIEWS:
        unfold(page, ".st-key-matrix_view")
        seen = there(TABLE) if view in ("confused pairs", "table") else (there(".heatmaplayer"))
        clicks.time(f"matrix: {view}", option(page, f"Confusion matrix: {view}"), seen)
    unfold(page, ".st-key-matrix_size")
    clicks.time("matrix: all 100 classes in view", option(page, "100"), rows(100))
    unfold(page, ".st-key-matrix_size")
    clicks.time("matrix: 15 classes again", option(page, "15"), rows(15))
    search = page.locator(".st-key-class_search input")
    search.fill("class 017")
    clicks.time("a class is searched", lambda: search.press("Enter"), there(".ytick", "class 017"))
    search.fill("")
    search.press("Enter")
    page.locator('[class*="st-key-matrix_model"]').first.scroll_into_view_if_needed()
    place = cell_place(page, 1, 2)
    clicks.time("a cell of the matrix", lambda: page.mouse.click(*place), there("h3", "→ class"))
    clicks.time(
        "all errors again", clicks.click(".st-key-clear_cell button"), there("h3", "All errors")
    )
    for order, shown in (
        ("Highest loss first", "loss"),
        ("Smallest margin first", "margin"),
        ("Most confident first", "100.0%"),
    ):
        unfold(page, '[class*="_order"]')
        clicks.time(order, option(page, order), first_tile(shown))
    clicks.time("an image is opened", clicks.click(TILE), page.locator(VIEWER))
    walk = partial(page.keyboard.press, "ArrowRight")
    clicks.time("the next image", walk, page.locator(VIEWER, has_text="2 of"))
    close_image(page)


def a_real_round(clicks: Clicks, app: App) -> None:
    """The images of a cell and their heatmaps, in an app that has just been started."""
    page = clicks.page
    page.goto(f"{app.url}/evaluate?subset=validation")
    page.wait_for_selector(".heatmaplayer")
    head = page.locator(".st-key-gallery_head", has_text="correct")
    place = cell_place(page, 0, 0)
    clicks.time("a cell of the matrix", lambda: page.mouse.click(*place), head)
    shown = page.locator(f'{VIEWER}[data-heat="shown"]')
    clicks.time("the first image with its heatmap", clicks.click(TILE), shown)
    walk = partial(page.keyboard.press, "ArrowRight")
    for place in ("2 of", "3 of", "4 of"):
        both = shown.filter(has_text=place)
        clicks.time("the next one with its heatmap", walk, both)
    close_image(page)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", "--pictures", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pause", type=float, default=4, help="seconds of looking before a click")
    parser.add_argument("--workspace", type=Path, help="a real one, for cells and heatmaps")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        app = App(Path(folder) / "workspace", free_port())
        if asked.workspace:
            shutil.copytree(asked.workspace, app.workspace)
        else:
            make_workspace(app.workspace, asked.images, asked.classes)
        page = launch(playwright).new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        clicks = Clicks(page, asked.pause)
        try:
            app.start()
            if not asked.workspace:
                page.goto(f"{app.url}/evaluate?model={MODEL}")
                page.wait_for_selector(".heatmaplayer")
            for number in range(asked.rounds):
                if not asked.workspace:
                    a_round(clicks)
                elif number:
                    app.stop()
                    app.start()
                if asked.workspace:
                    a_real_round(clicks, app)
                print(f"round {number + 1} of {asked.rounds}", file=sys.stderr, flush=True)
        finally:
            app.stop()
    for what, times in clicks.times.items():
        answered, rested = zip(*times, strict=True)
        print(
            f"{what:36} answer {statistics.median(answered):5.2f} s (slowest "
            f"{max(answered):5.2f}), at rest {statistics.median(rested):5.2f} s (slowest "
            f"{max(rested):5.2f})"
        )


if __name__ == "__main__":
    main()
