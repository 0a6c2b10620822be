"""The quality check and grouped splits, as a person meets them."""

import re
import shutil

import numpy as np
import pytest

from core.domain.datasets import Dataset, LabelSource, Verdict
from core.domain.findings import (
    Certainty,
    FeatureInsight,
    Finding,
    FindingKind,
    FindingStatus,
    Fix,
    QualityCheck,
    Severity,
)
from core.store import datasets as dataset_rows
from core.store import quality as quality_rows
from core.store.database import connect, transaction
from core.workflows import jobs
from core.workflows.data import datasets, edits, fixes, quality, splits, versions
from core.workspace import Workspace
from pages.data.findings import actions, cards
from tests.conftest import copy_of, save_image
from tests.core.workflows.data.test_quality import write_parts
from tests.ui.conftest import OpenPage


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("imported")
    workspace = Workspace(root / "workspace").create()
    images = write_parts(root / "parts")
    job = datasets.start_import(workspace, images, "Parts", LabelSource.LAST_FOLDER)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    return workspace


@pytest.fixture
def parts(imported: Workspace, workspace: Workspace) -> Dataset:
    """Parts photographed several times, in the workspace of the test."""
    shutil.rmtree(workspace.root)
    copy_of(imported, workspace.root)
    return datasets.find_dataset(workspace, "Parts")


def check(workspace: Workspace, dataset: Dataset) -> QualityCheck:
    job = quality.start_check(workspace, dataset.id)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    made = quality.last_check(workspace, dataset.id)
    assert made is not None
    return made


def request(dataset: Dataset, number: object, do: str, **more: object) -> dict[str, object]:
    """A request as the browser sends it."""
    return {"id": str(number), "dataset": dataset.id, "do": do, **more}


def test_a_check_is_started_and_its_findings_come_in_the_order_of_harm(
    open_page: OpenPage, workspace: Workspace, parts
) -> None:  # type: ignore[no-untyped-def]
    random = splits.create_split(workspace, parts.id, name="random")
    app = open_page("data/quality.py", workspace)
    assert app.header[0].value == "Not checked yet"
    app.button(key="do_check").click().run()
    assert not app.exception
    job = jobs.latest(workspace, quality.job_subject(parts.id))
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    app = open_page("data/quality.py", workspace)
    assert not app.exception
    assert not app.error
    waiting = quality.to_settle(workspace, parts.id)
    assert app.header[0].value == f"{waiting} things to settle"
    # How a simple model does frightens without helping: only the difference is said.
    assert not any("nearest" in item.value for item in app.caption)
    # Asking for one kind, as its chip does.
    app.session_state["kind"] = FindingKind.NEAR_DUPLICATE.value
    assert not app.run().exception

    made = quality.last_check(workspace, parts.id)
    assert made is not None
    shown = cards.sections(workspace, parts, made, cards.FindingsChoice())
    kinds = [FindingKind(str(section["kind"])) for section in shown]
    assert kinds[:2] == [FindingKind.SUBSET_LEAK, FindingKind.LABEL_CONFLICT]
    assert kinds == [kind for kind in FindingKind if kind in kinds]
    leak = shown[0]["items"][0]  # type: ignore[index]
    labels = {leak["pictures"][str(i)]["label"] for i in leak["pairs"][0]}
    assert len(labels) == 2  # one image in each of two subsets
    assert labels <= {subset.value for subset in splits.subset_counts(workspace, parts, random.id)}
    conflict = shown[1]["items"][0]  # type: ignore[index]
    assert [action["words"] for action in conflict["actions"]] == list(parts.class_names)


def test_a_split_is_grouped_and_its_certificate_is_green_only_when_clean(
    open_page: OpenPage, workspace: Workspace, parts
) -> None:  # type: ignore[no-untyped-def]
    app = open_page("data/split.py", workspace)
    said = [item.value.replace("\\", "") for item in app.warning]
    assert any("not been checked for look-alikes" in words for words in said)
    app.button(key="do_split").click().run()
    assert any("not checked" in item.value for item in app.warning)
    assert not app.success

    made = check(workspace, parts)
    app = open_page("data/split.py", workspace)
    # The split that was made before anybody looked is counted now.
    assert "Leak certificate" in app.error[0].value
    assert any("Rotated or mirrored images are not detected" in c.value for c in app.caption)
    app.segmented_control(key="split_view").set_value("new").run()
    assert app.selectbox(key="grouping").value == "auto"
    worst = quality.worst_finding(workspace, parts.id)
    assert worst is not None
    assert worst.kind is FindingKind.SUBSET_LEAK
    said = [item.value.replace("\\", "") for item in app.markdown]
    assert any(worst.message in words for words in said)
    assert "Leak certificate" in app.success[0].value  # of the preview: nothing is stored yet
    assert len(splits.list_splits(workspace, parts.id)) == 1
    app.button(key="do_split").click().run()
    assert splits.list_splits(workspace, parts.id)[0].certificate.is_clean
    assert "Leak certificate" in app.success[0].value
    gap = splits.flattery(made)
    assert gap is not None
    assert gap > splits.FLATTERY
    lie = f"overstated accuracy by about {100 * gap:.0f} points"
    assert any(lie in item.value.replace("\\", "") for item in app.caption)

    app.segmented_control(key="split_view").set_value("new").run()
    app.selectbox(key="grouping").set_value("none").run()
    assert any("better than they are" in item.value for item in app.warning)
    app.button(key="do_split").click().run()
    assert "Leak certificate" in app.error[0].value
    assert not app.success


