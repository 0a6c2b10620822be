"""The kinds of last layer that quick runs compared, and what became of it in words."""

from collections.abc import Sequence
from typing import assert_never

from core.domain.configs.choices import HeadChoice, HeadKind
from core.domain.configs.train import TrainConfig
from core.domain.training import HeadTrial, chosen_head
from core.store import runs
from core.store.database import connect
from core.words import joined
from core.workspace import Workspace


def head_trials(workspace: Workspace, run_id: str) -> list[HeadTrial]:
    """The kinds of last layer that a quick run compared; empty if it compared none."""
    with connect(workspace) as db:
        return runs.head_trials_of(db, run_id)


def last_layer_in_words(train: TrainConfig, trials: Sequence[HeadTrial]) -> str:
    """What the last layer is and why; empty where the usual one was not put to choice."""
    if train.head is HeadChoice.LINEAR:
        return ""
    words = _kind_in_words(chosen_head(train, trials))
    if len(train.head.kinds) == 1:
        return f"{words}, as requested"
    others = [trial.head.value for trial in trials]
    if len(others) < 2:
        return f"{words}; nothing else was worth a comparison"
    return f"{words}, chosen by cross-validation of {joined(others)}"


def _kind_in_words(kind: HeadKind) -> str:
    match kind:
        case HeadKind.LINEAR:
            return "linear"
        case HeadKind.MEANS:
            return "the nearest class mean"
        case HeadKind.MLP:
            return "one hidden layer"
        case _:
            assert_never(kind)
