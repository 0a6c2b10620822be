"""Seal, open, read the verdict, make the report: in a browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.domain.signoff import AccessKind
from core.domain.splits import Subset
from core.evaluation.release.criteria import ReleaseCriteria
from core.workflows.data import edits
from core.workflows.signoff import release, sealing
from core.workspace import Workspace
from tests.browser.conftest import App, Begin, click, give_purpose, open_page, running
from tests.made import Made, add_model, make_dataset

pytestmark = pytest.mark.browser


@pytest.fixture
def made(tmp_path: Path) -> Made:
    workspace = Workspace(tmp_path / "workspace").create()
    made = make_dataset(workspace, per_subset=48, images=tmp_path / "pictures")
    add_model(made, "press", skill=12.0)  # makes no mistake, so that no heatmap is needed
    release.set_criteria(workspace, "parts", ReleaseCriteria(max_overkill=0.2))
    return made


@pytest.fixture
def app(made: Made, begin: Begin, port: int) -> Iterator[App]:
    yield from running(made.workspace.root, port, begin)


def test_a_test_is_sealed_opened_and_reported(app: App, page: Page, made: Made) -> None:
    open_page(page, app, "signoff")
    expect(page.get_by_text("3 Seal now")).to_be_visible()
    expect(page.locator(".st-key-open_test")).to_have_count(0)

    click(page, "seal")
    expect(
        page.get_by_text("Sealed. The test results of this model have not been viewed")
    ).to_be_visible()
    assert sealing.sign_off(made.workspace, "press").accesses == ()

    click(page, "open_test")
    give_purpose(page, "open_now", "release 1 <b>bold</b>")
    expect(page.get_by_text("Sealed, then opened; nothing")).to_be_visible()
    expect(page.get_by_text("Criteria met.")).to_be_visible()
    accesses = sealing.sign_off(made.workspace, "press").accesses
    assert [(o.kind, o.purpose) for o in accesses] == [
        (AccessKind.OPENING, "release 1 <b>bold</b>"),
        (AccessKind.DECISION, "Verdict: criteria met"),
    ]

    click(page, "make_report")
    link = page.locator('[class*="st-key-report_links_"] a').first
    expect(link).to_be_visible()
    address = link.get_attribute("href")
    assert address is not None
    page.goto(address if address.startswith("http") else f"{app.url}{address}")
    expect(page.get_by_text("Release criteria met", exact=True)).to_be_visible()
    assert "release 1 <b>bold</b>" in page.inner_text("body")
    table = page.request.get(page.url.replace(".html", ".csv"))
    assert table.ok
    assert "attachment" in table.headers["content-disposition"]


def test_a_change_after_sealing_is_named_on_the_page(app: App, page: Page, made: Made) -> None:
    sealing.seal_test(made.workspace, "press")
    edits.relabel(made.workspace, "parts", {int(made.ids[Subset.TEST][0]): 1})
    open_page(page, app, "signoff")
    expect(page.get_by_text("The seal is void")).to_be_visible()
    expect(page.get_by_text(re.compile("1 test image got another class"))).to_be_visible()
    expect(page.locator(".st-key-open_test")).to_have_count(0)


def test_a_row_of_the_record_opens_into_everything_it_holds_by_keys(app: App, page: Page) -> None:
    # It was raw JSON, cut off at the edge of a table that is no text.
    open_page(page, app, "record")
    row = page.locator("tr", has_text="release criteria set")
    expect(row.get_by_text("false reject rate at most 20%")).to_be_visible()
    value = row.locator("dt", has_text="false reject rate at most")
    expect(value).to_be_hidden()
    row.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(value).to_be_visible()
    expect(row.locator("dd", has_text=re.compile("^[0-9a-f]{64}$"))).to_be_visible()
