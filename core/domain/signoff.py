"""Marks, seals, recorded access to test results, and how release criteria come out."""

from dataclasses import dataclass
from enum import StrEnum


class MarkKind(StrEnum):
    """What a person says of an image while judging a model."""

    WRONG_LABEL = "wrong_label"
    LIMIT_SAMPLE = "limit_sample"
    GOLDEN = "golden"


class CriterionOutcome(StrEnum):
    """How a release criterion came out."""

    MET = "met"
    NOT_MET = "not met"
    NOT_APPLICABLE = "not applicable"  # there is nothing to check it on; it blocks nothing


class ReleaseOutcome(StrEnum):
    """Whether a model may be released; the values are spelled as in JSON."""

    PASS = "PASS"
    BLOCK = "BLOCK"


class Obstacle(StrEnum):
    """Why release criteria cannot be judged on a test."""

    NOTHING_REQUIRED = "nothing required"
    NO_VERDICTS = "no verdicts"
    NO_DEFECTIVE = "no defective"
    NO_GOOD = "no good"
    EMPTY_CLASS = "empty class"


class AccessKind(StrEnum):
    """What a recorded view of test results was; `core.workflows.results.access` says when."""

    OPENING = "opening"
    REPORT = "report"
    DECISION = "decision"
    PAGE_VIEW = "page view"  # recorded by earlier versions, for every page load and command


@dataclass(frozen=True)
class TestSetAccess:
    """One recorded view of test results; the model's name stays when the model is deleted.

    Attributes:
        split_id: whose test images.
        model_id: whose results.
        model_name: as it was on that day.
        purpose: why, in the words of the person; of a decision and a report, which one.
        opened_at: when; UTC.
        kind: what it was.
        person: who, as entered; '' where nobody said.
        subject: what a decision was on, such as the digest of a rule: it is recorded once.
    """

    split_id: str
    model_id: str
    model_name: str
    purpose: str
    opened_at: float
    kind: AccessKind = AccessKind.OPENING
    person: str = ""
    subject: str = ""


@dataclass(frozen=True)
class KeptReport:
    """A test report that was made; `form` is its length, `against` the name of the other model.

    `against` and `person` are empty where there is none.
    """

    id: str
    model_id: str
    form: str
    against: str
    person: str
    created_at: float


@dataclass(frozen=True)
class Seal:
    """What was fixed before the test set was opened for a model.

    `criteria` and `operating_point` are JSON as they were on that day; `test_digest` names the
    test images and their labels, `parts_digest` which of them show one part, `golden` the sample
    ids of the golden samples ('' and None in older seals, where it is not known). `unit` is what
    n counted, "pictures" or "parts"; '' in older seals, which counted look-alikes as parts.
    `opened_at` is None until the first view.
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
    unit: str = ""
