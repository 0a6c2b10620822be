"""Where real industrial images lie beside the project; tests that need them skip without."""

from pathlib import Path

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
