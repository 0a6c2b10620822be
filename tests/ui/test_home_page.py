"""Home: the demo and the import at first, then a board that is true to the state."""

from core.domain.jobs import JobKind
from core.domain.signoff import Seal
from core.domain.splits import Subset
from core.domain.stages.states import MissedCriterion, MissedKind, ReadVerdict
from core.store import judgement, splits
from core.store.database import connect, transaction
from core.store.stages.verdicts import save_verdict
from core.workflows import jobs
from core.workflows.data import edits
from core.workflows.results.judging import judged_set
from core.workflows.signoff import release
from core.workflows.use import models
from core.workspace import Workspace
from tests.conftest import Trained, copy_of, store_rows
from tests.ui.conftest import OpenPage


def links(app) -> dict[str, str]:  # type: ignore[no-untyped-def]
    """Label of a link -> its tooltip."""
    return {item.proto.label: item.proto.help for item in app.get("page_link")}


def pictures(app) -> str:  # type: ignore[no-untyped-def]
    return " ".join(item.proto.body for item in app.get("html"))


def test_a_first_visit_offers_the_demo_and_the_import_and_the_worker_draws(
    open_page: OpenPage, workspace: Workspace
) -> None:
    # The page drew all images itself: closing the browser ended the demo.
    app = open_page("home.py", workspace)
    assert {button.key for button in app.button} == {"demo", "go_import"}
    app.button(key="demo").click().run()
    (job,) = jobs.latest_of_kind(workspace, JobKind.IMPORT).values()
    assert job.payload["name"] == "Pill demo"
    if jobs.active(workspace):  # the bar said "No dataset yet" meanwhile
        app.run()
        assert any("Importing Pill demo …" in item.value for item in app.caption)
    jobs.stop(workspace, job.id)
    assert not app.exception


def test_a_card_tells_the_stages_the_next_step_and_the_best_model(
    open_page: OpenPage, trained: Trained, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    workspace = copy_of(trained.workspace, tmp_path / "copy")
    with connect(workspace) as db:  # other tests may have viewed the test results
        db.conn.execute("DELETE FROM openings")
        db.conn.commit()
    app = open_page("home.py", workspace)
    assert not app.exception
    shown = links(app)
    assert "Trained" in shown
    assert shown["Trained"].startswith("Done.")
    # They were called "Checked" and "Signed off", which read as done.
    assert shown["Check"].startswith("Open. Duplicates")
    assert shown["Sign off"].startswith("Next. Nothing says yet")
    assert any("macro F1" in label and "on validation" in label for label in shown)
    # Nothing said what the date was, and on a wide screen the only card left half of it empty.
    assert any("· last activity " in item.value for item in app.caption)
    assert '<div class="mosaic wide" style="--images:' in pictures(app)
    button = app.button(key=f"next_{trained.dataset.id}")
    assert button.label == "Set release criteria"
    for name in trained.dataset.class_names:
        assert f"{name} " in pictures(app)
    # With criteria, the best model is judged by them.
    wanted = release.ReleaseCriteria(min_macro_f1=0.01)
    release.set_criteria(workspace, trained.dataset.id, wanted)
    app = open_page("home.py", workspace)
    assert any("meets the criteria on validation" in label for label in links(app))
    button = app.button(key=f"next_{trained.dataset.id}")
    assert button.label == "Seal the test"
    # Home said "1 part" of a dataset, results "no images are grouped": it lies in training alone.
    with connect(workspace) as db:
        split = splits.list_splits(db, trained.dataset.id)[0]
        pair = [s.id for s in splits.samples_in_subset(db, split.id, Subset.TRAIN)[:2]]
    edits.set_group(workspace, trained.dataset.id, dict.fromkeys(pair, "A"))
    app = open_page("home.py", workspace)
    assert any("2 images of 1 part" in item.value for item in app.caption)
    (model, *_) = models.list_models(workspace)
    said = judged_set(workspace, model.id, Subset.VALIDATION).counted_in_words
    assert said == "Each image counts once: none of the validation images is assigned to a part."
    # It said so beside "did not pass" of the same model after its test had failed.
    model = trained.model
    with connect(workspace) as db, transaction(db):
        criteria = str(judgement.criteria(db, trained.dataset.id))
        seal = Seal(model.id, str(model.split_id), 1.0, criteria, "", "digest", opened_at=2.0)
        judgement.insert_seal(db, seal)
        missed = (MissedCriterion(MissedKind.MACRO_F1),)
        save_verdict(db, ReadVerdict(model.id, missed, criteria, "", 3.0))
    shown = links(open_page("home.py", workspace))
    assert not any("meets the criteria" in label for label in shown)
    assert any(label.endswith("not passed") for label in shown)
    assert "did not pass" in shown["Not passed"]


def test_many_datasets_can_be_searched_and_an_unreachable_folder_is_said(
    open_page: OpenPage, workspace: Workspace
) -> None:
    for number in range(9):
        store_rows(workspace, [0, 0, 1], dataset_id=f"ds-{number}")
    with connect(workspace) as db:
        db.conn.execute("UPDATE datasets SET name = 'Größe <b>' WHERE id = 'ds-4'")
        db.conn.execute("UPDATE samples SET path = '/gone/' || path")
        db.conn.commit()
    app = open_page("home.py", workspace)
    assert len(app.header) == 9
    assert "wide" not in pictures(app)
    assert any("cannot be reached" in label for label in links(app))
    app.text_input(key="find").set_value("no such").run()
    assert not app.header
    app.text_input(key="find").set_value("GRÖSSE <").run()
    assert [item.value for item in app.header] == ["Größe \\<b\\>"]
