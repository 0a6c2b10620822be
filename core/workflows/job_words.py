"""What jobs do and wait for, in words, for pages and the command line. Nobody reads them back."""

from typing import assert_never

from core.domain.jobs import Job, JobKind
from core.domain.models import PartDecision
from core.evaluation.decisions.rule import decision_in_words
from core.words import count
from core.workflows.jobs import Waiting, seconds_left


def kind_in_words(kind: JobKind) -> str:
    """What a job is called; starts with a capital letter."""
    match kind:
        case JobKind.IMPORT:
            return "Import"
        case JobKind.TRAIN:
            return "Training"
        case JobKind.SEARCH:
            return "Search"
        case JobKind.RATE:
            return "Learning rate finder"
        case JobKind.PREDICT:
            return "Prediction"
        case JobKind.QUALITY:
            return "Quality check"
        case JobKind.NEW_IMAGES:
            return "Comparison of new images"
        case JobKind.REPORT:
            return "Report"
        case JobKind.EXPLAIN:
            return "Heatmaps"
        case JobKind.GRADE:
            return "Heatmap test"
        case JobKind.ROBUSTNESS:
            return "Robustness test"
        case JobKind.FILES:
            return "File check"
        case JobKind.BACKUP:
            return "Backup"
        case _:
            assert_never(kind)


def waiting_in_words(waiting: Waiting) -> str:
    """Such as `Waiting for the quality check of “Pills” (Computing features, 40%)`."""
    running, ahead = waiting.running, waiting.ahead
    if running is None:
        return f"Starts after {count(ahead, 'other job')}" if ahead else "Starting soon"
    of = f" of “{waiting.subject}”" if waiting.subject else ""
    more = f" and {count(ahead, 'more job')}" if ahead else ""
    words = f"Waiting for the {_lower(running.kind)}{of}"
    return f"{words}{_progress(running)}{more}"


def progress_in_words(job: Job, *, now: float) -> str:
    """Such as `Computing features · 45% · about 2 min left`: the same wherever it is shown."""
    left = seconds_left(job, now=now)
    parts = [job.phase or "Starting", f"{job.share:.0%}"]
    if left is not None and not job.stop_requested:  # the rest is not done any more
        parts.append(f"{about(left)} left")
    return ("Stopping … " if job.stop_requested else "") + " · ".join(parts)


def batch_in_words(job: Job) -> str:
    """What became of the images and parts of a completed batch, in a line."""
    failed = int(job.result["failed"])
    words = []
    for what, key in (("image", "decisions"), ("part", "parts")):
        counts = {PartDecision(d): int(n) for d, n in job.result.get(key, {}).items()}
        listed = [
            f"{decision_in_words(d)} {counts[d]:,}" for d in reversed(PartDecision) if d in counts
        ]
        if listed:
            words.append(f"{count(sum(counts.values()), what)}: {', '.join(listed)}.")
    if not words:
        words.append(f"{count(int(job.result['n']) - failed, 'image')} classified.")
    if failed:
        words.append(f"{count(failed, 'file')} could not be read.")
    return " ".join(words)


def about(seconds: float) -> str:
    """A time that is only estimated: `a few seconds`, `about 20 s`, `about 2 min`, `about 3 h`."""
    if seconds < 7.5:
        return "a few seconds"
    if seconds < 52.5:
        return f"about {max(10, round(seconds / 5) * 5)} s"
    minutes = max(1, round(seconds / 60))
    if minutes < 10:
        return f"about {minutes} min"
    if minutes < 58:
        return f"about {round(minutes / 5) * 5} min"
    halves = round(seconds / 1800)
    return f"about {halves // 2}{'½' if halves % 2 and halves < 12 else ''} h"


def _lower(kind: JobKind) -> str:
    return kind_in_words(kind).lower()


def _progress(job: Job) -> str:
    if not job.phase:
        return ""
    return f" ({job.phase}, {job.share:.0%})"
