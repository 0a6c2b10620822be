"""Take the images of the README from a running app whose workspace holds the trained demo.

python docs/screenshots.py http://127.0.0.1:8501 IMAGE...    (IMAGE: files for the Predict page)

Split the demo by look-alikes before training, or the images show a warning about leaks.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

OUT = Path(__file__).parent
SIZE = {"width": 1280, "height": 860}
WAIT_MS = 2500


def cell(page: Page, row: int, column: int) -> None:
    chart = page.locator('[class*="st-key-matrix_model"] .ts-chart').first
    box = chart.bounding_box()
    at = chart.evaluate(
        "(el, [r, c]) => { const L = el._fullLayout;"
        " return [L.xaxis.d2p(c) + L.xaxis._offset, L.yaxis.d2p(r) + L.yaxis._offset] }",
        [row, column],
    )
    assert box is not None
    page.mouse.click(box["x"] + at[0], box["y"] + at[1])
    page.wait_for_timeout(WAIT_MS)
    page.mouse.move(5, 5)


def shoot(page: Page, name: str) -> None:
    page.wait_for_timeout(WAIT_MS)
    page.screenshot(path=OUT / f"{name}.png")


def main(url: str, images: list[str]) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for theme in ("light", "dark"):
            page = browser.new_page(viewport=SIZE, color_scheme=theme)  # type: ignore[arg-type]
            page.goto(url)
            shoot(page, f"home-{theme}")
            page.goto(f"{url}/runs")
            page.wait_for_selector(".ts-chart .scatterlayer")
            shoot(page, f"runs-{theme}")
            page.goto(f"{url}/evaluate")
            page.wait_for_selector(".ts-chart .heatmaplayer")
            page.wait_for_timeout(WAIT_MS)
            if page.locator(".st-key-show_test button").count():
                page.locator(".st-key-show_test button").first.click()
                page.wait_for_timeout(2 * WAIT_MS)
            page.get_by_text("test", exact=True).first.click()
            page.wait_for_timeout(WAIT_MS)
            heading = page.get_by_role("heading", name="Precision and recall").first
            heading.evaluate("el => el.scrollIntoView()")
            page.wait_for_timeout(WAIT_MS)
            cell(page, 1, 2)
            shoot(page, f"evaluate-{theme}")
            page.locator(".ts-images .tile").first.click()
            page.get_by_text("network input").wait_for(timeout=60_000)
            shoot(page, f"why-{theme}")
            page.goto(f"{url}/predict")
            page.locator('[data-testid="stFileUploader"] input').set_input_files(images)
            page.get_by_text("network input").wait_for(timeout=60_000)
            shoot(page, f"predict-{theme}")
            page.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
