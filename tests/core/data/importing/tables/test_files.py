"""Tables as Excel and labeling programs write them."""

import datetime as dt
import io
import json
import zipfile

import pytest
from openpyxl import Workbook

from core.data.importing.rules import TableKind, TableRules
from core.data.importing.tables import files
from core.data.importing.tables.files import read_table_file
from core.data.importing.tables.match import match_table
from core.data.importing.tables.table import read_table
from core.errors import ConfigError, ImportSourceError

NAMES = ["lot 1/1.png", "lot 2/1.png", "lot 2/my image.png"]


def _book(*sheets):
    book = Workbook()
    book.remove(book.active)
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _rows(content, **options):
    return [line.split(",") for line in read_table_file(content, **options).text.splitlines()]


def _labels(content, names=NAMES):
    file = read_table_file(content)
    rules = TableRules(file.text, kind=file.kind)
    found = match_table(read_table(rules, names), rules, names)
    return {name: item.label for name, item in found.by_name.items()}


def test_cells_of_a_workbook_become_text_in_one_way():
    content = _book(
        (
            "Labels",
            [
                ["path", "label", "day", "at", "score", "n", "checked", "sum", "note"],
                [
                    "1.png",
                    "größe",
                    dt.date(2024, 3, 5),
                    dt.datetime(2024, 3, 5, 6, 7),
                    0.5,
                    7.0,
                    True,
                    "=1+1",
                    "two\nlines",
                ],
            ],
        ),
        ("Other", [["x"]]),
    )
    file = read_table_file(content)
    assert (file.kind, file.sheets, file.sheet) == (TableKind.EXCEL, ("Labels", "Other"), "Labels")
    # A formula that no program has computed yet has no value; it is never computed here.
    assert file.text.splitlines()[1] == (
        "1.png,größe,2024-03-05,2024-03-05 06:07:00,0.5,7,TRUE,,two lines"
    )
    assert _rows(content, sheet="other") == _rows(content, sheet="2") == [["x"]]
    with pytest.raises(ConfigError, match="no sheet 'third'"):
        read_table_file(content, sheet="third")


def test_without_a_choice_the_sheet_with_the_paths_is_read():
    content = _book(("Cover", [["Order", 17]]), ("Labels", [["path", "label"], ["1.png", "ok"]]))
    assert read_table_file(content).sheet == "Labels"
    assert read_table_file(_book(("A", [["x"]]), ("B", [["y"]]))).sheet == "A"


def test_a_workbook_labels_images_whatever_stands_in_its_cells():
    rows = [["Datei", "Klasse"], [r"D:\data\lot 1\1.png", "ok; clean"], ["lot 2/1.png", "bad"]]
    assert _labels(_book(("S", rows))) == {"lot 1/1.png": "ok; clean", "lot 2/1.png": "bad"}


