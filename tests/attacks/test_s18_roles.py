"""S18: roles. A viewer tries every write there is: refused in words, recorded, nothing changed."""

import json

import pytest
from typer.testing import CliRunner

from core.administration import FILE
from core.cli.app import CONTENTS, app, load_command
from core.domain.configs.augment import AugmentConfig
from core.domain.configs.choices import Recipe
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.train import recipe_defaults
from core.domain.ids import utc_now
from core.domain.jobs import JobKind
from core.domain.keeping.people import MAY, PROGRAM, Actor, Right, Role, Standing, acting_as
from core.domain.record import RecordedAction
from core.domain.search import Search
from core.domain.signoff import MarkKind
from core.domain.training import TrainingRun
from core.errors import ConfigError, NotAllowedError, NotSignedInError
from core.models.catalog import DEFAULT_NETWORK
from core.store import jobs, runs, searches, splits
from core.store.database import connect, sqlite3, transaction
from core.store.people import guard as write_guard
from core.worker.depth import measured_dataset
from core.worker.launcher import lane_lock
from core.workflows import jobs as job_actions
from core.workflows.data import certificates, datasets, edits, uploads
from core.workflows.keeping import bin as bins
from core.workflows.keeping import people, record
from core.workflows.results import access, evaluation
from core.workflows.use import feedback, models
from core.workspace import ROOT_VARIABLE
from tests.made import add_model, make_dataset

USERS = {"eve": Role.VIEWER, "ina": Role.INSPECTOR, "kim": Role.ENGINEER, "ada": Role.ADMIN}


def _as(name):
    return acting_as(Actor(name, Standing.ACCOUNT, 1e12))


@pytest.fixture
def plant(workspace, tmp_path, monkeypatch):
    """A workspace in which people sign in at a proxy: a dataset, a model, two runs, four users."""
    monkeypatch.setattr(write_guard, "_recorded", {})
    monkeypatch.setenv(ROOT_VARIABLE, str(workspace.root))
    made = make_dataset(workspace, per_subset=4, images=tmp_path / "images")
    add_model(made, "first")
    add_model(made, "gone")
    models.delete_model(workspace, "gone")
    edits.exclude(workspace, "ds-1", [int(made.ids["train"][0])])
    train = recipe_defaults(Recipe.QUICK, DEFAULT_NETWORK)
    with connect(workspace) as db, transaction(db):
        for name in ("queued", "stopped"):
            run = TrainingRun(
                name, name, "ds-1", "split-1", PreprocessConfig(), AugmentConfig(), train, 1.0
            )
            runs.insert_run(db, run)
            jobs.enqueue(db, JobKind.TRAIN, name, {}, now=1.0)
    with connect(workspace) as db:
        jobs.stop_queued(db, jobs.latest_job(db, "stopped").id, now=2.0)
    with connect(workspace) as db, transaction(db):
        for name in ("searched", "ended"):
            configs = (PreprocessConfig(), AugmentConfig(), train, ("penalty",))
            search = Search(name, name, "ds-1", "split-1", 1, *configs, 20, 3, 0, 1.0)
            searches.insert_search(db, search)
        jobs.enqueue(db, JobKind.SEARCH, "searched", {}, now=1.0)
    for name, role in USERS.items():
        people.add_user(workspace, name, role)
    (workspace.root / FILE).write_text('[auth]\nmode = "proxy"\n')
    with acting_as(PROGRAM), connect(workspace) as db:  # else the first command would store it
        measured_dataset(workspace, db, "ds-1")
        split = splits.split_by_id(db, "split-1")
    certificates.certified(workspace, split)
    with lane_lock(workspace, JobKind.TRAIN.lane).acquire():  # nothing is trained here
        yield workspace


def _content(workspace):
    """Everything that is stored, but for the record and the job of a refused command."""
    with acting_as(PROGRAM), connect(workspace) as db:
        tables = sorted(set(db.table_names()) - {"record"})
        return {name: db.conn.execute(f"SELECT * FROM {name}").fetchall() for name in tables}


