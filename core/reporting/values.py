"""What a report shows: plain typed values, gathered by the sign-off workflows and drawn as HTML.

Texts are whole sentences or names; numbers stand in `ReportValues.values` under their own names.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from core.domain.signoff import CriterionOutcome
from core.domain.training import PenaltyPoint
from core.reporting.text import NumberStyle


class Form(StrEnum):
    """How much a report shows."""

    SHORT = "short"  # two pages
    FULL = "full"


class VerdictTone(StrEnum):
    """The colour of the verdict."""

    OPEN = "open"
    VOID = "void"
    BLOCK = "block"
    PASS = "pass"


class LeakTone(StrEnum):
    """The colour of a line of the leak certificate."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True)
class Fact:
    """A line of a table of facts."""

    name: str
    text: str


@dataclass(frozen=True)
class ModelIdentity:
    """Which model the report is about."""

    name: str
    network: str
    sha256: str
    made_at: str


@dataclass(frozen=True)
class ReportVerdict:
    """What the test says about the release; `remarks` are what it leaves open."""

    tone: VerdictTone
    title: str
    sentence: str = ""
    reasons: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class CriterionRow:
    """A criterion and its result."""

    required: str
    measured: str
    outcome: CriterionOutcome


@dataclass(frozen=True)
class SealSection:
    """What is known of the seal, and what changed since."""

    sentence: str
    changes: tuple[str, ...]


@dataclass(frozen=True)
class ViewRow:
    """A recorded view of the test results: an opening, a report or a decision."""

    when: str
    model: str
    purpose: str
    kind: str = ""
    person: str = ""


@dataclass(frozen=True)
class StatedRule:
    """What decisions and PPM are computed from besides the table of probabilities."""

    accept_below: float | None
    reject_from: float | None
    class_thresholds: tuple[float, ...]
    defect_rates: tuple[float, ...]
    person_escape: float
    person_overkill: float

    @property
    def as_dict(self) -> dict[str, object]:
        """For the page, so that the report can be computed again."""
        return asdict(self)


@dataclass(frozen=True)
class RuleSection:
    """The decision rule; `on_curve`: one threshold, which lies on the curve of all of them."""

    in_words: str
    why: str
    on_curve: bool
    stated: StatedRule


@dataclass(frozen=True)
class LineRow:
    """A defect rate whose PPM the report shows; `key` is part of the names of its numbers."""

    key: str
    words: str


@dataclass(frozen=True)
class NamedClass:
    """A class by its index in the model."""

    index: int
    name: str


@dataclass(frozen=True)
class ClassRow:
    """A class, and the classes it is mostly taken for."""

    index: int
    name: str
    verdict: str | None
    taken_for: tuple[NamedClass, ...]


@dataclass(frozen=True)
class ConfusedClasses:
    """Two classes by index."""

    true: int
    predicted: int


@dataclass(frozen=True)
class ClassCounts:
    """Images of a class in each subset."""

    name: str
    verdict: str | None
    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class FindingCount:
    """Open findings of one kind."""

    name: str
    count: int


@dataclass(frozen=True)
class SkippedFile:
    """A file that was not imported."""

    path: str
    reason: str


@dataclass(frozen=True)
class DataSection:
    """The dataset; `skipped` are the first of `skipped_count` files.

    `classes_note` says what the images of the classes are counted on; empty for today's.
    """

    name: str
    facts: tuple[Fact, ...]
    short_facts: tuple[Fact, ...]
    classes: tuple[ClassCounts, ...]
    classes_note: str
    findings: tuple[FindingCount, ...]
    no_findings: str
    skipped_count: int
    skipped: tuple[SkippedFile, ...]


@dataclass(frozen=True)
class LeakRow:
    """A line of the leak certificate."""

    question: str
    answer: str
    tone: LeakTone


@dataclass(frozen=True)
class SplitSection:
    """The split and its leak certificate."""

    facts: tuple[Fact, ...]
    leaks: tuple[LeakRow, ...]


@dataclass(frozen=True)
class TrainingSection:
    """The run, and all its settings."""

    facts: tuple[Fact, ...]
    settings: tuple[Fact, ...] = ()


