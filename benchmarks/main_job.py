"""How many clicks, and how long, from an empty app to a judged model, in a real browser?

    python -m benchmarks.main_job [FOLDER] [--rounds 3]

A new workspace each round. Without a folder the demo, with one an import of it. Each step is a
click (or a path that is typed), made as soon as what it needs is on the screen; the time ends when
the confusion matrix is drawn. Prints the seconds when each step was done, and the medians.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import App, free_port, launch

LONG_MS = 1_800_000
DEMO = (".st-key-demo button", ".st-key-to_split button")
OWN = (".st-key-do_import button", ".st-key-to_split button")
REST = (
    ".st-key-do_split button",
    ".st-key-to_train button",
    ".st-key-start button",
    ".st-key-to_evaluate button",
)


def one_round(browser: Browser, app: App, folder: Path | None) -> dict[str, float]:
    """The seconds after which each step was done, by its name."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(LONG_MS)
    page.goto(app.url)
    page.locator(DEMO[0]).first.wait_for()
    started = time.perf_counter()
    done: dict[str, float] = {}

    def note(step: str) -> None:
        done[step] = time.perf_counter() - started

    if folder is not None:
        page.locator(".st-key-go_import button").first.click()
        note("import opened")
        field = page.locator(".st-key-folder input")
        field.fill(str(folder))
        field.press("Enter")
        note("path typed")
    for selector in (*(DEMO if folder is None else OWN), *REST):
        press(page, selector)
        note(selector.split()[0].removeprefix(".st-key-"))
    page.locator('[class*="st-key-matrix_model"] .heatmaplayer').first.wait_for()
    note("judged")
    page.close()
    return done


def press(page: Page, selector: str) -> None:
    """Click an element once it is there and may be clicked."""
    page.locator(f"{selector}:not([disabled])").first.click()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    folder = asked.folder.resolve() if asked.folder else None
    totals = []
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for number in range(1, asked.rounds + 1):
            with tempfile.TemporaryDirectory() as scratch:
                app = App(Path(scratch) / "workspace", free_port())
                app.start()
                try:
                    done = one_round(browser, app, folder)
                finally:
                    app.stop()
            totals.append(done["judged"])
            steps = ", ".join(f"{name} {seconds:.1f}" for name, seconds in done.items())
            print(f"round {number}: {len(done) - 1} clicks; {steps}", flush=True)
    print(f"median: {statistics.median(totals):.1f} s")


if __name__ == "__main__":
    main()
