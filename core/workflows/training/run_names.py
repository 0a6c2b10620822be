"""The name of a run that nobody named: what it trains, with a number where it was used before."""

import re

from core.domain.configs.train import TrainConfig
from core.domain.datasets import Dataset
from core.models.catalog import network_title
from core.store import runs
from core.store.database import connect
from core.workspace import Workspace


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
