"""Choosing a rule and comparing models in a real browser, on made models."""

import re

import pytest
from playwright.sync_api import Page, expect

from core.domain.splits import Subset
from core.evaluation.decisions.outcome import single_threshold
from core.workflows.results import access, comparison, thresholds
from core.workflows.results.thresholds import ThresholdChoice
from core.workflows.use import models
from core.workspace import Workspace
from pages.ui import threshold_form
from tests.browser.conftest import (
    App,
    becomes,
    click,
    eventually,
    open_page,
    settled,
    show_test_results,
)
from tests.made import add_model, make_dataset

pytestmark = pytest.mark.browser

_LEGEND_ENDS_INSIDE = """() => {
  const legend = document.querySelector('.ts-chart .legend')
  const right = legend.closest('.ts-chart').getBoundingClientRect().right
  const names = [...legend.querySelectorAll('.legendtext')]
  return names.length > 2 && names.every(n => n.getBoundingClientRect().right <= right)
}"""


@pytest.fixture(scope="module")
def made(app: App) -> Workspace:
    workspace = Workspace(app.workspace).create()
    made = make_dataset(workspace, images=app.workspace.parent / "pictures")
    add_model(made, "present", seed=1, skill=2.0)
    add_model(made, "new", seed=5, skill=4.0)
    add_model(made, "without a rule", seed=5, skill=4.0)
    return workspace


def _look(workspace: Workspace, *names: str) -> None:
    """Somebody has looked at the test results before."""
    for name in names:
        access.record_view(workspace, models.find_model(workspace, name), "before")


def _matrices(page: Page) -> list[list[list[str]]]:
    return page.evaluate(
        """[...document.querySelectorAll('.ts-chart')].filter(c => c.data?.[0]?.type == 'heatmap')
        .map(c => c.data[0].text.map(row => row.map(t => t.replace(/<br>.*|<[^>]*>/g, ''))))"""
    )


def _expected(workspace: Workspace, threshold: float, *subsets: Subset) -> list[list[list[str]]]:
    found = [
        thresholds.load_basis(workspace, "new", subset).outcome(single_threshold(threshold))
        for subset in subsets
    ]
    # One threshold sends nothing to review: the matrix has no column for it.
    return [[[f"{row[0]:,}", f"{row[2]:,}"] for row in (item.ok, item.nok)] for item in found]


def test_the_threshold_slider_moves_matrix_and_rates_together(
    app: App, page: Page, made: Workspace
) -> None:
    open_page(page, app, "decide?model=model-new")
    page.wait_for_selector(".ts-chart .heatmaplayer")
    becomes(lambda: _matrices(page), _expected(made, 0.5, Subset.VALIDATION))
    thumb = page.locator('.stSlider input[type="range"]:visible').first
    thumb.focus()
    for _ in range(30):
        page.keyboard.press("ArrowLeft")
    exact = page.get_by_role("spinbutton", name="Reject from, %")
    expect(exact).not_to_have_value("50")
    expect(thumb).to_have_attribute(
        "aria-valuetext", threshold_form.as_limit(threshold_form.STOPS[63])
    )
    expect(exact).to_have_value(f"{100 * threshold_form.STOPS[63]:.6g}")
    settled(page)
    threshold = float(exact.input_value()) / 100
    assert threshold < 0.1
    expected = _expected(made, threshold, Subset.VALIDATION)
    becomes(lambda: _matrices(page), expected)
    basis = thresholds.load_basis(made, "new")
    overkill = basis.outcome(single_threshold(threshold)).overkill
    answer = f"{overkill.k} of {overkill.n} good images"
    expect(page.get_by_role("heading", name=re.compile(answer))).to_be_visible()
    # On a phone the last name of the legend was cut.
    whole = page.viewport_size
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    page.wait_for_selector(".ts-chart .legend")
    becomes(lambda: page.evaluate(_LEGEND_ENDS_INSIDE), True)
    page.set_viewport_size(whole)
    # A reload forgot what was not saved yet.
    page.reload()
    page.wait_for_selector(".ts-chart .heatmaplayer")
    expect(exact).to_have_value(f"{100 * threshold_form.STOPS[63]:.6g}")
    settled(page)
    alarm = page.locator(".st-key-false_validation button")
    expect(alarm).to_contain_text(f"({expected[0][0][1]})")

    alarm.click()
    expect(page.get_by_role("heading", name="False rejects on validation")).to_be_visible()
    expect(page.locator(".ts-images .tile")).to_have_count(min(24, int(expected[0][0][1])))
    # Between the verdict and the tabs was an empty band of the height of what saving adds.
    gap, before = _gap_and_tabs(page)
    assert gap < 40
    click(page, "save_rule")
    expect(page.get_by_text(re.compile("Saved just now"))).to_be_visible()
    settled(page)
    assert _gap_and_tabs(page)[1] == pytest.approx(before, abs=2)
    saved = thresholds.saved_rule(made, "new")
    assert saved is not None
    assert saved.point.accept_below == pytest.approx(threshold)
    # The verdict on test follows the saved rule, and the first look is asked for.
    show_test_results(page)
    becomes(lambda: _matrices(page), _expected(made, threshold, Subset.VALIDATION, Subset.TEST))


