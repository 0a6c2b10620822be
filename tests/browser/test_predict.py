"""New images in a real browser: a camera, files of which some are broken, and what people say."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import BrowserContext, Page, expect

from core.store import versions
from core.store.database import connect
from core.workflows.data import datasets
from core.workspace import Workspace
from tests.browser.conftest import (
    App,
    Begin,
    click,
    close_image,
    eventually,
    open_page,
    running,
)
from tests.conftest import Trained, copy_of, marked_image, save_image

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def app(
    trained: Trained, tmp_path_factory: pytest.TempPathFactory, begin: Begin, port: int
) -> Iterator[App]:
    root = tmp_path_factory.mktemp("browser") / "workspace"
    copy_of(trained.workspace, root)
    yield from running(root, port, begin)


def test_images_of_camera_and_files_are_answered_with_a_key_and_found_in_the_new_version(
    app: App, page: Page, context: BrowserContext, trained: Trained, tmp_path: Path
) -> None:
    workspace, name = Workspace(app.workspace), trained.dataset.name
    images = [tmp_path / f"{number}.png" for number in range(20)]
    for number, image in enumerate(images[:18]):
        save_image(image, marked_image("stripes", 800 + number)[0])
    images[18].write_bytes(images[0].read_bytes()[:200])
    images[19].write_text("no image")
    open_page(page, app, f"predict?model={trained.model.id}")
    page.get_by_role("radio", name="Camera").click()
    # A photo that is taken before the camera shows something is none.
    page.wait_for_function("() => document.querySelector('video')?.currentTime > 0")
    page.locator("[data-testid=stCameraInputButton]").click()
    tiles = page.locator(".ts-images .tile")
    expect(tiles).to_have_count(1)
    page.get_by_role("radio", name="Upload images").click()
    page.locator("[data-testid=stFileUploaderDropzoneInput]").set_input_files(images)
    other = open_page(context.new_page(), app, f"evaluate?model={trained.model.id}")  # meanwhile
    expect(other.get_by_text("Click a cell for its images.")).to_be_visible()
    other.close()
    expect(page.get_by_text("2 files could not be read.")).to_be_visible()
    expect(page.get_by_text("Classified 19")).to_be_visible()  # the photo among them

    tiles.filter(has_text=re.compile(r"(?<!\d)0\.png")).click()
    viewer = page.locator(".viewer")
    expect(viewer.locator(".classes button")).to_have_count(2)
    canvas = viewer.locator("canvas.heat")
    seen = [""]  # nothing is drawn yet
    for method in ("grad_cam", "layer_cam", "occlusion"):
        viewer.locator(f"[data-method={method}]").click()
        eventually(
            lambda: canvas.evaluate("c => c.width > 1 ? c.toDataURL() : ''") not in seen, 120
        )
        seen.append(canvas.evaluate("c => c.toDataURL()"))

    before = viewer.locator(".answer .bars").inner_text()
    viewer.get_by_text("What if the image were different").click()
    viewer.locator("[data-change=blur]").fill("4")
    expect(viewer.locator(".changed")).to_be_visible()
    assert viewer.locator(".answer .bars").inner_text() != before
    viewer.locator("[data-do=reset]").click()
    expect(viewer.locator(".answer .bars")).to_have_text(before, use_inner_text=True)
    number = trained.dataset.class_names.index("blue disc") + 1
    page.keyboard.press(str(number))  # the model says stripes
    expect(page.locator(".viewer .said")).to_contain_text("Noted: blue disc")
    close_image(page)
    expect(page.get_by_text("1 answer, 1 corrected.")).to_be_visible()
    click(page, "add_feedback")
    expect(page.get_by_text(re.compile("Version 2 of Marks has 1 new image"))).to_be_visible()
    dataset = datasets.find_dataset(workspace, name)
    with connect(workspace) as db:
        (added,) = versions.added_by(db, dataset.id, 2)
    assert (Path(added.name).name, dataset.class_names[added.label]) == ("0.png", "blue disc")

    # A model without a passed sealed test is not released, and the dialog says why.
    open_page(page, app, f"models?model={trained.model.id}")
    click(page, f"release_{trained.model.id}")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("cannot be released")
    expect(dialog.get_by_role("link", name="Open Sign-off")).to_be_visible()
