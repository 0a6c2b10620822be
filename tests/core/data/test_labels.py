from pathlib import PurePosixPath

import pytest

from core.data.labels import label_from_path, labels_from_table, normal_name
from core.domain import LabelSource
from core.errors import ImportSourceError


@pytest.mark.parametrize(
    ("source", "path", "label"),
    [
        (LabelSource.LAST_FOLDER, "pills/crack/12.png", "crack"),
        (LabelSource.LAST_FOLDER, "12.png", None),
        (LabelSource.LAST_FOLDER, "x/ größe falsch /12.png", "größe falsch"),
        (LabelSource.FILE_NAME, "pills/apple.png", "apple"),
        (LabelSource.FILE_NAME_REMOVE_INDEX, "crack_20180101.png", "crack"),
        (LabelSource.FILE_NAME_REMOVE_INDEX, "rolled-in_scale_12.jpg", "rolled-in_scale"),
        (LabelSource.FILE_NAME_REMOVE_INDEX, "0001.png", None),
    ],
)
def test_the_class_is_read_where_it_was_said(source, path, label):
    assert label_from_path(PurePosixPath(path), source) == label


def test_names_are_composed_and_free_of_control_characters():
    assert normal_name("  Gro\u0308ße\u200b\n ") == "Größe"
    assert normal_name("\x00\x07") == ""


@pytest.mark.parametrize(
    "text",
    [
        "a/1.png,good\nb/2.png,bad\n",
        "path,label\na/1.png,good\nb/2.png,bad\n",
        "\ufeffpath;label\na/1.png;good\nb/2.png;bad",
        "label\tfile\ngood\ta/1.png\nbad\tb/2.png\n",
        "id,Class,Image\r\n7,good,a/1.png\r\n8,bad,b/2.png\r\n",
        "\n\na\\1.png,good\r./b/2.png, bad \r",
        '"a/1.png","good"\n\n"b/2.png","bad"\n',
    ],
)
def test_all_usual_tables_say_the_same(text):
    assert labels_from_table(text) == {"a/1.png": "good", "b/2.png": "bad"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "two columns"),
        ("just text", "two columns"),
        ("a.png,good\nb.png", "Line 2"),
        ("path,label\na.png,good\na.png,bad", "two labels"),
        ('a.png,"' + "x" * 200_000, "cannot be read"),
        (f"a.png,{'x' * 201}", "longer than"),
    ],
)
def test_a_table_that_is_none_says_why(text, reason):
    with pytest.raises(ImportSourceError, match=reason):
        labels_from_table(text)


def test_the_same_line_twice_is_no_contradiction():
    assert labels_from_table("a.png,x\na.png,x") == {"a.png": "x"}
