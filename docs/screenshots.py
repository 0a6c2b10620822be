"""Take the six images of the README from a running app whose workspace holds the trained demo.

python docs/screenshots.py http://127.0.0.1:8501 IMAGE...    (IMAGE: files for the Predict page)

Check the quality of the demo and split it by look-alikes before training it.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

OUT = Path(__file__).parent
SIZE = {"width": 1280, "height": 800}
RESTS = '[data-testid="stApp"][data-test-script-state="notRunning"]'
WAIT_MS = 4000


def open_page(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector(RESTS, timeout=60_000)
    page.wait_for_timeout(WAIT_MS)


def shoot(page: Page, name: str) -> None:
    page.mouse.move(5, 795)
    page.wait_for_timeout(WAIT_MS)
    page.screenshot(path=OUT / f"{name}.png")


def main(url: str, images: list[str]) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        light = browser.new_page(viewport=SIZE, color_scheme="light")  # type: ignore[arg-type]
        light.set_default_timeout(60_000)
        for path, name in (("", "home"), ("quality", "quality"), ("train", "train")):
            open_page(light, f"{url}/{path}")
            shoot(light, f"{name}-light")
        open_page(light, f"{url}/evaluate?subset=validation")
        light.wait_for_selector(".ts-chart .heatmaplayer")
        shoot(light, "evaluate-light")
        dark = browser.new_page(viewport=SIZE, color_scheme="dark")  # type: ignore[arg-type]
        dark.set_default_timeout(60_000)
        open_page(dark, f"{url}/evaluate?subset=validation")
        dark.locator(".ts-images .tile").first.click()
        shoot(dark, "why-dark")
        open_page(dark, f"{url}/predict")
        dark.locator('[data-testid="stFileUploader"] input').set_input_files(images)
        dark.wait_for_selector(".ts-images .tile")
        shoot(dark, "predict-dark")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
