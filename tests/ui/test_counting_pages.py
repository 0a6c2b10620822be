"""What n counts, as people see and choose it; answers about look-alikes on the Quality page."""

from itertools import count, pairwise

import pytest
from streamlit.testing.v1 import AppTest

from core.domain.findings import FindingKind, Fix
from core.domain.parts import Counting, PartAnswer
from core.domain.splits import Subset
from core.evaluation.release.criteria import ReleaseCriteria
from core.store import models
from core.store.database import connect
from core.workflows.data import quality, versions
from core.workflows.results import access
from core.workflows.signoff import release
from core.workspace import Workspace
from pages.data.findings import actions
from pages.data.findings.actions import Do
from tests.core.workflows.data.test_look_alikes import save_check
from tests.made import add_model, make_dataset
from tests.ui.conftest import OpenPage
from tests.ui.shown_tables import tables

Cells = tuple[Workspace, list[int]]


@pytest.fixture
def cells(workspace: Workspace) -> Cells:
    """60 test images of different parts, of which the check proposes 12 as one part."""
    made = make_dataset(workspace, per_subset=60)
    for seed, name in enumerate(("m", "n")):
        add_model(made, name, seed=seed, skill=1.5)
        with connect(workspace) as db:
            model = models.find_model(db, name)
        access.record_view(workspace, model, "test")
    chain = made.ids[Subset.TEST].tolist()[:12]
    save_check(made, list(pairwise(chain)))
    return workspace, chain


def _metrics(app: AppTest) -> dict[str, str]:
    return {item.label: item.value for item in app.metric}


def _sizes(workspace: Workspace) -> list[int]:
    found = quality.findings(workspace, "ds-1", FindingKind.NEAR_DUPLICATE)
    return sorted(len(f.sample_ids) for f in found)


def test_images_are_counted_and_a_switch_shows_proposed_parts(
    open_page: OpenPage, cells: Cells
) -> None:
    # 2,624 different solar cells were counted as 372 parts, and nobody could count otherwise.
    workspace, _ = cells
    app = open_page("results/evaluate.py", workspace, model="model-m", subset="test")
    assert not app.exception
    assert " of 60 images right" in app.header[0].value
    assert any("Images are counted" in item.value for item in app.caption)
    (both,) = (table for table in tables(app) if "counted" in table)
    assert list(both) == ["counted", "60 images", "49 proposed parts"]
    assert both["counted"] == ["correct", "escapes", "false rejects"]
    app.segmented_control(key="count_by").set_value(Counting.PARTS).run()
    assert not app.exception
    assert " of 49 parts right" in app.header[0].value
    assert app.query_params["count"] == "parts"
    app.segmented_control(key="count_by").set_value(Counting.AUTO).run()
    assert " of 60 images right" in app.header[0].value
    assert "count" not in app.query_params


@pytest.mark.parametrize("page", ["results/compare.py", "results/operating_point.py"])
def test_a_link_to_proposed_parts_holds_on_every_page_of_results(
    open_page: OpenPage, cells: Cells, page: str
) -> None:
    workspace, _ = cells
    parameters = {"model": "model-m", "against": "model-n", "count": "parts"}
    app = open_page(page, workspace, **parameters)
    assert not app.exception
    if page == "results/compare.py":
        assert app.segmented_control(key="count_by").value is Counting.PARTS
        assert any("49 parts" in item.value for item in app.markdown)
        assert any("49 proposed parts" in table for table in tables(app))
    else:  # no look-alikes among the validation images: there is nothing to choose
        assert not [item for item in app.segmented_control if item.key == "count_by"]


def test_compare_says_where_the_verdict_depends_on_look_alikes(
    open_page: OpenPage, cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, _ = cells
    release.set_criteria(workspace, "parts", ReleaseCriteria(max_escape=0.5, min_macro_f1=0.1))
    app = open_page("results/compare.py", workspace, model="model-m", against="model-n")
    assert any("PASS" in item.value for item in app.success)
    assert not any("depends on the look-alikes" in item.value for item in app.warning)
    real = release.check_release

    def stricter_for_parts(place, compared, judged):  # type: ignore[no-untyped-def]
        if judged.counting is Counting.PARTS:
            release.set_criteria(place, "parts", ReleaseCriteria(max_escape=0.001))
        return real(place, compared, judged)

    monkeypatch.setattr(release, "check_release", stricter_for_parts)
    app.run()
    assert any("depends on the look-alikes" in item.value for item in app.warning)


def test_look_alikes_are_answered_for_a_group_a_pair_and_one_image_with_an_undo(
    cells: Cells,
) -> None:
    workspace, _ = cells
    (finding,) = quality.findings(workspace, "ds-1", FindingKind.NEAR_DUPLICATE)
    kept, numbers = actions.Diary(), count()

    def ask(do: Do, **more: object) -> None:
        raw = [{"id": str(next(numbers)), "dataset": "ds-1", "do": do, **more}]
        actions.carry_out(workspace, "ds-1", actions.read_requests(raw, "ds-1"), kept)
        assert not kept.wrong

    ask(Do.FIX, finding=finding.id, how=Fix.DIFFERENT)
    assert _sizes(workspace) == []
    summary = versions.list_versions(workspace, "ds-1")[0].summary
    assert summary == "Different parts: 12 images that look alike"
    assert kept.text == f"{summary}."
    ask(Do.UNDO)
    assert _sizes(workspace) == [12]

    pair = list(finding.sample_ids[5:7])
    ask(Do.PAIR, finding=finding.id, images=pair, answer=PartAnswer.DIFFERENT)
    halves = quality.findings(workspace, "ds-1", FindingKind.NEAR_DUPLICATE)
    assert sorted(len(f.sample_ids) for f in halves) == [6, 6]
    ask(Do.APART, finding=halves[0].id, images=[halves[0].sample_ids[0]])
    assert _sizes(workspace) == [5, 6]
    ask(Do.ALL, kind=FindingKind.NEAR_DUPLICATE, how=Fix.DIFFERENT)
    assert _sizes(workspace) == []
