"""The lists that travel with the project agree with what it depends on."""

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
SETTINGS = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))


def _names(requirements):
    return {_normalized(re.match(r"[\w.-]+", text)[0]) for text in requirements}


def _normalized(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_runtime_dependency_has_its_license_in_the_notices():
    notices = (PROJECT / "THIRD_PARTY.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| ([\w-]+) \| \S", notices, re.MULTILINE))
    assert _names(SETTINGS["project"]["dependencies"]) <= listed


def test_every_dependency_has_its_tested_version_in_the_constraints():
    lines = (PROJECT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    wanted = (
        SETTINGS["project"]["dependencies"] + SETTINGS["project"]["optional-dependencies"]["dev"]
    )
    assert _names(wanted) <= _names(pins)
    # Why: one file serves CPU and GPU builds; PyTorch's own index says +cpu, +cu130, …
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)] == []
