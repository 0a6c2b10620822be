"""Imports that take no more than is needed."""

import importlib
import sys


def import_sqlite_alone() -> None:
    """Import sqlite_utils, which would import pandas, and with it pyarrow, if it found them.

    They take a fifth of the time of a short command, and as long at the start of every job. Those
    that need them, such as report, find them afterwards.
    """
    if "pandas" in sys.modules:
        return
    sys.modules["pandas"] = None  # type: ignore[assignment]
    try:
        importlib.import_module("sqlite_utils")
    finally:
        del sys.modules["pandas"]
