"""How steps are computed here: images at once, precision, compiled or not, how many processes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from core.domain.configs.choices import Precision, Recipe
from core.domain.configs.train import TrainConfig
from core.errors import TrainingError
from core.training.loop import gradients
from core.training.loop.ahead import InputsAhead, on_device
from core.training.loop.gradients import _PROBES, StepGradients
from core.training.loop.losses import image_loss
from core.training.loop.ranks import ALONE
from core.training.loop.setup import (
    Setup,
    compile_in_place,
    faster_precision,
    images_that_fit,
    kept_bytes,
    largest_part,
)
from core.training.loop.state import new_state
from core.worker.training.group import processes_of
from tests.core.training.test_engine import (
    CPU,
    Memory,
    SmallNet,
    _assert_equal_weights,
    _config,
    _feature_task,
    _fit,
    _linear,
    _pixel_task,
)


def _out_of_memory_above(limit, tried):
    def attempt(count):
        tried.append(count)
        if count > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    return attempt


@pytest.mark.parametrize(
    ("limit", "most", "tries", "fits"),
    [
        (5, 64, [2, 4, 8], 4),
        (100, 24, [2, 4, 8, 16, 24], 24),
        (2, 64, [2, 4], 2),
        (9, 1, [1], 1),
    ],
)
def test_the_largest_batch_is_found_by_doubling(limit, most, tries, fits):
    tried = []
    assert largest_part(_out_of_memory_above(limit, tried), most) == fits
    assert tried == tries


def test_where_not_even_two_images_fit_it_is_said():
    with pytest.raises(TrainingError, match="two images") as caught:
        largest_part(_out_of_memory_above(1, []), 8)
    assert "smaller image size" in caught.value.hint


class Narrow(nn.Module):
    """A linear model for a device with memory for so many vectors at once."""

    def __init__(self, room):
        super().__init__()
        self.inner, self.room, self.seen = _linear(), room, []

    def forward(self, vectors):
        self.seen.append(len(vectors))
        if len(vectors) > self.room:
            raise torch.OutOfMemoryError("out of memory")
        return self.inner(vectors)


def _trained_with(room, **changed):
    model = Narrow(room)
    config = _config(batch_size=12, accumulation=2, epochs=2, **changed)
    state = new_state(model, config, CPU)
    curve = _fit(state, _feature_task, config)
    return state, model.seen, curve


def test_the_largest_batch_takes_the_step_of_the_config_in_fewer_parts(monkeypatch):
    plain, _, curve = _trained_with(1000)
    for room, at_once in ((1000, 24), (9, 8), (5, 4)):
        state, seen, lines = _trained_with(room, largest_batch=True)
        assert state.setup.images_at_once == at_once
        assert at_once in seen
        assert [line.train_loss for line in lines] == pytest.approx(
            [line.train_loss for line in curve], rel=1e-5
        )
        weights = zip(state.best_weights.values(), plain.best_weights.values(), strict=True)
        assert all(torch.allclose(one, other, atol=1e-6) for one, other in weights)
    # A run that goes on does not ask again: another answer would change its last digits.
    again = new_state(Narrow(1000), _config(), CPU)
    again.restore(state.to_checkpoint())
    assert again.setup == state.setup
    # A CPU raises nothing before it is too late: free memory bounds what is tried.
    monkeypatch.setattr(gradients, "free_memory_bytes", lambda: 300)
    bounded, *_ = _trained_with(1000, largest_batch=True)
    assert 2 <= bounded.setup.images_at_once < 12


@pytest.mark.parametrize("room", [1000, 9])  # 9: a step is halved twice, and then comes in parts
def test_inputs_that_are_prepared_ahead_change_nothing_and_are_used(monkeypatch, room):
    plain, *_ = _trained_with(room)
    made, used = [], []
    inner_made, inner_take = InputsAhead._made, InputsAhead.take

    def counted(self, part, epoch):
        made.append((epoch, part.tobytes()))
        return inner_made(self, part, epoch)

    def taken(self, part, *, epoch):
        ready = self._ready
        used.append(ready is not None and ready[0] == (epoch, part.tobytes()))
        return inner_take(self, part, epoch=epoch)

    monkeypatch.setattr(InputsAhead, "works_ahead", True)  # as on a GPU
    monkeypatch.setattr(InputsAhead, "_made", counted)
    monkeypatch.setattr(InputsAhead, "take", taken)
    ahead, *_ = _trained_with(room)
    _assert_equal_weights(ahead.model.state_dict(), plain.model.state_dict())
    # All but the first of each epoch, and the three tries of a step that was halved.
    begun = len(used) - sum(used)
    assert begun <= 2 + _PROBES + (0 if room == 1000 else 4)
    assert len(made) <= len(used) + 2  # hardly anything is made for nothing


def test_an_apple_gpu_is_waited_for_as_it_reads_memory_that_is_free_again(monkeypatch):
    # Its copies else read what lies there later, and training learns labels that nobody gave.
    asked = []

    def to(tensor, device, *, non_blocking=False):
        asked.append((device.type, non_blocking))
        return tensor

    monkeypatch.setattr(torch.Tensor, "to", to)
    apple, train = torch.device("mps"), _feature_task()
    on_device(train.targets, apple)
    InputsAhead(train, apple).take(np.arange(2), epoch=0)
    assert asked == [("mps", False)] * 2


def test_what_a_pass_keeps_is_counted_without_the_weights():
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 2))
    few, many = (kept_bytes(model, lambda n=n: model(torch.zeros(n, 5))) for n in (2, 8))
    assert few == 2 * (5 + 7) * 4  # inputs, and the outputs of the middle layer, in float32
    assert many == 4 * few
    assert images_that_fit(100.0, 40_000) == 100  # half of it, at twice what is kept
    assert images_that_fit(100.0, 10) == 2
    assert images_that_fit(100.0, None) is None


def test_half_precision_is_taken_only_if_it_is_clearly_faster():
    def chosen(half_s):
        times = {Precision.FLOAT32: 1.0, Precision.BFLOAT16: half_s}
        return faster_precision(lambda precision: times[precision], Precision.BFLOAT16)

    assert chosen(0.5) is Precision.BFLOAT16
    assert chosen(0.9) is Precision.FLOAT32  # within the noise
    assert chosen(3.0) is Precision.FLOAT32


class Timed(StepGradients):
    """Steps of known times: half precision is ten times as fast."""

    def seconds_in(self, precision):
        return 1.0 if precision is Precision.FLOAT32 else 0.1


def test_auto_measures_long_runs_only_and_takes_what_was_measured_before():
    def chosen(known, half=Precision.BFLOAT16, **changed):
        config = _config(**changed)
        state, task = new_state(_linear(), config, CPU), _feature_task()
        loss = image_loss(task.targets, config, np.ones(3, np.float32))
        steps = Timed(state, task, config, loss, CPU, ALONE)
        return steps.faster_precision(known, half)

    assert chosen(None, epochs=101) is Precision.BFLOAT16  # of 50 images each
    assert chosen(Precision.FLOAT32, epochs=101) is Precision.FLOAT32
    assert chosen(None, epochs=20) is Precision.AUTO  # not worth asking
    assert chosen(None, half=None, epochs=101) is Precision.AUTO
    decided = Setup(precision=Precision.BFLOAT16)
    assert decided.described(Precision.AUTO, CPU)["precision"] == "bfloat16"
    assert decided.described(Precision.FLOAT32, CPU)["precision"] == "float32"


def test_a_run_of_an_earlier_version_goes_on_as_that_version_did():
    state = new_state(_linear(), _config(), CPU)
    _fit(state, _feature_task, _config())
    former = state.to_checkpoint()
    del former["setup"]
    again = new_state(_linear(), _config(), CPU)
    again.restore(former)
    assert again.setup == Setup(is_compiled=False, processes=1)
    assert Setup.restored(None, is_new=True) == Setup()


@pytest.mark.soak
def test_a_compiled_network_trains_alike_and_goes_on_bit_for_bit():
    def trained(config, saved=None, **more):
        net = SmallNet()
        net.body[3].p = 0.0  # a compiled network draws other numbers
        state, memory = new_state(net, config, CPU), Memory()
        if saved is not None:
            state.restore(saved)
        _fit(state, _pixel_task, config, checkpoints=memory, **more)
        return state, memory.state

    compiled = _config(epochs=2, compiled=True)
    plain, _ = trained(_config(epochs=2))
    straight, _ = trained(compiled)
    assert straight.setup.is_compiled
    assert straight.model.state_dict().keys() == plain.model.state_dict().keys()
    for name, value in straight.model.state_dict().items():
        assert torch.allclose(value.float(), plain.model.state_dict()[name].float(), atol=1e-3)
    stopped, saved = trained(compiled, stop_at=2)
    assert stopped.stopped
    resumed, _ = trained(compiled, saved)
    _assert_equal_weights(resumed.model.state_dict(), straight.model.state_dict())


@pytest.mark.soak
def test_without_a_compiler_the_network_stays_as_it_is_and_the_reason_is_told():
    def fails():
        raise RuntimeError("Failed to find C++ compiler.\nmore lines")

    net = SmallNet()
    assert compile_in_place(net, fails) == "Failed to find C++ compiler."
    assert net._compiled_call_impl is None
    _assert_equal_weights(net.state_dict(), SmallNet().state_dict())


@pytest.mark.parametrize(
    ("asked", "device", "gpus", "before", "expected"),
    [
        ({}, "cpu", 0, 0, 1),
        ({"processes": 2}, "cpu", 0, 0, 2),
        ({}, "cuda", 4, 0, 4),
        ({"device": "cuda:1"}, "cuda", 4, 0, 1),
        ({}, "cuda", 4, 1, 1),  # begun by an earlier version
        ({}, "cuda", 2, 4, 2),  # begun on a machine with more: flagged, not refused
        ({}, "cpu", 0, 4, 1),
    ],
)
def test_each_gpu_gets_a_process_and_a_run_keeps_its_number(asked, device, gpus, before, expected):
    config = replace(TrainConfig(Recipe.FULL), **asked)
    number = processes_of(config, torch.device(device), gpus=gpus, before=before)
    assert number == expected


def test_more_processes_than_gpus_are_refused_with_a_number_that_works():
    config = TrainConfig(Recipe.FULL, processes=8)
    with pytest.raises(TrainingError, match="8 processes need as many GPUs") as caught:
        processes_of(config, torch.device("cuda"), gpus=2, before=0)
    assert "at most 2" in caught.value.hint
