"""The record, verifications and backups as JSON."""

from typing import Any

from core.domain.configs.administration import Limits
from core.domain.keeping.bin import Binned
from core.domain.keeping.people import Account
from core.domain.record import Alteration, RecordRow, in_utc
from core.domain.settings import settings_of
from core.workflows.keeping import health_words
from core.workflows.keeping.backup import Backup
from core.workflows.keeping.health import Health
from core.workflows.keeping.space import SpaceUse


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


def binned_as_json(item: Binned) -> dict[str, Any]:
    """One deletion in the bin; times are UTC, `rows` counts what went along by table."""
    return {
        "bin_id": item.id,
        "kind": item.kind.value,
        "id": item.subject_id,
        "name": item.name,
        "person": item.person,
        "deleted": in_utc(item.deleted_at),
        "gone": in_utc(item.gone_at),
        "rows": dict(item.counts),
    }


def account_as_json(account: Account) -> dict[str, Any]:
    """A person who may sign in; times are UTC, None where it never happened."""
    return {
        "name": account.name,
        "role": account.role.value,
        "disabled": account.disabled,
        "signed_in": in_utc(account.signed_in_at) if account.signed_in_at else None,
        "has_token": account.has_token,
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


def use_as_json(use: SpaceUse) -> dict[str, Any]:
    """What one thing takes on the disk."""
    return {
        "kind": use.kind.value,
        "name": use.name,
        "id": use.subject_id,
        "size_bytes": use.size_bytes,
        "cached_bytes": use.cached_bytes,
    }


def health_as_json(seen: Health) -> dict[str, Any]:
    """Everything that `touchstone doctor` looks at; `well` is false where something is serious."""
    made = seen.backup.made
    return {
        "well": not any(item.trouble.is_serious for item in seen.findings),
        "findings": [
            {
                "trouble": item.trouble.value,
                "serious": item.trouble.is_serious,
                "what": health_words.what(item),
                "advice": health_words.advice(item),
            }
            for item in seen.findings
        ],
        "version": seen.program,
        "programs": [
            {
                "name": item.name,
                "installed": item.installed,
                "lowest": item.lowest,
                "new_enough": item.is_new_enough,
            }
            for item in seen.components
        ],
        "disk": {
            "total_bytes": seen.disk.total_bytes,
            "free_bytes": seen.disk.free_bytes,
            "kept_free_bytes": seen.kept_free_bytes,
            "uses": [use_as_json(use) for use in seen.disk.uses],
        },
        "devices": [{"name": device.name, "title": device.title} for device in seen.devices],
        "cores": seen.cores,
        "weights": list(seen.weights),
        "workers": [
            {
                "lane": lane.name,
                "at_work": lane.running and lane.running.kind.value,
                "waiting": lane.waiting,
                "worker": lane.has_worker,
            }
            for lane in seen.lanes
        ],
        "last_backup": made and {"time": in_utc(made.at), "name": made.new},
        "integrity": None
        if seen.alterations is None
        else [problem_as_json(problem) for problem in seen.alterations],
    }
