"""The quality check and grouped splits, as a person meets them."""

import numpy as np
import pytest

from core.domain.datasets import LabelSource
from core.domain.findings import (
    Certainty,
    FeatureInsight,
    Finding,
    FindingKind,
    FindingStatus,
    QualityCheck,
    Severity,
)
from core.store import datasets as dataset_rows
from core.store import quality as quality_rows
from core.store.database import connect, transaction
from core.workflows import jobs
from core.workflows.data import datasets, quality, splits, versions
from core.workspace import Workspace
from tests.conftest import save_image
from tests.core.workflows.data.test_quality import write_parts
from tests.ui.conftest import OpenPage


@pytest.fixture
def parts(workspace: Workspace, tmp_path):  # type: ignore[no-untyped-def]
    root = write_parts(tmp_path / "parts")
    job = datasets.start_import(workspace, root, "Parts", LabelSource.LAST_FOLDER)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    return datasets.find_dataset(workspace, "Parts")


def test_a_check_is_started_followed_and_shown_in_plain_words(
    open_page: OpenPage, workspace: Workspace, parts
) -> None:  # type: ignore[no-untyped-def]
    app = open_page("data/quality.py", workspace)
    assert "not been checked" in app.info[0].value
    app.button(key="do_check").click().run()
    assert not app.exception
    job = jobs.latest(workspace, quality.job_subject(parts.id))
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    app = open_page("data/quality.py", workspace)
    assert not app.exception
    assert not app.error
    titles = [item.value for item in app.markdown]
    assert "#### Look-alikes" in titles
    assert "#### The same image with different labels" in titles
    assert {m.label: m.value for m in app.metric}["Groups of look-alikes"] == "16"
    assert "16 groups of look-alikes" in app.warning[0].value.replace("\\", "")
    helps = [item.help or "" for item in app.markdown]
    assert any("Rotated or mirrored images are not detected" in words for words in helps)


def test_a_split_is_grouped_and_its_certificate_is_green_only_when_clean(
    open_page: OpenPage, workspace: Workspace, parts
) -> None:  # type: ignore[no-untyped-def]
    app = open_page("data/split.py", workspace)
    assert "not been checked for look-alikes" in app.warning[0].value.replace("\\", "")
    app.button(key="do_split").click().run()
    assert any("not checked" in item.value for item in app.warning)
    assert not app.success

    job = quality.start_check(workspace, parts.id)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    app = open_page("data/split.py", workspace)
    # The split that was made before anybody looked is counted now.
    assert "Leak certificate" in app.error[0].value
    assert any("Rotated or mirrored images are not detected" in c.value for c in app.caption)
    app.segmented_control(key="split_view").set_value("new").run()
    assert app.selectbox(key="grouping").value == "auto"
    assert "Leak certificate" in app.success[0].value  # of the preview: nothing is stored yet
    assert len(splits.list_splits(workspace, parts.id)) == 1
    app.button(key="do_split").click().run()
    assert splits.list_splits(workspace, parts.id)[0].certificate.is_clean
    assert "Leak certificate" in app.success[0].value

    app.segmented_control(key="split_view").set_value("new").run()
    app.selectbox(key="grouping").set_value("none").run()
    assert "better than they are" in app.warning[0].value
    app.button(key="do_split").click().run()
    assert "Leak certificate" in app.error[0].value
    assert not app.success


def test_a_pattern_that_cannot_be_read_is_answered_in_words(
    open_page: OpenPage, workspace: Workspace, parts
) -> None:  # type: ignore[no-untyped-def]
    app = open_page("data/split.py", workspace)
    app.selectbox(key="grouping").set_value("regex").run()
    assert not app.error  # nothing was typed yet
    assert any("Enter what the file names" in item.value for item in app.info)
    app.text_input(key="pattern").set_value("(").run()
    assert any("cannot be read" in item.value for item in app.warning)  # the preview says it
    app.button(key="do_split").click().run()
    assert "cannot be read" in app.error[0].value
    assert not splits.list_splits(workspace, parts.id)


