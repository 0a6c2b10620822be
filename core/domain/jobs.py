"""Jobs: what workers are asked to do, and how far they have come."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, assert_never


class JobKind(StrEnum):
    """What a worker can do."""

    IMPORT = "import"
    TRAIN = "train"
    SEARCH = "search"
    RATE = "rate"
    PREDICT = "predict"
    QUALITY = "quality"
    NEW_IMAGES = "new_images"
    REPORT = "report"
    EXPLAIN = "explain"
    GRADE = "grade"
    ROBUSTNESS = "robustness"
    FILES = "files"
    BACKUP = "backup"

    @property
    def lane(self) -> str:
        """Jobs of one lane run one after the other; lanes run side by side."""
        match self:
            case JobKind.TRAIN | JobKind.SEARCH | JobKind.RATE:
                return "training"
            case JobKind.IMPORT | JobKind.FILES:  # minutes of reading, no network
                return "import"
            case (
                JobKind.PREDICT
                | JobKind.QUALITY
                | JobKind.NEW_IMAGES
                | JobKind.REPORT
                | JobKind.EXPLAIN
                | JobKind.GRADE
                | JobKind.ROBUSTNESS
            ):
                return "data"
            case JobKind.BACKUP:  # reads all files while others work on
                return "backup"
            case _:
                assert_never(self)

    @property
    def how_to_go_on(self) -> str:
        """What a person does after a job of this kind ended early, in a sentence."""
        match self:
            case JobKind.TRAIN:
                return "Resume continues from the last saved state."
            case JobKind.IMPORT:
                return "Nothing was stored. Import again; an upload is sent once more."
            case JobKind.PREDICT:
                return "Resume continues with the images that are left."
            case JobKind.QUALITY | JobKind.EXPLAIN:
                return "Start it again; what was computed is not computed twice."
            case JobKind.SEARCH:
                return "Resume the search; finished trials are kept."
            case (
                JobKind.REPORT
                | JobKind.NEW_IMAGES
                | JobKind.FILES
                | JobKind.RATE
                | JobKind.BACKUP
                | JobKind.GRADE
                | JobKind.ROBUSTNESS
            ):
                return "Start it again."
            case _:
                assert_never(self)


def device_lane(device: str) -> str:
    """The lane of trainings on a device other than the one that is chosen automatically."""
    return f"{device.replace(':', '-')}-{JobKind.TRAIN.lane}"


class JobStatus(StrEnum):
    """Queued -> running -> one of the ends; never back. A paused job goes on as another attempt."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    PAUSED = "paused"
    INTERRUPTED = "interrupted"

    @property
    def is_active(self) -> bool:
        """Whether it is still going to change by itself."""
        return self in (JobStatus.QUEUED, JobStatus.RUNNING)


class QueueMove(StrEnum):
    """Where a waiting job goes among those of its lane."""

    NEXT = "next"
    UP = "up"
    DOWN = "down"
    LAST = "last"


class Phase(StrEnum):
    """What a job is doing, in the words that are stored and shown."""

    STARTING = "Starting"
    DRAWING_IMAGES = "Drawing images"
    LISTING = "Listing files"
    UNPACKING = "Unpacking"
    READING = "Reading images"
    STORING = "Storing the images"
    CHECKING_FILES = "Checking the files"
    COMPARING_FILES = "Comparing the files"
    READING_CHANGED = "Reading the changed images"
    PREPARING = "Preparing images"
    LOADING_NETWORK = "Loading the network"
    PREPARING_NETWORK = "Preparing the network"
    FEATURES = "Computing features"
    ACTIVATIONS = "Computing the lower stages"
    PENALTY = "Choosing the penalty"
    COMPARING = "Comparing detail levels"
    FITTING = "Fitting the model"
    CROSS_VALIDATING = "Cross-validating"
    EVALUATING_START = "Evaluating before training"
    TRAINING = "Training"
    TRIALS = "Trying settings"
    RATES = "Trying learning rates"
    PREPARING_MODEL = "Preparing the model"
    EVALUATING = "Evaluating"
    COMPARING_QUICK = "Comparing with quick"
    SAVING = "Saving the model"
    LOOK_ALIKES = "Searching for look-alikes"
    PIXELS = "Comparing pixels"
    DETAILS = "Comparing details"
    LABELS = "Checking the labels"
    MAP = "Drawing the map"
    FINDINGS = "Storing the findings"
    LOADING_MODEL = "Loading the model"
    CLASSIFYING = "Classifying"
    HEATMAPS = "Computing heatmaps"
    DRAWING = "Drawing heatmaps"
    PLANTING = "Planting evidence"
    GRADING = "Testing the methods"
    CHANGING_IMAGES = "Classifying changed images"
    WRITING = "Writing the report"
    COPYING_DATABASE = "Copying the database"
    COPYING_FILES = "Copying files"


@dataclass(frozen=True)
class Progress:
    """How far a job is: its share in [0, 1], and when it may end, in seconds of the clock.

    `ends_at` is None while an estimate is worth nothing.
    """

    share: float = 0.0
    ends_at: float | None = None


@dataclass(frozen=True)
class Job:
    """What is happening right now; its row is the only mutable record.

    `lane` is the one it was queued in, which an older version may have chosen differently.
    `done` of `total` are counted within the phase; `share` in [0, 1] is that of the whole job, and
    `ends_at` when it may end, None while that cannot be said (`core/worker/progress.py`).
    Queued jobs of a lane are done in the order of `position`, which is the time they were queued
    unless somebody moved them. `pause_requested` says what a requested stop is for, `person` who
    queued it, as the record names them.
    """

    id: str
    kind: JobKind
    subject_id: str
    status: JobStatus
    attempt: int
    payload: dict[str, Any]
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    heartbeat_at: float | None = None
    stop_requested: bool = False
    owner: str | None = None
    device: str | None = None
    phase: str = ""
    done: int = 0
    total: int = 0
    phase_started_at: float | None = None
    error: str | None = None
    hint: str | None = None
    warnings: tuple[str, ...] = ()
    result: dict[str, Any] = field(default_factory=dict)
    lane: str = ""
    share: float = 0.0
    ends_at: float | None = None
    position: float = 0.0
    pause_requested: bool = False
    person: str = ""
