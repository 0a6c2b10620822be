"""The import form in a real browser: patterns, tables, decisions, and adding to a dataset."""

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.workflows.data import datasets, splits
from core.workspace import Workspace
from tests.browser.conftest import App, click, open_page, settled
from tests.conftest import save_image

pytestmark = pytest.mark.browser
LONG = 90_000


def _tree(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        save_image(root / name, np.random.default_rng(number).integers(0, 255, (40, 40, 3)))
    return root


def _open(page: Page, app: App, folder: Path) -> None:
    open_page(page, app, "import")
    page.locator(".st-key-folder input").fill(str(folder))
    page.keyboard.press("Enter")
    page.wait_for_selector(".st-key-do_import")


def _choose(page: Page, key: str, option: str) -> None:
    page.locator(f".st-key-{key} input").click()
    page.get_by_role("option", name=option).first.click()
    settled(page)


def _import(page: Page) -> None:
    click(page, "do_import")
    page.wait_for_selector(".st-key-to_split", timeout=LONG)


def test_the_preview_follows_the_pattern_while_it_is_typed(
    app: App, page: Page, tmp_path: Path
) -> None:
    names = [f"{label}_part{i}_{j}.png" for label in ("ok", "dent") for i in (1, 2) for j in (1, 2)]
    folder = _tree(tmp_path / "flat", *(f"all/{name}" for name in names))
    open_page(page, app, "import")
    page.locator(".st-key-folder input").fill(str(folder))
    page.keyboard.press("Enter")
    settled(page)
    _choose(page, "labels", "pattern in the path")
    expect(page.get_by_text("All images have the class")).to_be_visible()

    field = page.locator(".st-key-pattern input")
    preview = page.locator(".st-key-rule_preview")
    field.fill("")
    # Typed key by key, never sent off with Enter and never left.
    field.press_sequentially(r"(?P<label>ok|dent)_(?P<group>part\d", delay=15)
    expect(page.get_by_text("The pattern cannot be read")).to_be_visible()
    field.press_sequentially(")", delay=15)
    expect(preview.get_by_text("8 of 8 examples")).to_be_visible()
    expect(page.get_by_text(re.compile("8 images.*in.*2 classes"))).to_be_visible()
    expect(preview.get_by_text("part2").first).to_be_attached()
    expect(page.get_by_text("The class 'ok' counts as OK because of its name")).to_be_visible()
    assert field.evaluate("element => element === document.activeElement")
    field.fill(r"(?P<label>dent)_")
    expect(preview.get_by_text("4 of 8 examples")).to_be_visible()
    expect(preview.get_by_text("The pattern does not match.").first).to_be_attached()
    field.fill(r"(?P<label>ok|dent)_(?P<group>part\d)")
    page.locator(".st-key-dataset_name input").fill("By pattern")
    page.keyboard.press("Enter")
    settled(page)
    _import(page)
    dataset = datasets.find_dataset(Workspace(app.workspace), "By pattern")
    samples, count = datasets.samples(Workspace(app.workspace), dataset.id)
    assert (dataset.class_names, count) == (("dent", "ok"), 8)
    assert {sample.group for sample in samples} == {"part1", "part2"}


def test_decisions_are_said_and_can_be_changed(app: App, page: Page, tmp_path: Path) -> None:
    names = [
        f"{s}/{c}/{i}.jpg"
        for s in ("train", "val", "test")
        for c in ("Free", "Hole")
        for i in (1, 2)
    ]
    folder = _tree(tmp_path / "line", *names, "train/Hole/1.png")
    _open(page, app, folder)
    expect(page.get_by_text("1 PNG file next to a JPG file")).to_be_visible()
    expect(
        page.get_by_text("The folders train, val and test contain a split. It is kept")
    ).to_be_visible()
    page.locator(".st-key-keep_companions").get_by_text("Import masks as images").click()
    expect(page.get_by_text(re.compile("13 images.*would be imported"))).to_be_visible()
    page.locator(".st-key-keep_companions").get_by_text("Import masks as images").click()
    expect(page.get_by_text(re.compile("12 images.*would be imported"))).to_be_visible()
    _import(page)
    expect(
        page.get_by_text("The delivered split is kept: 4 train, 4 validation, 4 test")
    ).to_be_visible()
    workspace = Workspace(app.workspace)
    dataset = datasets.find_dataset(workspace, "line")
    assert dataset.verdicts == ("OK", "NOK")
    assert splits.find_split(workspace, dataset.id, None).name == "as delivered"


def test_images_are_added_to_a_dataset(app: App, page: Page, tmp_path: Path) -> None:
    workspace = Workspace(app.workspace)
    base = _tree(tmp_path / "base", "a/1.png", "b/2.png")
    _open(page, app, base)
    _import(page)
    dataset = datasets.find_dataset(workspace, "base")
    more = _tree(tmp_path / "more", "a/1.png", "b/1.png", "c/new.png")
    open_page(page, app, f"import?into={dataset.id}")
    page.locator(".st-key-folder input").fill(str(more))
    page.keyboard.press("Enter")
    expect(page.get_by_text("New classes: c")).to_be_visible()
    _import(page)
    expect(page.get_by_text("is now version 2")).to_be_visible()
    after = datasets.find_dataset(workspace, "base")
    assert (after.version, after.sample_count, after.class_names) == (2, 3, ("a", "b", "c"))


def test_the_columns_of_a_table_are_chosen_and_numbers_get_names(
    app: App, page: Page, tmp_path: Path
) -> None:
    folder = _tree(tmp_path / "cells", *(f"cell{i}.png" for i in range(8)))
    table = tmp_path / "labels.txt"
    lines = [f"images/cell{i}.png  {i % 2}  {'mono' if i < 4 else 'poly'}" for i in range(8)]
    table.write_text("\n".join(lines))
    open_page(page, app, "import")
    page.locator(".st-key-folder input").fill(str(folder))
    page.keyboard.press("Enter")
    _choose(page, "labels", "label table")
    page.locator('.st-key-table input[type="file"]').set_input_files(str(table))
    expect(page.get_by_text("8 lines of the table with other folders")).to_be_visible()
    page.get_by_text("Name them", exact=True).click()
    for number, name in enumerate(("good", "cracked")):
        page.get_by_role("textbox", name=f"{number} (4 lines)").fill(name)
        page.keyboard.press("Enter")
        settled(page)
    expect(page.get_by_text("Class 'good' counts as OK")).to_be_visible()
    _import(page)
    dataset = datasets.find_dataset(Workspace(app.workspace), "cells")
    samples, _ = datasets.samples(Workspace(app.workspace), dataset.id)
    assert dataset.class_names == ("cracked", "good")
    assert dict(samples[0].attributes) == {"column 3": "mono"}


def test_a_folder_is_imported_by_browsing_with_mouse_and_keys(
    app: App, page: Page, tmp_path: Path
) -> None:
    # Only a typed path was taken: people had to know it, on a machine that is not theirs.
    top = tmp_path / "pictures"
    for name in ("<img src=x onerror=alert(1)>", "new\nline", *(f"line {n}" for n in range(2, 12))):
        (top / name).mkdir(parents=True)
    _tree(top / "housings", *(f"{label}/{n}.png" for label in ("good", "dent") for n in range(3)))
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    open_page(page, app, "import")
    page.locator(".st-key-folder input").fill(str(top))
    page.keyboard.press("Enter")
    settled(page)
    click(page, "browse_folder")
    folders = page.locator(".ts-folders")
    rows, trail = folders.locator(".folder .name"), folders.locator(".trail [aria-current]")
    expect(trail).to_have_text("pictures")
    expect(rows.nth(0)).to_have_text("<img src=x onerror=alert(1)>")
    assert "new\\nline" in rows.all_inner_texts()
    expect(page.get_by_text("2 class folders, 6 images")).to_be_visible()

    folders.get_by_text("line 11").click()
    expect(trail).to_have_text("line 11")
    expect(folders.get_by_text("No folders inside.")).to_be_visible()
    folders.locator(".trail").get_by_text("pictures").click()
    expect(trail).to_have_text("pictures")
    # The rest by keys: letters filter, Enter opens, Backspace goes up.
    expect(folders.locator(".folder").first).to_be_focused()
    page.keyboard.type("hous")
    expect(rows).to_have_text(["housings"])
    page.keyboard.press("Enter")
    expect(trail).to_have_text("housings")
    expect(rows).to_have_text(["dent", "good"])
    expect(folders.locator(".folder").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(trail).to_have_text("good")
    expect(page.get_by_text("3 images", exact=True)).to_be_visible()
    page.keyboard.press("Backspace")
    expect(trail).to_have_text("housings")
    page.keyboard.press("Control+Enter")
    expect(folders).to_be_hidden()
    expect(page.locator(".st-key-folder input")).to_have_value(str(top / "housings"))
    _import(page)
    dataset = datasets.find_dataset(Workspace(app.workspace), "housings")
    assert (dataset.class_names, dataset.sample_count) == (("dent", "good"), 6)
    assert not dialogs

    # What was imported is a place to begin at from now on; the button takes the folder too.
    open_page(page, app, "import")
    click(page, "browse_folder")
    place = folders.locator(".place").get_by_text("housings")
    place.click()
    expect(trail).to_have_text("housings")
    expect(folders.locator(".place[aria-current]")).to_have_text(re.compile("housings"))
    click(page, "use_folder")
    expect(page.locator(".st-key-folder input")).to_have_value(str(top / "housings"))
