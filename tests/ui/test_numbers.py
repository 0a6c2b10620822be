"""Pages, command line and report write numbers with the forms of `core/words.py` alone."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
# A decimal or a percentage put into a sentence by hand: `{rate:.1%}`, `{loss:.3f}`, `{x:+.2g}`.
_BY_HAND = re.compile(r"\{[^{}]*:[^{}]*\.\d+[%feg]\}|\{:[^{}]*\.\d+[%feg]\}")
# Plotly's own: numbers of a point under the mouse, and of axes, which have no interval.
_OF_PLOTLY = re.compile(r"%\{+[^{}]*\}+")
# Where such a number is no reading: positions and colours in CSS and SVG, and the two kinds that
# are written in one place only, tenths of parts or money, and PPM.
ALLOWED = {
    "pages/results/evaluate_verdict.py": "positions in CSS",
    "pages/results/threshold/costs.py": "tenths of parts and of money",
    "pages/training/preview.py": "an aspect ratio in CSS",
    "pages/ui/tables.py": "a width in CSS",
    "pages/ui/text.py": "gray levels with all their digits",
    "pages/data/preprocess.py": "gray levels with all their digits",
    "core/cli/settings.py": "ranges of settings in the help",
    "core/reporting/drawing.py": "positions and axes in SVG",
    "core/reporting/render.py": "shades in CSS",
    "core/reporting/text.py": "PPM",
}
FILES = [
    path.relative_to(PROJECT).as_posix()
    for folder in ("pages", "core/cli", "core/reporting")
    for path in sorted((PROJECT / folder).rglob("*.py"))
]


@pytest.mark.parametrize("file", FILES)
def test_no_number_is_written_by_hand(file: str) -> None:
    # 0.918, 0.92 and 91.8 % stood on three pages for one number, and "nan" where there was none.
    if file in ALLOWED:
        return
    code = _OF_PLOTLY.sub("", (PROJECT / file).read_text(encoding="utf-8"))
    assert not _BY_HAND.findall(code)
