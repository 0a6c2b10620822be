"""S14, S15: what people type is text, in the database and in spreadsheet programs."""

import csv
import re
from pathlib import Path

import pytest

from core.domain.datasets import SampleFilter
from core.domain.record import RecordedAction
from core.errors import TouchstoneError
from core.files import CsvDelimiter, write_csv
from core.workflows.data import datasets, edits
from core.workflows.keeping import record
from core.workflows.training import runs
from core.workflows.use import models
from tests.made import add_model, make_dataset

PROJECT = Path(__file__).resolve().parents[2]
TEXTS = (
    "'; DROP TABLE samples; --",
    '" OR 1=1 --',
    "x') UNION SELECT name FROM sqlite_master --",
    "%_!\\",
    "' OR name LIKE '%",
)
_WRITES = re.compile(r"csv\.(writer|DictWriter)|\.to_csv\(")
WRITERS = {
    "core/files.py": "the one way",
    "core/data/importing/tables/files.py": "a workbook as text, read by the import",
    "core/workflows/use/feedback.py": "a table in memory, read by the import",
}


def test_text_that_looks_like_sql_finds_nothing_and_changes_nothing(workspace):
    made = make_dataset(workspace, per_subset=8)
    model = add_model(made, "b")
    for text in TEXTS:
        chosen = SampleFilter(text=text)
        assert datasets.find_images(workspace, "ds-1", chosen) == ([], 0), text
        assert record.entries(workspace, text=text) == ([], 0), text
        for find in (datasets.find_dataset, runs.find_run, models.find_model):
            with pytest.raises(TouchstoneError):
                find(workspace, text)
    for text in TEXTS[:3]:
        models.rename_model(workspace, model.id, text)
        old = datasets.find_dataset(workspace, "ds-1").class_names[0]
        edits.rename_class(workspace, "parts", old, text)
        assert models.find_model(workspace, text).id == model.id
        assert datasets.find_dataset(workspace, "ds-1").class_names[0] == text
        assert record.entries(workspace, text=text, actions=[RecordedAction.MODEL_RENAMED])[1] == 1
    assert datasets.samples(workspace, "ds-1")[1] == 24
    assert record.verify(workspace) == []


def test_tables_are_written_in_one_way_which_quotes_formulas(tmp_path):
    # A table that is written in another way would let a spreadsheet program run a hostile name.
    for path in (PROJECT / "core").rglob("*.py"):
        own = path.relative_to(PROJECT).as_posix()
        assert own in WRITERS or not _WRITES.search(path.read_text(encoding="utf-8")), own
    for delimiter in CsvDelimiter:
        cells = ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "plain"]
        write_csv(tmp_path / "t.csv", [cells], delimiter=delimiter)
        with (tmp_path / "t.csv").open(newline="", encoding="utf-8-sig") as file:
            (row,) = csv.reader(file, delimiter=delimiter.character)
        assert [cell[:1] for cell in row[:-1]] == ["'"] * 7
        assert row[-1] == "plain"
