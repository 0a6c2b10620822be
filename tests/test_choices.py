"""Every choice is exhaustive: a new member of an enum is an error, never a silent default."""

import ast
from itertools import pairwise
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
FILES = sorted(p for room in ("core", "pages") for p in (PROJECT / room).rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
# Tables of some members only, with the reason.
PARTIAL = {
    "_EXPORTED": "a plain copy is downloaded, not exported",
    "METHODS": "a split that comes with the images is made by the import, not by the form",
    "_PLAIN": "the words of other troubles name no file that only an administrator changes",
    "_PLACES": "findings of other kinds stay in the order in which they were found",
    "STATUS_WORDS": "an absent image is not listed, so it needs no word",
}


def _members(cls):
    return {
        target.id
        for node in cls.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and not target.id.startswith("_")
    }


ENUMS = {
    node.name: _members(node)
    for tree in TREES.values()
    for node in ast.walk(tree)
    if isinstance(node, ast.ClassDef)
    and any(isinstance(base, ast.Name) and base.id.endswith("Enum") for base in node.bases)
}


def _member(node):
    """`Recipe.QUICK` as ("Recipe", "QUICK"); None for anything else."""
    if (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.attr in ENUMS.get(node.value.id, ())
    ):
        return node.value.id, node.attr
    return None


def _place(path, node):
    return f"{path.relative_to(PROJECT)}:{node.lineno}"


def _members_of_pattern(pattern):
    if isinstance(pattern, ast.MatchOr):
        return {m for part in pattern.patterns for m in _members_of_pattern(part)}
    member = _member(pattern.value) if isinstance(pattern, ast.MatchValue) else None
    return {member} if member else set()


def _ends_in_assert_never(match):
    last = match.cases[-1]
    return ast.unparse(last.pattern) == "_" and "assert_never" in ast.unparse(last.body[0])


def test_a_match_over_members_ends_in_assert_never():
    # An optimizer that was added to the enum trained silently as AdamW.
    loose = [
        _place(path, node)
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Match)
        and any(_members_of_pattern(case.pattern) for case in node.cases)
        and not _ends_in_assert_never(node)
    ]
    assert not loose


def _compared(test):
    """What a condition compares with a member: ("config.recipe", "Recipe"); else None."""
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        member = _member(test.comparators[0])
        if member and isinstance(test.ops[0], ast.Is | ast.Eq):
            return ast.unparse(test.left), member[0]
    return None


def _leaves(block):
    return isinstance(block[-1], ast.Return | ast.Raise | ast.Continue)


def _chains(tree):
    """Ifs that compare one value with members, one after the other: `elif`, or after a return."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and len(node.orelse) == 1:
            yield node, node.orelse[0]
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                for first, second in pairwise(block):
                    if isinstance(first, ast.If) and _leaves(first.body):
                        yield first, second


def test_a_choice_between_members_is_no_chain_of_ifs():
    chains = [
        _place(path, first)
        for path, tree in TREES.items()
        for first, second in _chains(tree)
        if isinstance(second, ast.If)
        and _compared(first.test)
        and _compared(first.test) == _compared(second.test)
    ]
    assert not chains


def _tables():
    for path, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                members = {_member(key) if key else None for key in node.value.keys}
                if None not in members and len({enum for enum, _ in members}) == 1:
                    yield path, node, ast.unparse(target), members


@pytest.mark.parametrize(
    ("place", "name", "members"),
    [(_place(path, node), name, members) for path, node, name, members in _tables()],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_table_over_an_enum_has_all_its_members(place, name, members):
    # A recipe that was added to the enum was not offered on the Train page.
    ((enum, _), *_) = members
    if name not in PARTIAL:
        assert {member for _, member in members} == ENUMS[enum], place
