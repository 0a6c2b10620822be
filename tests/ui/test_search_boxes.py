"""The key / goes to the search box of a page, and to nothing else."""

import ast
import re
from pathlib import Path

PAGES = Path(__file__).parents[2] / "pages"


def _search_boxes() -> set[str]:
    """The keys of all text inputs that are called Search."""
    keys = set()
    for file in sorted(PAGES.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith(".text_input"):
                continue
            told = {word.arg: ast.unparse(word.value) for word in node.keywords}
            if ast.unparse(node.args[0]).startswith("'Search"):
                keys.add(told["key"].strip("'"))
    return keys


def test_the_search_key_knows_every_search_box_by_its_whole_key():
    # On Models and History it opened the dataset menu, on Search it took "Settings to vary".
    frame = (PAGES / "ui/assets/frame.js").read_text(encoding="utf-8")
    (listed,) = re.findall(r"^const SEARCH = \[(.*)\]$", frame, re.MULTILINE)
    known = set(re.findall(r"'(\w+)'", listed))
    assert {"find", "history_text"} <= known
    assert known == _search_boxes()
    assert 'class*="st-key-search' not in frame
