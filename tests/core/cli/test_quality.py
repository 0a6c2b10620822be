"""The quality check as a person at a terminal reads it."""

import shutil

import pytest
from typer.testing import CliRunner

from core.cli.app import app
from core.domain.findings import first_images
from tests.core.workflows.data.test_quality import write_parts


@pytest.fixture
def told(workspace):
    def told(*arguments):
        options = ["--workspace", str(workspace.root)]
        outcome = CliRunner().invoke(app, [*map(str, arguments), *options])
        assert outcome.exit_code == 0, outcome.output
        return outcome.stdout

    return told


def test_a_finding_names_its_first_images_and_how_many_more_it_has():
    assert first_images(["a.png"], 1) == "a.png"
    assert first_images(["a.png", "b.png"], 2) == "a.png, b.png"
    assert first_images(["a.png", "b.png", "c.png"], 1_003) == "a.png, b.png and 1,001 more"


def test_findings_are_listed_with_their_images_what_is_cut_and_what_settles_them(told, tmp_path):
    # Ten times "The same image has 2 different labels" came without a file, three of ten lines,
    # and nothing after them.
    parts = write_parts(tmp_path / "parts")
    shutil.copy(parts / "good" / "part1_0.png", parts / "good" / "twice.png")
    told("import", parts, "--name", "New parts")
    lines = told("quality", "New parts").splitlines()
    assert "exact duplicate: 2 files contain the same image, byte for byte. bad/again.png, " in (
        "\n".join(lines)
    )
    alike = [line for line in lines if line.startswith("near duplicate: ")]
    assert len(alike) == 3
    assert all(line.endswith(("and 1 more", "and 2 more")) for line in alike)
    assert "… and 13 more of this kind" in lines
    assert "`touchstone quality 'New parts' --fix KIND:FIX` settles all findings of a kind." in (
        lines
    )
    assert any(line.startswith("`touchstone parts 'New parts'` lists all") for line in lines)
    assert lines[-1].startswith("The Quality page")
    assert "near_duplicate:group|different_parts|keep_one|ignore" in "\n".join(lines)

    settled = told(
        "quality",
        "New parts",
        *("--fix", "exact-duplicate:ignore", "--fix", "near_duplicate:different_parts"),
    )
    assert "exact duplicate" not in settled
    assert "touchstone parts" not in settled
