"""Parts of the loop by their values: schedules, losses, mixing, sampling, averages, plans."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from core.domain.configs.choices import ClassWeights, OptimizerName, Precision, ScheduleName
from core.domain.configs.train import TrainConfig
from core.training.loop.losses import ImageLoss, Mix, draw_mix, image_loss, mixed
from core.training.loop.order import batch_count, epoch_batches
from core.training.loop.plan import Pace, expected_seconds, planned_steps
from core.training.loop.steps import (
    WeightAverage,
    autocast_type,
    learning_rate,
    optimizer_of,
    set_learning_rate,
)

PLAIN = TrainConfig(epochs=100, learning_rate=1.0, warm_up=0.0)


@pytest.mark.parametrize(
    ("changed", "rates"),
    [
        ({"schedule": ScheduleName.CONSTANT}, {0: 1, 50: 1, 99: 1}),
        ({"schedule": ScheduleName.COSINE}, {0: 1, 25: 0.5 + 0.5**1.5, 50: 0.5, 100: 0}),
        ({"schedule": ScheduleName.STEP}, {49: 1, 50: 0.1, 74: 0.1, 75: 0.01}),
        (
            {"schedule": ScheduleName.STEP, "milestones": "12 4, 8", "step_factor": 0.5},
            {3: 1, 4: 0.5, 8: 0.25, 11: 0.25, 12: 0.125},
        ),
        ({"schedule": ScheduleName.ONE_CYCLE}, {0: 0.04, 15: 0.52, 30: 1, 65: 0.50005, 100: 1e-4}),
        (
            {"schedule": ScheduleName.CONSTANT, "warm_up": 0.1},
            {0: 1 / 11, 4: 5 / 11, 9: 10 / 11, 10: 1},
        ),
    ],
    ids=lambda value: value.get("schedule", "") if isinstance(value, dict) else "",
)
def test_each_schedule_has_these_learning_rates(changed, rates):
    config = replace(PLAIN, **changed)
    for epoch, rate in rates.items():
        assert learning_rate(epoch, 1, config) == pytest.approx(rate, abs=1e-9)


def test_a_schedule_follows_the_planned_number_of_steps():
    # A run of twenty minutes ended at half of its learning rate.
    assert learning_rate(10, 5, PLAIN, total=20) == pytest.approx(0.5)
    assert learning_rate(20, 5, PLAIN, total=20) == pytest.approx(0.0)


def test_the_loss_is_the_formula():
    logits, targets = torch.tensor([[2.0, 0.0], [0.5, 1.0]]), torch.tensor([0, 1])
    losses = nn.functional.cross_entropy(logits, targets, reduction="none")
    weighted = ImageLoss(torch.tensor([1.0, 3.0]))(logits, targets)
    assert weighted == pytest.approx(float((losses[0] + 3 * losses[1]) / 4))
    smooth = nn.CrossEntropyLoss(label_smoothing=0.2)(logits, targets)
    assert ImageLoss(torch.ones(2), 0.2)(logits, targets) == pytest.approx(float(smooth))
    confidence = torch.exp(-losses)
    focal = ((1 - confidence) ** 2 * losses).mean()
    assert ImageLoss(torch.ones(2), 0.0, 2.0)(logits, targets) == pytest.approx(float(focal))


def test_rare_and_expensive_classes_weigh_more():
    config = replace(PLAIN, class_weights=ClassWeights.BALANCED)
    targets = np.array([0] * 8 + [1] * 2)
    weights = image_loss(targets, config, np.array([1.0, 3.0, 1.0], np.float32)).weights
    assert weights.tolist() == pytest.approx([1 / 8, 3 / 2, 1.0])  # nothing is known of the third


def test_mixup_blends_images_and_targets_alike():
    inputs, targets = torch.tensor([[0.0], [1.0], [4.0]]), torch.eye(3)
    blended, labels = mixed(inputs, targets, Mix(0.75), None)
    assert blended.flatten().tolist() == [1.0, 1.0, 3.0]
    assert labels.tolist() == [[0.75, 0, 0.25], [0, 1, 0], [0.25, 0, 0.75]]


def test_cutmix_pastes_a_rectangle_and_its_share_of_the_label():
    inputs = torch.stack([torch.zeros(4, 8, 3), torch.ones(4, 8, 3)])
    pasted, labels = mixed(inputs, torch.eye(2), Mix(0.75, (0.5, 0.0, 1.0, 0.5)), (1, 2))
    assert pasted[0, 2:, :4].eq(1).all()
    assert pasted[0].sum() == 2 * 4 * 3
    assert labels.tolist() == [[0.75, 0.25], [0.25, 0.75]]
    assert inputs[0].sum() == 0  # the stored image itself was changed once


def test_a_mix_depends_on_its_seed_alone_and_stays_inside():
    both = replace(PLAIN, mixup=0.4, cutmix=1.0)
    drawn = [draw_mix(both, (1, 2, step)) for step in range(60)]
    assert drawn == [draw_mix(both, (1, 2, step)) for step in range(60)]
    assert {mix.box is None for mix in drawn} == {True, False}
    for mix in drawn:
        if mix.box:
            top, left, bottom, right = mix.box
            assert 0 <= top <= bottom <= 1
            assert 0 <= left <= right <= 1
            assert (bottom - top) * (right - left) == pytest.approx(1 - mix.share)
    assert draw_mix(PLAIN, (1, 2, 3)) is None


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own():
    config = replace(PLAIN, batch_size=2, accumulation=2)
    targets = np.zeros(10, np.int64)
    first, second = (epoch_batches(targets, config, epoch) for epoch in (0, 1))
    assert len(first) == batch_count(10, config) == 3
    assert sorted(np.concatenate(first)) == list(range(10))
    assert not np.array_equal(np.concatenate(first), np.concatenate(second))


def test_balanced_sampling_shows_every_class_equally_often():
    targets = np.array([0] * 27 + [1] * 3)
    order = np.concatenate(epoch_batches(targets, replace(PLAIN, balanced_sampling=True), 0))
    assert np.bincount(targets[order]).tolist() == [15, 15]
    assert set(order[targets[order] == 1]) == {27, 28, 29}


def test_lower_stages_learn_more_slowly_and_only_matrices_decay():
    low, high = nn.Linear(2, 2), nn.Linear(2, 2)
    frozen = nn.Linear(2, 2).requires_grad_(False)
    config = replace(PLAIN, layer_decay=0.5, optimizer=OptimizerName.ADAMW, weight_decay=0.1)
    optimizer = optimizer_of(
        nn.Sequential(frozen, low, high), config, [[*frozen.parameters()], [*low.parameters()]]
    )
    set_learning_rate(optimizer, 0.8)
    groups = [(g["lr"], g["weight_decay"], len(g["params"])) for g in optimizer.param_groups]
    assert groups == [(0.8, 0.1, 1), (0.8, 0.0, 1), (0.4, 0.1, 1), (0.4, 0.0, 1)]


def test_nesterov_is_a_choice_of_sgd():
    assert optimizer_of(nn.Linear(1, 1), replace(PLAIN, nesterov=True)).defaults["nesterov"]


def test_the_average_of_weights_warms_up_and_counts_are_copied():
    model = nn.BatchNorm1d(1)
    average = WeightAverage(model, 0.5)
    with torch.no_grad():
        model.weight.fill_(11.0)
        model.num_batches_tracked.fill_(7)
    average.update(model, 0)  # decay min(0.5, 1/10)
    assert average.state["weight"].item() == pytest.approx(0.1 * 1 + 0.9 * 11)
    assert average.state["num_batches_tracked"].item() == 7
    average.update(model, 1000)
    assert average.state["weight"].item() == pytest.approx(0.5 * 10 + 0.5 * 11)


def test_a_time_limit_becomes_a_number_of_steps():
    pace = Pace(step_s=2.0, evaluation_s=10.0)
    free = replace(PLAIN, epochs=50)
    assert planned_steps(free, 20, done=0, elapsed_s=0, pace=pace) == 1000
    limited = replace(free, minutes=10.0)
    steps = planned_steps(limited, 20, done=0, elapsed_s=0, pace=pace)
    assert steps == int((600 - 10) / 2.5)
    assert expected_seconds(limited, 20, steps, pace) <= 600
    assert planned_steps(limited, 20, done=100, elapsed_s=300, pace=pace) == 100 + int(290 / 2.5)
    assert planned_steps(limited, 20, done=0, elapsed_s=900, pace=pace) == 1  # there is a model
    assert planned_steps(replace(limited, minutes=1e5), 20, done=0, elapsed_s=0, pace=pace) == 1000


def test_half_precision_is_chosen_for_gpus_and_never_assumed_for_a_cpu():
    cpu = torch.device("cpu")
    assert autocast_type(cpu, Precision.AUTO) is None
    assert autocast_type(cpu, Precision.BFLOAT16) is torch.bfloat16
    assert autocast_type(cpu, Precision.FLOAT32) is None
