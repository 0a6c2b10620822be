"""What is open on every page: the context bar, the doors, the steps, and links that are wrong."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

from core.domain.jobs import JobKind, Phase, Progress
from core.exposure import EXPOSED_VARIABLE
from core.store import jobs as job_rows
from core.store.database import connect
from core.worker.launcher import lane_lock
from core.workflows.data import datasets, edits
from core.workflows.inventory import Inventory, Item, Level
from core.workspace import Workspace
from pages.data.findings.words import FIX_WORDS
from pages.ui import text
from pages.ui.places import MENU, Place
from pages.ui.shell import bar
from pages.ui.shell.choice import ProblemKind, resolve
from tests.conftest import Trained, copy_of
from tests.made import add_model, make_dataset, set_limits
from tests.ui.conftest import OpenPage

ASSETS = Path(text.__file__).parent / "assets"
SPARE = "ds-spare", "split-spare", "model-spare"


def test_the_list_of_keys_is_offered_in_the_menu_and_knows_all_keys_of_quality(
    open_page: OpenPage, workspace: Workspace
) -> None:
    # Only who knew the key "?" found the list, and the keys of Quality were not in it.
    app = open_page("home.py", workspace)
    assert any("ts-show-keys" in item.proto.body for item in app.sidebar.get("html"))
    listed = (ASSETS / "frame.html").read_text(encoding="utf-8").partition("On Quality")[2]
    for words in FIX_WORDS.values():
        assert f"<kbd>{words.key}</kbd>" in listed


def _dataset(name: str) -> Item:
    return Item(Level.DATASET, name, name, name, None, None, 1)


def _split(name: str, dataset: str) -> Item:
    return Item(Level.SPLIT, name, name, dataset, name, None, 0)


def _model(name: str, dataset: str | None, split: str | None) -> Item:
    return Item(Level.MODEL, name, name, dataset, split, name, 0)


# Newest first: B was imported last and has no model with its newest split.
ALL = Inventory(
    (
        _dataset("B"),
        _split("B2", "B"),
        _split("B1", "B"),
        Item(Level.RUN, "run", "run", "A", "A1", "m1", 0),
        _model("free", None, None),
        _model("b1", "B", "B1"),
        _model("m2", "A", "A1"),
        _model("m1", "A", "A1"),
        _split("A2", "A"),
        _split("A1", "A"),
        _dataset("A"),
    )
)


@pytest.mark.parametrize(
    ("asked", "last", "opened"),
    [
        ({}, {}, ("B", "B1", "b1")),  # the newest, with a split that has a model
        ({Level.DATASET: "A"}, {}, ("A", "A1", "m2")),
        ({Level.MODEL: "m1"}, {}, ("A", "A1", "m1")),  # a model decides the rest
        ({Level.SPLIT: "B2"}, {}, ("B", "B2", None)),
        ({Level.RUN: "run", Level.MODEL: "m2"}, {}, ("A", "A1", "m1")),
        ({}, {Level.DATASET: "A", Level.SPLIT: "A2"}, ("A", "A2", None)),
        ({}, {Level.DATASET: "gone", Level.MODEL: "m1"}, ("B", "B1", "b1")),
        ({Level.DATASET: "A", Level.MODEL: "free"}, {}, ("A", "A1", "free")),
    ],
)
def test_the_most_special_id_decides_and_the_rest_is_the_last_or_newest(
    asked: dict[Level, str], last: dict[Level, str], opened: tuple[str, str, str | None]
) -> None:
    choice = resolve(ALL, asked, last)
    found = (choice.dataset, choice.split, choice.model)
    assert tuple(item.id if item else None for item in found) == opened
    assert choice.problem is None


def test_without_a_choice_pages_before_the_training_open_a_split_that_no_model_has_used() -> None:
    # A new tab opened the split of the newest model, which leaked, though a clean one was made.
    def opened(asked: dict[Level, str], last: dict[Level, str]) -> tuple[str | None, bool]:
        choice = resolve(ALL, asked, last, newest_split=True)
        return choice.split.id if choice.split else None, Level.SPLIT in choice.link

    assert opened({}, {}) == ("B2", False)  # so that Results still open the newest model
    assert opened({}, {Level.DATASET: "B", Level.SPLIT: "B1"}) == ("B1", True)
    assert opened({Level.MODEL: "b1"}, {}) == ("B1", True)
    assert opened({Level.DATASET: "A"}, {}) == ("A1", True)  # its models are newer than its splits


@pytest.mark.parametrize(
    ("asked", "kind", "level"),
    [
        ({Level.MODEL: "gone"}, ProblemKind.MISSING, Level.MODEL),
        ({Level.DATASET: "m1"}, ProblemKind.OTHER_KIND, Level.DATASET),
        ({Level.DATASET: "B", Level.MODEL: "m1"}, ProblemKind.ELSEWHERE, Level.DATASET),
        ({Level.SPLIT: "A2", Level.MODEL: "m1"}, ProblemKind.ELSEWHERE, Level.SPLIT),
        ({Level.DATASET: "B", Level.SPLIT: "A1"}, ProblemKind.ELSEWHERE, Level.DATASET),
    ],
)
def test_a_wrong_link_is_told_from_a_right_one(
    asked: dict[Level, str], kind: ProblemKind, level: Level
) -> None:
    problem = resolve(ALL, asked, {}).problem
    assert problem
    assert (problem.kind, problem.level) == (kind, level)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Pills EfficientNet-Lite0 quick", "Pills EfficientNet-Lite0 quick"),
        ("Pills of the left line EfficientNet-Lite2 quick", "EfficientNet-Lite2 quick"),
        ("Another name of 40 characters and Lite2 x", "Another nam…characters and Lite2 x"),
    ],
)
def test_a_long_name_shows_what_tells_it_apart(name: str, shown: str) -> None:
    # Lite0 and Lite2 were both "Pills of the left line EfficientNet-Lite…".
    assert bar.shortened(name, "Pills of the left line") == shown
    assert len(shown) <= 34


@pytest.fixture(scope="module")
def two(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The trained workspace with a second dataset, newer and without images."""
    workspace = copy_of(trained.workspace, tmp_path_factory.mktemp("two") / "workspace")
    with connect(workspace) as db:
        dataset, split, model = SPARE
        _insert_again(db, "datasets", id=dataset, name="Spare", created_at=9e9)
        _insert_again(db, "splits", id=split, name="Spare split", dataset_id=dataset)
        _insert_again(db, "models", id=model, name="Uploaded", dataset_id=None, split_id=None)
        db.execute(
            "INSERT INTO dataset_versions SELECT ?, number, action, summary, digest, sample_count,"
            " class_names, class_verdicts, created_at, undoes FROM dataset_versions LIMIT 1",
            [dataset],
        )
        db.conn.commit()
    return workspace


