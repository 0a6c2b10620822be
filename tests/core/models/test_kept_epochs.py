"""Checkpoints that stay: which epochs are kept, how many, and what a damaged one says."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save

from core.domain.configs.choices import Recipe
from core.domain.configs.train import TrainConfig
from core.domain.training import CheckpointKind
from core.errors import NotFoundError, TrainingError
from core.models.kept_epochs import KeptEpochs, is_due, kept_checkpoints, read_checkpoint

EVERY_SECOND = TrainConfig(Recipe.FULL, checkpoint_interval=2, checkpoint_limit=2)


def _weights(number):
    return {"head.weight": np.full((2, 3), number, np.float32)}


def test_every_second_epoch_is_kept_and_the_oldest_beyond_the_limit_go(tmp_path):
    kept = KeptEpochs(tmp_path / "epochs", EVERY_SECOND)
    for epoch in range(-1, 7):
        kept.after_epoch(epoch, lambda n=epoch: _weights(n))
    kept.at_the_end(CheckpointKind.BEST, 3, _weights(3))  # was not asked for
    assert [c.key for c in kept_checkpoints(kept.folder)] == ["interval-000004", "interval-000006"]
    both = KeptEpochs(kept.folder, replace(EVERY_SECOND, checkpoint_ends=True))
    both.at_the_end(CheckpointKind.BEST, -1, _weights(-1))  # the start was better than all epochs
    both.at_the_end(CheckpointKind.LAST, 6, _weights(6))
    first, *_, last = kept_checkpoints(kept.folder)
    assert (first.kind, first.epoch, last.kind, last.epoch) == ("best", -1, "last", 6)
    checkpoint, weights = read_checkpoint(kept.folder, "interval-000006", dict)
    assert checkpoint.epoch == 5
    assert checkpoint.size_bytes == (kept.folder / "interval-000006.weights").stat().st_size
    assert np.array_equal(weights["head.weight"], _weights(5)["head.weight"])
    both.drop_from(5)  # a run that goes on from the fifth epoch
    assert [c.epoch for c in kept_checkpoints(kept.folder)] == [-1, 3]


def test_an_interval_that_is_not_evaluated_is_kept_at_the_next_evaluation():
    config = replace(EVERY_SECOND, checkpoint_interval=4, evaluation_interval=3)
    evaluated = [2, 5, 8, 11]  # the third, sixth, … epoch
    assert [epoch + 1 for epoch in evaluated if is_due(epoch, config)] == [6, 9, 12]


def test_a_damaged_or_missing_checkpoint_makes_no_model(tmp_path):
    kept = KeptEpochs(tmp_path, EVERY_SECOND)
    kept.after_epoch(1, lambda: _weights(1))
    file = tmp_path / "interval-000002.weights"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(TrainingError, match="epoch 2 is damaged"):
        read_checkpoint(tmp_path, "interval-000002", dict)
    with pytest.raises(NotFoundError, match="interval-000004"):
        read_checkpoint(tmp_path, "interval-000004", dict)


def test_kernels_are_kept_in_the_order_of_their_axes_however_they_lie_in_memory(tmp_path):
    random = np.random.default_rng(0)
    kernel = random.normal(size=(4, 3, 2, 2)).astype(np.float32)
    in_memory = np.ascontiguousarray(kernel.transpose(0, 2, 3, 1))  # as while training
    kept = KeptEpochs(tmp_path, EVERY_SECOND)
    kept.after_epoch(1, lambda: {"stem": in_memory.transpose(0, 3, 1, 2)})
    assert np.array_equal(read_checkpoint(tmp_path, "interval-000002", dict)[1]["stem"], kernel)

    # Earlier versions wrote the memory as it lay; "point" and "plain" were in order all the same.
    point, plain = kernel[..., :1, :1].copy(), kernel * 2
    content = save({"stem": in_memory.reshape(kernel.shape), "point": point, "plain": plain})
    older = tmp_path / "interval-000004.weights"
    older.write_bytes(hashlib.sha256(content).digest() + content)
    pretrained = {"stem": kernel + 0.05, "point": point, "plain": plain - 0.05}
    _, weights = read_checkpoint(tmp_path, "interval-000004", lambda: pretrained)
    for name, wanted in (("stem", kernel), ("point", point), ("plain", plain)):
        assert np.array_equal(weights[name], wanted), name
