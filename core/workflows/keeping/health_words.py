"""What is wrong, and what to do about it, in words; the same on the page and the command line."""

from typing import assert_never

from core.domain.record import in_utc
from core.words import count, duration, size
from core.workflows.keeping.health import HealthFinding, Trouble
from core.workflows.keeping.space import CacheKind, SpaceKind, SpaceUse


def what(finding: HealthFinding) -> str:
    """What is wrong: one sentence."""
    subject, now = finding.subject, finding.now
    match finding.trouble:
        case Trouble.VERSION:
            return f"{subject} {now} is installed; at least {finding.asked} is needed."
        case Trouble.NOT_INSTALLED:
            return f"{subject} is not installed; at least {finding.asked} is needed."
        case Trouble.SQLITE:
            return f"SQLite {now} is in use; versions before {finding.asked} can damage a database."
        case Trouble.SETTING:
            return subject
        case Trouble.DISK_FULL:
            free = size(finding.number)
            return f"{free} are free on the disk: imports and trainings are refused."
        case Trouble.DISK_LOW:
            return f"Only {size(finding.number)} are free on the disk."
        case Trouble.NO_WEIGHTS:
            return "No pretrained weights are on this machine."
        case Trouble.NO_SIGN_IN_FILE:
            return f"Nobody can sign in: {subject} is missing in the folder of the workspace."
        case Trouble.SIGN_IN_FILE:
            return f"Nobody can sign in: {subject} cannot be read ({now})."
        case Trouble.SIGN_IN_VALUES:
            return f"Nobody can sign in: {subject} lacks {now}."
        case Trouble.SIGN_IN_PACKAGE:
            return "Nobody can sign in: the packages for OpenID Connect are not installed."
        case Trouble.SILENT_WORKER:
            return f"The {subject} worker gave no sign of life for {duration(finding.number)}."
        case Trouble.NO_WORKER:
            return f"No worker has come yet for {count(int(finding.number), f'{subject} job')}."
        case Trouble.BACKUP_FAILED:
            return f"The backup of {in_utc(finding.number)} UTC failed. {now}"
        case Trouble.BACKUP_LATE:
            ago = duration(finding.number)
            return f"The last backup was made {ago} ago, though one is due every day."
        case Trouble.NO_BACKUP:
            return "This workspace was never backed up."
        case Trouble.ALTERED:
            return f"Altered outside of Touchstone: {now}, {subject}."
        case _:
            assert_never(finding.trouble)


def advice(finding: HealthFinding) -> str:
    """What to do about it."""
    match finding.trouble:
        case Trouble.VERSION | Trouble.NOT_INSTALLED:
            return "Install Touchstone again with its constraints.txt, then restart it."
        case Trouble.SQLITE:
            return "Install the package pysqlite3 0.6.1 or newer, then restart the app."
        case Trouble.SETTING:
            return "Correct the line; it holds at once. `touchstone limits --example` shows all."
        case Trouble.DISK_FULL:
            return (
                "Clear caches, delete datasets or runs that are not needed, or move the workspace "
                "to a larger disk."
            )
        case Trouble.DISK_LOW:
            return "Clear caches, or delete what is not needed, before the next large import."
        case Trouble.NO_WEIGHTS:
            return (
                "Install Touchstone again with its packages of weights, or add a network with "
                "`touchstone networks --add`."
            )
        case Trouble.NO_SIGN_IN_FILE | Trouble.SIGN_IN_FILE | Trouble.SIGN_IN_VALUES:
            return (
                "Write it as docs/people.md shows, readable for the account of the app; then "
                "restart the app."
            )
        case Trouble.SIGN_IN_PACKAGE:
            return 'Install the extra: pip install "touchstone-vision[auth]"; then restart the app.'
        case Trouble.SILENT_WORKER:
            return (
                "It may wait for a drive that does not answer. After three minutes its job is "
                "given up, and can be started again."
            )
        case Trouble.NO_WORKER:
            return "If it stays so, look into the newest worker log, then restart the app."
        case Trouble.BACKUP_FAILED:
            return "Check that its disk is there, writable, and has space; then back up again."
        case Trouble.BACKUP_LATE:
            return "The app makes it while it runs. Check that it runs at night, and its log."
        case Trouble.NO_BACKUP:
            return (
                "Choose a folder for daily backups: `backup.folder` in touchstone.toml, on the "
                "server. Once: `touchstone backup FOLDER`."
            )
        case Trouble.ALTERED:
            return "Find out who had access to the files, and restore a backup if needed."
        case _:
            assert_never(finding.trouble)


def use_in_words(use: SpaceUse) -> str:
    """What takes space, such as `Dataset “Pills”` or `Cache: pixels`."""
    match use.kind:
        case SpaceKind.DATASET | SpaceKind.RUN:
            return f"{use.kind.value.capitalize()} “{use.name}”"
        case SpaceKind.CACHE:
            return f"Cache: {use.name}"
        case (
            SpaceKind.DATABASE
            | SpaceKind.BIN
            | SpaceKind.WAITING
            | SpaceKind.RESULTS
            | SpaceKind.WEIGHTS
            | SpaceKind.LOGS
            | SpaceKind.RESERVE
            | SpaceKind.SHARED
        ):
            return use.kind.value.capitalize()
        case _:
            assert_never(use.kind)


def cache_in_words(kind: CacheKind) -> str:
    """What a cache holds, and what making it again costs."""
    match kind:
        case CacheKind.PIXELS:
            return "Decoded images; the next training of a dataset reads its files again."
        case CacheKind.FEATURES:
            return "What networks saw; the next quick training or quality check computes it again."
        case CacheKind.LOOK_ALIKES:
            return "Compared images; the next quality check compares them again."
        case CacheKind.PREVIEWS:
            return "Thumbnails and views; galleries draw them again."
        case CacheKind.HEATMAPS:
            return "Heatmaps of reports; the next report draws them again."
        case CacheKind.RUNTIMES:
            return "Networks converted for this machine; the next use takes seconds longer."
        case CacheKind.MODELS:
            return "Copies of models as files; made again from the database."
        case _:
            assert_never(kind)