@dataclass(frozen=True)
class CurvePoint:
    """An epoch of the learning curve, from 1; 0 is the state before the first step."""

    epoch: int
    macro_f1: float
    is_best: bool


@dataclass(frozen=True)
class ReliabilityPoint:
    """A bin of confidences: their mean, and the share judged correctly."""

    confidence: float
    accuracy: float


@dataclass(frozen=True)
class TradeOffSeries:
    """Escape over false rejects for every threshold [P]; `here` is the rule in force."""

    escape: tuple[float, ...]
    escape_low: tuple[float, ...]
    escape_high: tuple[float, ...]
    overkill: tuple[float, ...]
    here: tuple[float | None, float | None]


@dataclass(frozen=True)
class Series:
    """What the figures are drawn from; empty ones are left out."""

    curve: tuple[CurvePoint, ...]
    penalties: tuple[PenaltyPoint, ...]
    reliability: tuple[ReliabilityPoint, ...]
    calibrated: tuple[ReliabilityPoint, ...]
    trade_off: TradeOffSeries | None


@dataclass(frozen=True)
class MistakeImage:
    """An image that was judged wrong, with its picture as data URIs.

    `tag` names an escape or a false reject, empty for other confusions; `decision` is empty where
    no decision is made.
    """

    name: str
    true: str
    predicted: str
    confidence: str
    tag: str
    decision: str
    image: str | None
    heatmap: str | None = None


@dataclass(frozen=True)
class MistakesSection:
    """The images that were judged wrong; `shown` are the most serious of `count`."""

    count: int
    sentence: str
    shown: tuple[MistakeImage, ...]


@dataclass(frozen=True)
class MeasureRow:
    """A measure of the whole test set; `key` names its number, `.low` and `.high` its interval."""

    key: str
    title: str
    style: NumberStyle
    meaning: str


@dataclass(frozen=True)
class PairedTitle:
    """A comparison of two models; `key` begins the names of its numbers."""

    key: str
    words: str


@dataclass(frozen=True)
class ComparedModel:
    """The model that this one is compared with."""

    name: str
    sentence: str
    tables: tuple[PairedTitle, ...]


@dataclass(frozen=True)
class SoftwareSection:
    """What the report was made with, and what identifies model and data."""

    version: str
    facts: tuple[Fact, ...]
    short_facts: tuple[Fact, ...]


@dataclass(frozen=True)
class ReportValues:
    """Everything that a report shows.

    Attributes:
        unit: what rates count, `parts` or `images`.
        counts_parts: whether it is parts.
        notice: what a reader must know about all numbers.
        no_decisions: why no escapes can be given, where `has_decisions` is false.
        inspectors: how inspectors are taken to decide.
        no_calibration: why no temperature is recommended; empty where one is, or none was sought.
        validation_kind: says where validation results are not those of this very model.
        values: every number by its name, see `core.evaluation.release.report_numbers`.
        names: of the classes, by index.
        limits: what the test does not show, the most important first.
        commands: lines that make the report again.
    """

    language: str
    form: Form
    made_at: str
    model: ModelIdentity
    verdict: ReportVerdict
    intended_use: str
    criteria: tuple[CriterionRow, ...]
    criteria_set_at: str | None
    seal: SealSection
    views: tuple[ViewRow, ...]
    unit: str
    counts_parts: bool
    notice: str | None
    has_decisions: bool
    no_decisions: str
    rule: RuleSection
    lines: tuple[LineRow, ...]
    inspectors: str
    no_calibration: str
    validation_kind: str
    values: Mapping[str, float | int | None]
    measures: tuple[MeasureRow, ...]
    names: tuple[str, ...]
    classes: tuple[ClassRow, ...]
    confused: tuple[ConfusedClasses, ...]
    data: DataSection
    split: SplitSection
    training: TrainingSection
    series: Series
    mistakes: MistakesSection
    against: ComparedModel | None
    limits: tuple[str, ...]
    software: SoftwareSection
    commands: tuple[str, ...]