def test_workbooks_that_are_too_large_or_none_are_refused(monkeypatch):
    content = _book(("S", [["path", "label"]] * 100))
    monkeypatch.setattr(files, "MAX_CELLS", 50)
    with pytest.raises(ImportSourceError, match="more than 50 cells"):
        read_table_file(content)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", bytes(5_000_000))
    monkeypatch.setattr(files, "MAX_UNPACKED_BYTES", 4_000_000)
    with pytest.raises(ImportSourceError, match="would unpack to 5 MB"):
        read_table_file(bomb.getvalue())
    for broken in (b"PK\x03\x04 no archive", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        with pytest.raises(ImportSourceError) as caught:
            read_table_file(broken)
        assert ".xlsx" in caught.value.hint
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    with pytest.raises(ImportSourceError, match="Excel workbook"):
        read_table_file(empty.getvalue())


def _task(image, *choices, cancelled=False, **data):
    result = [
        {
            "from_name": "defect",
            "to_name": "image",
            "type": "choices",
            "value": {"choices": list(choices)},
        }
    ]
    done = [{"id": 1, "was_cancelled": cancelled, "result": result if choices else []}]
    return {"id": 1, "data": {"image": image, **data}, "annotations": done, "predictions": []}


UPLOADED = "/data/upload/1/3f2a91bc-my_image.png"
LOCAL = "/data/local-files/?d=lot%201/1.png"
SIGNED = "https://host:8080/storage/lot%202/1.png?token=a%2Fb&x=1"
WANTED = {"lot 1/1.png": "ok", "lot 2/1.png": "crack", "lot 2/my image.png": "ok"}
NUMBERED = {path: int(label != "ok") for path, label in WANTED.items()}


@pytest.mark.parametrize(
    "export",
    [
        json.dumps([_task(LOCAL, "ok"), _task(SIGNED, "crack"), _task(UPLOADED, "ok")]),
        json.dumps(
            [
                {"image": LOCAL, "id": 1, "choice": "ok", "annotator": 1, "lead_time": 2.5},
                {"image": SIGNED, "id": 2, "choice": "crack", "annotator": 1, "lead_time": 2.5},
                {"image": UPLOADED, "id": 3, "choice": "ok", "annotator": 2, "lead_time": 1.5},
            ]
        ),
        "image,id,choice,annotator,annotation_id,created_at,updated_at,lead_time\n"
        f"{LOCAL},1,ok,1,1,2024-01-01T00:00:00Z,2024-01-01T00:00:00Z,2.5\n"
        f'"{SIGNED}",2,crack,1,2,2024-01-01T00:00:00Z,2024-01-01T00:00:00Z,2.5\n'
        f'{UPLOADED},3,"{{""choices"": [""ok""]}}",2,3,2024-01-01T00:00:00Z,x,1.5\n',
        "\n".join(json.dumps({"file_name": p, "label": c}) for p, c in WANTED.items()),
        json.dumps(WANTED),
        json.dumps(
            {"classes": ["ok", "crack"], "labels": {p: int(c != "ok") for p, c in WANTED.items()}}
        ),
        json.dumps(
            {
                "images": [{"id": i, "file_name": p} for i, p in enumerate(WANTED)],
                "annotations": [
                    {"image_id": i, "category_id": 1 + (c != "ok")}
                    for i, c in enumerate(WANTED.values())
                ],
                "categories": [{"id": 1, "name": "ok"}, {"id": 2, "name": "crack"}],
            }
        ),
    ],
    ids=["label studio", "json-min", "csv", "json lines", "by path", "fiftyone", "coco"],
)
def test_exports_of_labeling_programs_are_read(export):
    assert _labels(export.encode()) == WANTED


def test_several_choices_skipped_tasks_and_disagreement_are_told_apart():
    export = [
        _task("1.png", "crack", "stain"),
        _task("2.png", "ok", cancelled=True),
        _task("3.png"),
        _task("4.png", "ok", lot="L7"),
    ]
    export[3]["annotations"].append({"result": _task("", "crack")["annotations"][0]["result"]})
    names = [f"{i}.png" for i in range(1, 5)]
    file = read_table_file(json.dumps(export).encode())
    rules = TableRules(file.text, kind=file.kind, label_column="defect")
    found = match_table(read_table(rules, names), rules, names)
    assert found.by_name["1.png"].label == "crack|stain"
    assert found.by_name["2.png"].label is found.by_name["3.png"].label is None
    assert found.conflicts == ("4.png",)


@pytest.mark.parametrize("text", ["[1, 2]", "{}", '{"version": 1, "shapes": []}', "[[]]"])
def test_json_without_labels_says_so(text):
    with pytest.raises(ImportSourceError) as caught:
        read_table(TableRules(read_table_file(text.encode()).text, kind=TableKind.JSON))
    assert caught.value.hint


def test_text_that_begins_with_a_bracket_is_still_a_table():
    assert read_table_file(b"[image],label\n1.png,ok\n").kind is TableKind.TEXT
