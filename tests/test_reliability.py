"""The list of promises names tests that exist, and leaves out none of its numbers."""

import ast
import re
from pathlib import Path

PROJECT = Path(__file__).parent.parent
LIST = (PROJECT / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_every_promise_names_a_test_that_exists_or_says_that_there_is_none():
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", LIST):
        tree = ast.parse((PROJECT / path).read_text(encoding="utf-8"))
        assert name in {getattr(node, "name", "") for node in tree.body}, f"{path}::{name}"
    rows = [line for line in LIST.splitlines() if re.match(r"\| [FS]\d", line)]
    numbers = {number for row in rows for number in re.findall(r"\b[FS]\d+\b", row.split("|")[1])}
    assert numbers == {f"F{n}" for n in range(1, 30)} | {f"S{n}" for n in range(1, 23)}
    silent = [r for r in rows if "::" not in r and "o test" not in r and "Not built" not in r]
    assert not silent


def test_every_test_of_a_fault_or_an_attack_is_in_the_list():
    for folder in ("faults", "attacks"):
        for path in (PROJECT / "tests" / folder).glob("test_*.py"):
            assert f"tests/{folder}/{path.name}" in LIST
