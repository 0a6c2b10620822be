"""How a workspace and its machine are: versions, disk, devices, weights, workers, backups."""

import os
import platform
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import assert_never

from core.administration import SettingsProblem, administration
from core.domain.ids import utc_now
from core.domain.jobs import Job, JobStatus
from core.domain.record import Alteration, RecordedAction, RecordRow
from core.models.catalog import NETWORKS, weights_source
from core.models.devices import Device, find_devices
from core.store import datasets, models
from core.store.database import OLDEST_SAFE_SQLITE, connect, sqlite3
from core.store.keeping import record
from core.worker.launcher import lane_is_free
from core.workflows import jobs
from core.workflows.keeping import sign_in
from core.workflows.keeping.schedule import last_moment, plan_of
from core.workflows.keeping.sign_in import Lack
from core.workflows.keeping.space import Disk
from core.workspace import Workspace

PROGRAM = "touchstone-vision"
# What Touchstone needs at least, as in pyproject.toml: below, weaknesses are open or files misread.
LOWEST = {
    "streamlit": "1.67",
    "torch": "2.10",
    "torchvision": "0.25",
    "timm": "1.0.20",
    "safetensors": "0.5",
    "openvino": "2025.0",
    "huggingface-hub": "0.30",
    "plotly": "6.0",
    "numpy": "2.0",
    "scipy": "1.14",
    "scikit-learn": "1.5",
    "pillow": "13.0.0",
    "sqlite-utils": "4.2",
    "optuna": "4.0",
    "pyarrow": "18",
    "filelock": "3.16",
    "loky": "3.5",
}
LOWEST_PYTHON = "3.11"
LOW_SPACE_BYTES = 5_000_000_000  # beyond the reserve; a training or an import may need so much
LATE = timedelta(hours=6)  # a daily backup that is so late is missed


class Trouble(StrEnum):
    """What can be wrong."""

    VERSION = "version too old"
    NOT_INSTALLED = "not installed"
    SQLITE = "SQLite too old"
    SETTING = "setting does not hold"
    DISK_FULL = "disk full"
    DISK_LOW = "disk nearly full"
    NO_WEIGHTS = "no weights"
    NO_SIGN_IN_FILE = "no secrets for signing in"
    SIGN_IN_FILE = "secrets for signing in unreadable"
    SIGN_IN_VALUES = "secrets for signing in incomplete"
    SIGN_IN_PACKAGE = "package for signing in missing"
    SILENT_WORKER = "silent worker"
    NO_WORKER = "no worker"
    BACKUP_FAILED = "backup failed"
    BACKUP_LATE = "backup late"
    NO_BACKUP = "no backup"
    ALTERED = "altered"

    @property
    def is_serious(self) -> bool:
        """Whether data or results are at risk, or work stands still; else it is advice."""
        match self:
            case Trouble.DISK_LOW | Trouble.NO_BACKUP | Trouble.SETTING:
                return False
            case (
                Trouble.VERSION
                | Trouble.NOT_INSTALLED
                | Trouble.SQLITE
                | Trouble.DISK_FULL
                | Trouble.NO_WEIGHTS
                | Trouble.NO_SIGN_IN_FILE
                | Trouble.SIGN_IN_FILE
                | Trouble.SIGN_IN_VALUES
                | Trouble.SIGN_IN_PACKAGE
                | Trouble.SILENT_WORKER
                | Trouble.NO_WORKER
                | Trouble.BACKUP_FAILED
                | Trouble.BACKUP_LATE
                | Trouble.ALTERED
            ):
                return True
            case _:
                assert_never(self)


@dataclass(frozen=True)
class HealthFinding:
    """One thing that is wrong.

    `subject` names what: a package, a lane, a line of the settings, an altered thing. `now` and
    `asked` are versions or reasons; `number` is bytes, seconds, a count or a time.
    """

    trouble: Trouble
    subject: str = ""
    now: str = ""
    asked: str = ""
    number: float = 0.0


@dataclass(frozen=True)
class Component:
    """A program with its installed version ('' where there is none) and the lowest allowed one."""

    name: str
    installed: str
    lowest: str

    @property
    def is_new_enough(self) -> bool:
        """Whether the installed version may be used."""
        return bool(self.installed) and _numbers(self.installed) >= _numbers(self.lowest)


@dataclass(frozen=True)
class Lane:
    """A kind of work: what is at work in it, how many wait, and whether a worker is alive."""

    name: str
    running: Job | None
    waiting: int
    has_worker: bool


@dataclass(frozen=True)
class BackupState:
    """The newest rows of the record about a finished and about a failed backup."""

    made: RecordRow | None
    failed: RecordRow | None


@dataclass(frozen=True)
class Health:
    """Everything that is known, and what of it is wrong, the serious first.

    `weights` are the titles of the networks that can be trained without a download; `alterations`
    is None where the integrity was not checked.
    """

    program: str
    components: tuple[Component, ...]
    disk: Disk
    kept_free_bytes: int
    devices: tuple[Device, ...]
    cores: int
    weights: tuple[str, ...]
    lanes: tuple[Lane, ...]
    backup: BackupState
    settings: tuple[SettingsProblem, ...]
    alterations: tuple[Alteration, ...] | None
    findings: tuple[HealthFinding, ...] = ()


