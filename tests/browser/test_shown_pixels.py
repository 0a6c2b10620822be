"""The browser shows what the network sees: images of every kind, pixel for pixel."""

import hashlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Locator, Page, expect

from core.data.pixels.images import read_image
from core.data.pixels.preprocess import load_pixels
from core.domain.datasets import LabelSource
from core.domain.depth import GrayLevels
from core.domain.models import Model
from core.domain.splits import Split, SplitStrategy, Subset
from core.models.bundle import ModelCard, write_bundle
from core.models.catalog import DEFAULT_NETWORK, find_network
from core.store import models, predictions, splits
from core.store.database import connect, transaction
from core.store.datasets import samples_of
from core.workflows import jobs
from core.workflows.data import datasets
from core.workflows.results import access
from core.workflows.training import runs
from core.workspace import Workspace
from tests.browser.conftest import App, becomes, close_image, eventually, open_page, settled
from tests.conftest import save_image

pytestmark = pytest.mark.browser
LEVELS = GrayLevels(0, 4095)
NAMES = ("float.tif", "large.jpg", "sixteen.png", "turned.jpg")


def _ramp(width: int, height: int) -> np.ndarray:
    """A gray ramp with a bright corner: no turn, mirror or other scale leaves it as it is."""
    values = np.add.outer(np.arange(height) / height, np.arange(width) / width) / 2
    values[: height // 4, : width // 4] = 1
    return values


@pytest.fixture(scope="module")
def files(app: App) -> Path:
    """A PNG with 12 of 16 bits, a float TIFF in the same units, a large and a turned image."""
    root = app.workspace.parent / "files"
    good = root / "good"
    good.mkdir(parents=True)
    deep = 3000 * _ramp(90, 60) + 0.25
    Image.fromarray(deep.astype(np.float32)).save(good / "float.tif")
    Image.fromarray(deep.astype(np.uint16)).save(good / "sixteen.png")
    save_image(good / "large.jpg", 255 * _ramp(2400, 1600))
    exif = Image.Exif()
    exif[0x0112] = 6
    save_image(good / "turned.jpg", 255 * _ramp(90, 60), exif=exif)
    save_image(root / "crack" / "plain.png", 255 * _ramp(60, 60))
    return root


@pytest.fixture(scope="module")
def model(app: App, files: Path) -> Model:
    """An untrained network as a model of the files, which all are its test set."""
    from core.models.build import build_network, head_name

    workspace = Workspace(app.workspace).create()
    job = datasets.start_import(workspace, files, "Kinds", LabelSource.LAST_FOLDER)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    dataset = datasets.find_dataset(workspace, "Kinds")
    datasets.save_preprocess(
        workspace,
        dataset.id,
        runs.PreprocessConfig(image_size_px=64, black_level=LEVELS.black, white_level=LEVELS.white),
    )
    config = runs.default_preprocess(workspace, dataset.id, DEFAULT_NETWORK)
    network = find_network(DEFAULT_NETWORK)
    module = build_network(DEFAULT_NETWORK, 2)
    head = head_name(module)
    card = ModelCard(
        "kinds", dataset.class_names, config, network.name, head, network.mean, network.std, {}
    )
    content = write_bundle(card, {k: v.numpy() for k, v in module.state_dict().items()})
    split = Split("split-kinds", dataset.id, "s", SplitStrategy(), 1, (0.6, 0.2, 0.2), "d", 1.0)
    model = Model(
        "model-kinds",
        "kinds",
        None,
        dataset.id,
        "Kinds",
        split.id,
        dataset.class_names,
        network.name,
        config,
        len(content),
        hashlib.sha256(content).hexdigest(),
        1.0,
        version=1,
    )
    with connect(workspace) as db, transaction(db):
        samples = samples_of(db, dataset.id)
        ids = np.array([s.id for s in samples], np.int64)
        splits.insert_split(db, split, dict.fromkeys(ids.tolist(), Subset.TEST))
        models.insert_model(db, model, content)
        matrix = np.full((len(ids), 2), 0.1, np.float32)
        matrix[np.arange(len(ids)), [s.label or 0 for s in samples]] = 0.9
        predictions.insert_predictions(db, model.id, dataset.id, Subset.TEST, ids, matrix)
    access.record_view(workspace, model, "before")
    return model


def shown(page: Page, image: Locator) -> np.ndarray:
    """The pixels of an image that the browser has really drawn."""
    expect(image).to_be_visible()
    element = image.element_handle()
    page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=element)
    source, width = image.evaluate("i => [i.src, i.naturalWidth]")
    content = page.request.get(source).body()
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    assert pixels.shape[1] == width
    return pixels


def expected(path: Path) -> np.ndarray:
    """What the network's view is made from."""
    return np.asarray(read_image(path, levels=LEVELS).convert("RGB"))


def shows(page: Page, address: re.Pattern[str], wanted: np.ndarray) -> None:
    """Wait until the image dialog shows these pixels, and its heatmap lies on them."""
    view = page.locator("dialog.viewer .mixed .image")

    def is_there() -> bool:
        if not address.search(view.get_attribute("src") or ""):
            return False
        return np.array_equal(shown(page, view), wanted)

    eventually(is_there, seconds=60)
    expect(page.locator('dialog.viewer[data-heat="shown"]')).to_be_visible(timeout=120_000)


def shows_file(page: Page, path: Path, model: Model) -> None:
    """The image dialog shows this file as it is read, and then as the network gets it."""
    shows(page, re.compile("/full"), expected(path))
    page.keyboard.press("v")
    shows(page, re.compile("/full"), expected(path))
    expect(page.locator("dialog.viewer .bare .image")).to_be_visible()
    page.keyboard.press("v")
    shows(page, re.compile("/input"), load_pixels(path, model.preprocess))
    page.keyboard.press("v")


