"""What an administrator sets for a workspace: declared once, with unit, range and default.

The file `touchstone.toml` in the workspace holds them; `core/administration.py` reads it.
"""

import ipaddress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePath

from core.domain.settings import check_ranges, setting
from core.errors import ConfigError

GB, MB = 1e9, 1e6
_SMALL_DISK = 20  # of a small disk, one part of so many is kept free


@dataclass(frozen=True)
class Limits:
    """What the workspace takes from people; what is larger is refused, with the number."""

    zip_upload_gb: float = setting(
        2.0,
        "ZIP upload (GB)",
        "Largest ZIP file that a browser may send. It is streamed to the disk.",
        low=0.001,
        high=1000,
    )
    file_upload_mb: int = setting(
        1000,
        "File upload (MB)",
        "Largest image, model, table or weights file that a browser may send. It is held in "
        "memory until it is used.",
        low=1,
        high=16_000,
    )
    memory_uploads_gb: float = setting(
        2.0,
        "Uploads in memory (GB)",
        "What such files of all open pages may take together.",
        low=0.01,
        high=1000,
    )
    waiting_uploads_gb: float = setting(
        20.0,
        "Waiting uploads (GB)",
        "What uploads that are not imported yet may take together on the disk; they are removed "
        "after a day.",
        low=0.001,
        high=100_000,
    )
    images_per_upload: int = setting(
        10_000,
        "Images per upload",
        "How many files a browser may send at once. More come as a ZIP file, or from a folder on "
        "the server.",
        low=1,
        high=1_000_000,
    )
    image_megapixels: float = setting(
        50.0,
        "Image (megapixels)",
        "Largest image that is decoded. One of 50 megapixels takes about 0.3 GB of memory.",
        low=0.001,
        high=170,
    )
    archive_gb: float = setting(
        20.0,
        "Archive (GB)",
        "Largest ZIP file that is opened, and what its files may take unpacked.",
        low=0.001,
        high=100_000,
    )
    archive_files: int = setting(
        500_000,
        "Files in an archive",
        "How many entries a ZIP file may have.",
        low=1,
        high=5_000_000,
    )
    archive_ratio: float = setting(
        200.0,
        "Archive ratio",
        "How many times its own size a ZIP file may unpack to. Images hardly shrink in it; bombs "
        "reach thousands.",
        low=1.5,
        high=10_000,
    )
    queued_jobs: int = setting(
        100,
        "Waiting jobs",
        "How many jobs may wait for their turn.",
        low=1,
        high=10_000,
    )
    disk_reserve_gb: float = setting(
        1.0,
        "Disk reserve (GB)",
        "So much of the disk stays free for the database: imports, caches and trainings leave it. "
        "Unless it is set, a disk below 20 GB keeps a twentieth.",
        low=0.0,
        high=100_000,
    )

    def __post_init__(self) -> None:
        check_ranges(self)

    def kept_free(self, disk_bytes: int) -> int:
        """Bytes that stay free on a disk of this size."""
        asked = int(self.disk_reserve_gb * GB)
        is_usual = self.disk_reserve_gb == Limits.disk_reserve_gb
        return min(asked, disk_bytes // _SMALL_DISK) if is_usual else asked


@dataclass(frozen=True)
class BackupPlan:
    """When the running app makes backups by itself."""

    folder: str = setting(
        "",
        "Folder",
        "Where backups go, on another disk. Empty: the app makes none by itself.",
    )
    hour: int = setting(
        2,
        "Hour",
        "The hour of the day, on the clock of the server, from which the daily backup is made.",
        low=0,
        high=23,
    )
    keep: int = setting(
        14,
        "Keep",
        "Backups beyond so many are deleted, the oldest first. 0 keeps all.",
        low=0,
        high=10_000,
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.folder and not (self.folder[0] == "~" or PurePath(self.folder).is_absolute()):
            raise ConfigError(
                f"The folder of backups '{self.folder}' does not start at the root of a disk.",
                "Give the full path.",
            )


class AuthMode(StrEnum):
    """How people say who they are."""

    OFF = "off"  # nobody is asked: one person on one machine
    OIDC = "oidc"
    PROXY = "proxy"
    CLOSED = "closed"


@dataclass(frozen=True)
class SignIn:
    """Who may enter, and how they prove who they are; docs/people.md has worked examples."""

    mode: AuthMode = setting(
        AuthMode.OFF,
        "Mode",
        "off: nobody is asked, and everybody who reaches the app may do everything. oidc: people "
        "sign in at a provider of OpenID Connect. proxy: a proxy in front says who they are. "
        "closed: nobody may enter. It is switched on at once, and off by a restart of the app.",
    )
    session_hours: float = setting(
        12.0,
        "Session (hours)",
        "After so long, people sign in again.",
        low=0.05,
        high=720,
    )
    claim: str = setting(
        "email",
        "Claim",
        "With oidc: which claim of the provider is the name of a user here, such as email or "
        "preferred_username. It must be one that people cannot set by themselves.",
    )
    header: str = setting(
        "X-Forwarded-User",
        "Header",
        "With proxy: the header in which the proxy names the user. The proxy must remove what "
        "browsers send in it.",
    )
    trusted_proxies: str = setting(
        "127.0.0.1, ::1",
        "Trusted proxies",
        "With proxy: the addresses or networks of the proxy, separated by commas. From all others "
        "the header counts for nothing.",
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if not self.claim.strip() or not self.header.strip():
            raise ConfigError("The claim or the header has no name.", "Leave the line out.")
        for part in self._proxies():
            try:
                ipaddress.ip_network(part, strict=False)
            except ValueError as err:
                raise ConfigError(
                    f"The trusted proxy '{part}' is no address or network.",
                    'Give such as trusted_proxies = "127.0.0.1, 10.0.3.0/24".',
                ) from err

    def trusts(self, address: str) -> bool:
        """Whether a connection from this address may say who the user is."""
        try:
            peer = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(peer, "ipv4_mapped", None)
        return any(
            (mapped or peer) in ipaddress.ip_network(part, strict=False) for part in self._proxies()
        )

    def _proxies(self) -> list[str]:
        return [part.strip() for part in self.trusted_proxies.split(",") if part.strip()]


@dataclass(frozen=True)
class Administration:
    """All sections of the file, each under its own name."""

    limits: Limits = field(default_factory=Limits)
    backup: BackupPlan = field(default_factory=BackupPlan)
    auth: SignIn = field(default_factory=SignIn)
