"""The sealed test: criteria, thresholds and test images are fixed before the results are viewed.

A seal holds the release criteria, the decision rule and a digest of the test images and their
labels. Whatever of it changes later voids the seal, and is named.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlite_utils import Database

from core.domain.datasets import (
    Dataset,
    DatasetVersion,
    Sample,
    SampleState,
    SampleStatus,
    Verdict,
    content_digest,
)
from core.domain.ids import utc_now
from core.domain.models import Model
from core.domain.signoff import MarkKind, Seal, TestSetAccess
from core.domain.splits import Split, Subset
from core.errors import ConfigError, NotFoundError, SealedError
from core.evaluation.decisions.rule import rule_from_json
from core.evaluation.release.criteria import ReleaseCriteria, criteria_from_json
from core.store import datasets, judgement, models, splits, versions
from core.store.database import connect, transaction
from core.workflows.results.judging import part_numbers_of
from core.workspace import Workspace

MAX_PURPOSE = 300
MAX_INTENDED_USE = 4000
_NAMED = 3  # images named in a sentence
ProgressCallback = Callable[[str, int, int], None]


def no_progress(phase: str, done: int, total: int) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class SignOff:
    """Where the sealed test of a model stands.

    `digest` names the test images and labels of today, `parts_digest` which of them show one
    part; `criteria` and `rule` are the JSON of today, None where there is none; `changes` say what
    voids the seal; `accesses` are all recorded views of the split's test results, for any model.
    """

    model: Model
    dataset: Dataset
    split: Split
    images: int
    digest: str
    parts_digest: str
    criteria: str | None
    rule: str | None
    seal: Seal | None
    accesses: tuple[TestSetAccess, ...]
    changes: tuple[str, ...] = ()

    @property
    def own_openings(self) -> tuple[TestSetAccess, ...]:
        """The recorded views for this model."""
        return tuple(o for o in self.accesses if o.model_id == self.model.id)

    @property
    def is_opened(self) -> bool:
        """Whether the test results were viewed for this model."""
        return bool(self.own_openings)

    @property
    def is_void(self) -> bool:
        """Sealed once, but something has changed since."""
        return self.seal is not None and bool(self.changes)

    @property
    def is_proof(self) -> bool:
        """Sealed before the first view, and unchanged."""
        return self.seal is not None and not self.changes


def sign_off(
    workspace: Workspace,
    model_id: str,
    *,
    check_files: bool = False,
    on_progress: ProgressCallback = no_progress,
) -> SignOff:
    """Where the sealed test of a model stands today.

    Args:
        workspace: where the model lives.
        model_id: its id or name.
        check_files: read every test image again and compare its content; seconds for thousands.
        on_progress: told how far that is.

    Raises:
        NotFoundError: if there is no such model, or it has no test set here.
    """
    with connect(workspace) as db:
        model = models.find_model(db, model_id)
        dataset, split = _origin(db, model)
        samples = _test_samples(db, dataset, split)
        seal = judgement.find_seal(db, model.id)
        found = SignOff(
            model=model,
            dataset=dataset,
            split=split,
            images=len(samples),
            digest=_digest(samples, dataset.class_names),
            parts_digest=_parts_digest(samples, part_numbers_of(db, dataset, split.id)),
            criteria=judgement.criteria(db, dataset.id),
            rule=judgement.operating_point(db, model.id),
            seal=seal,
            accesses=tuple(judgement.openings_of(db, split.id)),
        )
        changes = _changes(db, found) if seal else []
    if seal and check_files:
        changes += _file_changes(workspace, samples, on_progress)
    return replace(found, changes=tuple(changes))


def file_changes(
    workspace: Workspace, model_id: str, *, on_progress: ProgressCallback = no_progress
) -> list[str]:
    """Which test images of a model are gone or have another content than when imported."""
    found = sign_off(workspace, model_id)
    with connect(workspace) as db:
        samples = _test_samples(db, found.dataset, found.split)
    return _file_changes(workspace, samples, on_progress)


def seal_test(
    workspace: Workspace, model_id: str, *, on_progress: ProgressCallback = no_progress
) -> SignOff:
    """Fix criteria, decision rule and test images; the split's test set is closed from now on.

    Before the first view, sealing again replaces the seal.

    Raises:
        ConfigError: if there are no criteria, or no test images.
        SealedError: if the results of this model were viewed already, or files have changed.
    """
    found = sign_off(workspace, model_id)
    _refuse_sealing(found)
    changed = file_changes(workspace, found.model.id, on_progress=on_progress)
    if changed:
        raise SealedError(
            f"The test set cannot be sealed: {changed[0]}",
            "Restore the files as they were imported, or import them as a new dataset.",
        )
    with connect(workspace) as db, transaction(db):
        splits.seal_split(db, found.split.id)
        judgement.insert_seal(
            db,
            Seal(
                model_id=found.model.id,
                split_id=found.split.id,
                created_at=utc_now(),
                criteria=found.criteria or "",
                operating_point=found.rule or "",
                test_digest=found.digest,
                parts_digest=found.parts_digest,
                golden=tuple(sorted(judgement.marked(db, found.dataset.id, MarkKind.GOLDEN))),
            ),
        )
    return sign_off(workspace, found.model.id)


def open_test(
    workspace: Workspace,
    model_id: str,
    purpose: str,
    *,
    on_progress: ProgressCallback = no_progress,
) -> SignOff:
    """Open a sealed test set for a model; recorded permanently with time and purpose.

    Raises:
        ConfigError: if no purpose is given.
        SealedError: if it is not sealed for this model yet, or the seal is void.
    """
    words = " ".join(purpose.split())[:MAX_PURPOSE]
    if not words:
        raise ConfigError(
            "A purpose is required.", "State why the test is opened, such as 'Release 3'."
        )
    found = sign_off(workspace, model_id, check_files=True, on_progress=on_progress)
    if not found.is_opened:
        _refuse_opening(found)
    with connect(workspace) as db, transaction(db):
        access = TestSetAccess(found.split.id, found.model.id, found.model.name, words, utc_now())
        judgement.record_access(db, access)
    return SignOff(**{**vars(sign_off(workspace, found.model.id)), "changes": found.changes})


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


def _test_samples(db: Database, dataset: Dataset, split: Split) -> list[Sample]:
    members = splits.split_members(db, split.id)
    return [
        s
        for s in versions.samples_at(db, dataset.id)
        if members.get(s.id) is Subset.TEST and s.label is not None
    ]


def _digest(samples: Sequence[Sample], class_names: Sequence[str]) -> str:
    return content_digest((s.sha256, class_names[s.label or 0]) for s in samples)


def _parts_digest(samples: Sequence[Sample], numbers: Mapping[int, int] | None) -> str:
    """Names which images show one part; every image names the first one of its part."""
    first: dict[int, int] = {}
    pairs = []
    for sample in sorted(samples, key=lambda s: s.id):
        part = -sample.id if numbers is None else numbers.get(sample.id, -sample.id)
        pairs.append((sample.id, first.setdefault(part, sample.id)))
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()


def _refuse_sealing(found: SignOff) -> None:
    if found.is_opened:
        first = found.own_openings[0]
        raise SealedError(
            f"The test results of model '{found.model.name}' were already viewed "
            f"({first.purpose}).",
            "This model can no longer have a sealed test. Seal the split before you train the next "
            "model.",
        )
    if not found.images:
        raise ConfigError("There is no test image to seal.", "Make a split with a test subset.")
    if not found.criteria:
        raise ConfigError(
            f"Dataset '{found.dataset.name}' has no release criteria yet.",
            "Set them first: on the Sign-off page, or with `touchstone criteria`.",
        )


def _refuse_opening(found: SignOff) -> None:
    if found.seal is None:
        raise SealedError(
            f"The test of model '{found.model.name}' is not sealed yet.",
            "Seal it first: this fixes criteria, thresholds and test images before the results are "
            "viewed.",
        )
    if found.is_void:
        raise SealedError(
            f"The seal is void: {found.changes[0]}",
            "The results have not been viewed yet: undo the change, or seal the test again.",
        )


def _changes(db: Database, found: SignOff) -> list[str]:
    seal = found.seal
    assert seal is not None
    says = []
    if seal.split_id != found.split.id:
        says.append("The model now belongs to another split.")
    if _asked(seal.criteria) != _asked(found.criteria):
        says.append("The release criteria were changed.")
    if not _same_rule(seal.operating_point, found.rule):
        says.append("The thresholds were changed.")
    return says + _dataset_changes(db, found, seal)


def _asked(text: str | None) -> ReleaseCriteria | None:
    return criteria_from_json(text).criteria if text else None


def _same_rule(sealed: str, today: str | None) -> bool:
    """Whether both decide alike; when it was saved and why does not matter."""
    if not sealed or not today:
        return not sealed and not today
    return rule_from_json(sealed).same_decisions(rule_from_json(today))


def _dataset_changes(db: Database, found: SignOff, seal: Seal) -> list[str]:
    """Edits of the test images since the seal, from the versions of the dataset."""
    then = _version_at(versions.list_versions(db, found.dataset.id), seal.created_at)
    members = splits.split_members(db, found.split.id)
    changed = {
        i: states
        for i, states in versions.changes_between(
            db, found.dataset.id, then.number, found.dataset.version
        ).items()
        if members.get(i) is Subset.TEST
    }
    names = {s.id: s.name for s in datasets.samples_by_id(db, list(changed))}
    says = []
    for words, applies in _STATE_CHANGES:
        touched = [names[i] for i, states in changed.items() if applies(*states)]
        says += [_said(words, touched)] if touched else []
    if then.class_names != found.dataset.class_names:
        says.append("Classes of the dataset were renamed, merged or added.")
    if _verdicts(then) != _verdicts(found.dataset):
        says.append("What counts as OK and NOK was changed.")
    if seal.test_digest != found.digest and not says:
        says.append("The test images or their classes are not the ones that were sealed.")
    if seal.parts_digest not in ("", found.parts_digest) and not says:
        says.append(
            "The test images are assigned to other parts than when they were sealed (by a later "
            "quality check or an edit), so parts are counted differently."
        )
    return says


def _verdicts(state: Dataset | DatasetVersion) -> dict[str, Verdict]:
    """The classes that have a verdict."""
    pairs = zip(state.class_names, state.class_verdicts, strict=False)
    return {name: verdict for name, verdict in pairs if verdict is not None}


def _version_at(history: Sequence[DatasetVersion], moment: float) -> DatasetVersion:
    """The version that was today's at a moment; `history` is newest first."""
    return next((v for v in history if v.created_at <= moment), history[-1])


