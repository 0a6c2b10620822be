"""The form of Configure and Search: what is typed as text, links, where fields stand."""

from dataclasses import replace

import pytest

from core.domain.configs.augment import AugmentConfig
from core.domain.configs.choices import Detail, Recipe, ScheduleName
from core.domain.configs.train import recipe_defaults
from core.domain.datasets import Orientation
from core.domain.jobs import JobKind, JobStatus
from core.domain.training import DetailTrial, EpochMetrics
from core.models.catalog import DEFAULT_NETWORK
from core.store import jobs as job_rows
from core.store import runs as run_rows
from core.store.database import connect, transaction
from core.worker.launcher import lane_lock
from core.workflows import jobs
from core.workflows.data.datasets import save_orientation
from core.workflows.training import search as searches
from pages.training import setting_fields
from pages.ui.places import Place
from tests.conftest import Trained, copy_of
from tests.ui.conftest import OpenPage

PENALTIES = "set_full_class_penalties"


def _said(app) -> list[str]:
    return [c.value.replace("\\", "") for c in app.caption if c.value.startswith(":red[")]


def test_a_search_changes_images_as_was_answered_about_the_dataset(
    open_page: OpenPage, trained: Trained, tmp_path
) -> None:
    # Both flips were on in every search of the page, also where a mirrored part is a defect.
    workspace = copy_of(trained.workspace, tmp_path / "searched")
    save_orientation(workspace, trained.dataset.id, Orientation(flip_vertical=True))
    app = open_page(Place.SEARCH, workspace, set="recipe=full,epochs=1")
    with lane_lock(workspace, JobKind.SEARCH.lane).acquire():  # nothing needs to be trained here
        app.button(key="start_search").click().run()
        assert not app.exception
        (view,) = searches.list_searches(workspace)
        jobs.stop(workspace, str(view.job and view.job.id))
    augment = view.search.augment
    assert (augment.flip_horizontal, augment.flip_vertical) == (False, True)
    assert view.search.train.epochs == 1


def test_a_text_that_cannot_be_read_is_said_at_its_field_and_nothing_can_start(
    open_page: OpenPage, trained: Trained
) -> None:
    # The whole page became an error, and the field in which it could be corrected was gone.
    app = open_page(Place.TRAIN, trained.workspace, set="recipe=full,epochs=3")
    good = trained.dataset.class_names[0]
    for typed, words in (
        ("Crack", "Penalty per class has 'Crack', but needs a class and a number above 0."),
        ("None: 2", "Penalty per class names 'None', which is no class of this dataset."),
    ):
        app.text_input(key=PENALTIES).set_value(typed).run()
        assert not app.exception
        assert not app.error
        assert app.button(key="start").disabled
        on_top, at_field = _said(app)
        assert "Penalty per class" in on_top
        assert words in at_field
    app.text_input(key="set_full_milestones").set_value("abc").run()
    assert "Epochs of the steps and Penalty per class" in _said(app)[0]
    app.text_input(key="set_full_milestones").set_value("").run()
    app.text_input(key=PENALTIES).set_value(f"{good}: 2").run()
    assert not app.button(key="start").disabled
    assert not _said(app)
    # Without a key, a fold closed at the first change in it: its title says how many there are.
    assert app.get_by_key("settings_loss").label == "Classes and loss · 1 changed"
    assert app.query_params["set"] == f"recipe=full,epochs=3,class_penalties={good}: 2"


def test_a_link_with_a_text_that_cannot_be_read_opens_with_the_default(
    open_page: OpenPage, trained: Trained
) -> None:
    app = open_page(
        Place.TRAIN, trained.workspace, set="recipe=full,milestones=abc,class_penalties=b"
    )
    assert not app.exception
    assert not app.error
    (warning,) = [w.value.replace("\\", "") for w in app.warning]
    assert "milestones, class_penalties" in warning
    assert app.text_input(key="set_full_milestones").value == ""


