import copy
import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

from core.domain.configs.augment import AugmentConfig
from core.domain.configs.choices import (
    ClassWeights,
    KeptEpoch,
    OptimizerName,
    Precision,
    Recipe,
    SelectionMeasure,
)
from core.domain.configs.train import TrainConfig
from core.errors import TrainingError
from core.training.checkpoints import CheckpointFolder
from core.training.engine import fit, predict_logits
from core.training.loop.state import kept_weights, new_state
from core.training.recipes import PixelExamples

CPU = torch.device("cpu")
CLASSES = 3


@pytest.fixture(autouse=True)
def _one_thread():
    # Steps this small lose more by waking threads than they win.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@dataclass
class Vectors:
    """Inputs [N, D] as they are: the smallest examples that a model can learn from."""

    values: torch.Tensor
    targets: np.ndarray
    axes: None = None

    def inputs(self, positions, *, epoch):
        return self.values[torch.from_numpy(positions)]


def _linear(inputs=5, classes=CLASSES):
    model = nn.Linear(inputs, classes)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    return model


class SmallNet(nn.Module):
    """A tiny network with all that makes resuming difficult: dropout and batch statistics."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3)
        )
        self.head = nn.Linear(4, CLASSES)

    def forward(self, pixels):
        maps = self.body(pixels.permute(0, 3, 1, 2) / 255 - 0.5)
        return self.head(maps.mean((2, 3)))


def _feature_task(n=50, seed=0):
    random = np.random.default_rng(seed)
    targets = np.arange(n) % CLASSES
    values = random.normal(0, 1, (n, 5)).astype(np.float32)
    values[np.arange(n), targets] += 2
    return Vectors(torch.from_numpy(values), targets)


def _pixel_task(n=14, seed=0):
    random = np.random.default_rng(seed)
    rows = random.integers(0, 255, (n, 16, 16, 3), np.uint8)
    return PixelExamples(
        rows,
        np.arange(n),
        np.arange(n) % CLASSES,
        AugmentConfig(rotate_degrees=10),
        seed=3,
        device=CPU,
    )


TASKS = {
    "linear model": (_feature_task, _linear),
    "small network": (_pixel_task, SmallNet),
}


class Memory:
    """Checkpoints that only remember."""

    def __init__(self):
        self.state = None

    def save(self, state, *, urgent):
        if urgent:
            self.state = copy.deepcopy(state)

    def load(self):
        return self.state


def _config(**changed):
    usual = TrainConfig(Recipe.FULL, epochs=4, batch_size=5, learning_rate=0.02)
    return replace(usual, **changed)


def _fit(state, task, config, *, stop_at=None, checkpoints=None, on_step=lambda *_: None):
    steps = itertools.count(1)
    return [
        epoch.metrics
        for epoch in fit(
            state,
            task(),
            task(seed=1),
            config,
            class_count=CLASSES,
            device=CPU,
            checkpoints=checkpoints or Memory(),
            should_stop=lambda: next(steps) == stop_at,
            on_step=on_step,
        )
    ]


def _without_clock(curve):
    timed = ("duration_s", "images_per_second", "memory_mb", "seconds_waiting_for_data")
    # The loss before the first step is NaN, which equals nothing.
    return [
        replace(line, **dict.fromkeys(timed, 0.0), train_loss=repr(line.train_loss))
        for line in curve
    ]


def _assert_equal_weights(one, two):
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("optimizer", OptimizerName)
def test_a_resumed_training_ends_bit_for_bit_where_an_undisturbed_one_does(
    kind, optimizer, tmp_path
):
    task, build = TASKS[kind]
    config = _config(
        optimizer=optimizer,
        label_smoothing=0.1,
        class_weights=ClassWeights.BALANCED,
        ema_decay=0.8,
        mixup=0.4,
        cutmix=1.0,
        gradient_clipping=1.0,
        accumulation=2,
        batch_size=3,
        start_from_head=True,
        training_measure=True,
    )
    straight = new_state(build(), config, CPU)
    curve = _fit(straight, task, config)
    batches = math.ceil(len(task().targets) / 6)
    assert [line.epoch for line in curve] == [-1, 0, 1, 2, 3]
    total = batches * config.epochs
    for stop_at in (1, batches, batches + 1, total // 2, total - 1, total):
        folder = CheckpointFolder(tmp_path / str(stop_at))
        first = new_state(build(), config, CPU)
        lines = _fit(first, task, config, stop_at=stop_at, checkpoints=folder)
        assert first.stopped
        second = new_state(build(), config, CPU)
        second.restore(folder.load())
        lines += _fit(second, task, config)
        _assert_equal_weights(second.model.state_dict(), straight.model.state_dict())
        _assert_equal_weights(second.best_weights, straight.best_weights)
        assert _without_clock(lines) == _without_clock(curve)


def test_stopping_after_every_few_steps_changes_nothing():
    config = _config(epochs=3, patience=2)
    straight = new_state(SmallNet(), config, CPU)
    _fit(straight, _pixel_task, config)
    memory = Memory()
    for _ in range(30):
        state = new_state(SmallNet(), config, CPU)
        if memory.state:
            state.restore(memory.state)
        _fit(state, _pixel_task, config, stop_at=2, checkpoints=memory)
        if not state.stopped:
            break
    _assert_equal_weights(state.best_weights, straight.best_weights)
    assert state.best_epoch == straight.best_epoch


def test_the_same_seed_gives_the_same_model_and_another_one_another():
    weights = []
    for seed in (1, 1, 2):
        state = new_state(SmallNet(), _config(seed=seed), CPU)
        _fit(state, _pixel_task, _config(seed=seed))
        weights.append(state.model.state_dict()["head.weight"])
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_largest_allowed_seed_works():
    # It used to overflow the generator's seed.
    config = _config(seed=2**31 - 1, epochs=1)
    _fit(new_state(_linear(), config, CPU), _feature_task, config)


def test_an_easy_task_is_learned_and_the_best_epoch_is_kept():
    config = _config(epochs=30, learning_rate=0.05)
    state = new_state(_linear(), config, CPU)
    curve = _fit(state, _feature_task, config)
    assert curve[-1].train_loss < curve[0].train_loss
    best = max(curve, key=lambda line: (line.val_macro_f1, -line.val_loss))
    assert best.val_accuracy > 0.8
    assert state.best_epoch == best.epoch
    assert best.is_best
    model = _linear()
    model.load_state_dict(state.best_weights)
    validation = _feature_task(seed=1)
    predicted = predict_logits(model, validation, CPU).argmax(1).numpy()
    assert (predicted == validation.targets).mean() == pytest.approx(best.val_accuracy)


def test_training_stops_early_after_epochs_without_gain():
    config = _config(epochs=200, patience=3, learning_rate=1e-7)
    state = new_state(_linear(), config, CPU)
    curve = _fit(state, lambda seed=0: _constant_task(), config)
    assert len(curve) == state.best_epoch + 1 + 3
    assert not state.stopped


def _constant_task():
    return Vectors(torch.zeros(6, 5), np.array([0, 1, 2, 0, 1, 2]))


def test_a_diverging_training_says_so_and_what_to_do():
    config = _config(optimizer=OptimizerName.SGD, learning_rate=10.0, epochs=200, momentum=0.99)
    huge = Vectors(torch.full((6, 5), 1e18), np.array([0, 1, 2, 0, 1, 2]))
    state = new_state(_linear(), config, CPU)
    with pytest.raises(TrainingError, match="diverged") as caught:
        _fit(state, lambda seed=0: huge, config)
    assert "smaller learning rate" in caught.value.hint


@pytest.mark.parametrize("n", [2, 3, 5, 31, 32, 33, 65])
def test_no_batch_holds_a_single_image(n):
    # Batch normalization cannot learn from one image.
    config = _config(epochs=1, batch_size=32)
    state = new_state(SmallNet(), config, CPU)
    assert len(_fit(state, lambda seed=0: _pixel_task(n), config)) == 1


def _false_rejects(**settings):
    """Share of 190 good images called bad by a balanced head trained with 10 bad ones."""
    random = np.random.default_rng(5)
    targets = np.repeat([0, 1, 2], [190, 10, 0])
    values = random.normal(0, 1, (200, 16)) + 1.2 * targets[:, None]
    task = Vectors(torch.tensor(values, dtype=torch.float32), targets)
    state = new_state(_linear(16, 2), config := _config(**settings), CPU)
    list(
        fit(
            state,
            task,
            task,
            config,
            class_count=2,
            device=CPU,
            checkpoints=Memory(),
            should_stop=lambda: False,
            on_step=lambda *_: None,
        )
    )
    predicted = predict_logits(state.model, task, CPU).argmax(1).numpy()
    return float((predicted[targets == 0] == 1).mean())


def test_label_smoothing_does_not_distort_balanced_classes():
    # torch weights the smoothed part by the classes it is spread over: the rare one drew nearly
    # half of the good images towards itself (2 % false rejects without smoothing, 44 % with it).
    balanced = {"class_weights": ClassWeights.BALANCED, "epochs": 40, "batch_size": 32}
    with_smoothing = _false_rejects(label_smoothing=0.1, **balanced)
    assert with_smoothing <= _false_rejects(**balanced) + 0.03


def test_eight_images_are_learned_by_heart():
    config = _config(epochs=100, learning_rate=0.1, batch_size=8)
    task = replace(_pixel_task(8), augmentation=AugmentConfig(probability=0.0))
    state = new_state(net := SmallNet(), config, CPU)
    net.body[3].p = 0.0
    curve = _fit(state, lambda seed=0: task, config)
    assert curve[state.best_epoch].val_accuracy == 1.0
    assert curve[-1].train_loss < 0.25 < 1 < curve[0].train_loss


def test_the_start_is_kept_where_no_epoch_is_better():
    # The full recipe was worse after eight minutes than quick after thirteen seconds.
    config = _config(start_from_head=True, epochs=30, learning_rate=0.05)
    state = new_state(_linear(), config, CPU)
    _fit(state, _feature_task, config)
    solved = _linear()
    solved.load_state_dict(state.best_weights)
    hasty = _config(
        start_from_head=True, epochs=3, learning_rate=5.0, optimizer=OptimizerName.SGD, warm_up=0.0
    )
    again = new_state(solved, hasty, CPU)
    curve = _fit(again, _feature_task, hasty)
    assert (curve[0].epoch, again.best_epoch) == (-1, -1)
    assert curve[0].val_macro_f1 >= max(line.val_macro_f1 for line in curve[1:])
    _assert_equal_weights(again.best_weights, state.best_weights)


def test_accumulated_batches_take_the_step_of_one_large_batch():
    states = []
    for batch_size, accumulation in ((50, 1), (13, 4)):
        config = _config(batch_size=batch_size, accumulation=accumulation, epochs=2)
        config = replace(config, class_weights=ClassWeights.BALANCED)
        states.append(new_state(_linear(), config, CPU))
        _fit(states[-1], _feature_task, config)
    one, four = (state.model.weight for state in states)
    assert torch.allclose(one, four, atol=1e-5)


@pytest.mark.parametrize("measure", SelectionMeasure)
def test_the_best_epoch_is_that_of_the_chosen_measure(measure):
    config = _config(selection=measure, epochs=6)
    state = new_state(_linear(), config, CPU)
    curve = _fit(state, _feature_task, config)
    values = {
        SelectionMeasure.MACRO_F1: lambda line: line.val_macro_f1,
        SelectionMeasure.ACCURACY: lambda line: line.val_accuracy,
        SelectionMeasure.MACRO_RECALL: lambda line: line.val_macro_recall,
        SelectionMeasure.LOG_LOSS: lambda line: -line.val_log_loss,
    }
    best = max(curve, key=lambda line: (values[measure](line), -line.val_loss))
    assert state.best_epoch == best.epoch


def test_epochs_between_evaluations_have_no_line_but_the_last_has():
    config = _config(epochs=5, evaluation_interval=2, kept_epoch=KeptEpoch.LAST)
    state = new_state(_linear(), config, CPU)
    assert [line.epoch for line in _fit(state, _feature_task, config)] == [1, 3, 4]
    epoch, weights = kept_weights(state, config)
    assert epoch == 4
    _assert_equal_weights(weights, state.model.state_dict())


def test_a_line_tells_the_learning_rate_of_the_last_step_of_its_epoch():
    config = _config(epochs=3, layer_decay=1.0)  # cosine: that of the step after the last one is 0
    state, rates = new_state(_linear(), config, CPU), []

    def step(done, total):
        rates.append(state.optimizer.param_groups[0]["lr"])

    curve = _fit(state, _feature_task, config, on_step=step)
    per_epoch = len(rates) // 3
    assert [line.learning_rate for line in curve] == rates[per_epoch - 1 :: per_epoch]
    assert curve[-1].learning_rate > 0


def test_a_time_limit_ends_the_run_with_a_model_and_a_finished_schedule():
    config = _config(epochs=1000, batch_size=2, minutes=0.5 / 60)
    state = new_state(_linear(), config, CPU)
    curve = _fit(state, _feature_task, config)
    assert 0 < len(curve) < 1000
    assert state.best_weights
    assert state.elapsed_s < 5
    assert curve[-1].learning_rate < 0.1 * config.learning_rate


def test_the_loop_runs_in_half_precision_and_finite_numbers_stay_finite():
    config = _config(epochs=2, precision=Precision.BFLOAT16)
    curve = _fit(new_state(SmallNet(), config, CPU), _pixel_task, config)
    assert all(math.isfinite(line.train_loss) for line in curve)
