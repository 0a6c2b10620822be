"""One of two processes that train together: `python two_ranks.py RANK FILE`; prints its answers.

Started by `test_ranks.py`, which compares what the two say.
"""

import hashlib
import json
import sys

import torch
from torch import distributed

from core.domain.configs.choices import ClassWeights, Recipe
from core.domain.configs.train import TrainConfig
from core.training.engine import fit
from core.training.loop.ranks import ALONE, Ranks
from core.training.loop.state import new_state
from tests.core.training.test_engine import (
    CPU,
    Memory,
    SmallNet,
    _feature_task,
    _linear,
    _pixel_task,
)

CONFIG = TrainConfig(
    Recipe.FULL,
    epochs=3,
    batch_size=6,
    learning_rate=0.02,
    ema_decay=0.8,
    class_weights=ClassWeights.BALANCED,
)


def run(build, task, ranks, *, stop_at=None, saved=None):
    """A training from the start, or from what was saved; its state and what it saved."""
    torch.manual_seed(0)
    state, memory, steps = new_state(build(), CONFIG, CPU), Memory(), []
    if saved:
        state.restore(saved)
    lines = fit(
        state,
        task(),
        task(seed=1),
        CONFIG,
        class_count=3,
        device=CPU,
        checkpoints=memory,
        should_stop=lambda: ranks.rank == ranks.world - 1 and len(steps) == stop_at,
        on_step=lambda done, _total: steps.append(done),
        ranks=ranks,
    )
    curve = [(line.metrics.epoch, line.metrics.train_loss, line.metrics.val_loss) for line in lines]
    return state, memory, curve


def digest(state):
    """Of all weights."""
    return hashlib.sha256(
        b"".join(v.numpy().tobytes() for v in state.model.state_dict().values())
    ).hexdigest()


def main(rank, place):
    """Train alone, together, and together with an interruption that one process asked for."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{place}", rank=rank, world_size=2)
    ranks = Ranks(rank, 2)
    straight, _, curve = run(SmallNet, _pixel_task, ranks)
    stopped, memory, first = run(SmallNet, _pixel_task, ranks, stop_at=4)
    saved = ranks.agreed(memory.state)
    resumed, _, rest = run(SmallNet, _pixel_task, ranks, saved=saved)
    together, _, together_curve = run(_linear, _feature_task, ranks)
    alone, _, alone_curve = run(_linear, _feature_task, ALONE)
    print(
        json.dumps(
            {
                "straight": digest(straight),
                "resumed": digest(resumed),
                "curve": curve,
                "parts": first + rest,
                "stopped_at": stopped.steps_done,
                "wrote": memory.state is not None,
                "distance": float((together.model.weight - alone.model.weight).abs().max()),
                "curves": [together_curve, alone_curve],
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
