"""Where things are: one folder with the database, uploads, checkpoints and caches."""

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from core.errors import PathNotAllowedError, WorkspaceError
from core.exposure import is_exposed

ROOT_VARIABLE = "TOUCHSTONE_WORKSPACE"
IMPORT_ROOTS_VARIABLE = "TOUCHSTONE_IMPORT_ROOTS"
SETTINGS_FILE = "touchstone.toml"
RESERVE_BYTES = 64_000_000
_RESERVE_SHARE = 50  # on a small disk: one part of so many
_RESERVE_SPARE = 5  # made again where so many times its size are free
_LEAST_FREE_BYTES = 500_000  # a disk with less counts as full

# They contain no images; reading some of them has side effects or never ends.
_SYSTEM_PREFIXES = tuple(f"{folder}/" for folder in ("/proc", "/sys", "/dev", "/run"))


@dataclass(frozen=True)
class Workspace:
    """Paths of one workspace; creating the object touches nothing."""

    root: Path

    @property
    def database(self) -> Path:
        """The SQLite file: all metadata and all models."""
        return self.root / "workspace.db"

    @property
    def settings(self) -> Path:
        """What an administrator has set; see `core/administration.py`."""
        return self.root / SETTINGS_FILE

    @property
    def sign_in_secrets(self) -> Path:
        """What the app needs to ask a provider of OpenID Connect; see docs/people.md."""
        return self.root / "secrets.toml"

    @property
    def reserve(self) -> Path:
        """A file that is deleted when the disk is full; see `keep_reserve`."""
        return self.root / "reserve"

    @property
    def uploads(self) -> Path:
        """Images and archives that were uploaded in the browser."""
        return self.root / "uploads"

    @property
    def runs(self) -> Path:
        """One folder per training run: checkpoints."""
        return self.root / "runs"

    @property
    def bin(self) -> Path:
        """Folders of what was deleted and can be had back, one for each deletion."""
        return self.root / "bin"

    @property
    def cache(self) -> Path:
        """Everything that can be recomputed: pixels, features, thumbnails, runtimes."""
        return self.root / "cache"

    @property
    def locks(self) -> Path:
        """Kernel file locks of running workers."""
        return self.root / "locks"

    @property
    def logs(self) -> Path:
        """What the app and its workers write down about their work."""
        return self.root / "logs"

    @property
    def app_log(self) -> Path:
        """The log of the web server: errors with their full trace."""
        return self.logs / "app.log"

    @property
    def results(self) -> Path:
        """Tables of batch predictions, and reports."""
        return self.root / "results"

    @property
    def weights(self) -> Path:
        """Pretrained weights supplied by users (`<network>.safetensors`)."""
        return self.root / "weights"

    @property
    def pixels(self) -> Path:
        """Caches of preprocessed pixels; the name of each begins with the id of its dataset."""
        return self.cache / "pixels"

    @property
    def features(self) -> Path:
        """Caches of features; the name of each begins with the id of its dataset."""
        return self.cache / "features"

    @property
    def runtimes(self) -> Path:
        """Networks converted for the fast runtime of this machine."""
        return self.cache / "runtimes"

    @property
    def thumbnails(self) -> Path:
        """Small images for galleries."""
        return self.cache / "thumbnails"

    @property
    def views(self) -> Path:
        """Whole images as a browser shows them."""
        return self.cache / "views"

    def run_folder(self, run_id: str) -> Path:
        """What one training run keeps on disk besides its model."""
        return self.runs / run_id

    def checkpoints(self, run_id: str) -> Path:
        """The states from which a run can be resumed."""
        return self.run_folder(run_id) / "checkpoints"

    def kept_epochs(self, run_id: str) -> Path:
        """Weights of single epochs, which stay after the run has ended."""
        return self.run_folder(run_id) / "epochs"

    def batch_table(self, batch_id: str) -> Path:
        """The CSV file of a batch prediction."""
        return self.results / f"{batch_id}.csv"

    def resolve(self, stored: str) -> Path:
        """The file of a stored path; relative paths are inside the workspace."""
        return self.root / stored  # an absolute path replaces the root

    def stored(self, path: Path) -> str:
        """How a path is stored: relative inside the workspace, so that it can be moved."""
        return str(path.relative_to(self.root) if path.is_relative_to(self.root) else path)

    def roots_of(self, path: Path) -> tuple[Path, ...]:
        """The folders in which the file of an image must lie, links resolved; see `import_roots`.

        Images that were uploaded stay in the uploads.
        """
        return (self.uploads.resolve(),) if path.is_relative_to(self.uploads) else import_roots()

    def create(self) -> "Workspace":
        """Create the folders, accessible to their owner only; existing ones are kept.

        Raises:
            WorkspaceError: if the folder cannot be created or written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in (
                self.uploads,
                self.runs,
                self.cache,
                self.locks,
                self.logs,
                self.results,
                self.weights,
            ):
                folder.mkdir(exist_ok=True, mode=0o700)
            _close_to_others(self)
        except OSError as err:
            raise WorkspaceError(
                f"The workspace folder {self.root} cannot be used: {err.strerror or err}.",
                f"Choose a writable folder with {ROOT_VARIABLE} or --workspace.",
            ) from err
        return self


def _close_to_others(workspace: Workspace) -> None:
    """Only the owner may read a workspace: it holds images, models and who did what.

    An older one was readable for all accounts of the machine. Where it belongs to another account,
    it stays as that one has it.
    """
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        status = workspace.root.stat()
        if status.st_mode & 0o077 and status.st_uid == os.geteuid():
            workspace.root.chmod(0o700)
            for path in workspace.root.glob(f"{workspace.database.name}*"):
                path.chmod(0o600)


def open_workspace(root: Path | None = None) -> Workspace:
    """The workspace at `root`, TOUCHSTONE_WORKSPACE or `~/.touchstone`; created if missing."""
    return Workspace((root or default_root()).expanduser().resolve()).create()


def default_root() -> Path:
    """The folder of this process's workspace: TOUCHSTONE_WORKSPACE or `~/.touchstone`."""
    return Path(os.environ.get(ROOT_VARIABLE) or Path.home() / ".touchstone")