def _refusals(workspace):
    with acting_as(PROGRAM):
        rows, _ = record.entries(workspace, actions=[RecordedAction.REFUSED], limit=1000)
    return {(row.person, row.subject, row.name) for row in rows}


def test_each_role_may_what_the_one_before_may_and_more():
    for smaller, larger in zip(list(Role), list(Role)[1:], strict=False):
        assert MAY[smaller] < MAY[larger]
    assert MAY[Role.ADMIN] == set(Right)


def test_every_table_has_a_right_and_a_viewer_writes_to_none(plant):
    with acting_as(PROGRAM), connect(plant) as db:
        tables = {name for name in db.table_names() if not name.startswith("_sqlite")}
        columns = {name: db[name].columns[0].name for name in tables}
    assert tables == write_guard.TABLES.keys()
    open_to_all = {name for name, right in write_guard.TABLES.items() if right is None}
    assert open_to_all == {"record", "openings", "predicted_images"}
    statements = [("everywhere", "CREATE TABLE more (a)"), ("record", "DROP TABLE record")]
    for name in sorted(tables - open_to_all):
        statements += [
            (name, f"INSERT INTO {name} DEFAULT VALUES"),
            (name, f"UPDATE {name} SET {columns[name]} = NULL"),
            (name, f"DELETE FROM {name}"),
        ]
    before = _content(plant)
    for _, statement in statements:
        said = pytest.raises(NotAllowedError, match=r"eve \(viewer\) and may not")
        with _as("eve"), said, connect(plant) as db:
            db.conn.execute(statement)
    assert _content(plant) == before
    refused = {name for person, _, name in _refusals(plant) if person == "eve"}
    assert tables - open_to_all <= refused
    # Rows of the record are added by everybody and changed by nobody.
    for statement in ("UPDATE record SET person = 'me'", "DELETE FROM record"):
        with _as("eve"), connect(plant) as db, pytest.raises(sqlite3.DatabaseError):
            db.conn.execute(statement)


def test_a_path_tells_nothing_to_who_may_not_import(plant, tmp_path):
    # The preview of an import shows names and pictures of whatever the server may read.
    for name, may in (("eve", False), ("ina", False), ("kim", True)):
        with _as(name):
            if may:
                assert uploads.start_listing(plant, tmp_path / "images").names().names
            else:
                with pytest.raises(NotAllowedError, match="may not"):
                    uploads.start_listing(plant, tmp_path / "images")


