"""How focused the heatmaps of images are: computed by the worker, kept, used to sort them."""

import numpy as np
from numpy.typing import NDArray

from core.domain.jobs import Job, JobKind
from core.store import datasets, predictions
from core.store.database import connect
from core.workflows import jobs as job_actions
from core.workflows.results.judging import JudgedSet
from core.workflows.use.models import exported_bundle
from core.workspace import Workspace

# About as many as are explained in a minute; further ones are not the first to look at.
MOST_EXPLAINED = 500


def job_subject(model_id: str) -> str:
    """What the explain jobs of a model are filed under."""
    return f"focus-{model_id}"


def focus_values(workspace: Workspace, judged: JudgedSet) -> NDArray[np.float64]:
    """[N]: focus of the heatmap of the predicted class; -1 unreadable, NaN not explained yet."""
    with connect(workspace) as db:
        known = predictions.focus_of(db, judged.model.id)
    values = np.full(len(judged.sample_ids), np.nan)
    if known:
        for position, sample_id in enumerate(judged.sample_ids.tolist()):
            if sample_id in known:
                value = known[sample_id]
                values[position] = -1.0 if value is None else value
    return values


def unexplained(
    judged: JudgedSet, values: NDArray[np.float64], positions: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Those of the most confident images at these positions that have no heatmap yet."""
    ranked = positions[np.argsort(-judged.confidence[positions], kind="stable")][:MOST_EXPLAINED]
    return ranked[np.isnan(values[ranked])]


def start_explaining(workspace: Workspace, judged: JudgedSet, positions: NDArray[np.int64]) -> Job:
    """Queue the heatmaps of the predicted class of images at these positions.

    Raises:
        ModelFileError: if the stored weights are damaged.
    """
    with connect(workspace) as db:
        samples = datasets.samples_by_id(db, [int(judged.sample_ids[i]) for i in positions])
    predicted = dict(zip(judged.sample_ids.tolist(), judged.predicted.tolist(), strict=True))
    payload: dict[str, object] = {
        "model_id": judged.model.id,
        "bundle": str(exported_bundle(workspace, judged.model)),
        "pictures": [[s.id, str(workspace.resolve(s.path)), predicted[s.id]] for s in samples],
    }
    return job_actions.submit(workspace, JobKind.EXPLAIN, job_subject(judged.model.id), payload)
