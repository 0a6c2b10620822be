"""What jobs do and wait for, in words, for pages and the command line. Nobody reads them back."""

from typing import assert_never

from core.domain.jobs import Job, JobKind
from core.words import count
from core.workflows.jobs import Waiting


def kind_in_words(kind: JobKind) -> str:
    """What a job is called; starts with a capital letter."""
    match kind:
        case JobKind.IMPORT:
            return "Import"
        case JobKind.TRAIN:
            return "Training"
        case JobKind.PREDICT:
            return "Prediction"
        case JobKind.QUALITY:
            return "Quality check"
        case JobKind.REPORT:
            return "Report"
        case JobKind.EXPLAIN:
            return "Heatmaps"
        case JobKind.FILES:
            return "File check"
        case _:
            assert_never(kind)


def waiting_in_words(waiting: Waiting) -> str:
    """Such as `Waiting for the quality check of “Pills” (Computing features, 40%)`."""
    running, ahead = waiting.running, waiting.ahead
    if running is None:
        queued = f" after {count(ahead, 'other job')}" if ahead else ""
        return f"Waiting for a worker to start{queued}"
    of = f" of “{waiting.subject}”" if waiting.subject else ""
    more = f" and {count(ahead, 'more job')}" if ahead else ""
    words = f"Waiting for the {_lower(running.kind)}{of}"
    return f"{words}{_progress(running)}{more}"


def _lower(kind: JobKind) -> str:
    return kind_in_words(kind).lower()


def _progress(job: Job) -> str:
    if not job.phase:
        return ""
    share = f", {min(1.0, job.done / job.total):.0%}" if job.total else ""
    return f" ({job.phase}{share})"
