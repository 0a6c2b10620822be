"""Sources of images before they are imported: listings, and uploads from the browser."""

from pathlib import Path

from core.data.importing.listing import Listing
from core.domain.ids import new_id
from core.errors import ConfigError
from core.workspace import Workspace, allowed_import_path


def start_listing(source: Path) -> Listing:
    """Start to list the files of a folder or ZIP file; large trees take a while.

    Raises:
        PathNotAllowedError: if the path may not be read.
    """
    return Listing(allowed_import_path(source))


def new_upload_folder(workspace: Workspace) -> Path:
    """An empty private folder for files that are uploaded in the browser."""
    folder = workspace.uploads / new_id("upload")
    folder.mkdir()
    return folder


def store_upload(folder: Path, name: str, content: bytes | memoryview) -> Path:
    """Store one uploaded file below a folder; its name may contain folders, but not lead outside.

    Returns:
        The path of the stored file.

    Raises:
        ConfigError: if the name leads outside the folder.
    """
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts or ".." in parts or ":" in parts[0]:
        raise ConfigError(f"The file name '{name}' cannot be used.", "Rename the file.")
    target = folder.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target
