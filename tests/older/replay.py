"""Runs the recorded workspace through the commands of this checkout, and records what they say.

    PYTHONPATH=. python -m tests.older.replay      # writes tests/older/golden/ anew

The golden answers come from the old code (commit ce33d73). Record them anew only where an answer is
meant to change, and say so in the commit.

What must be adapted when things move stands here at the top: the entry point of the command line,
the frame of the pages and the list of pages.
"""

import csv
import json
import lzma
import os
import re
import shlex
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from sqlite_utils.utils import sqlite3
from typer.testing import CliRunner

from core.cli.app import app as command_line  # the entry point
from core.workspace import Workspace
from tests.recompute_report import read_report

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"

Step = tuple[str, ...]
Answers = dict[str, Any]

# Keys whose values are sentences for people: they must be there, in whatever words.
PROSE = frozenset(
    {
        "changes",
        "chosen_by",
        "cured",
        "error",
        "hint",
        "in_words",
        "measure",
        "message",
        "notice",
        "ok_nok_missing",
        "purpose",
        "reason",
        "reasons",
        "remarks",
        "rule",
        "sentence",
        "summary",
        "test_note",
        "warning",
        "warnings",
    }
)
# What comes out of an optimizer or a network: another processor may round otherwise.
# Thresholds are short decimals near the middle that they were before.
SHORTENED = dict.fromkeys(("accept_below", "reject_from", "class_thresholds"), 3e-3)
FITTED = {"temperature": 1e-5, "ece_with_temperature": 1e-5, **SHORTENED}
# A temperature that the validation images give no evidence for is not recommended any more.
NO_LONGER_RECOMMENDED = {
    "temperature",
    "ece_with_temperature",
    "calibration.temperature",
    "calibration.ece_after",
}
BY_NETWORK = ("predict", "heatmap", "quality", "train")
EXACT, NEAR = 1e-9, 1e-3

SHEET, BLANK = "Sheet parts", "Rohlinge Größe"
SHEET_MODELS = (
    "Sheet one",
    "Sheet two",
    "Sheet by part",
    "Sheet sealed",
    *(f"Sheet folds fold {fold} of 3" for fold in (1, 2, 3)),
)
BLANK_MODELS = (
    "Rohling A",
    "Rohling B",
    "Rohling Lose",
    "Bruch",
    *(f"Rohling Falten fold {fold} of 2" for fold in (1, 2)),
)

THRESHOLDS: tuple[Step, ...] = (
    (),
    ("--max-escape", "0.1"),
    ("--max-escape", "0.05", "--proven"),
    ("--max-escape", "0.6", "--proven"),
    ("--max-overkill", "0.2"),
    ("--max-escape", "0.2", "--max-overkill", "0.2"),
    ("--max-escape", "0.4", "--guarantee"),
    ("--max-escape", "0.5", "--max-overkill", "0.6", "--guarantee", "--confidence", "0.8"),
    ("--cost", "500,5,1", "--defect-rate", "0.02", "--volume", "800"),
    ("--cost", "100,10"),
    ("--class-error", "0.2"),
    ("--at", "0.5"),
    ("--at", "0.3", "--cost", "50,5,1", "--confidence", "0.9"),
)