def test_a_link_keeps_commas_of_texts_and_links_without_escapes_still_open() -> None:
    # `4, 8, 12` became `4`, and `crack, long: 3` became `crack`, on reload and when cloned.
    texts = {"milestones": "4, 8, 12", "class_penalties": "crack, long: 3; a=b: 2; 5%2C: 4"}
    train = recipe_defaults(Recipe.FULL, DEFAULT_NETWORK)
    train = replace(train, schedule=ScheduleName.STEP, **texts)
    link = setting_fields.link_of(train, AugmentConfig())
    asked = setting_fields._read(link)
    assert not asked.refused
    assert {name: asked.own[name] for name in texts} == texts
    assert setting_fields._written(asked) == link
    old = setting_fields._read(
        "recipe=full,milestones=4, 8, 12,class_penalties=crack, long: 3; 5%: 2,epochs=3"
    )
    assert not old.refused
    assert old.own == {
        "milestones": "4, 8, 12",
        "class_penalties": "crack, long: 3; 5%: 2",
        "epochs": 3,
    }


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (Recipe.QUICK, "It takes about 5 times as long."),
        (
            Recipe.FULL,
            "is compared at its end, for fine defects; the epochs take as long as before.",
        ),
    ],
)
def test_comparing_tiles_tells_how_much_longer_a_run_takes(
    open_page: OpenPage, trained: Trained, tmp_path, recipe: Recipe, words: str
) -> None:
    # "About 5 times as long" was said of a full run too, which compares tiles at its end only.
    workspace, run_id = copy_of(trained.workspace, tmp_path / "copy"), trained.run.run.id
    whole = DetailTrial(Detail.WHOLE, 0.3, 0.1, 0.7, None, None, 1.0)
    trials = [whole, replace(whole, detail=Detail.STAGES, gain=0.1, is_chosen=True)]
    with connect(workspace) as db:
        job_id = job_rows.enqueue(db, JobKind.TRAIN, run_id, {}, now=1.0)
        job_rows.claim(db, "training", owner="me", now=2.0)
        run_rows.save_detail_trials(db, run_id, trials, job_id=job_id, owner="me")
        line = EpochMetrics(0, 0.5, 0.4, 0.8, 0.7, 0.1, 1.0, is_best=True)
        if recipe is Recipe.FULL:
            run_rows.save_epochs(db, run_id, [line], job_id=job_id, owner="me")
        made = {"model_id": trained.model.id}
        job_rows.finish(db, job_id, JobStatus.COMPLETED, owner="me", now=3.0, result=made)
        with transaction(db):
            db.conn.execute("UPDATE runs SET train = json_set(train, '$.recipe', ?)", [recipe])
    app = open_page(Place.RUNS, workspace, run=run_id)
    assert not app.exception
    assert app.button(key="compare_tiles").help.endswith(words)


def test_the_preview_of_a_staged_run_shows_its_stored_versions(
    open_page: OpenPage, trained: Trained
) -> None:
    # It said "epochs 1 to 7 of a run", which a staged run does not draw.
    def said(**link):
        app = open_page(Place.TRAIN, trained.workspace, **link)
        app.session_state["augmentation"] = True  # the fold is open
        app.run()
        assert not app.exception
        caption = next(c.value for c in app.caption if c.value.startswith("Originals"))
        return caption, any(b.key == "augment_again" for b in app.button)

    assert said(set="recipe=full") == ("Originals, then epochs 1 to 7 of a run with seed 42", True)
    staged = {
        "": ("Originals, then stored versions 2 to 6", False),
        ",stored_versions=20": ("Originals, then stored versions 2 to 8", True),
        ",stored_versions=2": ("Originals, then stored version 2", False),
        ",probability=0.0": ("Originals, the only stored version", False),
    }
    for changed, (words, again) in staged.items():
        expected = (f"{words} of a run with seed 42", again)
        assert said(set=f"recipe=staged{changed}") == expected


@pytest.mark.parametrize("recipe", [Recipe.QUICK, Recipe.FULL])
def test_the_start_model_stands_under_model_by_its_name(
    open_page: OpenPage, trained: Trained, recipe: Recipe
) -> None:
    # It stood between the device and the seed.
    app = open_page(Place.TRAIN, trained.workspace, set=f"recipe={recipe}")
    folds = {e.label.split(" · ")[0]: {s.label for s in e.selectbox} for e in app.expander}
    assert "Start from" in folds["Model"]
    assert "Start from" not in folds["Machine and seed"]
    assert app.selectbox(key="start_model").options == ["Pretrained network", trained.model.name]


def test_a_run_names_the_model_that_it_started_from(
    open_page: OpenPage, trained: Trained, tmp_path
) -> None:
    # It showed the id of the model, without its underscores.
    workspace = copy_of(trained.workspace, tmp_path / "copy")
    with connect(workspace) as db, transaction(db):
        change = "UPDATE runs SET train = json_set(train, '$.start_model', ?)"
        db.conn.execute(change, [trained.model.id])
    app = open_page(Place.RUNS, workspace, run=trained.run.run.id)
    (said,) = [m.value for m in app.markdown if m.value.startswith("Dataset **")]
    assert f"start model **{trained.model.name}**" in said.replace("\\", "")
