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


@dataclass(frozen=True)
class TestSetAccess:
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