def reading() -> Iterator[Step]:
    """Commands that change nothing but the count of looks at test results."""
    yield from (("datasets",), ("runs",), ("models",))
    for dataset in (SHEET, BLANK):
        yield from (("versions", dataset), ("classes", dataset), ("criteria", dataset))
        yield ("versions", dataset, "--compare", "1:3")
    yield ("versions", SHEET, "--compare", "2:14")
    yield ("versions", SHEET, "--compare", "14:1")
    yield ("versions", SHEET, "--compare", "9:9")
    for model in (*SHEET_MODELS, *BLANK_MODELS, "Sheet closed"):
        yield ("evaluate", model, "--subset", "train")
        yield ("evaluate", model, "--subset", "validation", "--top-k", "1,2,3")
        # Why not these: their split has no test pictures, which the old code stumbled over.
        if "Falten" not in model:
            yield ("evaluate", model)
    yield ("evaluate", "Sheet one", "--ok", "dent", "--ok", "good")
    yield ("evaluate", "Rohling A", "--ok", "rund", "--top-k", "2")
    for model in ("Sheet one", "Sheet sealed", "Sheet by part"):
        for options in THRESHOLDS:
            yield ("threshold", model, *options)
    for model in ("Sheet two", "Sheet folds fold 3 of 3", "Sheet closed", "Rohling A"):
        yield ("threshold", model)
    yield ("threshold", "Sheet two", "--max-escape", "0.1", "--on-test")
    yield ("plan", "--rate", "0.01")
    yield ("plan", "--rate", "0.005", "--confidence", "0.9", "--errors", "2", "--expected", "0.001")
    yield ("plan", "--rate", "0.02", "--overkill", "0.1", "--parts", "300")
    for first, second in (
        ("Sheet one", "Sheet two"),
        ("Sheet two", "Sheet one"),
        ("Sheet one", "Sheet by part"),
        ("Sheet one", "Sheet sealed"),
        ("Rohling A", "Rohling B"),
        ("Rohling A", "Rohling Lose"),
        ("Rohling A", "Bruch"),
        ("Sheet one", "Sheet closed"),
        ("Sheet one", "Rohling A"),
    ):
        yield ("compare", first, second)
        yield ("compare", first, second, "--subset", "validation", "--confidence", "0.9")
    yield from _refused()


def _refused() -> Iterator[Step]:
    """What cannot be done."""
    yield ("evaluate", "none")
    yield ("versions", SHEET, "--compare", "1-2")
    yield ("versions", "none")
    yield ("split", "none")
    yield ("split", SHEET, "--name", "Random")
    yield ("split", BLANK, "--counts", "1000,1,1")
    yield ("relabel", SHEET, "good/p01 a.jpg=none")
    yield ("exclude", SHEET, "none.jpg")
    yield ("seal", "Sheet one")
    yield ("seal", "Rohling Lose")
    yield ("open-test", "Sheet by part", "--purpose", "no seal")
    yield ("resume", "Sheet one")
    yield ("train", SHEET, "--epochs", "0")
    yield ("predict", "none", "a.png")
    yield ("report", "Sheet closed", "--out", "{out}/closed.html")
    yield ("plan", "--rate", "nan")