def examine(
    workspace: Workspace, disk: Disk, alterations: Sequence[Alteration] | None = None
) -> Health:
    """Look at everything that takes no long time.

    Args:
        workspace: to look at.
        disk: what takes its disk.
        alterations: what a verification has found; None: nothing was verified.
    """
    file = administration(workspace.root)
    active = jobs.active(workspace)
    with connect(workspace) as db:
        backup = BackupState(
            record.newest_of(db, RecordedAction.BACKED_UP),
            record.newest_of(db, RecordedAction.BACKUP_FAILED),
        )
    known = Health(
        program=_installed(PROGRAM),
        components=tuple(_components()),
        disk=disk,
        kept_free_bytes=file.settings.limits.kept_free(disk.total_bytes),
        devices=find_devices(),
        cores=os.cpu_count() or 1,
        weights=tuple(n.title for n in NETWORKS if weights_source(n, workspace.weights)),
        lanes=tuple(_lanes(workspace, active)),
        backup=backup,
        settings=file.problems,
        alterations=None if alterations is None else tuple(alterations),
    )
    now = datetime.fromtimestamp(utc_now(), UTC).astimezone()
    found = sorted(_findings(workspace, known, now), key=lambda f: not f.trouble.is_serious)
    return replace(known, findings=tuple(found))


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _components() -> Iterator[Component]:
    yield Component("python", platform.python_version(), LOWEST_PYTHON)
    yield Component("sqlite", sqlite3.sqlite_version, ".".join(map(str, OLDEST_SAFE_SQLITE)))
    for name, lowest in LOWEST.items():
        yield Component(name, _installed(name), lowest)


def _numbers(text: str) -> tuple[int, ...]:
    """`2.10.0+cpu` as (2, 10, 0)."""
    return tuple(int(n) for n in re.findall(r"\d+", text.partition("+")[0]))


def _lanes(workspace: Workspace, active: Sequence[Job]) -> Iterator[Lane]:
    usual = {"training", "import", "data", "backup"}
    for name in sorted(usual | {job.lane for job in active}):
        own = [job for job in active if job.lane == name]
        running = next((job for job in own if job.status is JobStatus.RUNNING), None)
        waiting = sum(job.status is JobStatus.QUEUED for job in own)
        yield Lane(name, running, waiting, not lane_is_free(workspace, name))


def _findings(workspace: Workspace, known: Health, now: datetime) -> Iterator[HealthFinding]:
    for item in known.components:
        if item.is_new_enough:
            continue
        kind = Trouble.VERSION if item.installed else Trouble.NOT_INSTALLED
        kind = Trouble.SQLITE if item.name == "sqlite" else kind
        yield HealthFinding(kind, item.name, item.installed, item.lowest)
    for problem in known.settings:
        yield HealthFinding(Trouble.SETTING, problem.words)
    for lacking in sign_in.lacks(workspace, administration(workspace.root).settings.auth):
        yield HealthFinding(_SIGN_IN[lacking.lack], lacking.file.name, lacking.why)
    yield from _space(known)
    if not known.weights:
        yield HealthFinding(Trouble.NO_WEIGHTS)
    for lane in known.lanes:
        if lane.running and jobs.is_unresponsive(lane.running, now=now.timestamp()):
            silent = now.timestamp() - (lane.running.heartbeat_at or 0)
            yield HealthFinding(Trouble.SILENT_WORKER, lane.name, number=silent)
        elif lane.waiting and not lane.has_worker and not lane.running:
            yield HealthFinding(Trouble.NO_WORKER, lane.name, number=lane.waiting)
    yield from _backups(workspace, known.backup, now)
    for altered in known.alterations or ():
        yield HealthFinding(Trouble.ALTERED, altered.where, altered.fault.value)


_SIGN_IN = {
    Lack.FILE: Trouble.NO_SIGN_IN_FILE,
    Lack.CONTENT: Trouble.SIGN_IN_FILE,
    Lack.VALUES: Trouble.SIGN_IN_VALUES,
    Lack.PACKAGE: Trouble.SIGN_IN_PACKAGE,
}


def _space(known: Health) -> Iterator[HealthFinding]:
    free = known.disk.free_bytes
    if free < known.kept_free_bytes:
        yield HealthFinding(Trouble.DISK_FULL, number=free)
    elif free < known.kept_free_bytes + min(LOW_SPACE_BYTES, known.disk.total_bytes // 10):
        yield HealthFinding(Trouble.DISK_LOW, number=free)


def _backups(workspace: Workspace, state: BackupState, now: datetime) -> Iterator[HealthFinding]:
    made, failed, plan = state.made, state.failed, plan_of(workspace)
    if failed is not None and (made is None or failed.number > made.number):
        name, why = failed.new or "", failed.reason
        yield HealthFinding(Trouble.BACKUP_FAILED, name, why, number=failed.at)
    elif made is None:
        if _holds_something(workspace):
            yield HealthFinding(Trouble.NO_BACKUP)
    elif plan.folder and made.at < last_moment(plan, now - LATE).timestamp():
        yield HealthFinding(Trouble.BACKUP_LATE, number=now.timestamp() - made.at)


def _holds_something(workspace: Workspace) -> bool:
    with connect(workspace) as db:
        return bool(datasets.list_datasets(db) or models.list_models(db))
