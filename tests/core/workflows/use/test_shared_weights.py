"""Models of one network store it once, and each is still the whole file that it was."""

import hashlib
import os
import signal
import sqlite3

import numpy as np
import pytest

from core.domain.configs.preprocess import PreprocessConfig
from core.domain.models import Model
from core.domain.record import Fault
from core.errors import ModelFileError
from core.models.bundle import ModelCard, shared_ranges, write_bundle
from core.store import models as model_rows
from core.store.database import connect, transaction
from core.store.keeping import bin as bin_rows
from core.workflows.keeping import backup, record
from core.workflows.keeping import bin as bins
from core.workflows.use import models
from tests.made import add_model, make_dataset

NETWORK = {f"blocks.{n}.weight": np.full(80_000, n, np.float32) for n in range(4)}
ONE_NETWORK = 4 * 320_000


def _card(name, classes=2):
    return ModelCard(
        name=name,
        class_names=tuple(f"class {n}" for n in range(classes)),
        preprocess=PreprocessConfig(96),
        network="tf_efficientnet_lite0",
        head="classifier",
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        origin={"dataset": "Pills"},
    )


def _content(name, classes=2):
    head = {"classifier.weight": np.ones((classes, 4), np.float32)}
    return write_bundle(_card(name, classes), NETWORK | head)


def _model(name, content):
    card = _card(name)
    digest = hashlib.sha256(content).hexdigest()
    of = (name, name, None, None, "", None, card.class_names, card.network, card.preprocess)
    return Model(*of, len(content), digest, 1.0)


def _take_in(workspace, folder, name, classes=2):
    file = folder / f"{name}.safetensors"
    file.write_bytes(_content(name, classes))
    return models.upload_model(workspace, file, check=lambda *_: None)


def _shared_bytes(workspace):
    with connect(workspace) as db:
        rows = db.conn.execute("SELECT length(data) FROM model_pieces").fetchall()
    return sum(row[0] for row in rows)


def _taken_out(workspace, name):
    """The file that leaves the workspace, written anew from what is stored."""
    model = models.find_model(workspace, name)
    model_rows.bundle_path(workspace, model).unlink(missing_ok=True)
    return models.model_file(workspace, model).read_bytes()


def test_a_network_is_kept_while_a_model_needs_it_and_goes_with_the_last(workspace, tmp_path):
    # Twenty quick models took 381 MB: each had the same 13 MB network for itself.
    for name, classes in (("a", 2), ("b", 5), ("c", 2)):
        _take_in(workspace, tmp_path, name, classes)
    assert _shared_bytes(workspace) == ONE_NETWORK
    models.delete_model(workspace, "a")
    bins.empty(workspace)
    models.delete_model(workspace, "b")
    models.delete_model(workspace, "c")
    assert _shared_bytes(workspace) == ONE_NETWORK
    lying = {item.name: item.id for item in bins.content(workspace)}
    bins.empty(workspace, [lying["b"]])
    bins.restore(workspace, lying["c"])
    assert _taken_out(workspace, "c") == _content("c")
    assert record.verify(workspace) == []
    elsewhere = backup.restore(backup.back_up(workspace, tmp_path / "kept").folder, tmp_path / "w")
    assert _taken_out(elsewhere, "c") == _content("c")
    models.delete_model(workspace, "c")
    bins.empty(workspace)
    assert _shared_bytes(workspace) == 0


@pytest.mark.parametrize(
    ("harm", "state"),
    [
        ("UPDATE model_pieces SET data = zeroblob(length(data))", "damaged"),
        ("DELETE FROM model_pieces", "missing"),
    ],
)
def test_harmed_shared_weights_are_named_and_mended_by_a_model_with_the_same(
    workspace, tmp_path, harm, state
):
    for name in ("a", "b"):
        _take_in(workspace, tmp_path, name)
    assert record.verify(workspace) == []
    with sqlite3.connect(workspace.database) as db:  # another program: no foreign keys are checked
        db.execute(harm)
    with pytest.raises(ModelFileError, match=f"'a' shares with other models are {state}") as caught:
        _taken_out(workspace, "a")
    assert "backup" in caught.value.hint
    faults = record.verify(workspace)
    assert any(f.fault is Fault.SHARED_WEIGHTS and f.where.endswith("of a and b") for f in faults)
    _take_in(workspace, tmp_path, "c", classes=3)
    assert _taken_out(workspace, "a") == _content("a")
    assert record.verify(workspace) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is forked to be killed")
def test_a_kill_between_the_steps_of_a_purge_or_of_storing_leaves_all_or_nothing(
    workspace, tmp_path
):
    for name in ("a", "b"):
        _take_in(workspace, tmp_path, name)
        models.delete_model(workspace, name)
    items = bins.content(workspace)

    def purge(db):
        for item in items:
            bin_rows.purge(db, item)
        model_rows.drop_pieces(db, binned=bin_rows.model_pieces(db))

    def store(db):
        content = write_bundle(_card("z"), {"blocks.9.weight": np.ones(80_000, np.float32)})
        model_rows.insert_model(db, _model("z", content), content, shared_ranges(content))

    for change in (purge, store):
        child = os.fork()
        if not child:
            with connect(workspace) as db, transaction(db):
                change(db)
                os.kill(os.getpid(), signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert _shared_bytes(workspace) == ONE_NETWORK
    for item in items:
        bins.restore(workspace, item.id)
        assert _taken_out(workspace, item.name) == _content(item.name)
    assert len(models.list_models(workspace)) == 2
    assert record.verify(workspace) == []


def test_models_of_before_are_whole_beside_those_that_share(workspace, tmp_path):
    made = make_dataset(workspace, per_subset=4)
    old = add_model(made, "old")  # in chunks of its own, as all models were
    _take_in(workspace, tmp_path, "new")
    assert _taken_out(workspace, "old") == b"old"
    models.delete_model(workspace, "old")
    bins.restore(workspace, bins.content(workspace)[0].id)
    bins.empty(workspace)
    assert models.find_model(workspace, "old").sha256 == old.sha256
    assert _taken_out(workspace, "old") == b"old"
    assert record.verify(workspace) == []


def test_written_out_models_that_nobody_uses_do_not_pile_up(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(models, "_FILES_AT_HAND", 2)
    for name in "abcd":
        model = _take_in(workspace, tmp_path, name)
        file = models.exported_bundle(workspace, model)
        if name != "a":  # the oldest, but in use
            os.utime(file, (1.0, 1.0))
    at_hand = list((workspace.cache / "models").glob("*"))
    assert {
        model_rows.bundle_path(workspace, models.find_model(workspace, n)) for n in "ad"
    } == set(at_hand)
    assert _taken_out(workspace, "b") == _content("b")
