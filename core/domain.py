"""The vocabulary: frozen values that every room shares. Standard library only.

Fractions are in [0, 1]; sizes are in pixels; times are UTC seconds since 1970 (`*_at`) or plain
seconds (`*_s`). A class index is the position of its name in `Dataset.class_names`.
"""

import hashlib
import json
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, TypeVar

from core.errors import ConfigError

# Lower-case letters and digits without the ones that look alike.
_ID_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def new_id(prefix: str) -> str:
    """A short random id such as `ds-7kq2mfx4`; 31^8 possibilities per prefix."""
    return f"{prefix}-" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(8))


def utc_now() -> float:
    """Seconds since 1970, UTC."""
    return time.time()


class LabelSource(StrEnum):
    """Where the class of a picture is read from."""

    LAST_FOLDER = "last_folder"
    FILE_NAME = "file_name"
    FILE_NAME_REMOVE_INDEX = "file_name_remove_index"
    PATTERN = "pattern"
    TABLE = "table"
    FOLDER_LEVEL = "folder_level"

    @classmethod
    def _missing_(cls, value: object) -> "LabelSource | None":
        return cls.TABLE if value == "csv" else None  # the first name of it, still typed by people


class Verdict(StrEnum):
    """What a class means on the shop floor."""

    OK = "OK"
    NOK = "NOK"


class SampleStatus(StrEnum):
    """Whether a picture belongs to its dataset; rows are never deleted, so edits can be undone."""

    USED = "used"
    EXCLUDED = "excluded"
    ABSENT = "absent"  # not imported yet at that version, or its import was undone


class EditAction(StrEnum):
    """What made a version of a dataset."""

    IMPORT = "import"
    ADD = "add"
    RELABEL = "relabel"
    EXCLUDE = "exclude"
    RESTORE = "restore"
    GROUP = "group"
    ADD_CLASS = "add_class"
    RENAME_CLASS = "rename_class"
    MERGE_CLASSES = "merge_classes"
    VERDICTS = "verdicts"
    UNDO = "undo"


class Subset(StrEnum):
    """The three parts of a split, in their natural order."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class OrderBy(StrEnum):
    """What makes a picture older than another."""

    NAME = "name"
    DATE = "date"


class ResizeMode(StrEnum):
    """How a picture of any shape becomes the network's square."""

    STRETCH = "stretch"
    LETTERBOX = "letterbox"
    CROP = "crop"


class Channels(StrEnum):
    """What the network sees of colour; gray pictures always become three equal channels."""

    COLOR = "color"
    GRAY = "gray"


class Normalization(StrEnum):
    """How gray values become the numbers that the network computes with."""

    NETWORK = "network"
    ALL_CHANNELS = "all_channels"
    FIRST_CHANNEL = "first_channel"
    NONE = "none"


class Recipe(StrEnum):
    """Which part of the network is trained."""

    QUICK = "quick"
    FULL = "full"


class OptimizerName(StrEnum):
    """Solvers."""

    ADAMW = "adamw"
    SGD = "sgd"


class ScheduleName(StrEnum):
    """How the learning rate changes over the epochs."""

    COSINE = "cosine"
    STEP = "step"


class HeatmapMethod(StrEnum):
    """How an explanation is made."""

    GRAD_CAM = "grad_cam"
    OCCLUSION = "occlusion"


class JobKind(StrEnum):
    """What a worker can be asked to do."""

    IMPORT = "import"
    TRAIN = "train"
    PREDICT = "predict"
    QUALITY = "quality"
    REPORT = "report"
    EXPLAIN = "explain"

    @property
    def lane(self) -> str:
        """Jobs of one lane run one after the other; lanes run side by side."""
        return "training" if self is JobKind.TRAIN else "data"