def writing() -> Iterator[Step]:
    """A day with the workspace: every command that changes something, one after the other."""
    pictures = "{root}/uploads/ds-jhsd33gg"
    yield ("predict", "Sheet one", f"{pictures}/good/p01 a.jpg", f"{pictures}/dent/p33 a.jpg")
    yield ("predict", "Rohling A", "{root}/uploads/ds-bxyq53xm/rund/los 1", "{root}/none.jpg")
    yield ("heatmap", "Sheet sealed", f"{pictures}/dent/p33 a.jpg", "--out", "{out}/heat.png")
    yield ("split", SHEET, "--name", "s1", "--seed", "3")
    yield ("split", SHEET, "--name", "s2", "--group-by", "auto", "--seed", "4")
    yield ("split", SHEET, "--name", "s3", "--group-by", "attribute:shift", "--kfold", "2")
    yield (
        "split",
        SHEET,
        "--name",
        "s4",
        "--group-by",
        "column",
        "--train",
        "0.7",
        "--validation",
        "0.3",
        "--test",
        "0",
    )
    yield ("relabel", SHEET, "good/p12 a.jpg=dent", "dent/p35 a.jpg=deep scratch")
    yield ("exclude", SHEET, "good/p13 a.jpg", "good/p13 b.jpg")
    yield ("restore", SHEET, "good/p13 b.jpg")
    yield ("undo", SHEET)
    yield ("evaluate", "Sheet one")
    yield ("evaluate", "Sheet sealed")
    yield ("open-test", "Sheet sealed", "--purpose", "once more")
    yield ("classes", SHEET, "--add", "burr", "--rename", "dent=dent, deep", "--nok", "burr")
    yield ("undo", SHEET)
    yield ("classes", SHEET, "--merge", '"dent, deep",deep scratch=defect')
    yield ("versions", SHEET)
    yield ("evaluate", "Sheet one", "--subset", "validation")
    yield ("threshold", "Sheet one", "--max-escape", "0.3", "--save")
    yield ("threshold", "Sheet one")
    yield ("versions", SHEET, "--go-back", "14")
    yield ("versions", SHEET, "--compare", "14:15")
    yield ("evaluate", "Sheet two")
    yield ("threshold", "Sheet by part", "--cost", "300,8,2", "--save")
    yield ("criteria", SHEET, "--max-escape", "0.2", "--min-recall", "0.4", "--confidence", "0.9")
    yield ("criteria", SHEET)
    yield ("compare", "Sheet one", "Sheet two")
    yield ("open-test", "Sheet closed", "--purpose", "void")
    yield ("seal", "Sheet closed")
    yield ("open-test", "Sheet closed", "--purpose", "Größe 2")
    yield ("evaluate", "Sheet closed")
    yield ("threshold", "Sheet closed", "--max-escape", "0.2")
    for name, more in (
        ("b1", ("--seed", "3")),
        (
            "b2",
            ("--group-by", "folder", "--train", "0.5", "--validation", "0.25", "--test", "0.25"),
        ),
        ("b3", ("--counts", "30,15,15")),
        ("b4", ("--counts", "8,4,4", "--per-class", "--seed", "9")),
        ("b5", ("--order-by", "name", "--kfold", "3")),
        ("b6", ("--order-by", "date")),
        ("b7", ("--kfold", "3", "--test", "0.2", "--group-by", r"regex:bild (?P<group>\d\d)")),
        ("b8", ("--seal", "--seed", "8")),
        ("b9", ("--seed", "9", "--kfold", "2", "--test", "0.2")),
    ):
        yield ("split", BLANK, "--name", name, *more)
    yield ("export", BLANK, "--to", "{out}/blank.zip", "--split", "b2")
    yield ("export", SHEET, "--to", "{out}/folder", "--version", "1")
    yield ("import", "{out}/folder", "--name", "Again", "--ok", "good")
    yield (
        "import",
        "{out}/folder",
        "--name",
        "Again by table",
        "--table",
        "{out}/folder/labels.csv",
        "--label-column",
        "label",
    )
    yield ("versions", "Again")
    yield ("import", "{out}/blank.zip", "--name", "Delivered")
    yield (
        "import",
        f"{pictures}/dent",
        "--into",
        "Again",
        "--pattern",
        "(?P<label>p)(?P<group>..)",
    )
    yield (
        "import",
        "{root}/uploads/ds-bxyq53xm",
        "--name",
        "Levels",
        "--level",
        "1",
        "--leave-out",
        "rund",
        "--no-ok",
    )
    yield ("quality", SHEET, "--cure", "suspect_label:ignore")
    yield ("split", SHEET, "--name", "s5", "--group-by", "auto")


def ending() -> Iterator[Step]:
    """What is left when things are deleted."""
    yield ("runs",)
    yield from (("delete", "Sheet folds fold 2 of 3"), ("delete", "Again"), ("delete", BLANK))
    yield from (("datasets",), ("runs",), ("models",))


# Who is where: columns of the table that `export --split` writes. One is recorded whole.
EXPORTED = {
    SHEET: (
        "Random",
        "By part",
        "Look-alikes",
        "Cameras",
        "Counts",
        "Oldest first",
        "Folds",
        "Sealed",
        "After the seal",
    ),
    BLANK: ("Lose", "Zufall", "Nach Muster", "Je Klasse", "Zwei Falten"),
}
EXPORTED_NEW = {
    SHEET: ("s1", "s2", "s4", "s5"),
    BLANK: tuple(f"b{number}" for number in range(1, 10)),
}
PLACE_COLUMNS = ("name", "label", "split", "fold")