# What each command is called with; what it needs lies in the workspace, so that only the role is
# missing. A new command stands here or below, or the test says that it does not.
WRITES = {
    "demo": (),
    "import": ("{images}", "--name", "New"),
    "quality": ("parts",),
    "split": ("parts", "--name", "second"),
    "classes": ("parts", "--add", "dent"),
    "relabel": ("parts", "00001.png=good"),
    "exclude": ("parts", "00001.png"),
    "parts": ("parts", "00001.png", "00002.png", "--as", "same-part"),
    "restore": ("parts", "00000.png"),
    "undo": ("parts",),
    "versions": ("parts", "--go-back", "1"),
    "files": ("parts",),
    "relocate": ("parts", "{images}"),
    "networks": ("--add", "{images}/none.safetensors", "--as", "resnet18"),
    "orientation": ("parts", "--flip-horizontal"),
    "train": ("parts", "--recipe", "quick"),
    "runs pause": ("queued",),
    "runs stop": ("queued",),
    "runs resume": ("stopped",),
    "runs continue": ("stopped",),
    "runs clone": ("stopped",),
    "runs model": ("stopped", "last"),
    "runs order": ("queued", "next"),
    "runs delete": ("stopped", "--yes"),
    "refit": ("first",),
    "search": ("parts",),
    "searches pause": ("searched",),
    "searches stop": ("searched",),
    "searches resume": ("ended",),
    "searches delete": ("ended", "--yes"),
    "learning-rate": ("parts", "--set", "recipe=full"),
    "stop": ("queued",),
    "resume": ("stopped",),
    "threshold": ("first", "--at", "0.5", "--save"),
    "criteria": ("parts", "--max-escape", "0.05"),
    "seal": ("first",),
    "open-test": ("first", "--purpose", "curious"),
    "report": ("first", "--out", "{images}/report.html"),
    "heatmap": ("first", "--grade"),
    "robustness": ("first",),
    "models stage": ("first", "retired"),
    "models notes": ("first", "text"),
    "predictions": ("--forget",),
    "predict": ("first", "{images}", "--out", "{images}/table.csv"),
    "delete": ("first", "--yes"),
    "bin restore": ("gone",),
    "bin empty": ("gone", "--yes"),
    "add-model": ("{images}/none.safetensors",),
    "users add": ("eve2",),
    "users role": ("eve", "admin"),
    "users disable": ("kim",),
    "users enable": ("kim",),
    "users sign-out": ("ada",),
    "users token": ("ada",),
    "caches": ("--clear-all",),
    "backup": ("{images}/backups",),
}
READS = {
    "datasets",
    "export",
    "runs list",
    "runs show",
    "searches list",
    "searches show",
    "evaluate",
    "compare",
    "plan",
    "models list",
    "watch",
    "bin list",
    "export-model",
    "serve",
    "ui",
    "users list",
    "record",
    "verify",
    "doctor",
    "limits",
    "restore-backup",
}
# They find nothing to work on here before they would write; what they write is tried above.
REFUSED_OTHERWISE = {"add-model", "open-test", "refit", "runs continue", "runs model", "seal"}


def _commands():
    for name in (entry.name for entries in CONTENTS.values() for entry in entries):
        command = load_command(name)
        yield from (
            (f"{name} {own}" for own in getattr(command, "commands", {}))
            if hasattr(command, "commands")
            else (name,)
        )


def test_a_viewer_tries_every_command_that_writes(plant, tmp_path, monkeypatch):
    assert set(_commands()) == WRITES.keys() | READS
    monkeypatch.setenv("TOUCHSTONE_USER", "eve")
    before, otherwise = _content(plant), set()
    for command, arguments in WRITES.items():
        given = [item.format(images=tmp_path / "images") for item in arguments]
        call = [*command.split(), *given, "--json", "--workspace", str(plant.root)]
        ran = CliRunner().invoke(app, call)
        answer = json.loads(ran.stdout.splitlines()[-1])
        assert ran.exit_code == 1, (command, ran.output)
        assert "Something went wrong" not in answer["error"], answer
        if "eve (viewer) and may not" not in answer["error"]:
            otherwise.add(command)
        assert _content(plant) == before, command
    assert otherwise == REFUSED_OTHERWISE
    rights = {right for _, right, _ in _refusals(plant)}
    assert rights == set(Right) - {Right.FEEDBACK}  # no command gives any
    assert not (tmp_path / "images" / "backups").exists()
    monkeypatch.setenv("TOUCHSTONE_USER", "nobody")
    ran = CliRunner().invoke(app, ["datasets", "--json", "--workspace", str(plant.root)])
    assert "'nobody' has no account" in json.loads(ran.stdout)["error"]