def test_a_pattern_that_cannot_be_read_is_answered_in_words(
    open_page: OpenPage, workspace: Workspace, parts
) -> None:  # type: ignore[no-untyped-def]
    app = open_page("data/split.py", workspace)
    app.selectbox(key="grouping").set_value("regex").run()
    assert not app.error  # nothing was typed yet
    assert any("Enter what the file names" in item.value for item in app.caption)
    app.text_input(key="pattern").set_value("(").run()
    assert any("cannot be read" in item.value for item in app.warning)  # the preview says it
    app.button(key="do_split").click().run()
    assert "cannot be read" in app.error[0].value
    assert not splits.list_splits(workspace, parts.id)


def test_requests_are_done_once_undone_in_order_and_refused_in_words(
    open_page: OpenPage, workspace: Workspace, parts
) -> None:  # type: ignore[no-untyped-def]
    check(workspace, parts)
    near, kept = FindingKind.NEAR_DUPLICATE, actions.Diary()

    def ask(*raw: dict[str, object]) -> list[actions.Request]:
        requests = actions.read_requests(list(raw), parts.id)
        return actions.carry_out(workspace, parts.id, requests, kept)

    def open_count(kind: FindingKind) -> int:
        return quality.finding_counts(workspace, parts.id).get(kind, 0)

    def used() -> int:
        return datasets.find_dataset(workspace, parts.id).sample_count

    before, total = open_count(near), used()
    (equal,) = quality.findings(workspace, parts.id, FindingKind.EXACT_DUPLICATE)
    keep_one = request(parts, 1, "fix", finding=equal.id, how=Fix.KEEP_ONE)
    group = request(parts, 2, "all", kind=near, how=Fix.GROUP)
    ask(keep_one)
    # Until it is answered, the browser sends a request with every later one.
    ask(keep_one, group)
    assert used() == total - 1
    assert open_count(FindingKind.EXACT_DUPLICATE) == open_count(near) == 0
    assert kept.handled == ["1", "2"]
    assert kept.message is not None
    assert kept.message["undo"]
    ask(request(parts, 3, "undo"))
    assert open_count(near) == before
    ask(request(parts, 4, "undo"), request(parts, 5, "undo"))
    assert used() == total
    assert open_count(FindingKind.EXACT_DUPLICATE) == 1
    assert versions.next_undo(workspace, parts.id) is None
    assert not kept.message["undo"]

    ask(request(parts, 10, "exclude", images=[equal.sample_ids[1]]), request(parts, 11, "undo"))
    assert kept.text == "Undone: excluded 1 image."
    assert used() == total

    ask(request(parts, 6, "fix", finding=987, how=Fix.IGNORE))
    assert kept.message["wrong"]
    assert "no longer exists" in str(kept.message["text"])
    ask(request(parts, 7, "all", kind=near, how=Fix.IGNORE))
    ignored = quality.findings(workspace, parts.id, near, status=FindingStatus.IGNORED)
    ask(request(parts, 8, "reopen", finding=ignored[0].id))
    assert (open_count(near), len(ignored)) == (1, before)
    # What the page answers, what is of another dataset, and what cannot be read.
    shown = request(parts, 9, "show", kind=near)
    strange = [{**shown, "dataset": "other"}, {"dataset": parts.id}, {**shown, "images": 3}]
    assert [r.kind for r in ask(shown, *strange)] == [near]

    # The bar showed the version before the answer, and a settled check that nothing was found.
    app = open_page("data/quality.py", workspace)
    (equal,) = quality.findings(workspace, parts.id, FindingKind.EXACT_DUPLICATE)
    asked = request(parts, 20, "fix", finding=equal.id, how=Fix.KEEP_ONE)
    app.session_state["findings"] = {"requests": [asked]}
    app.run()
    assert not app.exception
    version = datasets.find_dataset(workspace, parts.id).version
    assert any(str(box.key) == f"context_version-{version}" for box in app.selectbox)
    for kind in quality.finding_counts(workspace, parts.id):
        ask(request(parts, f"all {kind}", "all", kind=kind, how=Fix.IGNORE))
    app = open_page("data/quality.py", workspace)
    assert any(re.match(r"\d+ found, all settled\.", item.value) for item in app.caption)


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
    kind, warning = FindingKind.SUSPECT_LABEL, Severity.WARNING
    with connect(workspace) as db, transaction(db):
        labels = {s.id: s.label or 0 for s in dataset_rows.samples_of(db, few.id)}
        ids = list(labels)
        suspects = [
            Finding(kind, warning, "?", (i,), 1 - labels[i], 0.1, certainty=certainty)
            for i, certainty in zip(
                ids, (Certainty.UNSURE, Certainty.SURE, Certainty.SURE), strict=False
            )
        ]
        quality_rows.save_check(db, QualityCheck(few.id, 2.0, (), 0, 0), suspects)
        told = (FeatureInsight(i, 0.9, label, float(i), 0.0) for i, label in labels.items())
        quality_rows.save_insights(db, told)
    assert quality.to_settle(workspace, few.id) == 2  # a label that may be right settles nothing
    # Beside a suspect stands the most similar image of the class that it looks like.
    made = quality.last_check(workspace, few.id)
    assert made is not None
    (section,) = cards.sections(workspace, few, made, cards.FindingsChoice())
    other = min(i for i in ids if labels[i] != labels[ids[1]])
    assert section["items"][0]["pairs"] == [(ids[1], other)]  # type: ignore[index]

    app = open_page("data/quality.py", workspace, dataset=few.id)
    assert app.header[0].value == "2 things to settle"
    # "37 things to settle" stood over groups of 41, "4 are only hard to tell" beside it.
    told = "2 of 3 wait for an answer; the rest is only hard to tell."
    assert any(told in caption.value for caption in app.caption)
    # "Relabel" and "It is crack" were two buttons for one act.
    item = section["items"][0]  # type: ignore[index]
    offered = [action["words"] for action in (*item["actions"], *item["menu"])]
    assert sum(words.startswith(("Relabel", "It is")) for words in offered) == 1
    assert offered[0] in {f"Relabel as {name}" for name in few.class_names}
    unsearched = "Wrong labels could not be searched for"
    assert not any(unsearched in caption.value for caption in app.caption)
    with connect(workspace) as db, transaction(db):
        told = (FeatureInsight(i, 0.5, n % 2, float(i), 0.0) for n, i in enumerate(labels))
        quality_rows.save_insights(db, told)
    app.run()  # labels by chance: the page said no word of it
    assert any(unsearched in caption.value for caption in app.caption)
    ask = {"requests": [request(few, 1, "all", kind=kind, how=Fix.RELABEL)]}
    app.session_state["findings"] = ask
    app.run()
    assert app.button(key="relabel_ticked").disabled
    ids = [f.id for f in quality.findings(workspace, few.id, kind)]
    ask["requests"][0]["id"] = "2"
    app.session_state["findings"] = ask  # a dialog lives as long as it is asked for here
    app.checkbox(key=f"relabel_{ids[1]}").check().run()
    ask["requests"][0]["id"] = "3"
    app.session_state["findings"] = ask
    app.button(key="relabel_ticked").click().run()
    assert not app.exception
    assert [f.id for f in quality.findings(workspace, few.id, kind)] == [ids[0], ids[2]]
    assert fixes.FIXES[kind][0] is Fix.RELABEL


def test_open_serious_findings_come_before_the_split(
    open_page: OpenPage, workspace: Workspace, parts: Dataset
) -> None:
    # "12 things to settle", one of them serious, and the one green button led on to the split.
    check(workspace, parts)
    classes = datasets.find_dataset(workspace, parts.id).class_names
    edits.set_verdicts(workspace, parts.id, {classes[0]: Verdict.OK})
    app = open_page("data/quality.py", workspace)
    # OK and NOK were counted as changes since the check, which knows nothing of them.
    assert not any("since" in item.value for item in app.caption)
    assert app.button(key="to_split").label == "Split"
    for finding in quality.findings(workspace, parts.id, FindingKind.LABEL_CONFLICT):
        fixes.fix(workspace, parts.id, [finding.id], fixes.Fix.IGNORE)
    app.run()
    assert app.button(key="to_split").label == "Next: split"