# Title -> arguments of `report`.
REPORTS: dict[str, Step] = {
    "sealed": ("Sheet sealed", "--max-pictures", "0"),
    "by-part": ("Sheet by part", "--max-pictures", "0", "--against", "Sheet one"),
    "fold": ("Sheet folds fold 1 of 3", "--short"),
    "blank": ("Rohling A", "--max-pictures", "0", "--against", "Rohling B"),
}


def unpacked(root: Path) -> Workspace:
    """The recorded workspace below `root`."""
    root.mkdir(parents=True)
    content = lzma.decompress((HERE / "workspace" / "workspace.db.xz").read_bytes())
    (root / "workspace.db").write_bytes(content)
    with zipfile.ZipFile(HERE / "workspace" / "files.zip") as archive:
        for name in archive.namelist():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(archive.read(name))
    return Workspace(root).create()


def ran(workspace: Workspace, out: Path, steps: Iterator[Step]) -> Answers:
    """What the commands answer, by their words; with volatile values made alike."""
    answers: Answers = {}
    plain = Plain(workspace, out)
    for step in steps:
        title = shlex.join(step)
        while title in answers:
            title += " again"
        answers[title] = plain.of(called(workspace, out, step))
    return answers


# Why: the old code took look-alikes for parts without being asked.
COUNTED: Mapping[str, Step] = dict.fromkeys(
    ("evaluate", "threshold", "compare"), ("--count", "parts")
)


def called(workspace: Workspace, out: Path, step: Step) -> dict[str, Any]:
    """Exit code and answer of one command."""
    places = {"{out}": str(out), "{root}": str(workspace.root)}
    words = [re.sub(r"\{out\}|\{root\}", lambda m: places[m[0]], word) for word in step]
    given = [*words, *COUNTED.get(step[0], ()), "--workspace", str(workspace.root), "--json"]
    outcome = CliRunner().invoke(command_line, given)
    if outcome.exception and not isinstance(outcome.exception, SystemExit):
        raise AssertionError(f"{step} failed") from outcome.exception
    return {"code": outcome.exit_code, "answer": json.loads(outcome.stdout)}


def exported(workspace: Workspace, out: Path, wanted: Mapping[str, Sequence[str]]) -> Answers:
    """Who is in which subset and fold, as exported tables say it."""
    answers: Answers = {}
    for dataset, names in wanted.items():
        for name in names:
            target = out / f"{len(list(out.iterdir()))}.csv"
            called(workspace, out, ("export", dataset, "--to", str(target), "--split", name))
            rows = table(target)
            at = [rows[0].index(column) for column in PLACE_COLUMNS if column in rows[0]]
            answers[f"{dataset}: {name}"] = [[row[i] for i in at] for row in rows]
    return answers


def whole_exports(workspace: Workspace, out: Path) -> Answers:
    """Tables with all their columns: today's pictures with a split, and an earlier version."""
    answers: Answers = {}
    for title, step in (
        ("today", (SHEET, "--split", "Folds")),
        ("version 4", (SHEET, "--version", "4")),
        ("blanks", (BLANK, "--split", "Lose")),
    ):
        target = out / f"{title}.csv"
        called(workspace, out, ("export", *step, "--to", str(target)))
        answers[title] = table(target)
    return answers


def reports(workspace: Workspace, out: Path) -> Answers:
    """Marked numbers of reports, with the tables that lie beside them."""
    answers: Answers = {}
    for title, step in REPORTS.items():
        page, beside = out / f"{title}.html", out / f"{title}.csv"
        answer = called(workspace, out, ("report", *step, "--out", str(page), "--csv", str(beside)))
        assert answer["code"] == 0, answer
        numbers = read_report(page)
        answers[title] = {"numbers": numbers.found, "rule": numbers.rule, "table": table(beside)}
    return answers