class JobStatus(StrEnum):
    """Queued -> running -> one of the four ends; never back."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"

    @property
    def is_active(self) -> bool:
        """Still going to change by itself."""
        return self in (JobStatus.QUEUED, JobStatus.RUNNING)


@dataclass(frozen=True)
class Sample:
    """One picture of a dataset; width, height and mode are those of the picture as it is read.

    That is: turned upright, and as gray (L) or colour (RGB). `name` is the path below the source
    with forward slashes, `format` the real format of the content, `brightness` the mean gray value
    in [0, 1], `sharpness` the variance of the Laplacian of a reduced gray picture; None where
    nobody has measured. `attributes` are further columns of the table it was imported with.
    """

    id: int
    path: str
    sha256: str
    label: int | None
    width: int
    height: int
    mode: str
    file_size: int
    group: str | None = None
    name: str = ""
    status: SampleStatus = SampleStatus.USED
    format: str | None = None
    modified_at: float | None = None
    brightness: float | None = None
    sharpness: float | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def state(self) -> "SampleState":
        """The part of it that edits change."""
        return SampleState(self.label, self.group, self.status)


@dataclass(frozen=True)
class SampleState:
    """What edits change of a picture."""

    label: int | None
    group: str | None
    status: SampleStatus


@dataclass(frozen=True)
class DatasetVersion:
    """One state of a dataset: who is in it, under which label; numbers count from 1.

    `undoes` is the number of the version that this one took back.
    """

    dataset_id: str
    number: int
    action: EditAction
    summary: str
    digest: str
    sample_count: int
    class_names: tuple[str, ...]
    class_verdicts: tuple[Verdict | None, ...]
    created_at: float
    undoes: int | None = None


class SampleOrder(StrEnum):
    """What a list of pictures can be sorted by."""

    IMPORT = "import"
    NAME = "name"
    SIZE = "size"
    DATE = "date"
    SHARPNESS = "sharpness"
    BRIGHTNESS = "brightness"
    CONFIDENCE = "confidence"


@dataclass(frozen=True)
class Skipped:
    """A file that was not imported, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Dataset:
    """A labelled image collection; the position of a class name is its index.

    `version` counts its edits from 1; `class_verdicts` says OK, NOK or nothing yet for each class.
    """

    id: str
    name: str
    class_names: tuple[str, ...]
    source: str
    digest: str
    sample_count: int
    created_at: float
    skipped: tuple[Skipped, ...] = ()
    note: str = ""
    version: int = 1
    class_verdicts: tuple[Verdict | None, ...] = ()

    @property
    def verdicts(self) -> tuple[Verdict | None, ...]:
        """One verdict per class, None where nobody gave one."""
        return (*self.class_verdicts, *(None,) * (len(self.class_names) - len(self.class_verdicts)))


def content_digest(contents: Iterable[tuple[str, str | None]]) -> str:
    """One value for pictures and labels (sha256, class name), whatever their order and place."""
    lines = sorted(f"{sha256} {name or ''}" for sha256, name in contents)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class FindingKind(StrEnum):
    """What can be wrong with a dataset."""

    LABEL_CONFLICT = "label_conflict"
    FORMAT_LEAK = "format_leak"
    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    SUBSET_LEAK = "subset_leak"
    SUSPECT_LABEL = "suspect_label"
    OUTLIER = "outlier"
    CLASS_TOO_SMALL = "class_too_small"
    CLASS_IMBALANCE = "class_imbalance"
    UNREADABLE = "unreadable"


class FindingStatus(StrEnum):
    """What people did about a finding."""

    OPEN = "open"
    IGNORED = "ignored"
    CURED = "cured"


@dataclass(frozen=True)
class SampleFilter:
    """Which pictures of a dataset; what is None or empty does not restrict.

    `subset` belongs to the split `split_id`; `finding`: those in an open finding of this kind;
    `text`: part of the name or of the group; `ids`: only these samples.
    """

    label: int | None = None
    split_id: str | None = None
    subset: Subset | None = None
    finding: FindingKind | None = None
    status: SampleStatus = SampleStatus.USED
    text: str = ""
    ids: tuple[int, ...] | None = None


class Cure(StrEnum):
    """What people can do about a finding."""

    EXCLUDE = "exclude"
    KEEP_ONE = "keep_one"
    RELABEL = "relabel"
    GROUP = "group"
    IGNORE = "ignore"


