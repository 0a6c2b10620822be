"""What lies in the bin: deleted, and still to be had back for a while."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

KEPT_DAYS = 30


class BinKind(StrEnum):
    """What can be deleted into the bin."""

    DATASET = "dataset"
    SPLIT = "split"
    RUN = "run"
    MODEL = "model"
    SEARCH = "search"


@dataclass(frozen=True)
class Binned:
    """One deletion; `counts` says how many rows of which table went along."""

    id: str
    kind: BinKind
    subject_id: str
    name: str
    person: str
    deleted_at: float
    counts: Mapping[str, int]

    @property
    def gone_at(self) -> float:
        """When it is deleted for good, in seconds since 1970."""
        return self.deleted_at + KEPT_DAYS * 86400