def import_roots() -> tuple[Path, ...]:
    """Folders from which images may be read; empty: all except system folders."""
    configured = os.environ.get(IMPORT_ROOTS_VARIABLE, "")
    return tuple(Path(part).expanduser().resolve() for part in configured.split(os.pathsep) if part)


def folders_are_closed() -> bool:
    """Whether no folder may be imported: everybody in the network could name one."""
    return is_exposed() and not import_roots()


def closed_folders_error() -> PathNotAllowedError:
    """Why no folder may be named while `folders_are_closed`, and what to do."""
    return PathNotAllowedError(
        "Folders of the server are closed, because other machines reach it.",
        f"An administrator opens some with {IMPORT_ROOTS_VARIABLE}; or send a ZIP file.",
    )


def is_system_path(path: Path) -> bool:
    """Whether a resolved path is in a folder of the operating system without images."""
    # Why text: asked at every file, where comparing paths would take longer than reading.
    text = os.path.normcase(path) + os.sep
    return any(text.startswith(folder) for folder in _SYSTEM_PREFIXES)


def allowed_import_path(path: Path, *, uploads: Path | None = None) -> Path:
    """The resolved path, if it is below an allowed root and not in a system folder.

    Args:
        path: as a person typed it. Where other machines reach the app, no folder is open unless
            an administrator has named it.
        uploads: the folder of uploads, which may always be read: Touchstone has put them there.

    Raises:
        PathNotAllowedError: otherwise.
    """
    try:
        resolved = path.expanduser().resolve()
    except (RuntimeError, ValueError, OSError) as err:  # no such user, a loop of links, a zero byte
        raise PathNotAllowedError(
            f"The path {str(path)!r} cannot be resolved: {err}.", "Check the spelling."
        ) from err
    roots = import_roots()
    may = (*roots, uploads.resolve()) if uploads is not None else roots
    inside = (not roots and not folders_are_closed()) or any(
        resolved.is_relative_to(root) for root in may
    )
    if inside and not is_system_path(resolved):
        return resolved
    if folders_are_closed():
        raise closed_folders_error()
    raise PathNotAllowedError(
        f"{path} is not in a folder that Touchstone may read.",
        f"Allowed: {', '.join(str(root) for root in roots) or 'all except system folders'}. "
        f"An administrator can change this with {IMPORT_ROOTS_VARIABLE}.",
    )


def keep_reserve(workspace: Workspace) -> None:
    """Make the reserve if it is missing and there is space for it.

    Without it, a full disk stops even deleting: SQLite needs to write a little before it reads.
    """
    path = workspace.reserve
    with contextlib.suppress(OSError):
        disk = shutil.disk_usage(workspace.root)
        wanted = min(RESERVE_BYTES, disk.total // _RESERVE_SHARE)
        if path.exists() or disk.free < _RESERVE_SPARE * wanted:
            return
        with path.open("xb") as file:
            path.chmod(0o600)
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, wanted)
            else:
                file.write(bytes(wanted))


def give_reserve_up(workspace: Workspace) -> bool:
    """Free the space of the reserve; False if there was none."""
    try:
        workspace.reserve.unlink()
    except OSError:
        return False
    return True


def disk_is_full(workspace: Workspace) -> bool:
    """Whether nothing of use can be written any more."""
    try:
        return shutil.disk_usage(workspace.root).free < _LEAST_FREE_BYTES
    except OSError:
        return False
