"""The pages of use: stages of models, where new images come from, and how parts are decided."""

import pytest

from core.domain.findings import Finding, FindingKind, QualityCheck, Severity
from core.domain.models import ModelStage
from core.domain.parts import PartHow, part_rule
from core.domain.signoff import Seal
from core.domain.stages.states import ReadVerdict
from core.store import judgement, quality
from core.store.database import connect, transaction
from core.store.stages.verdicts import save_verdict
from core.workflows.results import thresholds
from core.workflows.use import history, models, prediction, registry
from core.workspace import Workspace
from pages.ui.places import Place
from tests.conftest import Trained, unseen_copy_of
from tests.made import add_model, make_dataset
from tests.ui.conftest import OpenPage
from tests.ui.shown_tables import tables


@pytest.fixture
def own(trained: Trained, tmp_path) -> Workspace:
    return unseen_copy_of(trained.workspace, tmp_path / "own")


def test_a_model_is_released_by_its_gate_and_restored_by_one_click(
    open_page: OpenPage, trained: Trained, own: Workspace
) -> None:
    model = trained.model
    app = open_page(Place.MODELS, own)
    app.button(key=f"release_{model.id}").click().run()
    assert any("has not passed yet" in warning.value for warning in app.warning)
    seal = Seal(model.id, str(model.split_id), 1.0, "", "", "digest", opened_at=2.0)
    with connect(own) as db, transaction(db):
        judgement.insert_seal(db, seal)
        save_verdict(db, ReadVerdict(model.id, (), "", "", 3.0))
        serious = Finding(FindingKind.FORMAT_LEAK, Severity.SERIOUS, "All .png show cracks.")
        quality.save_check(db, QualityCheck(str(model.dataset_id), 2.0, (), 0, 0), [serious])
    app = open_page(Place.MODELS, own)
    app.button(key=f"release_{model.id}").click().run()
    assert any("png show cracks" in warning.value for warning in app.warning)
    assert app.text_input(key=f"reason_{trained.model.id}").label == "Why release it nevertheless"
    registry.set_stage(own, model.id, ModelStage.RELEASED, "the line writes PNG only")
    app = open_page(Place.MODELS, own)
    assert any("released" in item.value for item in app.markdown)
    assert f"release_{model.id}" not in {button.key for button in app.button}
    registry.set_stage(own, model.id, ModelStage.RETIRED, "camera is gone")
    app.run()
    app.button(key=f"restore_{model.id}").click().run()
    assert models.find_model(own, model.id).stage is ModelStage.CANDIDATE
    registry.set_note(own, model.id, "for the *left* camera")
    app.run()
    assert any("left" in item.value for item in app.markdown)


def test_predict_offers_the_command_of_a_watch_and_what_was_said_before(
    open_page: OpenPage, trained: Trained, own: Workspace, tmp_path
) -> None:
    history.forget(own)
    app = open_page(Place.PREDICT, own)
    # Nothing warned of a model that had not passed a test.
    assert any("no threshold yet" in item.value for item in app.markdown)
    app.segmented_control(key="source").set_value("history").run()
    assert any("No single image was classified here yet" in c.value for c in app.caption)
    image = trained.images / "stripes" / "000.png"
    history.remember(own, trained.model, prediction.predict(own, trained.model, [image], ["a.png"]))
    app.run()
    (table,) = tables(app)
    assert table["image"] == ["a.png"]
    assert "part" not in table  # a column of "None"
    app.segmented_control(key="source").set_value("watched").run()
    app.text_input(key="watch_folder").set_value("/data/left side")
    app.text_input(key="watch_table").set_value(str(tmp_path / "answers.csv")).run()
    assert not app.exception
    (command,) = app.code
    assert f"'{trained.model.name}' '/data/left side' --out" in command.value
    assert any("No answers yet" in c.value for c in app.caption)


def test_how_images_of_a_part_are_combined_is_chosen_and_saved_with_the_threshold(
    open_page: OpenPage, workspace: Workspace
) -> None:
    add_model(make_dataset(workspace, groups=True), "new", seed=1)
    app = open_page("results/operating_point.py", workspace, model="model-new")
    app.selectbox(key="combine_model-new").set_value(PartHow.MEAN).run()
    assert not app.exception
    app.button(key="save_rule").click().run()
    saved = thresholds.saved_rule(workspace, "new")
    assert saved is not None
    assert saved.point.parts == part_rule("mean")
    app.selectbox(key="combine_model-new").set_value(PartHow.AT_LEAST).run()
    app.number_input(key="combine_model-new_k").set_value(3).run()
    app.button(key="save_rule").click().run()
    saved = thresholds.saved_rule(workspace, "new")
    assert saved is not None
    assert saved.point.parts == part_rule("3")
