"""Where a sealed test stands, and what was changed since its seal was made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from core.data.file_checks import sha256_of
from core.domain.datasets import Dataset, DatasetVersion, Sample, SampleState, SampleStatus, Verdict
from core.domain.models import Model
from core.domain.signoff import AccessKind, Obstacle, Seal, TestSetAccess
from core.domain.splits import Split, Subset
from core.evaluation.decisions.rule import same_rules
from core.evaluation.measures.parts import Unit
from core.evaluation.release.criteria import ReleaseCriteria, criteria_from_json, same_criteria
from core.store import datasets, splits, versions
from core.workspace import Workspace

_NAMED = 3  # images named in a sentence
ProgressCallback = Callable[[str, int, int], None]


def no_progress(phase: str, done: int, total: int) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class SignOff:
    """Where the sealed test of a model stands.

    `digest` names the test images and labels of today, `parts_digest` which of them count once,
    `unit` what n counts; `has_proposals`: look-alikes that nobody has confirmed would change it.
    `criteria` and `rule` are the JSON of today, None where there is none; `changes` say what voids
    the seal; `accesses` are all recorded views of the split's test results, for any model.
    `defective` and `good` count those of the unit; None where the classes have no verdicts.
    `obstacle` is what keeps the criteria from being judged; None without criteria.
    """

    model: Model
    dataset: Dataset
    split: Split
    images: int
    digest: str
    parts_digest: str
    unit: Unit
    has_proposals: bool
    criteria: str | None
    rule: str | None
    seal: Seal | None
    accesses: tuple[TestSetAccess, ...]
    changes: tuple[str, ...] = ()
    defective: int | None = None
    good: int | None = None
    obstacle: Obstacle | None = None

    @property
    def own_openings(self) -> tuple[TestSetAccess, ...]:
        """The recorded views for this model."""
        return tuple(o for o in self.accesses if o.model_id == self.model.id)

    @property
    def earlier_openings(self) -> tuple[TestSetAccess, ...]:
        """The openings of these test images for other models, before the first one for this."""
        first = min((o.opened_at for o in self.own_openings), default=float("inf"))
        return tuple(
            o
            for o in self.accesses
            if o.model_id != self.model.id and o.kind is AccessKind.OPENING and o.opened_at < first
        )

    @property
    def is_opened(self) -> bool:
        """Whether the test results were viewed for this model."""
        return bool(self.own_openings)

    @property
    def is_void(self) -> bool:
        """Sealed once, but something has changed since."""
        return self.seal is not None and bool(self.changes)

    @property
    def sealed_criteria(self) -> ReleaseCriteria | None:
        """Those of the seal, where those of today ask for something else."""
        if self.seal is None or same_criteria(self.seal.criteria, self.criteria):
            return None
        return criteria_from_json(self.seal.criteria).criteria if self.seal.criteria else None

    @property
    def has_other_rule(self) -> bool:
        """Whether the thresholds of today are not those of the seal."""
        return self.seal is not None and not same_rules(self.seal.operating_point, self.rule)

    @property
    def is_proof(self) -> bool:
        """Sealed before the first view, and unchanged."""
        return self.seal is not None and not self.changes


def changes_since(db: Database, standing: SignOff, seal: Seal) -> list[str]:
    """What was changed since a seal was made; sentences for people."""
    says = []
    if seal.split_id != standing.split.id:
        says.append("The model now belongs to another split.")
    if not same_criteria(seal.criteria, standing.criteria):
        says.append("The release criteria were changed.")
    if not same_rules(seal.operating_point, standing.rule):
        says.append("The thresholds were changed.")
    return says + _dataset_changes(db, standing, seal)


def _dataset_changes(db: Database, standing: SignOff, seal: Seal) -> list[str]:
    """Edits of the test images since the seal, from the versions of the dataset."""
    then = _version_at(versions.list_versions(db, standing.dataset.id), seal.created_at)
    members = splits.split_members(db, standing.split.id)
    changed = {
        i: states
        for i, states in versions.changes_between(
            db, standing.dataset.id, then.number, standing.dataset.version
        ).items()
        if members.get(i) is Subset.TEST
    }
    names = {s.id: s.name for s in datasets.samples_by_id(db, list(changed))}
    says = []
    for words, applies in _STATE_CHANGES:
        touched = [names[i] for i, states in changed.items() if applies(*states)]
        says += [_said(words, touched)] if touched else []
    if then.class_names != standing.dataset.class_names:
        says.append("Classes of the dataset were renamed, merged or added.")
    if _verdicts(then) != _verdicts(standing.dataset):
        says.append("What counts as OK and NOK was changed.")
    if seal.test_digest != standing.digest and not says:
        says.append("The test images or their classes are not the ones that were sealed.")
    # Why not for older seals: they named look-alikes, which count as parts no longer.
    if seal.unit and seal.parts_digest != standing.parts_digest and not says:
        says.append(
            "The test images are assigned to other parts than when they were sealed, so that parts "
            "are counted differently."
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


def changed_files(
    workspace: Workspace, samples: Sequence[Sample], on_progress: ProgressCallback
) -> list[str]:
    """Read every file again: which are gone, which have another content."""
    gone, other = [], []
    for done, sample in enumerate(samples, start=1):
        path = workspace.resolve(sample.path)
        digest = sha256_of(path, workspace.roots_of(path))
        if digest is None:
            gone.append(sample.name)
        elif digest != sample.sha256:
            other.append(sample.name)
        on_progress("Reading the test images again", done, len(samples))
    says = (_said("cannot be read any more", gone), _said("changed in content", other))
    return [sentence for sentence in says if sentence]


def _said(words: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    listed = ", ".join(f"'{name}'" for name in names[:_NAMED])
    return f"{len(names):,} test image{'s' if len(names) > 1 else ''} {words}: {listed}{more}."