class Severity(StrEnum):
    """How much a finding can harm."""

    SERIOUS = "serious"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One remark on a dataset, with the pictures concerned.

    `suggested` is the class index that a suspect picture looks like, `score` orders findings of
    one kind (for suspect labels: the confidence in the given label, in [0, 1], lowest first).
    `id` is given by the store.
    """

    kind: FindingKind
    severity: Severity
    message: str
    sample_ids: tuple[int, ...] = ()
    suggested: int | None = None
    score: float | None = None
    id: int = 0
    status: FindingStatus = FindingStatus.OPEN

    @property
    def key(self) -> str:
        """Names the same finding in the next check, so that decisions on it last."""
        return _digest([self.kind, sorted(self.sample_ids)])[:24]


@dataclass(frozen=True)
class Insight:
    """What the features of a pretrained network say of a picture.

    `confidence` in its label, in [0, 1], by a model that did not see it; `suggested` the most
    likely class index; `x`, `y` its place on the map of similar pictures.
    """

    sample_id: int
    confidence: float | None = None
    suggested: int | None = None
    x: float | None = None
    y: float | None = None


@dataclass(frozen=True)
class QualityCheck:
    """What is known of a dataset's look-alikes.

    `near_pairs` holds sample ids; the accuracies in [0, 1] are those of a nearest neighbour on
    pixels, under a random split and under one by the groups; None where they could not be found.
    """

    dataset_id: str
    created_at: float
    near_pairs: tuple[tuple[int, int], ...]
    groups: int
    grouped_samples: int
    random_accuracy: float | None = None
    grouped_accuracy: float | None = None
    version: int = 1


@dataclass(frozen=True)
class LeakCertificate:
    """How much leaks between the subsets (or folds) of a split; None: nobody has looked yet.

    `checked_at` is the time of the quality check that the look-alikes come from; `kept_out` counts
    the pictures that are in no subset because a sealed test picture is like them.
    """

    groups_across: int | None
    exact_across: int
    near_across: int | None
    strategy: str
    seed: int
    digest: str
    checked_at: float | None = None
    kept_out: int = 0

    @property
    def is_clean(self) -> bool:
        """Looked for everything, found nothing."""
        return (self.groups_across, self.exact_across, self.near_across) == (0, 0, 0)

    @property
    def is_leaking(self) -> bool:
        """Something was found: results of this split promise too much."""
        return bool(self.groups_across or self.exact_across or self.near_across)


@dataclass(frozen=True)
class Split:
    """The subset of every sample: saved, never recomputed.

    `folds` is 0, or the k of a k-fold split: every sample outside the test set has a fold number
    in [0, k), and what is stored as validation is fold 0. A sealed test set is taken over by later
    splits of the same version of the dataset.
    """

    id: str
    dataset_id: str
    name: str
    strategy: str
    seed: int
    fractions: tuple[float, float, float]
    digest: str
    created_at: float
    certificate: LeakCertificate | None = None
    version: int = 1
    folds: int = 0
    sealed: bool = False


def setting(
    default: Any,
    title: str,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    step: float | None = None,
) -> Any:
    """A dataclass field that knows its own title, help and range; forms and options read them."""
    return field(
        default=default,
        metadata={"title": title, "help": help, "low": low, "high": high, "step": step},
    )


def _check_ranges(config: Any) -> None:
    for item in fields(config):
        low, high = item.metadata.get("low"), item.metadata.get("high")
        value = getattr(config, item.name)
        if low is None or value is None:
            continue
        if not low <= value <= high:
            raise ConfigError(
                f"{item.metadata['title']} is {value}, but must be between {low:g} and {high:g}.",
                item.metadata["help"],
            )


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


Config = TypeVar("Config", "PreprocessConfig", "AugmentConfig", "TrainConfig")


@dataclass(frozen=True)
class PreprocessConfig:
    """How a file becomes pixels. Travels inside the model; training and inference share it."""

    image_size_px: int = setting(
        224,
        "Image size",
        "Side of the square picture the network sees. Larger shows finer defects and takes longer.",
        low=32,
        high=1024,
        step=16,
    )
    resize_mode: ResizeMode = setting(
        ResizeMode.STRETCH,
        "Fit into the square",
        "Stretch uses every pixel but changes proportions; letterbox keeps them and adds gray "
        "bars; crop keeps them and cuts off the longer sides.",
    )
    channels: Channels = setting(
        Channels.COLOR,
        "Channels",
        "Gray makes the network blind to colour: right when colour only reflects the lighting.",
    )
    normalization: Normalization = setting(
        Normalization.NETWORK,
        "Normalization",
        "Network: the mean and deviation the network was pretrained with. All channels / first "
        "channel: stretch the contrast of every picture to its own darkest and brightest value "
        "first. None: gray values divided by 255, nothing else.",
    )
    roi_left: float = setting(
        0.0, "Region: left", "Left edge of the region of interest.", low=0.0, high=0.95, step=0.01
    )
    roi_top: float = setting(
        0.0, "Region: top", "Top edge of the region of interest.", low=0.0, high=0.95, step=0.01
    )
    roi_right: float = setting(
        1.0, "Region: right", "Right edge of the region of interest.", low=0.05, high=1, step=0.01
    )
    roi_bottom: float = setting(
        1.0, "Region: bottom", "Bottom edge of the region of interest.", low=0.05, high=1, step=0.01
    )

    def __post_init__(self) -> None:
        _check_ranges(self)
        if self.roi_right - self.roi_left < 0.02 or self.roi_bottom - self.roi_top < 0.02:
            raise ConfigError(
                "The region of interest is empty.",
                "Its right edge must lie right of its left edge, its bottom below its top.",
            )

    @property
    def digest(self) -> str:
        """Names the pixel cache: everything that changes the uint8 pixels, and only that."""
        pixels = asdict(self)
        # Why: these two differ only in constants applied after the cached pixels.
        if self.normalization in (Normalization.NETWORK, Normalization.NONE):
            pixels["normalization"] = "constant"
        return _digest(pixels)[:16]


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of training pictures, so that the network learns what does not matter."""

    share: float = setting(
        0.5,
        "Share of pictures changed",
        "Part of the training pictures that gets random changes in each epoch.",
        low=0.0,
        high=1.0,
        step=0.05,
    )
    mirror_columns: bool = setting(True, "Mirror left-right", "A mirrored part is the same part.")
    mirror_rows: bool = setting(True, "Mirror up-down", "An upside-down part is the same part.")
    rotate_quarter: bool = setting(
        False, "Quarter turns", "Rotate by 90, 180 or 270 degrees: for parts without an up."
    )
    rotate_degrees: float = setting(
        0.0, "Rotation", "Random angle up to this many degrees.", low=0, high=180, step=1
    )
    brightness: float = setting(
        0.1, "Brightness", "Random change of brightness.", low=0.0, high=0.9, step=0.05
    )
    contrast: float = setting(
        0.1, "Contrast", "Random change of contrast.", low=0.0, high=0.9, step=0.05
    )
    crop: float = setting(
        0.1, "Random crop", "Cut off up to this share and zoom back.", low=0.0, high=0.7, step=0.05
    )

    def __post_init__(self) -> None:
        _check_ranges(self)