def _insert_again(db, table: str, **changed: object) -> None:  # type: ignore[no-untyped-def]
    row = next(iter(db.query(f"SELECT * FROM {table} LIMIT 1")))
    db[table].insert({**row, **changed})


def _links(app: AppTest) -> list[dict[str, list[str]]]:
    return [parse_qs(link.proto.query_string) for link in app.get("page_link")]


def _menu(app: AppTest, name: str) -> Selectbox:
    return next(b for b in app.selectbox if str(b.key).startswith(f"context_{name}-"))


def _menus(app: AppTest) -> dict[str, str | None]:
    names = ("context_dataset", "context_split", "context_model")
    return {
        name: box.options[box.index] if box.index is not None else None
        for box in app.selectbox
        if (name := str(box.key).split("-")[0]) in names
    }


def test_what_is_chosen_in_the_bar_stays_over_pages_and_is_in_every_link(
    open_page: OpenPage, trained: Trained, two: Workspace
) -> None:
    app = open_page(Place.DATASETS, two)
    assert _menus(app)["context_dataset"] == "Spare"
    _menu(app, "dataset").set_value(trained.dataset.id).run()
    assert app.query_params["dataset"] == trained.dataset.id
    app.switch_page(Place.EVALUATE).run()
    assert not app.exception
    assert _menus(app) == {
        "context_dataset": "Marks",
        "context_split": trained.split.name,
        "context_model": "Marks quick",
    }
    doors = _links(app)[-len(MENU) :]
    assert all(link["dataset"] == [trained.dataset.id] for link in doors)
    assert all(link["model"] == [trained.model.id] for link in doors)
    # A model without a dataset is offered everywhere, and takes nothing else along.
    _menu(app, "model").set_value(SPARE[2]).run()
    assert _menus(app)["context_model"] == "Uploaded · no dataset"
    assert _menus(app)["context_dataset"] == "Marks"


