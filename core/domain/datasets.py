"""Datasets: samples, versions, and filters."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from core.domain.depth import DatasetDepth, GrayLevels
from core.domain.findings import FindingKind
from core.domain.signoff import MarkKind
from core.domain.splits import Subset


class LabelSource(StrEnum):
    """Where the class of an image is read from."""

    LAST_FOLDER = "last_folder"
    FILE_NAME = "file_name"
    FILE_NAME_REMOVE_INDEX = "file_name_remove_index"
    PATTERN = "pattern"
    TABLE = "table"
    FOLDER_LEVEL = "folder_level"
    ONE_CLASS = "one_class"  # all images have the class that was typed

    @classmethod
    def _missing_(cls, value: object) -> "LabelSource | None":
        return cls.TABLE if value == "csv" else None  # its former name, still in use


class Verdict(StrEnum):
    """What a class means in production."""

    OK = "OK"
    NOK = "NOK"


class SampleStatus(StrEnum):
    """Whether an image belongs to its dataset; rows are never deleted, so edits can be undone."""

    USED = "used"
    EXCLUDED = "excluded"
    ABSENT = "absent"  # not imported yet at that version, its import undone, or its file replaced


class EditAction(StrEnum):
    """What made a version of a dataset."""

    IMPORT = "import"
    ADD = "add"
    RELABEL = "relabel"
    EXCLUDE = "exclude"
    RESTORE = "restore"
    GROUP = "group"
    SEPARATE = "separate"  # look-alikes that show different parts
    ADD_CLASS = "add_class"
    RENAME_CLASS = "rename_class"
    MERGE_CLASSES = "merge_classes"
    VERDICTS = "verdicts"
    REPLACE = "replace"
    UNDO = "undo"


@dataclass(frozen=True)
class Sample:
    """One image of a dataset; width, height and mode are those of the image as it is read.

    That is: rotated upright, and as gray (L) or color (RGB). `name` is the path below the source
    with forward slashes, `format` the real format of the content, `brightness` the mean gray value
    in [0, 1], `sharpness` the variance of the Laplacian of a reduced gray image; None if not
    measured. `gray_mean` is the mean gray value in the units of a file with more than 8 bits; None
    for others. `attributes` are further columns of the table it was imported with. `file_time` is
    the modification time that the file had when its content was last compared with `sha256`.
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
    gray_mean: float | None = None
    file_time: float | None = None

    @property
    def state(self) -> "SampleState":
        """The part that edits can change."""
        return SampleState(self.label, self.group, self.status)


@dataclass(frozen=True)
class SampleState:
    """What edits can change of an image."""

    label: int | None
    group: str | None
    status: SampleStatus


@dataclass(frozen=True)
class DatasetVersion:
    """One state of a dataset: its images and their labels; numbers count from 1.

    `undoes` is the number of the version that this one undid.
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
    """What a list of images can be sorted by."""

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

    `version` counts its edits from 1; `class_verdicts` is OK, NOK or None for each class. `depth`
    is None if it was not measured yet, `saved_levels` if none were saved on the Preprocess page.
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
    depth: DatasetDepth | None = None
    saved_levels: GrayLevels | None = None

    @property
    def levels(self) -> GrayLevels | None:
        """The scale of images with more than 8 bits: as saved, else as measured.

        None: there are no such images, or nobody knows yet.
        """
        return self.saved_levels or (self.depth.levels if self.depth else None)

    @property
    def verdicts(self) -> tuple[Verdict | None, ...]:
        """One verdict per class, None if undecided."""
        return (*self.class_verdicts, *(None,) * (len(self.class_names) - len(self.class_verdicts)))


@dataclass(frozen=True)
class Orientation:
    """Whether a flipped or turned part is the same part: what a person answered about a dataset.

    None: not answered, which counts as no. The names are those of the settings of augmentation that
    they turn on.
    """

    flip_horizontal: bool | None = None
    flip_vertical: bool | None = None
    rotate_quarter: bool | None = None

    @property
    def is_answered(self) -> bool:
        """Whether nothing is left to ask."""
        return None not in (self.flip_horizontal, self.flip_vertical, self.rotate_quarter)


def content_digest(contents: Iterable[tuple[str, str | None]]) -> str:
    """One value for images and labels (sha256, class name), independent of order and path."""
    lines = sorted(f"{sha256} {name or ''}" for sha256, name in contents)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class SampleFilter:
    """Which images of a dataset; None or empty fields do not restrict.

    `subset` belongs to the split `split_id`; `finding`: images with an open finding of this kind;
    `text`: part of the name or of the group; `ids`: only these samples; `mark`: what a person said
    of them while judging a model.
    """

    label: int | None = None
    split_id: str | None = None
    subset: Subset | None = None
    finding: FindingKind | None = None
    status: SampleStatus = SampleStatus.USED
    text: str = ""
    ids: tuple[int, ...] | None = None
    mark: MarkKind | None = None


# What a model that only knows good images calls its classes; a good class keeps its own name.
GOOD = "good"
UNLIKE_GOOD = "unlike the good images"


def good_classes(verdicts: Sequence[Verdict | None]) -> tuple[int, ...]:
    """Indices of the classes of good parts.

    The only class of a dataset is one unless it was marked defective.

    Args:
        verdicts: one for each class of a dataset.
    """
    if len(verdicts) == 1:
        return () if verdicts[0] is Verdict.NOK else (0,)
    return tuple(i for i, verdict in enumerate(verdicts) if verdict is Verdict.OK)


def names_of_detector(class_names: Sequence[str], good: Sequence[int]) -> tuple[str, str]:
    """What the classes of a model are called that knows these classes of a dataset.

    Good is the one class of them, or “good” where they are several; the other class is everything
    else, so that defects need no name.
    """
    own = class_names[good[0]] if len(good) == 1 else GOOD
    return (GOOD if own == UNLIKE_GOOD else own), UNLIKE_GOOD
