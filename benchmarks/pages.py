"""How fast, calm, short and accessible is every page, in a real browser?

    python -m benchmarks.pages WORKSPACE [--project FOLDER …] [--rounds 5] [--width 1280 …]

Starts the app of every project folder (this one, and for comparison the checkout of an older
commit) on a copy of the workspace, and prints for every page the median over the rounds:

- seconds from the click on its link until nothing on the page changes any more
- the layout shift of a fresh visit (Cumulative Layout Shift of web.dev: below 0.1 is good), at 1280
  px and at each width
- the words to be read in its main part
- what axe-core reports as serious or critical, light and dark, by its rule
- for each width, by how many pixels the content is wider than the window

and the megabytes that a first visit of Home transfers.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from tests.browser import conftest
from tests.browser.conftest import App, free_port, launch

PROJECT = Path(__file__).resolve().parents[1]
PAGES = (
    "home",
    "import",
    "datasets",
    "quality",
    "split",
    "versions",
    "train",
    "preprocess",
    "runs",
    "evaluate",
    "decide",
    "compare",
    "plan",
    "signoff",
    "predict",
    "models",
)
# Where the link of a page shows only after another page of its part of the menu was opened.
DOORS = {
    "import": "datasets",
    "quality": "datasets",
    "split": "datasets",
    "versions": "datasets",
    "preprocess": "train",
    "runs": "train",
    "decide": "evaluate",
    "compare": "evaluate",
    "plan": "signoff",
}
QUIET_MS = 400
WIDTH = 1280
WATCH = """
window.shift = 0; window.changed = performance.now();
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
}).observe({type: 'layout-shift', buffered: true});
document.addEventListener('DOMContentLoaded', () =>
  new MutationObserver(() => { window.changed = performance.now(); })
    .observe(document, {subtree: true, childList: true, characterData: true, attributes: true}));