@dataclass(frozen=True)
class TrainConfig:
    """What was asked of a training, except the pixels."""

    recipe: Recipe = setting(
        Recipe.QUICK,
        "Recipe",
        "Quick keeps the pretrained network and fits its last layer: minutes on any CPU. Full "
        "trains all layers: better on unusual pictures, and much faster with a GPU.",
    )
    network: str = setting(
        "tf_efficientnet_lite0", "Network", "The pretrained network that training starts from."
    )
    epochs: int = setting(
        100,
        "Epochs",
        "How often all training pictures are shown. The best epoch is kept, so more costs only "
        "time.",
        low=1,
        high=1000,
        step=1,
    )
    batch_size: int = setting(
        32,
        "Batch size",
        "Pictures per step. Larger is smoother and needs more memory.",
        low=1,
        high=1024,
        step=1,
    )
    learning_rate: float = setting(
        0.01,
        "Learning rate",
        "Size of one step. Too large jumps around, too small never arrives.",
        low=1e-7,
        high=10.0,
    )
    optimizer: OptimizerName = setting(
        OptimizerName.SGD, "Solver", "AdamW is forgiving; SGD with momentum is the classic."
    )
    schedule: ScheduleName = setting(
        ScheduleName.COSINE,
        "Schedule",
        "Cosine lowers the learning rate smoothly to zero; step divides it by ten at one half and "
        "three quarters of the epochs.",
    )
    momentum: float = setting(
        0.9, "Momentum", "Only for SGD: how much of the last step is kept.", low=0, high=0.999
    )
    weight_decay: float = setting(
        0.001, "Weight decay", "Pulls weights to zero against overfitting.", low=0.0, high=1.0
    )
    label_smoothing: float = setting(
        0.0, "Label smoothing", "Softens the labels against overconfidence.", low=0.0, high=0.5
    )
    balance_classes: bool = setting(
        False,
        "Balance classes",
        "Count every class the same, however few pictures it has: finds more of rare classes at "
        "the price of more false alarms.",
    )
    patience: int = setting(
        0,
        "Early stopping",
        "Stop after this many epochs without a better validation macro F1; 0 never stops early.",
        low=0,
        high=1000,
        step=1,
    )
    seed: int = setting(
        42, "Seed", "The same seed gives the same model.", low=0, high=2**31 - 1, step=1
    )
    device: str = setting(
        "auto", "Device", "Where to compute: auto takes a GPU where there is one."
    )

    def __post_init__(self) -> None:
        _check_ranges(self)


