"""What the stages of a dataset are decided by: stored facts, nothing computed from images."""

from dataclasses import dataclass, field

from core.domain.jobs import JobStatus
from core.domain.signoff import Obstacle
from core.domain.splits import Leaks
from core.domain.stages.states import ReadVerdict, SealChange


@dataclass(frozen=True)
class CheckFacts:
    """The last quality check: images it has not seen, and its open findings of each harm."""

    unseen: int = 0
    serious: int = 0
    warnings: int = 0


@dataclass(frozen=True)
class SplitFacts:
    """A split; `unsplit` images came after it, classes were added or merged after it.

    `leaks` says what it shares where it `is_leaking`.
    """

    id: str
    created_at: float
    has_validation: bool = True
    has_test: bool = True
    is_leaking: bool = False
    unsplit: int = 0
    classes_changed: bool = False
    leaks: Leaks = field(default_factory=Leaks)


@dataclass(frozen=True)
class RunFacts:
    """A run with the state of its newest attempt."""

    id: str
    created_at: float
    status: JobStatus


@dataclass(frozen=True)
class SealFacts:
    """The seal of a test set; `changes` since it was made.

    `voided_at` is when the last of these was made, `images` counts the test images that edits
    changed; both 0 without changes.
    """

    sealed_at: float
    is_opened: bool = False
    changes: tuple[SealChange, ...] = ()
    voided_at: float = 0.0
    images: int = 0


@dataclass(frozen=True)
class ModelFacts:
    """A model and how far its test is.

    Attributes:
        id: of the model.
        name: of the model.
        created_at: when it was made.
        split_id: empty if its split was deleted.
        is_fold: one of several models of a cross-validation.
        is_detector: it knows good images alone.
        classes_changed: classes of the dataset were added or merged since.
        val_macro_f1: in [0, 1], on the validation images.
        has_rule: whether a threshold was saved.
        is_viewed: whether its test results were viewed.
        is_released: whether it is the one in use.
        seal: of its test set.
        verdict: as last read, if it was read with the criteria and the threshold of today.
    """

    id: str
    name: str
    created_at: float
    split_id: str = ""
    is_fold: bool = False
    is_detector: bool = False
    classes_changed: bool = False
    val_macro_f1: float | None = None
    has_rule: bool = False
    is_viewed: bool = False
    is_released: bool = False
    seal: SealFacts | None = None
    verdict: ReadVerdict | None = None


@dataclass(frozen=True)
class StageFacts:
    """Everything that the stages of one dataset are decided by; lists are newest first.

    `decides_ok`: whether it has good and defective classes, so that a threshold can be set;
    `obstacle`: what keeps the test of its best model from being sealed or opened.
    """

    dataset_id: str
    is_adding: bool = False
    is_checking: bool = False
    check: CheckFacts | None = None
    splits: tuple[SplitFacts, ...] = ()
    runs: tuple[RunFacts, ...] = ()
    models: tuple[ModelFacts, ...] = ()
    decides_ok: bool = False
    has_criteria: bool = False
    obstacle: Obstacle | None = None
