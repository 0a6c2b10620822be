"""S8: mutated and odd files by every way in: import, batch, HTTP and the upload of the page.

    TOUCHSTONE_MUTATED=2000 pytest -m soak tests/attacks/test_s08_mutated_files_everywhere.py

Half of the mutated files are made of images in every format that is read, half of real images and
of files that are odd already, where those lie beside the project; the odd ones come as they are
too. Each file is answered: read, or refused in words; what is read is so by all four ways.
"""

import csv
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
import httpx
from PIL import Image

from core.data.pixels.images import EXTENSIONS
from core.workspace import ROOT_VARIABLE, Workspace
from tests.browser.conftest import App, free_port, open_page
from tests.conftest import copy_of, marked_image
from tests.real_data import SHARED_DATA
from tests.sessions import resident_mb

pytestmark = [
    pytest.mark.browser,
    pytest.mark.soak,
    pytest.mark.timeout(2 * 3600),
    pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of processes from /proc"),
]
FILES = int(os.environ.get("TOUCHSTONE_MUTATED", "2000"))
LOT = 500  # images of one upload
FORMATS = {".jpg": "JPEG", ".png": "PNG", ".tif": "TIFF", ".bmp": "BMP", ".webp": "WEBP"}
MOST_MB = 1500
PROJECT = Path(__file__).resolve().parents[2]


def made(folder: Path) -> list[Path]:
    """Whole images in each format, and GIF."""
    for number, (suffix, kind) in enumerate([*FORMATS.items(), (".gif", "GIF")]):
        for index in range(4):
            pixels = marked_image(("stripes", "blue disc")[index % 2], 10 * number + index)[0]
            Image.fromarray(pixels).save(folder / f"{number}-{index}{suffix}", kind)
    return sorted(folder.iterdir())


def mutated(content: bytes, choose: random.Random) -> bytes:
    """Cut off, with flipped bits, with bytes put in, or with another beginning."""
    changed = bytearray(content)
    if not changed:
        return b""
    match choose.randrange(4):
        case 0:
            return bytes(changed[: choose.randrange(len(changed))])
        case 1:
            for _ in range(choose.randrange(1, 40)):
                changed[choose.randrange(len(changed))] ^= 1 << choose.randrange(8)
        case 2:
            place = choose.randrange(len(changed))
            changed[place:place] = choose.randbytes(choose.randrange(1, 2000))
        case _:
            for _ in range(10):
                changed[choose.randrange(min(64, len(changed)))] = choose.randrange(256)
    return bytes(changed)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class folder with all of them."""
    root = tmp_path_factory.mktemp("mutated")
    (root / "whole").mkdir()
    (root / "set" / "class").mkdir(parents=True)
    whole = made(root / "whole")
    odd = [path for path in sorted((SHARED_DATA / "bad_inputs").rglob("*")) if path.is_file()]
    sets = [sorted((SHARED_DATA / name).rglob("*.jpg"))[:20] for name in ("magnetic_tile", "x_sdd")]
    real = [*odd, *(path for images in sets for path in images)] or whole
    choose = random.Random(FILES)
    for number in range(FILES):
        source = choose.choice(real if number % 2 else whole)
        suffix = choose.choice(list(FORMATS))
        content = mutated(source.read_bytes(), choose)
        (root / "set" / "class" / f"m{number:04d}{suffix}").write_bytes(content)
    for number, path in enumerate(odd):
        shutil.copy(path, root / "set" / "class" / f"odd{number:03d}{path.suffix}")
    return root / "set"


@pytest.fixture(scope="module")
def place(trained, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return copy_of(trained.workspace, tmp_path_factory.mktemp("place") / "workspace")


def touchstone(workspace: Workspace, *arguments: object) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "core.cli", *map(str, arguments), "--json"],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env={**os.environ, ROOT_VARIABLE: str(workspace.root)},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


@pytest.fixture(scope="module")
def batch(place: Workspace, files: Path, trained, tmp_path_factory) -> dict[str, str]:
    """What the command line says of each file: its class, or why it has none."""
    table = tmp_path_factory.mktemp("table") / "results.csv"
    touchstone(place, "predict", trained.model.id, files / "class", "--out", table)
    with table.open(encoding="utf-8-sig", newline="") as rows:
        return {
            Path(row["path"]).name: "" if row["error"] else row["class"]
            for row in csv.DictReader(rows)
        }


def test_an_import_takes_what_the_batch_can_read(place: Workspace, files: Path, batch) -> None:
    known = {path.name for path in (files / "class").iterdir() if path.suffix.lower() in EXTENSIONS}
    assert known <= set(batch)
    made = touchstone(place, "import", files, "--name", "Mutated")
    read = sum(bool(answer) for answer in batch.values())
    print(f"{len(batch)} files, {read} read")
    assert made["samples"] == read


def test_http_answers_each_file_as_the_batch_does(place, files, batch, trained) -> None:
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "core.cli", "serve", trained.model.id, "--port", str(port)],
        cwd=PROJECT,
        env={**os.environ, ROOT_VARIABLE: str(place.root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        deadline = time.monotonic() + 120
        while not is_well(client):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        before, answers = resident_mb(server.pid), {}
        for name in batch:
            sent = client.post(
                "/v1/predict", files={"files": (name, (files / "class" / name).read_bytes())}
            )
            assert sent.status_code < 500, sent.text
            told = sent.json()
            items = told.get("predictions", [{"error": told}])
            answers[name] = "" if items[0].get("error") else items[0]["class_name"]
        after = resident_mb(server.pid)
        print(f"HTTP: {len(answers)} files, {before:.0f} to {after:.0f} MB")
        assert answers == batch
        assert after < min(MOST_MB, before + 300)
        assert is_well(client)
    finally:
        server.terminate()
        server.wait(20)


def is_well(client) -> bool:
    try:
        return bool(client.get("/health").status_code == 200)
    except httpx.HTTPError:
        return False


def test_the_page_answers_each_file(place, files, batch, trained, browser) -> None:
    app = App(place.root, free_port())
    app.start()
    assert app.process is not None
    try:
        page = browser.new_page()
        page.set_default_timeout(240_000)
        names = [name for name in batch if Path(name).suffix.lower() in EXTENSIONS]
        memory, told = [resident_mb(app.process.pid)], Counter()
        for first in range(0, len(names), LOT):
            lot = names[first : first + LOT]
            read = sum(bool(batch[name]) for name in lot)
            open_page(page, app, f"predict?model={trained.model.id}")
            page.locator("[data-testid=stFileUploaderDropzoneInput]").set_input_files(
                [files / "class" / name for name in lot]
            )
            page.get_by_text(re.compile(r"files? could not be read")).first.wait_for()
            text = page.inner_text("[data-testid=stMain]")
            found = re.search(r"([\d,]+) files? could not be read", text)
            assert found is not None
            told["refused"] += int(found[1].replace(",", ""))
            told["read"] += read
            assert int(found[1].replace(",", "")) == len(lot) - read
            memory.append(resident_mb(app.process.pid))
        print(f"page: {told}, memory {[round(mb) for mb in memory]} MB")
        assert max(memory) < MOST_MB
        open_page(page, app)
        page.close()
    finally:
        app.stop()