def test_another_version_opens_the_history(open_page: OpenPage, two: Workspace) -> None:
    with connect(two) as db:
        db.execute(
            "INSERT OR IGNORE INTO dataset_versions SELECT dataset_id, 2, action, summary, digest,"
            " 0, class_names, class_verdicts, created_at, undoes FROM dataset_versions"
            " WHERE dataset_id = ?",
            [SPARE[0]],
        )
        db.execute("UPDATE datasets SET version = 2 WHERE id = ?", [SPARE[0]])
        db.conn.commit()
    app = open_page(Place.QUALITY, two, dataset=SPARE[0])
    _menu(app, "version").set_value(1).run()
    assert not app.exception
    assert app.title[0].value == "History"
    assert app.query_params["version"] == "1"


def test_a_version_keeps_the_model_and_is_compared_with_the_current_one(
    open_page: OpenPage, workspace: Workspace
) -> None:
    # The model became the newest one, and versions 2 and 3 were compared whatever was chosen.
    made = make_dataset(workspace)
    for number, name in enumerate(("chosen", "newest")):
        add_model(made, name, seed=number)
    for image in (1, 2):
        edits.exclude(workspace, "ds-1", [image])
    app = open_page(Place.DATASETS, workspace, model="model-chosen")
    _menu(app, "version").set_value(1).run()
    assert app.title[0].value == "History"
    assert _menus(app)["context_model"] == "chosen"
    assert (app.selectbox(key="from").value, app.selectbox(key="to").value) == (1, 3)
    app = open_page(Place.VERSIONS, workspace, dataset="ds-1", version="1")
    app.selectbox(key="from").set_value(2).run()
    assert (app.selectbox(key="from").value, app.selectbox(key="to").value) == (2, 3)


