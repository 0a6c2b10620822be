"""How and on what a run was computed, kept with it: what is needed to compute it again."""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from core.domain.configs.choices import Detail
from core.models.bundle import Tensors
from core.models.digest import weights_digest
from core.store import runs
from core.store.database import connect
from core.worker.session import JobSession
from core.worker.training.data import TrainingData

if TYPE_CHECKING:
    from core.training.loop.state import FitState

# The level on which a network is trained; its model may be of another, if quick's was kept.
TRAINED_DETAIL = "trained_detail"
# Whether the model of quick was kept, as training it further brought no proven gain.
START_KEPT = "start_kept"
# The penalty of a last layer that was solved anew on a trained network.
REFIT_PENALTY = "refit_penalty"
# How a GPU's results differ from those of the runtime that predicts.
AGREEMENT = "agreement"
_PACKAGES = ("touchstone-vision", "torch", "timm", "numpy", "scipy", "openvino")
_VARIABLES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_")


def begin_record(
    session: JobSession,
    data: TrainingData,
    *,
    threads: int,
    processes: int = 1,
    trained: Detail | None = None,
) -> None:
    """Write what an attempt is computed on; warn where it differs from the attempt before.

    Args:
        session: of the job.
        data: of the run.
        threads: of one process.
        processes: that train together.
        trained: the detail level on which a network is trained, if one is.
    """
    now: dict[str, object] = {
        "versions": _versions(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": platform.processor() or platform.machine(),
        "device": data.device_name.split(":")[0],
        "threads": threads,
        "processes": processes,
        "deterministic": data.run.train.deterministic or data.device_name == "cpu",
        "environment": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
        "seed": data.run.train.seed,
        "dataset_digest": data.dataset.digest,
    }
    if trained is not None:
        now[TRAINED_DETAIL] = trained.value
    with connect(session.workspace) as db:
        before = runs.record_of(db, data.run.id)
        runs.save_record(db, data.run.id, now, job_id=session.job.id, owner=session.owner)
    told = ("versions", "device", "threads", "processes")
    changed = [name for name in told if before.get(name, now[name]) != now[name]]
    if changed and session.job.attempt > 1:
        session.warn(
            f"The attempt before ran with other {' and '.join(changed)}; the weights may differ "
            "in their last digits from an undisturbed run."
        )


def note_setup(session: JobSession, data: TrainingData, setup: Mapping[str, object]) -> None:
    """Add how steps are computed, by its names in the record."""
    with connect(session.workspace) as db:
        record = {**runs.record_of(db, data.run.id), **setup}
        runs.save_record(db, data.run.id, record, job_id=session.job.id, owner=session.owner)


def end_record(
    session: JobSession, data: TrainingData, tensors: Tensors, state: "FitState | None" = None
) -> None:
    """Add what the run came to: the hash of its weights and how long it trained."""
    with connect(session.workspace) as db:
        record = runs.record_of(db, data.run.id)
        record["weights_sha256"] = weights_digest(tensors)
        if state is not None:
            record["training_s"] = round(state.elapsed_s, 3)
            record["steps"] = state.steps_done
        runs.save_record(db, data.run.id, record, job_id=session.job.id, owner=session.owner)


def _versions() -> dict[str, str]:
    known = {}
    for name in _PACKAGES:
        try:
            known[name] = version(name)
        except PackageNotFoundError:  # of a working copy that was not installed
            continue
    return known
