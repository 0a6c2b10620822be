"""The name of a run, what became of it and what one can do about it, in words."""

import re
from typing import assert_never

from core.domain.configs.train import TrainConfig
from core.domain.datasets import Dataset
from core.domain.settings import Setting, Value
from core.domain.training import RunState
from core.models.catalog import network_title
from core.store import runs
from core.store.database import connect
from core.workspace import Workspace


def state_in_words(state: RunState) -> str:
    """One or two words, on every page and in every table."""
    match state:
        case RunState.QUEUED:
            return "waiting"
        case RunState.STOPPED_WITH_MODEL:
            return "stopped, model made"
        case (
            RunState.RUNNING
            | RunState.COMPLETED
            | RunState.FAILED
            | RunState.STOPPED
            | RunState.PAUSED
            | RunState.INTERRUPTED
        ):
            return state.value
        case _:
            assert_never(state)


def setting_in_words(item: Setting, value: Value) -> str:
    """The value of a setting of a run, as on its page and in its record."""
    if item.name == "network":
        return network_title(str(value))
    if item.name == "penalty" and value == 0:
        return "by cross-validation"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")


def next_in_words(
    state: RunState, *, has_model: bool = True, is_starting: bool = False, has_epochs: bool = True
) -> str:
    """What one can do with a run in this state.

    Args:
        state: of the run.
        has_model: whether the model that it made is still there.
        is_starting: whether nothing is before it any more.
        has_epochs: whether it learns in epochs; a solved one has no model before its end.
    """
    match state:
        case RunState.QUEUED if is_starting:
            return "It starts now."
        case RunState.QUEUED:
            return "It starts when the runs before it end. Pause and Stop take it out of the queue."
        case RunState.RUNNING if not has_epochs:
            return (
                "It goes on when the browser is closed. Pause and Stop free the device; it can be "
                "resumed."
            )
        case RunState.RUNNING:
            return (
                "It goes on when the browser is closed. Pause frees the device; Stop makes a "
                "model of the best epoch."
            )
        case RunState.COMPLETED if not has_model:
            return "Its model was deleted. Train again with the same settings."
        case RunState.COMPLETED:
            return "Evaluate its model next."
        case RunState.STOPPED if not has_epochs:
            return "It made no model. Resume goes on where it was."
        case RunState.STOPPED:
            return "Resume it, or make a model of its best epoch if one was completed."
        case RunState.STOPPED_WITH_MODEL:
            return "Judge the model of its best epoch, or resume: that makes a second model."
        case RunState.PAUSED:
            return "The device is free. Resume goes on exactly where it was."
        case RunState.FAILED:
            return "Remove the cause, then resume from the last saved state."
        case RunState.INTERRUPTED:
            return "Its process was lost. Resume from the last saved state."
        case _:
            assert_never(state)


def default_name(workspace: Workspace, dataset: Dataset, train: TrainConfig) -> str:
    """Such as `Pills EfficientNet-Lite0 quick`, then `Pills EfficientNet-Lite0 quick 2`.

    Why the number after the highest: a name of a deleted model would speak of another one.
    """
    name = f"{dataset.name} {network_title(train.network)} {train.recipe}"
    with connect(workspace) as db:
        taken = runs.names_taken(db, name)
    numbers = [
        int(match[1] or 1) for other in taken if (match := re.fullmatch(r"(?: (\d+))?", other))
    ]
    return f"{name} {max(numbers) + 1}" if numbers else name