def focused(page: Page) -> str | None:
    return page.evaluate(
        """() => { let at = document.activeElement
        while (at?.shadowRoot) at = at.shadowRoot.activeElement
        return at?.dataset.key }"""
    )


def test_the_dialog_of_datasets_shows_the_pixels_that_are_read(
    app: App, page: Page, files: Path, model: Model
) -> None:
    # TIFFs were broken images there, and 16-bit PNG were scaled by the browser.
    open_page(page, app, f"datasets?dataset={model.dataset_id}")
    tiles, dialog = page.locator(".ts-images .tile"), page.locator("dialog.viewer")
    expect(tiles).to_have_count(5)
    seen = set()
    for number in range(5):
        tiles.nth(number).focus()
        page.keyboard.press("Enter")
        expect(dialog.locator(".place")).to_have_text(f"{number + 1} of 5")
        image = dialog.locator(".mixed .image")
        expect(image).to_have_attribute("alt", re.compile(r"\.\w+$"))
        expect(image).to_be_visible()
        path = next(files.rglob(Path(image.get_attribute("alt") or "").name))
        assert np.array_equal(shown(page, image), expected(path)), path.name
        seen.add(path.name)
        close_image(page)
    assert seen == {*NAMES, "plain.png"}


def test_the_dialog_of_evaluate_shows_what_the_model_saw_and_survives_reload_and_back(
    app: App, page: Page, files: Path, model: Model
) -> None:
    # It ended in an error for 16-bit PNG and for every float TIFF.
    open_page(page, app, f"evaluate?model={model.id}&subset=test&cell=1-1")
    tiles, dialog = page.locator(".ts-images .tile"), page.locator("dialog.viewer")
    expect(tiles).to_have_count(4)
    before = page.url
    tiles.first.click()
    seen = set()
    for number in range(1, 5):
        expect(dialog.locator(".place")).to_have_text(f"{number} of 4")
        expect(dialog.locator(".name")).to_have_text(re.compile(r"\.(tif|jpg|png)$"))
        name = Path(dialog.locator(".name").inner_text()).name
        shows_file(page, files / "good" / name, model)
        seen.add(name)
        if number < 4:
            page.keyboard.press("ArrowRight")
    assert seen == set(NAMES)

    # A reload shows the same image among the same others; Back closes it, and not the page.
    key = re.search(r"image=(\d+)", page.url)
    assert key
    page.reload()
    expect(dialog.locator(".place")).to_have_text("4 of 4")
    expect(tiles).to_have_count(4)
    settled(page)
    page.go_back()
    expect(dialog).to_be_hidden()
    assert page.url == before
    page.go_forward()
    expect(dialog.locator(".name")).to_contain_text(name)
    close_image(page)
    becomes(lambda: focused(page), key.group(1))

    # Marks are kept, and the opacity changes what is drawn at once.
    tiles.first.click()
    expect(dialog).to_have_attribute("aria-busy", "false")
    page.keyboard.press("g")
    expect(dialog.locator(".said")).to_have_text("Golden sample: marked.")
    dialog.locator(".opacity input").fill("20")
    expect(dialog.locator(".heat")).to_have_css("opacity", "0.2")
    # Another method, and what the model would say of a darker image.
    dialog.get_by_role("button", name="Grad-CAM", exact=True).click()
    expect(page.locator('dialog.viewer[data-heat="shown"]')).to_be_visible()
    dialog.locator(".whatif summary").click()
    dialog.locator("[data-change=brightness]").fill("0.3")
    expect(dialog.locator(".bars .words").first).to_contain_text("→")
    dialog.locator("[data-do=reset]").click()
    expect(dialog.locator(".bars .words").first).not_to_contain_text("→")
    page.keyboard.press("h")
    expect(dialog.locator(".square")).to_be_hidden()
    page.keyboard.press("h")
    page.keyboard.press("Escape")
    expect(tiles.first).to_contain_text("★")


def test_predict_keeps_uploads_and_shows_them_as_the_model_sees_them(
    app: App, page: Page, files: Path, model: Model
) -> None:
    open_page(page, app, f"predict?model={model.id}")
    paths = [files / "good" / name for name in NAMES]
    broken = files.parent / "broken.png"
    broken.write_bytes(b"this is no image")
    page.locator('[data-testid="stFileUploader"] input').set_input_files(
        [str(p) for p in [*paths, broken]]
    )
    tiles, dialog = page.locator(".ts-images .tile"), page.locator("dialog.viewer")
    expect(tiles).to_have_count(len(paths) + 1, timeout=120_000)
    expect(page.get_by_text("broken.png", exact=True).first).to_be_visible()
    for path in paths:
        tile = tiles.filter(has_text=path.name)
        small = shown(page, tile.locator("img"))
        whole = read_image(path, levels=LEVELS, draft_px=480).convert("RGB")
        whole.thumbnail((240, 240), Image.Resampling.BICUBIC)
        assert np.abs(small.astype(int) - np.asarray(whole)).max() <= 1, path.name
        tile.click()
        expect(dialog.locator(".name")).to_have_text(path.name)
        shows_file(page, path, model)
        close_image(page)

    # They were gone when one came back from another page.
    page.get_by_role("link", name="Models").click()
    page.wait_for_url(re.compile("/models"))
    settled(page)
    page.get_by_role("link", name="Predict").first.click()
    page.wait_for_url(re.compile("/predict"))
    expect(tiles).to_have_count(len(paths) + 1)
    tiles.filter(has_text=NAMES[0]).click()
    expect(dialog.locator(".name")).to_have_text(NAMES[0])
    # Nothing of them is stored: a new session says that they are gone.
    page.reload()
    expect(page.get_by_text("The uploaded images of this link are gone")).to_be_visible()
