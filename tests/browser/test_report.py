"""The report alone in a browser: offline, hostile names, on paper."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from core.domain.datasets import Verdict
from core.domain.splits import Subset
from core.evaluation.decisions.outcome import OperatingPoint
from core.evaluation.release.criteria import ReleaseCriteria
from core.reporting.render import render
from core.workflows.data import edits
from core.workflows.results import judging, thresholds
from core.workflows.signoff import release, report, report_material, report_values, sealing
from core.workflows.signoff.report import Form
from core.workspace import Workspace
from tests.made import NAMES, add_model, make_dataset

pdfium = pytest.importorskip("pypdfium2", reason="pypdfium2 is not installed")
pytestmark = pytest.mark.browser
A4 = (595, 842)
LONG = "an_unbroken_name_that_is_far_longer_than_any_column_of_any_table_on_a_page_could_be"
HOSTILE = ("<img src=http://evil.example/x onerror=document.title=1>", LONG + "_" + LONG, "=1+1")


@pytest.fixture
def hostile(workspace: Workspace, tmp_path: Path) -> Workspace:
    """A sealed and opened test whose every name wants to break the page."""
    made = make_dataset(workspace, per_subset=80, images=tmp_path / "pictures")
    for old, new in zip(NAMES, HOSTILE, strict=True):
        edits.rename_class(workspace, "parts", old, new[:100])
    names = tuple(name[:100] for name in HOSTILE)
    add_model(made, "b", skill=1.0, class_names=names)
    basis = thresholds.load_basis(workspace, "b")
    choice = thresholds.ThresholdChoice(
        OperatingPoint(0.3, 0.7), "<script>document.title=1</script>"
    )
    thresholds.save_rule(workspace, basis, choice)
    release.set_criteria(workspace, "parts", ReleaseCriteria(0.01, 0.01, 0.99, 0.99))
    sealing.save_intended_use(workspace, "b", f"<b>{LONG}</b>\n" * 20)
    sealing.seal_test(workspace, "b")
    sealing.open_test(workspace, "b", "<iframe src=http://evil.example>")
    return workspace


@pytest.fixture
def opened(hostile: Workspace, browser: Browser):  # type: ignore[no-untyped-def]
    """Opens a form of the report from its file; gives the page and every request it made."""
    context = browser.new_context(viewport={"width": 900, "height": 1200}, offline=True)

    def show(form: Form):  # type: ignore[no-untyped-def]
        ticket = report.make_report(hostile, "b", form, max_images=0)
        page = context.new_page()
        requests: list[str] = []
        page.on("request", lambda r: requests.append(r.url))
        page.goto(report.report_file(hostile, ticket.id).as_uri())
        return page, requests

    yield show
    context.close()


@pytest.mark.parametrize("form", list(Form))
def test_a_report_asks_nobody_for_anything_and_runs_nothing(opened, form: Form) -> None:  # type: ignore[no-untyped-def]
    page, requests = opened(form)
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in requests if url.startswith("file:")]) == 1
    assert page.title() == "b – test report"
    assert page.locator("script, iframe, object, link").count() == 0
    assert page.locator("img:not([src^='data:image/webp'])").count() == 0
    assert "<img src=http://evil" in page.inner_text("body")


@pytest.mark.parametrize("form", list(Form))
def test_nothing_is_wider_than_the_paper(opened, form: Form) -> None:  # type: ignore[no-untyped-def]
    page, _ = opened(form)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 680, "height": 1000})  # 180 mm between the margins
    wide = page.evaluate(
        "[...document.querySelectorAll('body *')]"
        ".filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)"
        ".map(e => e.tagName + ': ' + e.textContent.slice(0, 60))"
    )
    assert wide == []


def test_the_short_form_has_two_pages_and_says_all_of_it(opened, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    page, _ = opened(Form.SHORT)
    document = pdfium.PdfDocument(page.pdf(prefer_css_page_size=True))
    (tmp_path / "short.pdf").write_bytes(page.pdf(prefer_css_page_size=True))
    assert len(document) == 2
    assert [round(side) for side in document[0].get_size()] == pytest.approx(A4, abs=1)
    words = " ".join(p.get_textpage().get_text_range() for p in document)
    for needed in (
        "Release criteria not met",
        "Intended use",
        "Limits of this proof",
        "1 / 2",
        "Most serious mistakes",
        "Approved by",
    ):
        assert needed in words


def test_the_short_form_of_many_classes_with_long_names_has_two_pages(
    opened, hostile: Workspace, tmp_path: Path, browser: Browser
) -> None:  # type: ignore[no-untyped-def]
    judged = judging.judged_set(hostile, "b", Subset.TEST)
    many = replace(
        judged,
        model=replace(judged.model, class_names=tuple(f"{LONG}_{i}" for i in range(30))),
        targets=np.arange(len(judged.targets)) % 30,
        probabilities=np.random.default_rng(0).dirichlet(np.ones(30), 80).astype(np.float32),
        verdicts=(Verdict.OK, *(Verdict.NOK,) * 29),
    )
    material = report_material.gather(hostile, many)
    values = report_values.report_values(hostile, material, Form.SHORT, [], "en")
    page = browser.new_page()
    page.set_content(render(values))
    (tmp_path / "many.pdf").write_bytes(page.pdf(prefer_css_page_size=True))
    page.close()
    assert len(pdfium.PdfDocument(tmp_path / "many.pdf")) == 2


def test_the_full_form_repeats_table_heads_and_cuts_no_image(opened) -> None:  # type: ignore[no-untyped-def]
    page, _ = opened(Form.FULL)
    document = pdfium.PdfDocument(page.pdf(prefer_css_page_size=True))
    assert len(document) >= 4
    last = document[len(document) - 1].get_textpage().get_text_range()
    assert f"{len(document)} / {len(document)}" in last
    heads = page.evaluate(
        "[...document.querySelectorAll('thead')].map(e => getComputedStyle(e).display)"
    )
    assert set(heads) == {"table-header-group"}
    kept = page.evaluate(
        "[...document.querySelectorAll('.picture, figure, tr')]"
        ".map(e => getComputedStyle(e).breakInside)"
    )
    assert set(kept) == {"avoid"}