def table(path: Path) -> list[list[str]]:
    """The cells of a CSV file."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.reader(file))


class Plain:
    """Makes alike what differs from run to run.

    Paths of this machine become `<root>` and `<out>`; ids that the recorded workspace does not have
    are numbered in the order of their appearance; times after the recording become `<now>` and
    durations `<seconds>`. Ids and times of the recorded workspace stay, for they must not change.
    """

    _ID = re.compile(r"\b(?:ds|split|run|model|report|add|batch|job)-[a-z0-9]{8}\b")
    _LAST_RECORDED = 1_750_000_000

    def __init__(self, workspace: Workspace, out: Path) -> None:
        self._paths = {str(out): "<out>", str(workspace.root): "<root>"}
        self._known = set(_recorded_ids())
        self._new: dict[str, str] = {}

    def of(self, value: Any, key: str = "") -> Any:
        """The value, with everything below it."""
        if isinstance(value, dict):
            return {self._text(k): self.of(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [self.of(item, key) for item in value]
        if isinstance(value, str):
            # Why: the name of whoever runs the tests.
            return "<person>" if key == "person" and value else self._text(value)
        if isinstance(value, float) and key.endswith("_at") and value > self._LAST_RECORDED:
            return "<now>"
        return "<seconds>" if key == "duration_s" else value

    def _text(self, text: str) -> str:
        for path, name in self._paths.items():
            text = text.replace(path, name)
        return self._ID.sub(lambda m: self._named(m[0]), text)

    def _named(self, found: str) -> str:
        if found in self._known:
            return found
        kind = found.split("-")[0]
        return self._new.setdefault(found, f"<new {kind} {len(self._new) + 1}>")


def _recorded_ids() -> Iterator[str]:
    for rows in recorded_rows().values():
        for row in rows:
            if isinstance(row.get("id"), str):
                yield row["id"]


def id_of(workspace: Workspace, noun: str, name: str) -> str:
    """The id behind a name, for the links of pages; `noun` is dataset, model or against."""
    noun = "model" if noun == "against" else noun
    listed = called(workspace, workspace.root, (f"{noun}s",))["answer"][f"{noun}s"]
    return str(next(item[f"{noun}_id"] for item in listed if item["name"] == name))


@cache
def recorded_rows() -> dict[str, list[dict[str, Any]]]:
    """What the recorded database holds; see `stored_rows`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recorded.db"
        path.write_bytes(lzma.decompress((HERE / "workspace" / "workspace.db.xz").read_bytes()))
        return stored_rows(path)


