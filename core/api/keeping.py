"""The record, verifications and backups as JSON."""

from typing import Any

from core.domain.configs.administration import Limits
from core.domain.record import Alteration, RecordRow, in_utc
from core.domain.settings import settings_of
from core.workflows.keeping.backup import Backup


def entry_as_json(row: RecordRow) -> dict[str, Any]:
    """One row of the record; `time` is UTC."""
    return {
        "number": row.number,
        "time": in_utc(row.at),
        "person": row.person,
        "action": row.action,
        "id": row.subject,
        "name": row.name,
        "old": row.old,
        "new": row.new,
        "reason": row.reason,
        "digest": row.digest,
    }


def problem_as_json(problem: Alteration) -> dict[str, Any]:
    """What a verification found, and where."""
    return {"fault": problem.fault.value, "where": problem.where}


def backup_as_json(made: Backup) -> dict[str, Any]:
    """A finished backup."""
    return {"folder": str(made.folder), "files": made.files, "size_bytes": made.size_bytes}


def limit_rows(limits: Limits) -> list[dict[str, Any]]:
    """Each limit with its value in force, its default, and which values are allowed."""
    return [
        {
            "name": item.name,
            "value": getattr(limits, item.name),
            "default": item.default,
            "expected": item.expected,
            "about": item.help,
        }
        for item in settings_of(limits)
    ]
