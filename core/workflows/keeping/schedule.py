"""Backups by request and by themselves, once a day, into the folder that is set for them."""

import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.administration import FILE, administration
from core.domain.configs.administration import BackupPlan
from core.domain.ids import utc_now
from core.domain.jobs import Job, JobKind
from core.domain.keeping.people import PROGRAM, acting_as
from core.errors import ConfigError, TouchstoneError
from core.workflows import jobs
from core.workflows.keeping import bin as bins
from core.workspace import Workspace

SUBJECT = "backup"
AGAIN_AFTER_S = 3600.0  # a backup that failed is tried again
_LOOK_EVERY_S = 60.0


def plan_of(workspace: Workspace) -> BackupPlan:
    """Where and when backups are made."""
    return administration(workspace.root).settings.backup


def start_backup(workspace: Workspace) -> Job:
    """Queue a backup into the folder that is set for backups.

    Raises:
        ConfigError: if none is set.
    """
    plan = plan_of(workspace)
    if not plan.folder:
        raise ConfigError(
            "No folder is set for backups.",
            f"An administrator sets backup.folder in {FILE}, or runs `touchstone backup FOLDER`.",
        )
    payload: dict[str, object] = {
        "folder": str(Path(plan.folder).expanduser()),
        "keep": plan.keep,
    }
    return jobs.submit(workspace, JobKind.BACKUP, SUBJECT, payload)


def latest(workspace: Workspace) -> Job | None:
    """The newest backup that was queued, with its state."""
    return jobs.latest(workspace, SUBJECT)


def last_moment(plan: BackupPlan, now: datetime) -> datetime:
    """When the newest daily backup should have been begun; `now` has a time zone."""
    today = now.replace(hour=plan.hour, minute=0, second=0, microsecond=0)
    return today if today <= now else today - timedelta(days=1)


def is_due(plan: BackupPlan, last: Job | None, now: datetime) -> bool:
    """Whether a daily backup is to be made now.

    Args:
        plan: where and when.
        last: the newest backup that was queued; None: there is none.
        now: with the time zone of the server.
    """
    if not plan.folder or (last is not None and last.status.is_active):
        return False
    if last is None:
        return True
    begun = datetime.fromtimestamp(last.created_at, UTC)
    if begun < last_moment(plan, now):
        return True
    return last.error is not None and (now - begun).total_seconds() > AGAIN_AFTER_S


def keep_time(workspace: Workspace) -> None:
    """Start daily backups from now on, in a thread of this process; for the app."""
    threading.Thread(target=_keep_time, args=(workspace,), daemon=True).start()


def _keep_time(workspace: Workspace) -> None:
    log = logging.getLogger("touchstone")
    while True:
        time.sleep(_LOOK_EVERY_S)
        try:
            with acting_as(PROGRAM):
                bins.empty_old(workspace, now=utc_now())
                start_if_due(workspace, datetime.fromtimestamp(utc_now(), UTC).astimezone())
        except TouchstoneError as err:
            log.warning("the daily backup was not started: %s", err)
        except Exception:  # a thread that ends makes no backup any more
            log.exception("the daily backup was not started")


def start_if_due(workspace: Workspace, now: datetime) -> Job | None:
    """Queue the daily backup where it is due; None where it is not."""
    plan = plan_of(workspace)
    if plan.folder and is_due(plan, latest(workspace), now):
        return start_backup(workspace)
    return None
