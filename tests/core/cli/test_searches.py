"""Searches as scripts and people read them."""

import json
import re

import pytest
from typer.testing import CliRunner

from core.cli.app import app
from core.domain.configs.augment import AugmentConfig
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.train import TrainConfig
from core.domain.jobs import JobKind
from core.domain.search import Search, Trial, TrialState
from core.store import searches
from core.store.database import connect, transaction
from core.worker.launcher import lane_lock
from tests.made import make_dataset

CONFIGS = (PreprocessConfig(), AugmentConfig(), TrainConfig())


@pytest.fixture
def searched(workspace):
    """A search without a job: one trial completed, one that ended early, one of no use."""
    make_dataset(workspace, per_subset=8)
    search = Search(
        "search-1", "Rates", "ds-1", "split-1", 1, *CONFIGS, ("learning_rate",), 20, 3, 0, 1.0
    )
    states = (TrialState.COMPLETED, TrialState.PRUNED, TrialState.FAILED)
    with connect(workspace) as db, transaction(db):
        searches.insert_search(db, search)
        for number, (state, score) in enumerate(zip(states, (0.9, 0.4, None), strict=True)):
            values = {"learning_rate": 0.01 * (number + 1)}
            trial = Trial(number, f"run-{number}", state, values, score, (), 2.0)
            searches.save_trial(db, "search-1", trial)
    return workspace


def _said(workspace, *arguments, code=0):
    outcome = CliRunner().invoke(app, [*arguments, "--workspace", str(workspace.root)])
    assert outcome.exit_code == code, outcome.output
    return outcome.output


def test_searches_are_listed_and_shown_with_their_trials(searched):
    # A search could be started by a command, and looked at on a page only.
    (listed,) = json.loads(_said(searched, "searches", "list", "--json"))["searches"]
    assert (listed["name"], listed["status"], len(listed["trials"])) == ("Rates", "stopped", 3)
    shown = json.loads(_said(searched, "searches", "show", "rates", "--json"))
    assert shown == listed
    assert shown["best"]["settings"] == {"learning_rate": 0.01}
    assert [trial["state"] for trial in shown["trials"]] == ["completed", "pruned", "failed"]
    assert shown["trials"][2]["macro_f1"] is None
    words = _said(searched, "searches", "show", "search-1")
    assert "Best: trial 1, macro F1 0.900: learning_rate 0.01" in words
    assert "Rates" in _said(searched, "searches", "list")


def test_a_trial_of_a_search_that_ended_meanwhile_is_stopped(searched):
    # It was "running, 0 s" for ever.
    with connect(searched) as db, transaction(db):
        trial = Trial(3, "run-3", TrialState.RUNNING, {"learning_rate": 0.1}, None, (), 0.0)
        searches.save_trial(db, "search-1", trial)
    assert re.search(r"4 +│? *stopped +│? *– +│? *– ", _said(searched, "searches", "show", "Rates"))
    shown = json.loads(_said(searched, "searches", "list", "--json"))["searches"][0]
    assert shown["trials"][3]["state"] == "stopped"


def test_a_search_that_was_started_elsewhere_is_paused_stopped_resumed_and_deleted(searched):
    # It could be stopped by Ctrl+C alone, where it had been started.
    def done(what, *more, code=0):
        said = _said(searched, "searches", what, "Rates", *more, "--json", code=code)
        return json.loads(said.splitlines()[-1])

    assert "is stopped" in done("stop", code=1)["error"]
    with lane_lock(searched, JobKind.SEARCH.lane).acquire():  # nothing is trained here
        for what, status in (("pause", "paused"), ("stop", "stopped")):
            assert done("resume", "--no-follow")["status"] == "queued"
            assert "active" in done("delete", code=1)["error"]
            ended = done(what)
            assert (ended["status"], ended["stop_requested"]) == (status, False)
    assert done("delete")["kind"] == "search"
    assert "no search" in done("delete", code=1)["error"]


def test_the_learning_rate_finder_says_what_it_does_otherwise_than_a_training():
    # "Everything else is as `train` has it" was said of a ramp with plain cross-entropy.
    said = CliRunner().invoke(app, ["learning-rate", "-h"], env={"COLUMNS": "300"}).stdout
    assert "Everything else is as" not in said
    assert "plain cross-entropy with one learning rate for all layers" in " ".join(said.split())


def test_what_is_no_search_and_what_stands_in_the_wrong_place_is_said(searched):
    assert "no search 'none'" in _said(searched, "searches", "show", "none", code=1)
    outcome = CliRunner().invoke(app, ["searches", "--json", "show", "Rates"])
    assert outcome.exit_code == 2
    assert "searches show" in outcome.output
