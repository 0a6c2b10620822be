"""The browser shows what the network sees: images of every kind, pixel for pixel."""

import base64
import hashlib
import io
import re
from pathlib import Path
from urllib.parse import urljoin

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
from tests.browser.conftest import App, click, eventually, open_page
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


def becomes_network_view(page: Page, place: Locator, path: Path, model: Model) -> None:
    """Wait until the network input that is shown is that of this file."""
    wanted, view = load_pixels(path, model.preprocess), place.locator('[data-testid="stImage"] img')
    # Why last: while one image follows another, the caption of both may stand there.
    expect(place.get_by_text("network input").last).to_be_visible(timeout=120_000)

    def is_there() -> bool:
        source = view.first.get_attribute("src") or ""
        # Why: the view of the file before may be gone already.
        there = page.request.get(urljoin(page.url, source)).ok
        return there and np.array_equal(shown(page, view.first), wanted)

    eventually(is_there, seconds=30)


def test_the_large_view_of_datasets_shows_the_pixels_that_are_read(
    app: App, page: Page, files: Path, model: Model
) -> None:
    # TIFFs were broken images there, and 16-bit PNG were scaled by the browser.
    open_page(page, app, f"datasets?dataset={model.dataset_id}")
    tiles = page.locator(".ts-images .tile")
    expect(tiles).to_have_count(5)
    seen = set()
    for number in range(5):
        tiles.nth(number).focus()
        page.keyboard.press("Enter")
        large = page.locator("dialog.large")
        name = large.locator("img").get_attribute("alt") or ""
        path = next(files.rglob(name))
        assert np.array_equal(shown(page, large.locator("img")), expected(path)), name
        seen.add(name)
        page.keyboard.press("Escape")
        expect(large).to_be_hidden()
    assert seen == {*NAMES, "plain.png"}


def test_the_drawer_of_evaluate_shows_what_the_model_saw(
    app: App, page: Page, files: Path, model: Model
) -> None:
    # It ended in an error for 16-bit PNG and for every float TIFF.
    open_page(page, app, f"evaluate?model={model.id}&subset=test&cell=1-1")
    page.locator(".ts-images .tile").first.click()
    drawer = page.locator('[data-testid="stDialog"]')
    caption = drawer.get_by_text(re.compile(r"\.(tif|jpg|png)$"))
    whole = drawer.locator('[data-testid="stHtml"] img')
    seen: list[str] = []

    def shows_another_file() -> bool:
        name = caption.inner_text().rsplit("/", 1)[-1]
        if name in seen or not np.array_equal(shown(page, whole), expected(files / "good" / name)):
            return False
        seen.append(name)
        return True

    for number in range(1, 5):
        expect(drawer.get_by_text(f"{number} of 4")).to_be_visible()
        eventually(shows_another_file, seconds=30)
        becomes_network_view(page, drawer, files / "good" / seen[-1], model)
        if number < 4:
            click(page, "review_next")
    assert set(seen) == set(NAMES)


def test_predict_shows_uploads_as_the_model_sees_them(
    app: App, page: Page, files: Path, model: Model
) -> None:
    open_page(page, app, f"predict?model={model.id}")
    paths = [files / "good" / name for name in NAMES]
    page.locator('[data-testid="stFileUploader"] input').set_input_files([str(p) for p in paths])
    tiles = page.locator(".ts-images .tile")
    expect(tiles).to_have_count(len(paths), timeout=120_000)
    for number, path in enumerate(paths):
        tiles.nth(number).click()
        main = page.locator('[data-testid="stMain"]')
        expect(main.locator("p", has_text=path.name).first).to_be_visible()
        small = np.asarray(Image.open(io.BytesIO(_data(tiles.nth(number)))).convert("RGB"))
        whole = read_image(path, levels=LEVELS, draft_px=480).convert("RGB")
        whole.thumbnail((240, 240), Image.Resampling.BICUBIC)
        assert np.abs(small.astype(int) - np.asarray(whole)).max() <= 1, path.name
        becomes_network_view(page, main, path, model)


def _data(tile: Locator) -> bytes:
    image = tile.locator("img")
    expect(image).to_have_attribute("src", re.compile("^data:image/png;base64,.{50}"))
    source = image.get_attribute("src") or ""
    return base64.b64decode(source.partition(",")[2])
