"""The quality job: check a dataset, and store all findings in one transaction."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.data.pixels.saved import read_saved_as
from core.data.quality.embedding_map import map_of
from core.data.quality.findings import (
    all_findings,
    look_alike_groups,
    outlier_findings,
    subset_leaks,
    suspect_labels,
)
from core.data.quality.label_errors import LabelAssessment, judge_labels
from core.data.quality.outliers import outliers
from core.data.quality.similarity import (
    Gray,
    Pairs,
    connected,
    links_of_equal,
    near_pairs,
    neighbour_accuracy,
    small_images,
)
from core.data.split import grouped_split, stratified_split
from core.domain.configs.choices import Detail
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import Dataset, Sample, SampleStatus
from core.domain.findings import FeatureInsight, Finding, QualityCheck
from core.domain.ids import utc_now
from core.domain.jobs import JobStatus, Phase
from core.domain.parts import pairs_left
from core.domain.splits import SplitMethod, Subset
from core.errors import NetworkUnavailableError, SplitError
from core.models.catalog import DEFAULT_NETWORK, find_network
from core.store import datasets, look_alikes, properties, quality, splits, versions
from core.store.database import connect, transaction
from core.worker import features
from core.worker.depth import measured_dataset, with_levels
from core.worker.files.checks import refuse_changed
from core.worker.progress import Work
from core.worker.session import JobSession

_JUDGED_AT_MOST = 4000  # the estimate needs no more, and stays within seconds


@dataclass(frozen=True)
class _Subject:
    """The dataset to check: every image it ever had, and which of them it uses.

    `subsets` maps the name of a split to the subset of each sample id.
    """

    dataset: Dataset
    every: list[Sample]
    used: NDArray[np.intp]
    old_class_names: frozenset[str]
    subsets: Mapping[str, Mapping[int, Subset]]
    preprocess: PreprocessConfig

    @property
    def samples(self) -> list[Sample]:
        """The images in use; positions of findings are positions among these."""
        return [self.every[i] for i in self.used]


@dataclass(frozen=True)
class _Seen:
    """Results of the network for the images in use: labels judged, and places [N, 2] on the map.

    `known` [M] are the positions of the readable images.
    """

    known: NDArray[np.intp]
    judgement: LabelAssessment
    places: NDArray[np.float32]


def run(session: JobSession) -> None:
    """Check the dataset of the payload; either all results are stored or none."""
    subject = _subject(session)
    samples = subject.samples
    session.expect(Work(images=len(samples)))
    refuse_changed(session.workspace, subject.dataset, samples, session.report, missing_too=False)
    cache = small_images(
        session.workspace.cache / "similarity",
        [session.workspace.resolve(s.path) for s in subject.every],
        [s.sha256 for s in subject.every],
        levels=subject.dataset.levels,
        on_progress=session.report,
        wanted=subject.used,
    )
    images = np.asarray(cache.rows)[subject.used]
    ready = cache.ready[subject.used]
    near = _near(samples, images, ready, session)
    left = _left(session, subject, near)
    seen = _seen(session, subject, left)
    session.report(Phase.FINDINGS, 0, 0)
    findings = _findings(session, subject, near, left, images, ready, seen)
    check = _check(subject, near, left, images)
    with connect(session.workspace) as db, transaction(db):
        quality.save_check(db, check, findings)
        if seen is not None:
            quality.save_insights(db, _insights(samples, seen))
        session.finish(db, JobStatus.COMPLETED, result={"dataset_id": subject.dataset.id})


def _subject(session: JobSession) -> _Subject:
    with connect(session.workspace) as db:
        dataset = measured_dataset(session.workspace, db, str(session.job.payload["dataset_id"]))
        every = datasets.every_sample(db, dataset.id)
        saved = properties.saved_preprocess(db, dataset.id)
        names = {name for v in versions.list_versions(db, dataset.id) for name in v.class_names}
        known = splits.list_splits(db, dataset.id)
        chosen = [s for s in known if s is known[0] or s.strategy.method is SplitMethod.PROVIDED]
        subsets = {split.name: splits.split_members(db, split.id) for split in chosen}
    size = find_network(DEFAULT_NETWORK).image_size_px
    return _Subject(
        dataset,
        every,
        np.array([i for i, s in enumerate(every) if s.status is SampleStatus.USED], np.intp),
        frozenset(names),
        subsets,
        with_levels(saved or PreprocessConfig(image_size_px=size), dataset),
    )


def _near(
    samples: Sequence[Sample], images: Gray, ready: NDArray[np.bool_], session: JobSession
) -> Pairs:
    """Near pairs [M, 2] as positions of samples; of identical files, only the first is compared."""
    first = {s.sha256: i for i, s in reversed(list(enumerate(samples)))}
    chosen = np.array(sorted(i for i in first.values() if ready[i]), np.int64)
    pairs, _ = near_pairs(images[chosen], on_progress=session.report)
    return chosen[pairs]


def _left(session: JobSession, subject: _Subject, near: Pairs) -> Pairs:
    """The near pairs without those that people said are different parts, or ignored."""
    position = {s.id: i for i, s in enumerate(subject.samples)}
    ids = [sample.id for sample in subject.samples]
    with connect(session.workspace) as db:
        apart = look_alikes.sets_apart(db, subject.dataset.id)
    left = pairs_left([(ids[a], ids[b]) for a, b in near.tolist()], apart)
    return np.array([(position[a], position[b]) for a, b in left], np.int64).reshape(-1, 2)


def _seen(session: JobSession, subject: _Subject, near: Pairs) -> _Seen | None:
    """Results from the features of the pretrained network; None if it is not available."""
    network = find_network(DEFAULT_NETWORK)
    device = features.resolve_device("auto")
    session.set_device(features.device_title(device))
    try:
        backbone = features.pretrained(session, network)
    except NetworkUnavailableError as err:
        session.warn(f"Labels were not checked. {err}")
        return None
    pixels, _ = features.dataset_pixels(
        session, subject.dataset.id, subject.every, subject.used, subject.preprocess
    )
    session.report(Phase.PREPARING_NETWORK, 0, 0)
    source = features.FeatureSource(
        backbone, subject.preprocess, Detail.WHOLE, device, session.workspace.runtimes
    )
    bank = features.dataset_features(session, pixels, subject.used, source)
    known = np.flatnonzero(pixels.ready[subject.used])
    samples = [subject.samples[i] for i in known]
    own = bank[subject.used[known]]
    labels = np.array([-1 if s.label is None else s.label for s in samples], np.int64)
    parts = _parts(subject.samples, near)[known]
    judgement = judge_labels(own, labels, parts, on_progress=session.report)
    session.report(Phase.MAP, 0, 0)
    return _Seen(known, judgement, map_of(own))


def _parts(samples: Sequence[Sample], near: Pairs) -> NDArray[np.int64]:
    """Number [N] of the part in an image, by everything known; parts are kept together."""
    return connected(
        len(samples),
        near,
        links_of_equal([s.sha256 for s in samples]),
        links_of_equal([s.group for s in samples]),
    )


def _findings(
    session: JobSession,
    subject: _Subject,
    near: Pairs,
    left: Pairs,
    images: Gray,
    ready: NDArray[np.bool_],
    seen: _Seen | None,
) -> list[Finding]:
    # Why near: a finding that was ignored has to stay, so that it can be opened again.
    samples, names = subject.samples, subject.dataset.class_names
    findings = all_findings(
        samples,
        names,
        near,
        np.flatnonzero(~ready).tolist(),
        folders_of_classes=subject.old_class_names,
        saved_as=lambda sample: read_saved_as(session.workspace.resolve(sample.path)),
    )
    for split_name, subsets in subject.subsets.items():
        findings += subset_leaks(samples, left, subsets, split_name)
    if seen is not None:
        findings += suspect_labels([samples[i] for i in seen.known], names, seen.judgement)
    return findings + outlier_findings(samples, outliers(samples, images))


def _insights(samples: Sequence[Sample], seen: _Seen) -> list[FeatureInsight]:
    judged = seen.judgement
    return [
        FeatureInsight(
            samples[position].id,
            confidence=None if np.isnan(confidence) else float(confidence),
            suggested=None if suggested < 0 else int(suggested),
            x=float(x),
            y=float(y),
        )
        for position, confidence, suggested, (x, y) in zip(
            seen.known, judged.confidence, judged.suggested, seen.places, strict=True
        )
    ]


def _check(subject: _Subject, near: Pairs, left: Pairs, images: Gray) -> QualityCheck:
    samples, names = subject.samples, subject.dataset.class_names
    groups = look_alike_groups(samples, left)
    sizes = np.bincount(groups) if len(groups) else np.zeros(0, np.int64)
    random_accuracy, grouped_accuracy = _estimate(samples, names, groups, images)
    return QualityCheck(
        dataset_id=subject.dataset.id,
        created_at=utc_now(),
        near_pairs=tuple((samples[a].id, samples[b].id) for a, b in near.tolist()),
        groups=int((sizes > 1).sum()),
        grouped_samples=int(sizes[sizes > 1].sum()),
        random_accuracy=random_accuracy,
        grouped_accuracy=grouped_accuracy,
        version=subject.dataset.version,
    )


def _estimate(
    samples: Sequence[Sample],
    class_names: tuple[str, ...],
    groups: NDArray[np.int64],
    images: Gray,
) -> tuple[float | None, float | None]:
    """Accuracy of a nearest neighbour on pixels with a random and with a grouped split.

    Without identical files of several labels: whatever their neighbor says is wrong. None where no
    groups but theirs are left, or where a split is impossible.
    """
    labels_of: dict[str, set[int | None]] = defaultdict(set)
    for sample in samples:
        labels_of[sample.sha256].add(sample.label)
    kept = [i for i, sample in enumerate(samples) if len(labels_of[sample.sha256]) == 1]
    if len(kept) < len(samples) and len(np.unique(groups[kept])) == len(kept):
        return None, None
    judgeable = [samples[i] for i in kept]
    labels = np.array([-1 if s.label is None else s.label for s in samples], np.int64)
    position = {s.id: i for i, s in enumerate(samples)}
    by_group = {s.id: int(group) for s, group in zip(samples, groups, strict=True)}
    accuracies: list[float | None] = []
    for grouping in (None, by_group):
        try:
            subsets = (
                stratified_split(judgeable, class_names)
                if grouping is None
                else grouped_split(judgeable, class_names, grouping)
            )
        except SplitError:
            return None, None
        train, test = (
            np.array([position[i] for i, s in subsets.items() if s is subset], np.int64)
            for subset in (Subset.TRAIN, Subset.TEST)
        )
        judged = test[:: 1 + len(test) // _JUDGED_AT_MOST]  # every n-th: all classes take part
        accuracies.append(neighbour_accuracy(images, labels, train, judged))
    return accuracies[0], accuracies[1]
