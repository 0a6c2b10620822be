"""The bin: what is deleted is gone from every number, comes back as it was, or is gone for good."""

import json
import sqlite3
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from core.cli.app import app
from core.domain.configs.augment import AugmentConfig
from core.domain.configs.choices import Recipe
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.train import recipe_defaults
from core.domain.ids import utc_now
from core.domain.jobs import JobKind
from core.domain.keeping.bin import BinKind
from core.domain.record import RecordedAction
from core.domain.search import Search, Trial, TrialState
from core.domain.signoff import MarkKind
from core.domain.training import TrainingRun
from core.errors import NotFoundError, TouchstoneError
from core.evaluation.release.criteria import ReleaseCriteria
from core.models.catalog import DEFAULT_NETWORK
from core.store import datasets as dataset_rows
from core.store import jobs, judgement, runs, searches
from core.store.database import connect, transaction
from core.store.keeping.bin import pack, unpack
from core.workflows.data import datasets, edits, splits
from core.workflows.keeping import bin as bins
from core.workflows.keeping import record
from core.workflows.results import access, evaluation
from core.workflows.signoff import release
from core.workflows.training import runs as run_actions
from core.workflows.training import search as search_actions
from core.workflows.use import models
from tests.made import add_model, make_dataset

NOT_COMPARED = {"record", "bin", "bin_rows"}


@pytest.fixture
def full(workspace):
    """A dataset with a split, a run, two models, results, marks, thresholds and criteria."""
    made = make_dataset(workspace, per_subset=8, groups=True)
    train = recipe_defaults(Recipe.QUICK, DEFAULT_NETWORK)
    run = TrainingRun(
        "run-1", "run", "ds-1", "split-1", PreprocessConfig(), AugmentConfig(), train, 1.5
    )
    with connect(workspace) as db, transaction(db):
        runs.insert_run(db, run)
        jobs.enqueue(db, JobKind.TRAIN, "run-1", {"a": "ü"}, now=1.0)
    with connect(workspace) as db:
        jobs.stop_queued(db, jobs.latest_job(db, "run-1").id, now=2.0)
    trial = replace(run, id="trial-1")
    search = Search(
        id="search-1",
        name="search",
        dataset_id="ds-1",
        split_id="split-1",
        version=1,
        preprocess=run.preprocess,
        augment=run.augment,
        train=run.train,
        over=("learning_rate",),
        minutes=1,
        trials=1,
        folds=0,
        created_at=1.0,
    )
    with connect(workspace) as db, transaction(db):
        runs.insert_run(db, trial, is_trial=True)
        searches.insert_search(db, search)
        tried = Trial(0, "trial-1", TrialState.COMPLETED, {}, 0.9, (), 1.0)
        searches.save_trial(db, "search-1", tried)
    for name in ("a", "b"):
        model = add_model(made, name)
        access.open_results(workspace, [model], "audit")
        with connect(workspace) as db, transaction(db):
            db.conn.execute("UPDATE models SET run_id = 'run-1' WHERE id = ?", [model.id])
            judgement.save_operating_point(db, model.id, '{"x": 0.1}')
    ids = [sample.id for sample in datasets.samples(workspace, "ds-1", limit=4)[0]]
    evaluation.mark(workspace, ids, MarkKind.LIMIT_SAMPLE, on=True)
    edits.exclude(workspace, "ds-1", ids[:2])
    release.set_criteria(workspace, "ds-1", ReleaseCriteria(max_escape=0.1))
    runs_of = map(workspace.run_folder, ("run-1", "trial-1"))
    for folder in (workspace.uploads / "ds-1", *runs_of):
        folder.mkdir(parents=True)
        (folder / "file").write_text(folder.name)
    return workspace


