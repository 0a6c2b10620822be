"""S11, S12: hostile names are shown literally on every page and in every chart, and ask nobody."""

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from core.domain.keeping.people import Actor, acting_as
from core.workflows.data import datasets, edits
from core.workflows.results import access
from core.workflows.use import models
from core.workspace import Workspace
from pages.ui.places import Place
from tests.browser.conftest import App, free_port, is_remote, settled
from tests.made import NAMES, add_model, make_dataset

pytestmark = [pytest.mark.browser, pytest.mark.soak]

TAIL = (
    "<script>alert(1)</script> [x](javascript:alert(2)) ![i](https://example.com/x) $x^2$ {{7*7}}"
)
# Of an element: the nearest one around it that says where it is.
_OUTSIDE = "e => e.closest('[class*=st-key-]')?.className"
CLASSES = tuple(f"{n} {TAIL}" for n in range(len(NAMES)))


@pytest.fixture
def app(tmp_path):
    workspace = Workspace(tmp_path / "workspace").create()
    with acting_as(Actor(f"Eve {TAIL}"[:80])):
        made = make_dataset(workspace, per_subset=60, images=tmp_path / "images")
        for old, new in zip(NAMES, CLASSES, strict=True):
            edits.rename_class(workspace, "parts", old, new)
        for name, skill in (("a", 3.0), ("b", 2.0)):
            model = add_model(made, name, class_names=CLASSES, skill=skill)
            access.open_results(workspace, [model], f"audit {TAIL}", person=f"Eve {TAIL}"[:80])
            models.rename_model(workspace, model.id, f"{name} {TAIL}"[:100])
        datasets.rename_dataset(workspace, "ds-1", f"set {TAIL}"[:100])
    app = App(workspace.root, free_port())
    app.start()
    yield app
    app.stop()


def test_hostile_names_are_text_on_every_page(app, browser):
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(60_000)
    remote, dialogs, broken = [], [], []
    page.on("request", lambda r: remote.append(r.url) if is_remote(r.url) else None)
    page.on("pageerror", lambda err: broken.append(str(err)))

    def refuse(dialog):
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", refuse)
    places, literal = {}, 0
    for place in Place:
        page.goto(f"{app.url}/{place.url_path}?model=model-a")
        settled(page)
        page.wait_for_timeout(1500)  # charts and galleries draw after the script has run
        text = page.locator("body").inner_text()
        literal += "<script>alert(1)</script>" in text
        assert "Something went wrong" not in text, place
        assert not page.locator("[data-testid='stException']").count(), place
        run = page.locator("a[href^='javascript'], img[src*='example.com'], .katex")
        places[place.value] = [run.nth(n).evaluate(_OUTSIDE) for n in range(run.count())]
    page.close()
    assert not {name: what for name, what in places.items() if what}
    assert literal > 8  # on the others, names stand in menus and pictures alone
    assert not remote
    assert not dialogs
    assert not broken
