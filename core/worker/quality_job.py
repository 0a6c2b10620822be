"""The quality job: find look-alikes and other faults of a dataset, store them in one piece."""

import numpy as np
from numpy.typing import NDArray

from core.data.quality import all_findings, look_alike_groups
from core.data.similarity import Gray, Pairs, near_pairs, neighbour_accuracy, small_pictures
from core.data.split import grouped_split, stratified_split
from core.domain import JobStatus, QualityCheck, Sample, Subset, utc_now
from core.errors import SplitError
from core.store import datasets, quality
from core.store.database import connect, transaction
from core.worker.session import JobSession

_JUDGED_AT_MOST = 4000  # the estimate needs no more, and stays within seconds


def run(session: JobSession) -> None:
    """Check the dataset that the job's payload names; either all results are stored or none."""
    workspace = session.workspace
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, session.job.payload["dataset_id"])
        samples = datasets.samples_of(db, dataset.id)
    cache = small_pictures(
        workspace.cache / "similarity",
        [workspace.resolve(s.path) for s in samples],
        [s.sha256 for s in samples],
        on_progress=session.report,
    )
    near = _near(samples, np.asarray(cache.rows), cache.ready, session)
    session.report("Writing down the findings", 0, 0)
    unreadable = np.flatnonzero(~cache.ready).tolist()
    findings = all_findings(samples, dataset.class_names, near, unreadable)
    groups = look_alike_groups(samples, near)
    sizes = np.bincount(groups) if len(groups) else np.zeros(0, np.int64)
    estimate = _estimate(samples, dataset.class_names, groups, np.asarray(cache.rows))
    check = QualityCheck(
        dataset_id=dataset.id,
        created_at=utc_now(),
        near_pairs=tuple((samples[a].id, samples[b].id) for a, b in near.tolist()),
        groups=int((sizes > 1).sum()),
        grouped_samples=int(sizes[sizes > 1].sum()),
        random_accuracy=estimate[0],
        grouped_accuracy=estimate[1],
        version=dataset.version,
    )
    with connect(workspace) as db, transaction(db):
        quality.save_check(db, check, findings)
        session.finish(db, JobStatus.COMPLETED, result={"dataset_id": dataset.id})


def _near(
    samples: list[Sample], pictures: Gray, ready: NDArray[np.bool_], session: JobSession
) -> Pairs:
    """Near pairs [M, 2] as positions of samples; one sample stands for all of equal bytes."""
    first = {s.sha256: i for i, s in reversed(list(enumerate(samples)))}
    chosen = np.array(sorted(i for i in first.values() if ready[i]), np.int64)
    pairs, _ = near_pairs(pictures[chosen], on_progress=session.report)
    return chosen[pairs]


def _estimate(
    samples: list[Sample],
    class_names: tuple[str, ...],
    groups: NDArray[np.int64],
    pictures: Gray,
) -> tuple[float | None, float | None]:
    """Accuracy of a nearest neighbour on pixels under a random and under a grouped split."""
    labels = np.array([-1 if s.label is None else s.label for s in samples], np.int64)
    position = {s.id: i for i, s in enumerate(samples)}
    by_group = {s.id: int(group) for s, group in zip(samples, groups, strict=True)}
    accuracies: list[float | None] = []
    for grouping in (None, by_group):
        try:
            subsets = (stratified_split(samples, class_names) if grouping is None
                       else grouped_split(samples, class_names, grouping))  # fmt: skip
        except SplitError:
            return None, None
        train, test = (
            np.array([position[i] for i, s in subsets.items() if s is subset], np.int64)
            for subset in (Subset.TRAIN, Subset.TEST)
        )
        judged = test[:: 1 + len(test) // _JUDGED_AT_MOST]  # every n-th: all classes take part
        accuracies.append(neighbour_accuracy(pictures, labels, train, judged))
    return accuracies[0], accuracies[1]
