"""New images in a real browser: a camera, files of which some are broken, and what people say."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Page, expect

from core.store import versions
from core.store.database import connect
from core.workflows.data import datasets
from core.workspace import Workspace
from tests.browser.conftest import App, Begin, click, close_image, open_page, running
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
    app: App, page: Page, trained: Trained, tmp_path: Path
) -> None:
    workspace, name = Workspace(app.workspace), trained.dataset.name
    images = [tmp_path / f"{number}.png" for number in range(5)]
    for number, image in enumerate(images[:3]):
        save_image(image, marked_image("stripes", 800 + number)[0])
    images[3].write_bytes(images[0].read_bytes()[:200])
    images[4].write_text("no image")
    open_page(page, app, f"predict?model={trained.model.id}")
    page.get_by_role("radio", name="Camera").click()
    # A photo that is taken before the camera shows something is none.
    page.wait_for_function("() => document.querySelector('video')?.currentTime > 0")
    page.locator("[data-testid=stCameraInputButton]").click()
    tiles = page.locator(".ts-images .tile")
    expect(tiles).to_have_count(1)
    page.get_by_role("radio", name="Upload images").click()
    page.locator("[data-testid=stFileUploaderDropzoneInput]").set_input_files(images)
    expect(tiles).to_have_count(6)
    expect(page.get_by_text("2 files could not be read.")).to_be_visible()

    tiles.filter(has_text="0.png").click()
    expect(page.locator(".viewer .classes button")).to_have_count(2)
    expect(page.locator(".viewer .whatif")).to_be_visible()
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
