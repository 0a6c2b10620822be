"""One spelling, the American one, in all that users read."""

import ast
import re
from dataclasses import replace
from pathlib import Path

from core.domain.findings import FeatureInsight
from core.workflows.data import image_facts
from core.workspace import Workspace
from pages.ui import image_words
from tests.conftest import store_rows

_BRITISH = re.compile(r"\w*(labelled|colour|behaviour|favour|neighbour|modelled)\w*", re.I)
# Names that are no words on a page: keys of JSON and of the browser, and options of before.
_KEYS = {"relabelled", "colours", "--colours"}


def _read_by_users(file: Path) -> list[str]:
    """The texts of a module, without its docstrings."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    own = {
        id(node.body[0].value)
        for node in nodes
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in own
    ]


def test_texts_are_in_american_english():
    # "Colour: colour" stood in the details of an image, "color" in its findings.
    files = [file for folder in ("core", "pages") for file in sorted(Path(folder).rglob("*.py"))]
    assert len(files) > 400
    british = [
        f"{file}: {text}"
        for file in files
        for text in _read_by_users(file)
        if text not in _KEYS and _BRITISH.search(text)
    ]
    assert british == []


def test_the_label_check_is_named_beside_the_image(workspace: Workspace):
    # "Confidence 32.3% in its label" stood beside "crack 42.1%" of the open model.
    store_rows(workspace, (0, 0, 1))
    facts = replace(image_facts.facts_of(workspace, 1), insight=FeatureInsight(1, 0.323))
    shown = dict(image_words.rows(facts))
    assert shown["Label check"] == "32.3% in its label"
    assert shown["Color"] == "gray"
    assert "Confidence" not in shown