def stored_rows(database: Path) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, by column."""
    db = sqlite3.connect(str(database))
    names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    tables = [name for (name,) in names if not name.startswith(("sqlite_", "_"))]
    found = {}
    for name in tables:
        read = db.execute(f"SELECT * FROM {name}")
        columns = [column[0] for column in read.description]
        found[name] = [dict(zip(columns, row, strict=True)) for row in read]
    db.close()
    return found


# A certificate is counted again when a page or command finds that a quality check is newer than it;
# a strategy was a sentence and is kept as fields since (every `--json` says the sentence still).
COUNTED_AGAIN = {"splits": ("certificate", "strategy")}


def changed_rows(database: Path) -> list[str]:
    """Recorded rows that a database does not hold any more, in the columns of the recording."""
    changed, today = [], stored_rows(database)
    for name, rows in recorded_rows().items():
        columns = [c for c in (rows[0] if rows else ()) if c not in COUNTED_AGAIN.get(name, ())]
        now = {tuple(row.get(c) for c in columns) for row in today[name]}
        kept = [(row, tuple(row[c] for c in columns)) for row in rows]
        changed += [f"{name}: {row!r:.300}" for row, values in kept if values not in now]
    return changed


def differences(golden: Any, today: Any, where: str = "", near: float = EXACT) -> Iterator[str]:
    """One line for everything golden that is not in today's answer.

    Floats agree to a relative 1e-9, or what `near` and `FITTED` say; more keys than golden ones may
    be there; of prose only the presence counts.
    """
    key = where.rpartition("/")[2]
    near = FITTED.get(key, near)
    if isinstance(golden, dict):
        if not isinstance(today, dict):
            yield f"{where}: {golden!r:.80} became {today!r:.80}"
            return
        for name, value in golden.items():
            if name in NO_LONGER_RECOMMENDED and name not in today:
                continue  # a report prints no number that there is not
            if name not in today:
                yield f"{where}/{name}: is gone"
            else:
                yield from differences(value, today[name], f"{where}/{name}", near)
    elif isinstance(golden, list):
        if not isinstance(today, list) or len(today) != len(golden):
            yield f"{where}: {golden!r:.200} became {today!r:.200}"
            return
        for number, (old, new) in enumerate(zip(golden, today, strict=True)):
            below = where if key in PROSE else f"{where}/{number}"
            yield from differences(old, new, below, near)
    elif isinstance(golden, str) and key in PROSE:
        if not isinstance(today, str) or bool(golden) != bool(today):
            yield f"{where}: {golden!r:.80} became {today!r:.80}"
    elif key in NO_LONGER_RECOMMENDED and today is None:
        return
    elif not _equal(golden, today, near):
        yield f"{where}: {golden!r:.80} became {today!r:.80}"


def _equal(golden: Any, today: Any, near: float) -> bool:
    if isinstance(golden, bool) or isinstance(today, bool):
        return golden is today
    if isinstance(golden, float) and isinstance(today, int | float):
        return abs(golden - today) <= near * max(abs(golden), abs(today), 1e-3)
    return type(golden) is type(today) and bool(golden == today)


def differences_of_steps(golden: Answers, today: Answers) -> list[str]:
    """Everything golden that is not so today, step by step."""
    found = []
    for title, answer in golden.items():
        near = NEAR if title.split()[0] in BY_NETWORK else EXACT
        found += differences(answer, today.get(title), title, near)
    return found


def golden(area: str) -> Any:
    """The recorded answers of an area."""
    return json.loads((GOLDEN / f"{area}.json").read_text(encoding="utf-8"))


def _record() -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    GOLDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for area, content in _areas(Path(folder).resolve()):
            text = json.dumps(content, ensure_ascii=False, indent=0, sort_keys=True)
            (GOLDEN / f"{area}.json").write_text(_one_line_rows(text) + "\n", encoding="utf-8")


def _areas(folder: Path) -> Iterator[tuple[str, Any]]:
    def place(name: str) -> tuple[Workspace, Path]:
        (folder / f"{name} out").mkdir()
        return unpacked(folder / name), folder / f"{name} out"

    first = place("first")
    yield "reading", ran(*first, reading())
    yield "exports", {"whole": whole_exports(*first), "places": exported(*first, EXPORTED)}
    second = place("second")
    yield "writing", ran(*second, writing())
    yield "places_written", exported(*second, EXPORTED_NEW)
    yield "ending", ran(*second, ending())
    third = place("third")
    yield "reports", reports(*third)
    for title in REPORTS:
        page = (third[1] / f"{title}.html").read_bytes()
        (GOLDEN / f"report-{title}.html.xz").write_bytes(lzma.compress(page, preset=9))


def _one_line_rows(text: str) -> str:
    """Lists of plain values on one line, for shorter files and diffs."""
    return re.sub(r"\[\n([^\[\]{}]*?)\n\]", lambda m: f"[{m[1].replace(chr(10), ' ')}]", text)


if __name__ == "__main__":
    _record()
    sys.stdout.write("".join(f"{p.name} {p.stat().st_size}\n" for p in sorted(GOLDEN.iterdir())))