def test_findings_are_cured_undone_ignored_and_reopened(
    open_page: OpenPage, workspace: Workspace, parts
) -> None:  # type: ignore[no-untyped-def]
    job = quality.start_check(workspace, parts.id)
    jobs.wait(workspace, job.id, on_change=lambda _: None)

    def open_count(kind: FindingKind) -> int:
        return quality.finding_counts(workspace, parts.id).get(kind, 0)

    def used() -> int:
        return datasets.find_dataset(workspace, parts.id).sample_count

    app = open_page("data/quality.py", workspace)
    before, total = open_count(FindingKind.NEAR_DUPLICATE), used()
    (equal,) = quality.findings(workspace, parts.id, FindingKind.EXACT_DUPLICATE)
    app.button(key=f"fix_{equal.id}_0").click().run()  # keep one
    assert not app.exception
    assert not app.error
    assert used() == total - 1
    assert open_count(FindingKind.EXACT_DUPLICATE) == 0
    assert any("Excluded 1 image" in item.value.replace("\\", "") for item in app.markdown)
    assert any("was changed 1 time since" in item.value for item in app.caption)
    app.button(key="undo_fix").click().run()
    assert used() == total
    assert open_count(FindingKind.EXACT_DUPLICATE) == 1
    assert [v.undoes for v in versions.list_versions(workspace, parts.id)] == [2, None, None]

    app.button(key="all_near_duplicate_group").click().run()
    assert open_count(FindingKind.NEAR_DUPLICATE) == 0
    app.button(key="undo_fix").click().run()
    assert open_count(FindingKind.NEAR_DUPLICATE) == before

    app.button(key="all_near_duplicate_ignore").click().run()
    assert open_count(FindingKind.NEAR_DUPLICATE) == 0
    app.segmented_control(key="finding_status").set_value(FindingStatus.IGNORED).run()
    ignored = quality.findings(
        workspace, parts.id, FindingKind.NEAR_DUPLICATE, status=FindingStatus.IGNORED
    )
    app.button(key=f"reopen_{ignored[0].id}").click().run()
    assert not app.exception
    assert open_count(FindingKind.NEAR_DUPLICATE) == 1


def test_sure_labels_are_changed_only_where_a_person_ticked_them(
    open_page: OpenPage, workspace: Workspace, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    # One click used to relabel every sure finding unseen.
    for number in range(8):
        name = "good" if number < 4 else "crack"
        pixels = np.full((24, 24), 20 * number, np.uint8)
        save_image(tmp_path / "set" / name / f"{number}.png", pixels)
    job = datasets.start_import(workspace, tmp_path / "set", "Few", LabelSource.LAST_FOLDER)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    few = datasets.find_dataset(workspace, "Few")
    with connect(workspace) as db, transaction(db):
        labels = {s.id: s.label or 0 for s in dataset_rows.samples_of(db, few.id)}
        kind, warning = FindingKind.SUSPECT_LABEL, Severity.WARNING
        suspects = [
            Finding(kind, warning, "?", (i,), 1 - labels[i], 0.1, certainty=Certainty.SURE)
            for i in list(labels)[:3]
        ]
        quality_rows.save_check(db, QualityCheck(few.id, 2.0, (), 0, 0), suspects)
        told = (FeatureInsight(i, 0.9, label, 0.0, 0.0) for i, label in labels.items())
        quality_rows.save_insights(db, told)
    app = open_page("data/quality.py", workspace)
    opener = "all_suspect_label_relabel"
    app.button(key=opener).click().run()
    assert app.button(key="relabel_ticked").disabled
    ids = [f.id for f in quality.findings(workspace, few.id, kind)]
    app.button(key=opener).click()  # a dialog lives as long as its button is pressed here
    app.checkbox(key=f"relabel_{ids[1]}").check().run()
    app.button(key=opener).click()
    app.button(key="relabel_ticked").click().run()
    assert not app.exception
    assert [f.id for f in quality.findings(workspace, few.id, kind)] == [ids[0], ids[2]]