def recipe_defaults(recipe: Recipe, network: str) -> TrainConfig:
    """Settings that work for most picture sets, for one recipe."""
    if recipe is Recipe.QUICK:
        # Why SGD: a linear head on many features generalizes better from it than from AdamW (on
        # magnetic tiles 93 against 92% accuracy over three splits).
        return TrainConfig(recipe=recipe, network=network)
    return TrainConfig(
        recipe=recipe,
        network=network,
        epochs=12,
        learning_rate=0.001,
        optimizer=OptimizerName.ADAMW,
        weight_decay=0.02,
    )


def config_to_json(config: PreprocessConfig | AugmentConfig | TrainConfig) -> str:
    """The whole config as JSON, for a row or a model file."""
    return json.dumps(asdict(config), sort_keys=True)


def config_from_json(kind: type[Config], text: str) -> Config:
    """The config that `config_to_json` wrote.

    Raises:
        ConfigError: if the text is no such config, has unknown settings or values out of range.
    """
    try:
        values = json.loads(text)
        known = {item.name: item for item in fields(kind)}
        unknown = set(values) - set(known)
        if unknown:
            raise ValueError(f"unknown settings {', '.join(sorted(unknown))}")
        return kind(**{name: _typed(known[name].default, value) for name, value in values.items()})
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as err:
        raise ConfigError(
            f"These settings cannot be read: {err}.",
            "They may come from a newer version of Touchstone.",
        ) from err


def _typed(default: Any, value: Any) -> Any:
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise ValueError(f"{value!r} is not yes or no")
        return value
    return type(default)(value)


@dataclass(frozen=True)
class TrainingRun:
    """One immutable request: this version of a dataset, this split, these three configs.

    `fold` is the fold that validates, for splits that have folds.
    """

    id: str
    name: str
    dataset_id: str
    split_id: str
    preprocess: PreprocessConfig
    augment: AugmentConfig
    train: TrainConfig
    created_at: float
    version: int = 1
    fold: int | None = None


@dataclass(frozen=True)
class Job:
    """What is happening right now; the row behind it is the only mutable record."""

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


@dataclass(frozen=True)
class EpochMetrics:
    """One line of the learning curve."""

    epoch: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    val_macro_f1: float
    learning_rate: float
    duration_s: float
    is_best: bool


@dataclass(frozen=True)
class Model:
    """A trained classifier as the list shows it; its weights are chunks in the same database.

    `test_macro_f1` is None until somebody has looked at the test results, which is counted.
    """

    id: str
    name: str
    run_id: str | None
    dataset_id: str | None
    dataset_name: str
    split_id: str | None
    class_names: tuple[str, ...]
    network: str
    preprocess: PreprocessConfig
    size_bytes: int
    sha256: str
    created_at: float
    val_macro_f1: float | None = None
    test_macro_f1: float | None = None
    version: int | None = None
    fold: int | None = None


class MarkKind(StrEnum):
    """What a person says of a picture while judging a model."""

    WRONG_LABEL = "wrong_label"
    LIMIT_SAMPLE = "limit_sample"
    GOLDEN = "golden"


@dataclass(frozen=True)
class Opening:
    """One look at the test set of a split; the model's name stays when the model is deleted."""

    split_id: str
    model_id: str
    model_name: str
    purpose: str
    opened_at: float


@dataclass(frozen=True)
class Seal:
    """What was fixed before the test set was opened for a model.

    `criteria` and `operating_point` are JSON as they were on that day; `test_digest` names the
    test pictures and their labels, `parts_digest` which of them show one part, `golden` the sample
    ids of the golden samples ('' and None in seals of before, where nobody knows). `opened_at` is
    None while nobody has looked.
    """

    model_id: str
    split_id: str
    created_at: float
    criteria: str
    operating_point: str
    test_digest: str
    opened_at: float | None = None
    parts_digest: str = ""
    golden: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Prediction:
    """Confidences of one picture, in decreasing order; `error` instead where it is unreadable.

    `decision`: "accept", "to a person" or "reject", where the model has an operating point.
    """

    path: str
    confidences: tuple[tuple[str, float], ...] = ()
    error: str | None = None
    decision: str | None = None

    @property
    def class_name(self) -> str | None:
        """The most confident class."""
        return self.confidences[0][0] if self.confidences else None

    @property
    def confidence(self) -> float | None:
        """Confidence of the most confident class, in [0, 1]."""
        return self.confidences[0][1] if self.confidences else None