def _gap_and_tabs(page: Page) -> tuple[float, float]:
    """Pixels between the verdict and the tabs, and where the tabs are on the page."""
    gap, top = page.evaluate(
        """() => {
            const box = place => document.querySelector(place).getBoundingClientRect()
            const tabs = box('[data-testid="stTabs"]').top
            const parts = document.querySelectorAll('.st-key-threshold_answer :is(p, button)')
            const ends = [...parts].map(part => part.getBoundingClientRect().bottom)
            return [tabs - Math.max(...ends), tabs - box('.st-key-steps').top]
        }"""
    )
    return gap, top


def test_a_zone_for_a_person_has_two_ends_that_move_alone(
    app: App, page: Page, made: Workspace
) -> None:
    # A slider with two ends once came back with one.
    open_page(page, app, "decide?model=model-present")
    page.wait_for_selector(".ts-chart .heatmaplayer")
    page.get_by_text("With a review zone").click()
    thumbs = page.locator('.stSlider input[type="range"]:visible')
    expect(thumbs).to_have_count(2)
    settled(page)
    high = page.get_by_role("spinbutton", name="Reject from, %").input_value()
    thumbs.first.focus()
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("spinbutton", name="Accept below, %")).not_to_have_value("18.2")
    settled(page)
    assert page.get_by_role("spinbutton", name="Reject from, %").input_value() == high
    page.get_by_role("spinbutton", name="Accept below, %").fill("95")
    page.keyboard.press("Enter")
    expect(page.get_by_text(re.compile("Nothing was changed"))).to_be_visible()


def test_a_click_on_a_cell_shows_its_images(app: App, page: Page, made: Workspace) -> None:
    _look(made, "present")
    basis = thresholds.load_basis(made, "present")
    thresholds.save_rule(made, basis, ThresholdChoice(single_threshold(0.5), "by hand"))
    open_page(page, app, "decide?model=model-present")
    page.wait_for_selector(".ts-chart .heatmaplayer")
    chart = page.locator('[class*="st-key-decide_model-present_test"] .ts-chart')
    chart.focus()
    for key in ("ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
        settled(page)
    expect(page.get_by_role("heading", name="Escapes on test")).to_be_visible()


def test_the_comparison_shows_the_new_escapes(app: App, page: Page, made: Workspace) -> None:
    _look(made, "present", "without a rule")
    open_page(page, app, "compare?model=model-without a rule&against=model-present")
    page.wait_for_selector(".ts-images .tile")
    found = comparison.compare(made, "present", "without a rule")
    assert found.decisions is not None
    new = len(found.decisions.new_escapes)
    assert new > 0
    expect(page.get_by_text(f"New escapes ({new})")).to_be_visible()
    expect(page.locator(".ts-images .tile")).to_have_count(new)
    rejected = len(found.decisions.fixed_false_rejects)
    settled(page)
    page.get_by_text(f"Fixed false rejects ({rejected})").click()
    expect(page.locator(".ts-images .tile")).to_have_count(min(24, rejected))
    # Segments are lower than boxes, and at the bottom of a row so was their label.
    tops = [
        page.locator(".stMain [data-testid=stWidgetLabel]", has_text=label).bounding_box()
        for label in ("Compared with", "Subset", "Confidence level")
    ]
    assert len({round(top["y"]) for top in tops if top}) == 1
    # "Press Enter to apply" lay on the number while it was typed.
    page.locator(".st-key-criteria summary").click()
    page.locator(".st-key-criteria_f1 input").press_sequentially("95.25")
    hint = page.locator(".st-key-criteria_f1 [data-testid=InputInstructions]")
    expect(hint).to_be_attached()
    expect(hint).to_be_hidden()


def test_the_help_of_a_setting_leaves_its_own_field_free(
    app: App, page: Page, made: Workspace
) -> None:
    # Without room above its field, it lay over the number that one was about to change.
    page.set_viewport_size({"width": 1280, "height": 420})
    open_page(page, app, "plan?model=model-new")
    field = page.get_by_test_id("stNumberInput").filter(has_text="Expected true rate")
    field.evaluate(
        "f => document.querySelector('.stMain').scrollBy(0, f.getBoundingClientRect().top - 48)"
    )
    field.get_by_test_id("stTooltipHoverTarget").hover()
    tip = page.get_by_test_id("stTooltipContent")
    expect(tip).to_be_visible()
    place = field.bounding_box()
    assert place is not None
    assert place["y"] == pytest.approx(48, abs=1)  # right below the bar

    def overlap_px() -> float:
        over, own = tip.bounding_box(), field.bounding_box()
        assert over is not None
        assert own is not None
        low = min(over["y"] + over["height"], own["y"] + own["height"])
        return low - max(over["y"], own["y"])

    eventually(lambda: overlap_px() <= 0)
