"""How many steps a run takes: those of its epochs, or what its minutes allow."""

from dataclasses import dataclass

from core.domain.configs.train import TrainConfig


@dataclass(frozen=True)
class Pace:
    """Seconds of one step and of one evaluation on this machine."""

    step_s: float
    evaluation_s: float


def planned_steps(
    config: TrainConfig, steps_per_epoch: int, *, done: int, elapsed_s: float, pace: Pace
) -> int:
    """The number of steps after which a run ends.

    Args:
        config: epochs and time limit.
        steps_per_epoch: of this run.
        done: steps so far.
        elapsed_s: training and evaluating so far.
        pace: of this machine.

    Returns:
        Those of all epochs without a time limit; else as many as fit, evaluations included, and
        at least one, so that there is a model.
    """
    every = config.epochs * steps_per_epoch
    if config.minutes <= 0:
        return every
    left = config.minutes * 60 - elapsed_s - pace.evaluation_s  # the last one comes in any case
    evaluation = pace.evaluation_s / (steps_per_epoch * config.evaluation_interval)
    fitting = int(max(0.0, left) / max(1e-9, pace.step_s + evaluation))
    return min(every, max(1, done + fitting))


def expected_seconds(config: TrainConfig, steps_per_epoch: int, steps: int, pace: Pace) -> float:
    """How long so many steps take with their evaluations."""
    epochs = -(-steps // steps_per_epoch)
    evaluations = -(-epochs // config.evaluation_interval)
    return steps * pace.step_s + evaluations * pace.evaluation_s