def test_roles_may_what_their_work_needs(plant):
    with acting_as(PROGRAM):
        model = models.find_model(plant, "first")
        ids = [sample.id for sample in datasets.samples(plant, "ds-1", limit=3)[0]]
        dataset = datasets.find_dataset(plant, "ds-1")
    image = feedback.ConfirmedImage("new.png", b"no image", "good")
    with _as("eve"), pytest.raises(NotAllowedError, match="may not give feedback"):
        feedback.add_to_dataset(plant, dataset, [image])
    with _as("ina"):
        evaluation.mark(plant, ids, MarkKind.WRONG_LABEL, on=True)
        job = feedback.add_to_dataset(plant, dataset, [image])
        assert (job.kind, job.person) == (JobKind.IMPORT, "ina")
        with connect(plant) as db:
            own = jobs.enqueue(db, JobKind.PREDICT, "batch-1", {}, now=1.0)
        assert job_actions.stop(plant, own)  # who may start it may stop it
        with pytest.raises(NotAllowedError, match="is for engineers and admins") as refused:
            edits.exclude(plant, "ds-1", ids)
        assert "recorded" in refused.value.hint
        with pytest.raises(NotAllowedError, match="may not decide on thresholds"):
            access.open_results(plant, [model], "curious")
    with _as("kim"):
        edits.exclude(plant, "ds-1", ids)
        assert access.open_results(plant, [model], "audit", person="Somebody") == [model]
        models.delete_model(plant, "first")
        with pytest.raises(NotAllowedError, match="may not delete for good"):
            bins.empty(plant)
    with _as("ada"):
        assert [item.name for item in bins.empty(plant)] == ["first", "gone"]
    with acting_as(PROGRAM):
        rows, _ = record.entries(plant)
        people_by_action = {row.action: row.person for row in reversed(rows)}
        assert record.verify(plant) == []
    assert people_by_action[RecordedAction.MARKED] == "ina"
    assert people_by_action[RecordedAction.RESULTS_VIEWED] == "kim"  # not who was entered
    assert people_by_action[RecordedAction.MODEL_DELETED] == "kim"
    assert people_by_action[RecordedAction.DELETED_FOR_GOOD] == "ada"


def test_who_may_no_longer_enter_reads_nothing_either(plant):
    for actor, said in (
        (Actor(), "Nobody is signed in"),
        (Actor("mallory", Standing.ACCOUNT, 1e12), "no account"),
        (Actor("eve", Standing.ACCOUNT, utc_now() - 13 * 3600), "session is over"),
    ):
        with acting_as(actor), pytest.raises(NotAllowedError, match=said):
            datasets.find_dataset(plant, "ds-1")
    with _as("EVE"):  # names are compared as those of people
        assert datasets.find_dataset(plant, "ds-1").name == "parts"
    with _as("ada"):
        people.set_disabled(plant, "eve", disabled=True)
        with pytest.raises(ConfigError, match="only administrator"):
            people.set_role(plant, "ada", Role.VIEWER)
    with _as("eve"), pytest.raises(NotAllowedError, match="is disabled"):
        datasets.find_dataset(plant, "ds-1")
    with acting_as(Actor("kim", Standing.ACCOUNT, utc_now())):
        people.end_sessions(plant, "kim")
    earlier = acting_as(Actor("kim", Standing.ACCOUNT, utc_now() - 2))
    with earlier, pytest.raises(NotSignedInError, match="session is over"):
        datasets.find_dataset(plant, "ds-1")


def test_what_is_wrong_or_missing_in_the_settings_opens_nothing(plant):
    # An editor that saves empties the file for a moment: everybody could do everything then.
    file = plant.root / FILE
    with _as("eve"):
        datasets.find_dataset(plant, "ds-1")
    for text in ("", "[limits]\n", "[auth\nmode = 'off'", "[auth]\nmod = 'proxy'", "[Auth]\n"):
        file.write_text(text)
        with acting_as(Actor()), pytest.raises(NotAllowedError):
            datasets.find_dataset(plant, "ds-1")
    file.unlink()
    with acting_as(Actor()), pytest.raises(NotAllowedError):
        datasets.find_dataset(plant, "ds-1")
    with acting_as(PROGRAM):
        assert datasets.find_dataset(plant, "ds-1").name == "parts"


def test_a_token_is_worth_what_the_role_of_its_owner_is(plant):
    with acting_as(PROGRAM):
        tokens = {name: people.make_token(plant, name).token for name in ("eve", "ina")}
        assert not people.may_predict_with(plant, tokens["eve"])
        assert people.may_predict_with(plant, tokens["ina"])
        assert not people.may_predict_with(plant, tokens["ina"][:-1])
        assert tokens["ina"] not in repr(_content(plant))
        people.set_disabled(plant, "ina", disabled=True)
        assert not people.may_predict_with(plant, tokens["ina"])
