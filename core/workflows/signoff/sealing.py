"""The sealed test: criteria, thresholds and test images are fixed before the results are viewed.

A seal holds the release criteria, the decision rule and a digest of the test images and their
labels. Whatever of it changes later voids the seal, and is named.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sqlite_utils import Database

from core.domain.datasets import (
    Dataset,
    Verdict,
    content_digest,
)
from core.domain.ids import utc_now
from core.domain.models import Model
from core.domain.parts import Counting
from core.domain.signoff import MarkKind, Obstacle, Seal
from core.domain.splits import Split, Subset
from core.errors import ConfigError, NotFoundError, SealedError
from core.evaluation.decisions.feasible import refuse_impossible
from core.evaluation.release.criteria import criteria_from_json
from core.store import datasets, judgement, models, splits
from core.store.database import connect, transaction
from core.workflows.results.access import record_opening, required_purpose
from core.workflows.results.counting import Counted, known_parts
from core.workflows.results.memory import Memory
from core.workflows.results.thresholds import load_basis, saved_rule
from core.workflows.signoff.obstacles import obstacle_of, refuse
from core.workflows.signoff.seal_changes import (
    ProgressCallback,
    SignOff,
    changed_files,
    changes_since,
    no_progress,
)
from core.workspace import Workspace

MAX_INTENDED_USE = 4000


def sign_off(
    workspace: Workspace,
    model_id: str,
    *,
    check_files: bool = False,
    on_progress: ProgressCallback = no_progress,
    memory: Memory | None = None,
) -> SignOff:
    """Where the sealed test of a model stands today.

    Args:
        workspace: where the model lives.
        model_id: its id or name.
        check_files: read every test image again and compare its content; seconds for thousands.
        on_progress: told how far that is.
        memory: what was read earlier, which saves a second with very many images.

    Raises:
        NotFoundError: if there is no such model, or it has no test set here.
    """
    with connect(workspace) as db:
        model = models.find_model(db, model_id)
        dataset, split = _origin(db, model)
        contents = splits.contents_in_subset(db, split.id, Subset.TEST)
        ids, labels, files = zip(*contents, strict=True) if contents else ((),) * 3
        seal = judgement.find_seal(db, model.id)
        known = known_parts(db, split.id, dataset, np.array(ids, np.int64), memory or Memory())
        counted = known.counted(Counting.AUTO)
        standing = SignOff(
            model=model,
            dataset=dataset,
            split=split,
            images=len(contents),
            digest=content_digest(
                (sha256, dataset.class_names[label])
                for sha256, label in zip(files, labels, strict=True)
            ),
            parts_digest=_parts_digest(ids, counted),
            unit=counted.unit,
            has_proposals=known.proposed is not None,
            criteria=judgement.criteria(db, dataset.id),
            rule=judgement.operating_point(db, model.id),
            seal=seal,
            accesses=tuple(judgement.openings_of(db, split.id)),
            defective=_with_verdict(Verdict.NOK, dataset, labels, counted),
            good=_with_verdict(Verdict.OK, dataset, labels, counted),
        )
        changes = changes_since(db, standing, seal) if seal else []
        obstacle = _obstacle(db, standing, labels)
    if seal and check_files:
        changes += _changed_files(workspace, split, on_progress)
    return replace(standing, changes=tuple(changes), obstacle=obstacle)


def _obstacle(db: Database, standing: SignOff, labels: Sequence[int]) -> Obstacle | None:
    if standing.criteria is None:
        return None
    seal, criteria = standing.seal, criteria_from_json(standing.criteria).criteria
    golden = judgement.marked(db, standing.dataset.id, MarkKind.GOLDEN)
    if standing.is_opened and seal is not None and seal.golden is not None:
        golden = list(seal.golden)
    model, dataset = standing.model, standing.dataset
    of_classes = not model.is_detector and len(model.class_names) == len(dataset.class_names)
    return obstacle_of(
        criteria, dataset, set(labels), is_of_classes=of_classes, has_golden=bool(golden)
    )


def file_changes(
    workspace: Workspace, model_id: str, *, on_progress: ProgressCallback = no_progress
) -> list[str]:
    """Which test images of a model are gone or have another content than when imported."""
    return _changed_files(workspace, sign_off(workspace, model_id).split, on_progress)


def seal_test(
    workspace: Workspace, model_id: str, *, on_progress: ProgressCallback = no_progress
) -> SignOff:
    """Fix criteria, decision rule and test images; the split's test set is closed from now on.

    Before the first view, sealing again replaces the seal.

    Raises:
        ConfigError: if there are no criteria or no test images, if the test could not answer the
            criteria, or the saved rule decides nothing.
        SealedError: if the results of this model were viewed already, or files have changed.
    """
    standing = sign_off(workspace, model_id)
    _refuse_sealing(standing)
    _refuse_idle_rule(workspace, standing.model)
    changed = file_changes(workspace, standing.model.id, on_progress=on_progress)
    if changed:
        raise SealedError(
            f"The test set cannot be sealed: {changed[0]}",
            "Restore the files as they were imported, or import them as a new dataset.",
        )
    with connect(workspace) as db, transaction(db):
        splits.seal_split(db, standing.split.id)
        judgement.insert_seal(
            db,
            Seal(
                model_id=standing.model.id,
                split_id=standing.split.id,
                created_at=utc_now(),
                criteria=standing.criteria or "",
                operating_point=standing.rule or "",
                test_digest=standing.digest,
                parts_digest=standing.parts_digest,
                unit=standing.unit.value,
                golden=tuple(sorted(judgement.marked(db, standing.dataset.id, MarkKind.GOLDEN))),
            ),
        )
    return sign_off(workspace, standing.model.id)


def open_test(
    workspace: Workspace,
    model_id: str,
    purpose: str,
    *,
    person: str = "",
    on_progress: ProgressCallback = no_progress,
) -> SignOff:
    """Open a sealed test set for a model; recorded permanently with time, purpose and person.

    Raises:
        ConfigError: if no purpose is given, or the test could not answer the criteria.
        SealedError: if it is not sealed for this model yet, or the seal is void.
    """
    words = required_purpose(purpose)
    standing = sign_off(workspace, model_id, check_files=True, on_progress=on_progress)
    if not standing.is_opened:
        _refuse_opening(standing)
    with connect(workspace) as db, transaction(db):
        record_opening(db, standing.model, words, person)
    return SignOff(**{**vars(sign_off(workspace, standing.model.id)), "changes": standing.changes})


def intended_use(workspace: Workspace, model_id: str) -> str:
    """What a model is intended for; empty where it was not described."""
    with connect(workspace) as db:
        return judgement.intended_use(db, model_id)


def save_intended_use(workspace: Workspace, model_id: str, text: str) -> None:
    """Keep what a model is intended for; it stands at the top of its report.

    Raises:
        ConfigError: if the text is too long for a report.
    """
    if len(text) > MAX_INTENDED_USE:
        raise ConfigError(
            f"The text has {len(text):,} characters; {MAX_INTENDED_USE:,} fit into the report.",
            "Shorten the text.",
        )
    with connect(workspace) as db:
        judgement.save_intended_use(db, models.find_model(db, model_id).id, text.strip())


def _origin(db: Database, model: Model) -> tuple[Dataset, Split]:
    if model.dataset_id is None or model.split_id is None:
        raise NotFoundError(
            f"Model '{model.name}' has no test set here: it was uploaded, or its dataset or split "
            "was deleted.",
            "Choose a model that was trained here.",
        )
    dataset = datasets.find_dataset(db, model.dataset_id)
    return dataset, splits.find_split(db, dataset.id, model.split_id)


def _changed_files(workspace: Workspace, split: Split, on_progress: ProgressCallback) -> list[str]:
    with connect(workspace) as db:
        samples = splits.samples_in_subset(db, split.id, Subset.TEST)
    return changed_files(workspace, samples, on_progress)


def _with_verdict(
    verdict: Verdict, dataset: Dataset, labels: Sequence[int], counted: Counted
) -> int | None:
    """How many of the unit have an image of such a class; no result of a model is read."""
    verdicts = dataset.verdicts
    if not {Verdict.OK, Verdict.NOK} <= set(verdicts):
        return None
    has_it = np.array([item is verdict for item in verdicts])[np.array(labels, np.intp)]
    return len(np.unique(counted.parts[has_it])) if counted.parts is not None else int(has_it.sum())


def _parts_digest(ids: Sequence[int], counted: Counted) -> str:
    """Names which images count once; every image names the first one of its part."""
    parts = ids if counted.parts is None else counted.parts.tolist()
    first: dict[int, int] = {}
    pairs = [
        (sample_id, first.setdefault(part, sample_id))
        for sample_id, part in sorted(zip(ids, parts, strict=True))
    ]
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()


def _refuse_sealing(standing: SignOff) -> None:
    if standing.is_opened:
        first = standing.own_openings[0]
        raise SealedError(
            f"The test results of model '{standing.model.name}' were already viewed "
            f"({first.purpose}).",
            "This model can no longer have a sealed test. Seal the split before you train the next "
            "model.",
        )
    if not standing.images:
        raise ConfigError("There is no test image to seal.", "Make a split with a test subset.")
    if not standing.criteria:
        raise ConfigError(
            f"Dataset '{standing.dataset.name}' has no release criteria yet.",
            "Set them first: on the Sign-off page, or with `touchstone criteria`.",
        )
    refuse(standing.obstacle)


def _refuse_idle_rule(workspace: Workspace, model: Model) -> None:
    """Seal no rule that decides nothing; earlier versions saved such rules.

    Raises:
        ConfigError: if the saved rule is one.
    """
    rule = saved_rule(workspace, model.id)
    if rule is None:
        return
    try:
        basis = load_basis(workspace, model.id)
    except (NotFoundError, ConfigError):  # there is nothing to try it on
        return
    refuse_impossible(rule.point, basis.outcome(rule.point), basis.unit)


def _refuse_opening(standing: SignOff) -> None:
    if standing.seal is None:
        raise SealedError(
            f"The test of model '{standing.model.name}' is not sealed yet.",
            "Seal it first: this fixes criteria, thresholds and test images before the results are "
            "viewed.",
        )
    if standing.is_void:
        raise SealedError(
            f"The seal is void: {standing.changes[0]}",
            "The results have not been viewed yet: undo the change, or seal the test again.",
        )
    refuse(standing.obstacle)
