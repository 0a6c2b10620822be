import pytest
import torch

from core import files
from core.errors import TrainingError
from core.training.checkpoints import KEEP, CheckpointFolder


def _state(number):
    return {"epoch": number, "weights": torch.full((4,), float(number))}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run" / "checkpoints"


def _saved(folder, count):
    writer = CheckpointFolder(folder)
    for number in range(count):
        writer.save(_state(number), urgent=True)
    return sorted(folder.glob("*.ckpt"))


def test_nothing_saved_is_nothing_to_load(folder):
    assert CheckpointFolder(folder).load() is None


def test_the_newest_state_comes_back_and_three_are_kept(folder):
    files = _saved(folder, 5)
    assert len(files) == KEEP == 3
    loaded = CheckpointFolder(folder).load()
    assert loaded is not None
    assert loaded["epoch"] == 4
    assert torch.equal(loaded["weights"], torch.full((4,), 4.0))


@pytest.mark.parametrize("damage", ["bit", "cut", "empty", "only checksum", "other file"])
def test_a_damaged_newest_gives_way_to_the_one_before_and_is_told(folder, damage):
    newest = _saved(folder, 3)[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(
        {
            "bit": bytes(content),
            "cut": content[: len(content) // 2],
            "empty": b"",
            "only checksum": content[:32],
            "other file": b"hello" * 100,
        }[damage]
    )
    reader = CheckpointFolder(folder)
    loaded = reader.load()
    assert loaded is not None
    assert loaded["epoch"] == 1
    assert reader.damaged == [newest]


def test_after_damage_the_next_checkpoint_is_the_newest_again(folder):
    newest = _saved(folder, 2)[-1]
    newest.write_bytes(b"")
    CheckpointFolder(folder).save(_state(9), urgent=True)
    loaded = CheckpointFolder(folder).load()
    assert loaded is not None
    assert loaded["epoch"] == 9


def test_leftovers_of_a_killed_write_are_swept_and_never_loaded(folder):
    _saved(folder, 1)
    (folder / "000002.partial").write_bytes(b"half")
    loaded = CheckpointFolder(folder).load()
    assert loaded is not None
    assert loaded["epoch"] == 0
    assert not list(folder.glob("*.partial"))


def test_states_are_saved_only_from_time_to_time_unless_urgent(folder):
    # Epochs were stored after the state that counts them: a kill in between lost them for good.
    stored = []
    patient = CheckpointFolder(
        folder, every_s=3600, before_save=lambda: stored.append(len([*folder.glob("*.ckpt")]))
    )
    patient.save(_state(1), urgent=False)
    assert patient.load() is None
    patient.save(_state(1), urgent=True)
    assert stored == [0]
    CheckpointFolder(folder, every_s=0).save(_state(2), urgent=False)
    loaded = patient.load()
    assert loaded is not None
    assert loaded["epoch"] == 2


def test_a_disk_that_refuses_is_named_and_the_last_state_stays(folder, monkeypatch):
    _saved(folder, 1)

    def refuse(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", refuse)
    with pytest.raises(TrainingError, match="No space left"):
        CheckpointFolder(folder).save(_state(7), urgent=True)
    monkeypatch.undo()
    assert not list(folder.glob("*.partial"))
    loaded = CheckpointFolder(folder).load()
    assert loaded is not None
    assert loaded["epoch"] == 0
