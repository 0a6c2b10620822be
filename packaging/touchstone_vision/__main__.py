"""The `touchstone` command.

The app's own modules are called `core` and `pages`. Other distributions may install modules of the
same names, so the wheel keeps ours below this package, and this launcher puts their folder first on
the search path: here, and in the environment of every process that is started later.
"""

import os
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def project_folder() -> Path:
    """The folder that holds `app.py`, `pages` and `core`.

    That is this package in an installed wheel, and the repository in an editable installation.
    """
    return PACKAGE if (PACKAGE / "app.py").is_file() else PACKAGE.parents[1]


def prefer(folder: Path) -> None:
    """Put a folder first on the search path of this process and of its children."""
    sys.path.insert(0, str(folder))
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(p for p in (str(folder), inherited) if p)


def main() -> None:
    """Run the command line."""
    prefer(project_folder())
    from core.cli.app import main as run

    run()


if __name__ == "__main__":
    main()
