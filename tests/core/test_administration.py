"""`touchstone.toml`: what it sets holds at once; what is wrong is named, and stops nothing."""

import json
from pathlib import Path

from typer.testing import CliRunner

from core.administration import FILE, administration, example
from core.cli.app import app
from core.domain.configs.administration import Administration, Limits
from core.domain.settings import settings_of

PROJECT = Path(__file__).resolve().parents[2]


def _problems(root, text):
    (root / FILE).write_text(text, encoding="utf-8")
    found = administration(root)
    return found.settings, [problem.words for problem in found.problems]


def test_the_example_has_every_setting_with_its_default_and_is_the_documented_one(tmp_path):
    assert (PROJECT / "packaging/server" / FILE).read_text(encoding="utf-8") == example()
    names = {item.name for item in settings_of(Limits)}
    lines = example().splitlines()
    bare = [line.removeprefix("# ") for line in lines if line[2:].split(" =")[0] in names]
    assert len(bare) == len(names)
    assert administration(tmp_path).settings == Administration()
    assert _problems(tmp_path, "\n".join(["[limits]", *bare])) == (Administration(), [])
    settings, problems = _problems(
        tmp_path, example().replace("# queued_jobs = 100", "queued_jobs = 7")
    )
    assert (settings.limits.queued_jobs, problems) == (7, [])


def test_a_wrong_line_is_named_and_all_others_hold(tmp_path):
    settings, problems = _problems(
        tmp_path,
        """# ours
[limits]
archive_gb = "a lot"
archiv_ratio = 3
queued_jobs = 0
image_megapixels = nan
images_per_upload = 7

[backup]
folder = "backups"
keep = true

[limit]
""",
    )
    assert settings.limits == Limits(images_per_upload=7)
    assert settings.backup == Administration().backup
    assert problems == [
        "touchstone.toml, line 13, limit: there is no section or setting of this name. "
        "Perhaps limits is meant.",
        "touchstone.toml, line 3, limits.archive_gb: it is 'a lot', but must be a number between "
        "0.001 and 100,000. Until then, the default holds: 20.0.",
        "touchstone.toml, line 4, limits.archiv_ratio: there is no such setting. "
        "Perhaps archive_ratio is meant.",
        "touchstone.toml, line 5, limits.queued_jobs: it is 0, but must be a whole number between "
        "1 and 10,000. Until then, the default holds: 100.",
        "touchstone.toml, line 6, limits.image_megapixels: it is nan, but must be a number "
        "between 0.001 and 170. Until then, the default holds: 50.0.",
        "touchstone.toml, line 11, backup.keep: it is True, but must be a whole number between 0 "
        "and 10,000. Until then, the default holds: 14.",
        "touchstone.toml, line 9, backup: The folder of backups 'backups' does not start at the "
        "root of a disk. Give the full path.",
    ]


def test_a_file_that_is_none_is_said_with_its_line_and_nothing_stops(tmp_path):
    for text, said in (
        ("[limits]\n\nqueued_jobs 5\n", "touchstone.toml, line 3: Expected '='"),
        ("[limits", "touchstone.toml, line 1: "),
        ("limits = 5", "touchstone.toml, line 1, limits: it must be a section"),
    ):
        settings, problems = _problems(tmp_path, text)
        assert settings == Administration()
        assert len(problems) == 1
        assert problems[0].startswith(said), problems
    (tmp_path / FILE).write_bytes(b"\xff\xfe\x00")
    assert "no text in UTF-8" in administration(tmp_path).problems[0].words
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    assert "no text file" in administration(tmp_path).problems[0].words


def test_commands_go_on_with_a_wrong_file_and_say_so(tmp_path):
    (tmp_path / FILE).write_text("[limits]\nqueued_jobs = 5\narchive_gb = -1\n")
    ran = CliRunner().invoke(app, ["limits", "--json", "--workspace", str(tmp_path)])
    answer = json.loads(ran.stdout)
    values = {row["name"]: row["value"] for row in answer["limits"]}
    assert (values["queued_jobs"], values["archive_gb"]) == (5, 20.0)
    assert "line 3, limits.archive_gb" in answer["problems"][0]
    assert "line 3, limits.archive_gb" in ran.stderr
