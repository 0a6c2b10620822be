"""Where things are: one folder with the database, uploads, checkpoints and caches."""

import os
from dataclasses import dataclass
from pathlib import Path

from core.errors import PathNotAllowedError, WorkspaceError

ROOT_VARIABLE = "TOUCHSTONE_WORKSPACE"
IMPORT_ROOTS_VARIABLE = "TOUCHSTONE_IMPORT_ROOTS"

# They contain no images; reading some of them has side effects or never ends.
_SYSTEM_FOLDERS = tuple(Path(p) for p in ("/proc", "/sys", "/dev", "/run"))


@dataclass(frozen=True)
class Workspace:
    """Paths of one workspace; creating the object touches nothing."""

    root: Path

    @property
    def database(self) -> Path:
        """The SQLite file: all metadata and all models."""
        return self.root / "workspace.db"

    @property
    def uploads(self) -> Path:
        """Images and archives that were uploaded in the browser."""
        return self.root / "uploads"

    @property
    def runs(self) -> Path:
        """One folder per training run: checkpoints."""
        return self.root / "runs"

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
        """What one training run keeps on disk while it is not finished."""
        return self.runs / run_id

    def checkpoints(self, run_id: str) -> Path:
        """The states from which a run can be resumed."""
        return self.run_folder(run_id) / "checkpoints"

    def batch_table(self, batch_id: str) -> Path:
        """The CSV file of a batch prediction."""
        return self.results / f"{batch_id}.csv"

    def resolve(self, stored: str) -> Path:
        """The file of a stored path; relative paths are inside the workspace."""
        return self.root / stored  # an absolute path replaces the root

    def stored(self, path: Path) -> str:
        """How a path is stored: relative inside the workspace, so that it can be moved."""
        return str(path.relative_to(self.root) if path.is_relative_to(self.root) else path)

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
        except OSError as err:
            raise WorkspaceError(
                f"The workspace folder {self.root} cannot be used: {err.strerror or err}.",
                f"Choose a writable folder with {ROOT_VARIABLE} or --workspace.",
            ) from err
        return self


def open_workspace(root: Path | None = None) -> Workspace:
    """The workspace at `root`, TOUCHSTONE_WORKSPACE or `~/.touchstone`; created if missing."""
    chosen = root or Path(os.environ.get(ROOT_VARIABLE) or Path.home() / ".touchstone")
    return Workspace(chosen.expanduser().resolve()).create()


def import_roots() -> tuple[Path, ...]:
    """Folders from which images may be read; empty: all except system folders."""
    configured = os.environ.get(IMPORT_ROOTS_VARIABLE, "")
    return tuple(Path(part).expanduser().resolve() for part in configured.split(os.pathsep) if part)


def is_system_path(path: Path) -> bool:
    """Whether a resolved path is in a folder of the operating system without images."""
    return any(path.is_relative_to(folder) for folder in _SYSTEM_FOLDERS)


def allowed_import_path(path: Path) -> Path:
    """The resolved path, if it is below an allowed root and not in a system folder.

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
    inside = not roots or any(resolved.is_relative_to(root) for root in roots)
    if inside and not is_system_path(resolved):
        return resolved
    raise PathNotAllowedError(
        f"{path} is not in a folder that Touchstone may read.",
        f"Allowed: {', '.join(str(root) for root in roots) or 'all except system folders'}. "
        f"An administrator can change this with {IMPORT_ROOTS_VARIABLE}.",
    )