"""
# A chart that is not drawn yet waits for its library, a gray bar for the code of an element, during
# which nothing changes.
RESTS = f"""() =>
  !document.querySelector('.ts-chart:not(.js-plotly-plot), .stMain [data-testid="stSkeleton"]')
  && document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState === 'notRunning'
  && document.querySelector('[data-testid="stMain"]')?.innerText.trim()
  && performance.now() - window.changed > {QUIET_MS}"""


@dataclass
class Measured:
    """What one page showed; one value for each round."""

    seconds: list[float] = field(default_factory=list)
    shifts: dict[int, list[float]] = field(default_factory=dict)
    words: int = 0
    violations: set[str] = field(default_factory=set)
    too_wide_px: dict[int, int] = field(default_factory=dict)


def rest(page: Page) -> float:
    """Wait until nothing changes; gives the time of the last change, by the clock of the page."""
    page.wait_for_function(RESTS, polling=50, timeout=120_000)
    return float(page.evaluate("window.changed"))


@contextmanager
def window(browser: Browser, width: int = WIDTH, scheme: Any = "light") -> Iterator[Page]:
    """A new private window whose pages are watched."""
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
    )
    context.add_init_script(WATCH)
    yield context.new_page()
    context.close()


def link_to(page: Page, path: str) -> Locator:
    """The link of the menu to this page; Home has no path."""
    starts = "./" if path == "home" else path
    ends = "/" if path == "home" else f"/{path}"
    found = (f'[href$="{ends}"]', f'[href="{starts}"]', f'[href^="{starts}?"]')
    return page.locator(", ".join(f"a{link}:visible" for link in found)).first


def click_seconds(page: Page, path: str) -> float:
    """Seconds from the click on the link of this page to its rest."""
    page.mouse.move(1, 799)  # away from what may have come below it and shows a tooltip
    if not link_to(page, path).count():
        link_to(page, DOORS[path]).click()
        rest(page)
    page.evaluate(
        "document.addEventListener('click', () => { window.clicked = performance.now(); }, "
        "{capture: true, once: true})"
    )
    link_to(page, path).click()
    page.wait_for_function(
        "path => ['/', `/${path}`].includes(location.pathname)"
        if path == "home"
        else "path => location.pathname === `/${path}`",
        arg=path,
    )
    return (rest(page) - float(page.evaluate("window.clicked"))) / 1000


def violations(page: Page) -> set[str]:
    """The rules of axe-core that this page breaks seriously, with the first element."""
    found = Axe().run(page).response["violations"]
    return {
        f"{item['id']} ({len(item['nodes'])}: {item['nodes'][0]['target'][-1]})"
        for item in found
        if item["impact"] in ("serious", "critical")
    }


def too_wide(page: Page) -> int:
    """By how many pixels the main part is wider than it is shown."""
    return int(
        page.evaluate(
            "(main => main.scrollWidth - main.clientWidth)"
            "(document.querySelector('[data-testid=\"stMain\"]'))"
        )
    )


def visit(browser: Browser, url: str, path: str, widths: list[int], measured: Measured) -> None:
    """Everything but the seconds, from fresh visits."""
    for scheme in ("light", "dark"):
        with window(browser, scheme=scheme) as page:
            page.goto(url if path == "home" else f"{url}/{path}")
            rest(page)
            measured.violations |= violations(page)
            measured.words = len(page.locator('[data-testid="stMain"]').inner_text().split())
    for width in widths:
        with window(browser, width) as page:
            page.goto(url if path == "home" else f"{url}/{path}")
            rest(page)
            measured.too_wide_px[width] = too_wide(page)


def shift(browser: Browser, url: str, path: str, width: int) -> float:
    """The layout shift of a fresh visit."""
    with window(browser, width) as page:
        page.goto(url if path == "home" else f"{url}/{path}")
        rest(page)
        return float(page.evaluate("window.shift"))


def first_visit_mb(browser: Browser, url: str) -> float:
    """What a first visit of Home transfers, in MB."""
    with window(browser) as page:
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        loaded: list[dict[str, float]] = []
        session.on("Network.loadingFinished", lambda file: loaded.append(file))
        page.goto(url)
        rest(page)
        return sum(file["encodedDataLength"] for file in loaded) / 1e6


def measure(
    browser: Browser, url: str, paths: list[str], rounds: int, widths: list[int]
) -> dict[str, Measured]:
    """Every page of a running app."""
    results = {path: Measured() for path in paths}
    for number in range(rounds):
        with window(browser) as page:
            page.goto(f"{url}/models")
            rest(page)
            for path in paths:
                if number or path != "models":
                    results[path].seconds.append(click_seconds(page, path))
        for path in paths:
            for width in (WIDTH, *widths):
                shifts = results[path].shifts.setdefault(width, [])
                shifts.append(shift(browser, url, path, width))
    for path in paths:
        visit(browser, url, path, widths, results[path])
    return results


def show(name: str, results: dict[str, Measured], first_mb: float) -> None:
    print(f"{name}: {first_mb:.2f} MB on the first visit of Home")
    for path, page in results.items():
        seconds = statistics.median(page.seconds) if page.seconds else float("nan")
        shifts = {width: statistics.median(each) for width, each in page.shifts.items()}
        narrow = "".join(f", {width}: {shifts[width]:.3f}" for width in shifts if width != WIDTH)
        wide = ", ".join(f"{width}: {px}" for width, px in page.too_wide_px.items() if px > 0)
        print(
            f"  {path:10} {seconds:5.2f} s  shift {shifts[WIDTH]:.3f}{narrow}  "
            f"{page.words:4} words  axe {len(page.violations)}"
            + "".join(f"\n      {rule}" for rule in sorted(page.violations))
            + (f"\n      too wide at {wide}" if wide else "")
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--project", type=Path, nargs="+", default=[PROJECT])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--width", type=int, nargs="*", default=[1024, 390])
    parser.add_argument("--pages", nargs="+", default=list(PAGES))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = launch(playwright)
        for number, project in enumerate(asked.project):
            workspace = Path(folder) / str(number) / "workspace"
            shutil.copytree(asked.workspace, workspace)
            conftest.PROJECT = project.resolve()
            app = App(workspace, free_port())
            app.start()
            try:
                first_mb = first_visit_mb(browser, app.url)
                started = time.monotonic()
                results = measure(browser, app.url, asked.pages, asked.rounds, asked.width)
                show(str(project), results, first_mb)
                print(f"  ({time.monotonic() - started:.0f} s)", file=sys.stderr)
            finally:
                app.stop()


if __name__ == "__main__":
    main()