def _was_excluded(before: SampleState, after: SampleState) -> bool:
    return before.status is SampleStatus.USED and after.status is not SampleStatus.USED


def _was_relabelled(before: SampleState, after: SampleState) -> bool:
    return before.label != after.label and after.status is SampleStatus.USED


def _was_regrouped(before: SampleState, after: SampleState) -> bool:
    return before.group != after.group and after.status is SampleStatus.USED


_STATE_CHANGES = (
    ("got another class", _was_relabelled),
    ("left the dataset", _was_excluded),
    ("moved to another part", _was_regrouped),
)


def _file_changes(
    workspace: Workspace, samples: Sequence[Sample], on_progress: ProgressCallback
) -> list[str]:
    """Read every file again: which are gone, which have another content."""
    gone, other = [], []
    for done, sample in enumerate(samples, start=1):
        digest = _file_digest(workspace.resolve(sample.path))
        if digest is None:
            gone.append(sample.name)
        elif digest != sample.sha256:
            other.append(sample.name)
        on_progress("Reading the test images again", done, len(samples))
    says = (_said("cannot be read any more", gone), _said("changed in content", other))
    return [sentence for sentence in says if sentence]


def _file_digest(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _said(words: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    listed = ", ".join(f"'{name}'" for name in names[:_NAMED])
    return f"{len(names):,} test image{'s' if len(names) > 1 else ''} {words}: {listed}{more}."
