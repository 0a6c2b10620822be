"""How long does the Evaluate page take from click to answer, in a real browser, when it is full?

    python benchmarks/evaluate_browser.py [--images 100000] [--classes 100] [--rounds 5]

Starts the app with made-up predictions and clicks as a person does, with a pause before each click.
Every line is one interaction, the median and the slowest of the rounds: first until what was asked
for is on the screen, then until the page has come to rest. Heatmaps are not among it: the images
do not exist.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks.evaluate_page import MODEL, make_workspace  # noqa: E402
from tests.browser.conftest import App, free_port, launch  # noqa: E402
from tests.browser.test_journey import click_cell  # noqa: E402

RESTS = '[data-testid="stApp"][data-test-script-state="notRunning"]'
DRAWER = '[data-testid="stDialog"]'
COUNT = '[data-testid="stMetricValue"]'
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

    def time(self, what: str, act: Callable[[], object], seen: str) -> None:
        """Act, and wait until this JavaScript expression is true, then until the page rests."""
        self.page.wait_for_selector(RESTS)
        time.sleep(self.pause_s)
        started = time.perf_counter()
        act()
        # Why rarely: asking lays the page out anew, which would slow what is measured.
        self.page.wait_for_function(f"() => {seen}", polling=40)
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


def a_round(clicks: Clicks, images: int) -> None:
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
    clicks.time("a cell of the matrix", lambda: click_cell(page, 1, 2), there("h3", "→ class"))
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
    clicks.time("an image is opened", clicks.click(".ts-images .tile"), there(".st-key-exclude"))
    clicks.time(
        "the next image", clicks.click(".st-key-review_next button"), there(f"{DRAWER} p", "2 of")
    )
    clicks.time(
        "it is marked as a limit sample",
        clicks.click(".st-key-mark_limit_sample button"),
        there('.st-key-mark_limit_sample [kind="primary"]'),
    )
    clicks.click(".st-key-mark_limit_sample button")()
    page.wait_for_selector('.st-key-mark_limit_sample [kind="secondary"]')
    page.mouse.move(1270, 890)  # away from the tooltip of what was clicked last
    wanted = page.locator(f'{DRAWER} [class*="st-key-class_"] input').first
    # Another one in every round: the image has the last one by now.
    name = f"class {len(clicks.times['a image is opened']):03d}"
    wanted.fill(name)
    wanted.press("Enter")
    page.wait_for_selector(".st-key-give_class button:not([disabled])")
    clicks.time(
        "it gets another class, the counts follow",
        clicks.click(".st-key-give_class button"),
        there(".st-key-recent_edit", f"→ {name}"),
    )
    clicks.time(
        "it is excluded, the counts follow",
        clicks.click(".st-key-exclude button"),
        there(COUNT, f"{images - 1:,}"),
    )
    page.keyboard.press("Escape")
    clicks.time(
        "that is undone, the counts follow",
        clicks.click(".st-key-undo button"),
        there(COUNT, f"{images:,}"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", "--pictures", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pause", type=float, default=4, help="seconds of looking before a click")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        app = App(Path(folder) / "workspace", free_port())
        make_workspace(app.workspace, asked.images, asked.classes)
        app.start()
        try:
            page = launch(playwright).new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(60_000)
            page.goto(f"{app.url}/evaluate?model={MODEL}")
            page.locator(".st-key-show_test button").first.click()
            page.wait_for_selector(".heatmaplayer")
            clicks = Clicks(page, asked.pause)
            for number in range(asked.rounds):
                a_round(clicks, asked.images)
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