WRONG: dict[str, tuple[Place, Callable[[Trained], dict[str, str]], str, bool]] = {
    "deleted model": (Place.EVALUATE, lambda t: {"model": "model-gone"}, "no longer exists", False),
    "dataset of another workspace": (
        Place.QUALITY,
        lambda t: {"dataset": "ds-elsewhere"},
        "belongs to another workspace",
        False,
    ),
    "run that is no run": (Place.RUNS, lambda t: {"run": "run-gone"}, "no longer exists", False),
    "dataset in the place of a model": (
        Place.SIGN_OFF,
        lambda t: {"model": t.dataset.id},
        "asks for a model, but names the dataset",
        False,
    ),
    "model in the place of a dataset": (
        Place.SPLIT,
        lambda t: {"dataset": t.model.id},
        "asks for a dataset, but names the model",
        False,
    ),
    "split of another dataset": (
        Place.VERSIONS,
        lambda t: {"dataset": t.dataset.id, "split": SPARE[1]},
        "also names the dataset",
        True,
    ),
    "model and dataset that contradict": (
        Place.OPERATING_POINT,
        lambda t: {"dataset": SPARE[0], "model": t.model.id},
        "also names the dataset",
        True,
    ),
    "split that the page does not need": (
        Place.DATASETS,
        lambda t: {"dataset": t.dataset.id, "split": "split-gone"},
        "no longer exists",
        True,
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_link_is_answered_by_one_sentence_and_a_way_on(
    name: str, open_page: OpenPage, trained: Trained, two: Workspace
) -> None:
    place, link, sentence, is_page_shown = WRONG[name]
    app = open_page(place, two, **link(trained))
    assert not app.exception
    assert not app.error
    (warning,) = (item.value for item in app.warning if "link" in item.value)
    assert sentence in warning
    assert any(link.value.startswith("Open ") for link in app.get("page_link"))
    # Nothing else is shown in the place of what was asked for.
    assert bool(app.title) == is_page_shown


@pytest.mark.parametrize(
    ("path", "links"),
    [
        ("/nonsense", ["Home"]),
        ("/data/Evalute.html", ["Evaluate", "Home"]),
        ("/threshold", ["Threshold", "Home"]),
        ("/*a*" + 100 * "x", ["Home"]),
    ],
)
def test_an_address_without_a_page_is_said_with_a_way_on(
    path: str, links: list[str], open_page: OpenPage, two: Workspace
) -> None:
    # Streamlit showed a dialog about files of ours, over the start page.
    app = open_page(Place.HOME, two, missing=path)
    assert not app.exception
    assert [title.value for title in app.title] == ["Page not found"]
    (sentence,) = (item.value for item in app.markdown if "no page at" in item.value)
    assert text.plain(path[:80]) in sentence
    shown = app.main.get("page_link")
    assert [link.value for link in shown] == links
    assert all("dataset=" in link.proto.query_string for link in shown)
    assert open_page(Place.DATASETS, two, missing=path).title[0].value == Place.DATASETS.label


def test_a_dataset_that_was_deleted_in_another_tab_is_missed_with_a_way_on(
    open_page: OpenPage, trained: Trained, tmp_path, monkeypatch
) -> None:  # type: ignore[no-untyped-def]
    workspace = copy_of(trained.workspace, tmp_path / "deleted")
    set_limits(workspace.root, queued_jobs=0)
    monkeypatch.setenv(EXPOSED_VARIABLE, "1")
    app = open_page(Place.DATASETS, workspace, dataset=trained.dataset.id)
    assert app.title  # also on an open server, and where the administrator made a slip: both said
    assert "Everybody in this network" in app.warning[0].value
    assert "line 2, limits.queued" in app.warning[1].value.replace("\\", "")
    set_limits(workspace.root)
    monkeypatch.delenv(EXPOSED_VARIABLE)
    datasets.delete_dataset(workspace, trained.dataset.id)
    app.run()
    assert not app.exception
    assert not app.title
    assert "was deleted. It stays in the bin" in app.warning[0].value
    assert "Home" in [link.value for link in app.get("page_link")]


def test_running_jobs_are_in_the_bar_of_every_page_and_can_be_stopped_there(
    open_page: OpenPage, two: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The progress stood in the sidebar, without a link to its page and without a way to stop it.
    monkeypatch.setattr("core.worker.launcher.start_worker", lambda *_: None)
    with connect(two) as db:
        for subject, name in (("ds-new", "New"), ("ds-more", "More")):
            job_rows.enqueue(db, JobKind.IMPORT, subject, {"name": name}, now=1.0)
    app = open_page(Place.MODELS, two)
    targets = [link for link in _links(app) if "import" in link]
    assert [link["import"] for link in targets] == [["ds-new"], ["ds-more"]]
    stops = [button for button in app.button if button.key and button.key.startswith("stop_")]
    assert len(stops) == 2
    stops[0].click().run()
    assert len([b for b in app.button if b.key and b.key.startswith("stop_")]) == 1


def test_on_import_the_bar_names_the_dataset_that_gets_the_images(
    open_page: OpenPage, trained: Trained, two: Workspace, tmp_path: Path
) -> None:
    # The bar named the dataset that was open before, and the steps said that its images are here.
    workspace = copy_of(two, tmp_path / "copy")
    with connect(workspace) as db:
        job_rows.enqueue(db, JobKind.IMPORT, "ds-new", {"name": "Bolts", "into": None}, now=1.0)
        to_marks = {"name": "Marks", "into": trained.dataset.id}
        job_rows.enqueue(db, JobKind.IMPORT, "add-1", to_marks, now=2.0)

    def steps(app: AppTest) -> list[str]:
        return [link.value for link in app.main.get("page_link") if ":gray[, " in link.value]

    app = open_page(Place.IMPORT, workspace, model=trained.model.id)
    assert not app.exception
    assert (_menus(app), _menu(app, "dataset").placeholder) == (
        {"context_dataset": None},
        "New dataset",
    )
    assert steps(app) == []
    assert all(link["model"] == [trained.model.id] for link in _links(app)[-len(MENU) :])
    # The bar follows the form, and the form the bar.
    app.selectbox(key="into").set_value(trained.dataset.id).run()
    assert _menus(app)["context_dataset"] == "Marks"
    assert steps(app)
    _menu(app, "dataset").set_value(SPARE[0]).run()
    assert (app.selectbox(key="into").value, _menus(app)["context_dataset"]) == (SPARE[0], "Spare")
    app.selectbox(key="into").set_value("").run()
    assert _menus(app)["context_dataset"] is None

    for link, shown in (
        ({"into": trained.dataset.id}, "Marks"),
        ({"into": trained.dataset.id, "model": SPARE[2], "split": SPARE[1]}, "Marks"),
        ({"import": "add-1", "dataset": SPARE[0]}, "Marks"),
        ({"import": "nothing", "dataset": SPARE[0]}, "Spare"),
        ({"import": "ds-new", "dataset": SPARE[0]}, None),
    ):
        app = open_page(Place.IMPORT, workspace, **link)
        assert not app.exception
        assert not any("link" in item.value for item in app.warning)
        assert _menus(app)["context_dataset"] == shown
    assert _menu(app, "dataset").placeholder == "Bolts"


def test_a_page_and_the_bar_do_not_show_two_moments_of_one_job(
    open_page: OpenPage, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # "Import 41%" stood in the bar above "Reading images · 43%".
    monkeypatch.setattr("core.worker.launcher.start_worker", lambda *_: None)
    with connect(workspace) as db:
        job_rows.enqueue(db, JobKind.IMPORT, "ds-new", {"name": "New"}, now=time.time())
        job = job_rows.claim(db, JobKind.IMPORT.lane, owner="worker", now=time.time())
        assert job is not None
        job_rows.report(
            db,
            job.id,
            owner="worker",
            phase=Phase.READING,
            done=41,
            total=100,
            progress=Progress(0.41),
            now=time.time(),
        )

    def shown(app: AppTest) -> tuple[str, int]:
        """The words of the chip, and how many bars there are."""
        assert not app.exception
        chip = next(p for p in app.get("popover") if p.proto.id.endswith("running_jobs"))
        return chip.proto.popover.label, len(app.get("progress"))

    with lane_lock(workspace, JobKind.IMPORT.lane).acquire():  # else the job counts as lost
        assert shown(open_page(Place.MODELS, workspace)) == ("Import 41%", 1)
        assert shown(open_page(Place.HOME, workspace)) == ("Import", 1)
        assert shown(open_page(Place.IMPORT, workspace, **{"import": "ds-new"})) == ("Import", 1)


def test_steps_say_what_is_done_what_is_next_and_what_is_missing(
    open_page: OpenPage, trained: Trained, workspace: Workspace
) -> None:
    app = open_page(Place.DATASETS, trained.workspace)
    words = " ".join(link.value.replace("\\", "") for link in app.get("page_link"))
    assert "Import:gray[, done. The images are here.]" in words
    assert "Split:gray[, done." in words
    app = open_page(Place.EVALUATE, trained.workspace)
    words = " ".join(link.value.replace("\\", "") for link in app.get("page_link"))
    assert "Compare:gray[, blocked. Needs two models.]" in words  # it was open, and said so inside
    app = open_page(Place.EVALUATE, workspace)
    words = " ".join(link.value.replace("\\", "") for link in app.get("page_link"))
    assert "Threshold:gray[, blocked. Needs a trained model.]" in words


def test_every_dialog_lies_over_one_backdrop() -> None:
    # Streamlit's dialogs, the list of keys, findings and images had four of them.
    sheets = {path.name: path.read_text(encoding="utf-8") for path in ASSETS.glob("*.css")}
    ours = re.findall(r"::backdrop \{([^}]*)\}", "".join(sheets.values()))
    native = re.findall(r"\.stDialog[^{]*\{([^}]*)\}", sheets["frame.css"])
    assert len(ours) == 3
    assert len(native) == 1
    assert all("background: var(--ts-backdrop);" in rule for rule in (*ours, *native))
    assert len(re.findall(r"--ts-backdrop:", "".join(sheets.values()))) == 1