def _content(workspace):
    with connect(workspace) as db:
        return {
            name: sorted(db.conn.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
            for name in set(db.table_names()) - NOT_COMPARED
        }


def _files(workspace):
    return sorted(p for p in (workspace.uploads, workspace.runs) for p in p.rglob("*"))


PLAIN = {
    BinKind.DATASET: "DELETE FROM datasets WHERE id = 'ds-1'",
    BinKind.SPLIT: "DELETE FROM splits WHERE id = 'split-1'",
    BinKind.RUN: "DELETE FROM runs WHERE id = 'run-1'; DELETE FROM jobs",
    BinKind.SEARCH: "DELETE FROM runs WHERE id = 'trial-1'; DELETE FROM searches",
    BinKind.MODEL: "DELETE FROM models WHERE id = 'model-a'",
}
DELETE = {
    BinKind.DATASET: lambda w: datasets.delete_dataset(w, "ds-1"),
    BinKind.SPLIT: lambda w: splits.delete_split(w, "split-1"),
    BinKind.RUN: lambda w: run_actions.delete_run(w, "run-1"),
    BinKind.MODEL: lambda w: models.delete_model(w, "a"),
    BinKind.SEARCH: lambda w: search_actions.delete_search(w, "search-1"),
}

# By which name the command line is asked, and what it says to go along.
NAMED = {
    BinKind.DATASET: ("parts", "1 split, 1 run, 1 search and its history"),
    BinKind.SPLIT: ("S", "1 run and 1 search"),
    BinKind.RUN: ("run", "its curve and settings"),
    BinKind.MODEL: ("a", "its weights and its results"),
    BinKind.SEARCH: ("SEARCH", "1 trial"),
}


def _as_if_it_had_never_been(workspace, kind):
    """What is stored after a deletion by SQLite alone, which is then taken back."""
    with connect(workspace) as db:
        db.conn.execute("BEGIN IMMEDIATE")
        for statement in PLAIN[kind].split(";"):
            db.conn.execute(statement)
        rows = {
            name: sorted(db.conn.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
            for name in set(db.table_names()) - NOT_COMPARED
        }
        db.conn.execute("ROLLBACK")
    return rows


@pytest.mark.parametrize("kind", list(BinKind))
def test_what_is_deleted_is_in_no_number_and_comes_back_as_it_was(full, kind):
    before, files = _content(full), _files(full)
    without = _as_if_it_had_never_been(full, kind)
    name, along = NAMED[kind]
    call = ["delete", name, "--workspace", str(full.root)]
    asked = CliRunner().invoke(app, call, input="n\n")
    assert asked.stderr.startswith(f"Delete the {kind} '{name.lower()}' with {along}?")
    assert _content(full) == before
    answer = json.loads(CliRunner().invoke(app, [*call, "--json"]).stdout)
    assert _content(full) == without
    assert without != before
    (item,) = bins.content(full)
    assert answer == {
        "deleted": item.subject_id,
        "kind": kind.value,
        "name": item.name,
        "bin_id": item.id,
        "rows": dict(item.counts),
    }
    assert (item.kind, bins.days_left(item, now=utc_now() + 86_400)) == (kind, 29)
    if kind is BinKind.DATASET:
        assert bins.takes_in_words(item).startswith("24 images, 1 split, 1 run, 1 search")
        assert _files(full) == []
    if kind is BinKind.SEARCH:
        assert bins.takes_in_words(item) == "1 trial"
    rows = len(record.entries(full, limit=1000)[0])
    assert bins.restore(full, item.id) == item.name
    assert _content(full) == before
    assert _files(full) == files
    assert bins.content(full) == []
    newest, count = record.entries(full, limit=1000)
    assert (newest[0].action, count) == (RecordedAction.RESTORED, rows + 1)  # not all of it anew
    assert record.verify(full) == []


def test_what_came_meanwhile_keeps_its_name_its_number_and_its_images(full):
    DELETE[BinKind.DATASET](full)
    with connect(full) as db, transaction(db):
        # The ids of deleted images were given to the next ones, which would be mixed up then.
        sample = dataset_rows.Sample(0, "/q", "sha", None, 1, 1, "RGB", 1, name="q.png")
        dataset = dataset_rows.Dataset("ds-2", "PARTS", ("x",), "/q", "d", 1, 2.0)
        dataset_rows.insert_dataset(db, dataset, [sample])
        assert dataset_rows.samples_of(db, "ds-2")[0].id == 25
    (item,) = bins.content(full)
    assert bins.restore(full, item.id) == "parts (2)"
    names = {dataset.name for dataset in datasets.list_datasets(full)}
    assert names == {"PARTS", "parts (2)"}
    assert record.verify(full) == []


def test_what_belonged_to_something_that_is_gone_says_so_or_lets_go(full):
    DELETE[BinKind.MODEL](full)
    DELETE[BinKind.RUN](full)
    DELETE[BinKind.DATASET](full)
    dataset, run, model = bins.content(full)
    with pytest.raises(NotFoundError, match="belongs to is not there") as refused:
        bins.restore(full, run.id)
    assert "Restore its dataset" in refused.value.hint
    assert bins.restore(full, model.id) == "a"
    back = models.find_model(full, "a")
    assert (back.run_id, back.dataset_id, back.split_id) == (None, None, None)
    bins.restore(full, dataset.id)
    bins.restore(full, run.id)
    assert models.find_model(full, "b").run_id == "run-1"
    assert record.verify(full) == []


def test_after_thirty_days_or_by_hand_it_is_gone_for_good(full):
    DELETE[BinKind.DATASET](full)
    (item,) = bins.content(full)
    assert bins.empty_old(full, now=item.deleted_at + 29 * 86400) == []
    assert (full.bin / item.id).is_dir()
    assert bins.empty_old(full, now=item.gone_at) == [item]
    assert not (full.bin / item.id).exists()
    with sqlite3.connect(full.database) as db:
        assert db.execute("SELECT count(*) FROM bin_rows").fetchone() == (0,)
    call = ["--workspace", str(full.root), "--json"]
    CliRunner().invoke(app, ["delete", "b", *call])
    listed = json.loads(CliRunner().invoke(app, ["bin", "list", *call]).stdout)["bin"]
    assert [(i["kind"], i["name"]) for i in listed] == [("model", "b")]
    back = json.loads(CliRunner().invoke(app, ["bin", "restore", "B", *call]).stdout)
    assert (back["name"], models.find_model(full, "b").name) == ("b", "b")
    CliRunner().invoke(app, ["delete", "b", *call])
    gone = json.loads(CliRunner().invoke(app, ["bin", "empty", "--yes", *call]).stdout)["gone"]
    assert len(gone) == 1
    assert CliRunner().invoke(app, ["bin", "restore", "b", *call]).exit_code == 1


def test_what_a_search_works_on_is_not_deleted(full):
    # A dataset and a split could be deleted under a search at work.
    with connect(full) as db, transaction(db):
        jobs.enqueue(db, JobKind.SEARCH, "search-1", {}, now=1.0)
    for kind in (BinKind.DATASET, BinKind.SPLIT, BinKind.SEARCH):
        with pytest.raises(TouchstoneError, match="search"):
            DELETE[kind](full)
    assert bins.content(full) == []


def test_a_row_is_packed_and_read_back_as_it_was():
    row = [None, 1, 2**62, 0.1 + 0.2, "ü\0\"'", b"", b"\0\xff\0", "[3]", b"tail"]
    assert unpack(pack(*row)) == row
