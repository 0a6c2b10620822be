"""Where a dataset stands on its way to a released model, and what to do next.

Values only: what is said about a reason or a step is made where it is shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core.domain.signoff import Obstacle
from core.domain.splits import Leaks


class Stage(StrEnum):
    """The way of a dataset, in its natural order."""

    IMPORTED = "imported"
    CHECKED = "checked"
    SPLIT = "split"
    TRAINED = "trained"
    SIGNED_OFF = "signed_off"


class StageStatus(StrEnum):
    """How far a stage is."""

    DONE = "done"
    ATTENTION = "attention"  # done, but something of it waits, which does not hold up what follows
    CURRENT = "current"  # the next step belongs to it, or something is at work on it
    BLOCKED = "blocked"  # what it needs is missing
    OPEN = "open"  # possible, but not what comes next


class StageReason(StrEnum):
    """Why a stage is as far as it is."""

    # imported
    IMPORTED = "imported"
    ADDING_IMAGES = "adding_images"
    # checked
    NEVER_CHECKED = "never_checked"
    CHECK_RUNNING = "check_running"
    CHECK_OUTDATED = "check_outdated"  # `count` images came after the check
    SERIOUS_FINDINGS = "serious_findings"  # `count` of them are open
    OPEN_FINDINGS = "open_findings"  # `count` warnings are open, nothing serious
    NO_OPEN_FINDINGS = "no_open_findings"
    # split
    NO_SPLIT = "no_split"
    NO_VALIDATION = "no_validation"
    SPLIT_LEAKS = "split_leaks"
    IMAGES_NOT_SPLIT = "images_not_split"  # `count` images came after the split
    CLASSES_CHANGED = "classes_changed"  # classes were added or merged since
    SPLIT_READY = "split_ready"
    # trained
    NEEDS_SPLIT = "needs_split"
    NEVER_TRAINED = "never_trained"
    RUN_QUEUED = "run_queued"
    RUN_RUNNING = "run_running"
    RUN_STOPPED = "run_stopped"
    RUN_PAUSED = "run_paused"
    RUN_FAILED = "run_failed"
    RUN_INTERRUPTED = "run_interrupted"
    MODEL_LEAKS = "model_leaks"  # trained on a split that leaks
    MODEL_OF_OTHER_CLASSES = "model_of_other_classes"
    MODEL_READY = "model_ready"
    # signed off
    NEEDS_MODEL = "needs_model"
    NEEDS_CLEAN_MODEL = "needs_clean_model"  # those there are come from splits that leak
    NEEDS_NEW_MODEL = "needs_new_model"  # those there are know other classes
    NO_THRESHOLD = "no_threshold"
    NO_CRITERIA = "no_criteria"
    NO_TEST_IMAGES = "no_test_images"
    TEST_BLOCKED = "test_blocked"  # the test cannot answer the criteria: `obstacle`
    READY_TO_SEAL = "ready_to_seal"
    SEALED = "sealed"
    SEAL_VOID = "seal_void"  # not opened yet: it can be sealed again
    OPENED_WITHOUT_SEAL = "opened_without_seal"  # and nobody has read the verdict
    OPENED = "opened"  # and nobody has read the verdict
    INVALIDATED = "invalidated"  # opened, and changed since
    CRITERIA_MISSED = "criteria_missed"
    MET_WITHOUT_SEAL = "met_without_seal"
    SIGNED_OFF = "signed_off"


class StepAction(StrEnum):
    """What a person can do next."""

    WATCH_IMPORT = "watch_import"
    RUN_CHECK = "run_check"
    WATCH_CHECK = "watch_check"
    REVIEW_FINDINGS = "review_findings"
    MAKE_SPLIT = "make_split"
    MAKE_VALIDATION = "make_validation"
    MAKE_TEST = "make_test"  # a split whose test can answer the criteria
    TRAIN = "train"
    WATCH_RUN = "watch_run"
    RESUME_RUN = "resume_run"
    SET_THRESHOLD = "set_threshold"
    SET_CRITERIA = "set_criteria"
    SET_VERDICTS = "set_verdicts"
    SEAL_TEST = "seal_test"
    OPEN_TEST = "open_test"
    READ_VERDICT = "read_verdict"
    SEE_CHANGES = "see_changes"  # what made the result invalid
    PLAN_TEST = "plan_test"  # more test parts, for the proof
    SEE_MISTAKES = "see_mistakes"
    USE_MODEL = "use_model"


class SealChange(StrEnum):
    """What was changed since a test was sealed."""

    SPLIT = "split"
    CRITERIA = "criteria"
    THRESHOLD = "threshold"
    TEST_IMAGES = "test_images"
    CLASSES = "classes"


class MissedKind(StrEnum):
    """Which release criterion was not met; limits are spelled as in the criteria."""

    ESCAPE = "escape"
    FALSE_REJECT = "overkill"
    MACRO_F1 = "macro F1"
    RECALL = "recall"
    AUTOMATIC = "automatic share"
    REVIEWS = "reviews per shift"
    GOLDEN = "golden"
    NEW_ESCAPES = "new escapes"
    NOTHING_CHECKED = "nothing checked"


@dataclass(frozen=True)
class MissedCriterion:
    """A criterion that was not met.

    Attributes:
        kind: which one.
        class_name: of a recall; empty for all others.
        only_unproven: the measured value keeps the limit, its bound does not: too few parts.
        parts_needed: parts that would prove it if no further error came, where that is known.
        no_data: there was nothing to check it on.
    """

    kind: MissedKind
    class_name: str = ""
    only_unproven: bool = False
    parts_needed: int | None = None
    no_data: bool = False


@dataclass(frozen=True)
class ReadVerdict:
    """What the release criteria said of the test of a model when it was last read.

    `criteria` and `operating_point` are the JSON that it was read with.
    """

    model_id: str
    missed: tuple[MissedCriterion, ...]
    criteria: str
    operating_point: str
    read_at: float

    @property
    def passed(self) -> bool:
        """Whether every criterion was met."""
        return not self.missed


@dataclass(frozen=True)
class StageState:
    """How far one stage is and why; the ids and values are those that the reason speaks of."""

    stage: Stage
    status: StageStatus
    reason: StageReason
    count: int = 0
    split_id: str = ""
    run_id: str = ""
    model_id: str = ""
    model_name: str = ""
    missed: tuple[MissedCriterion, ...] = ()
    changes: tuple[SealChange, ...] = ()
    obstacle: Obstacle | None = None
    leaks: Leaks = field(default_factory=Leaks)


@dataclass(frozen=True)
class NextStep:
    """The one thing to do next, with the ids of what it is done to."""

    action: StepAction
    stage: Stage
    dataset_id: str
    split_id: str = ""
    run_id: str = ""
    model_id: str = ""


@dataclass(frozen=True)
class DatasetStages:
    """All stages of a dataset in their order, and the next step."""

    dataset_id: str
    states: Mapping[Stage, StageState]
    next_step: NextStep
