"""Which column of a table is the label, where nobody has said it."""

import pytest

from core.data.importing.rules import TableRules
from core.data.importing.tables.table import read_table, refuse_unclear_label
from core.errors import ImportSourceError


def _table(header, *lines, **options):
    text = "\n".join([header, *(f"{i}.png,{cells}" for i, cells in enumerate(lines))])
    return read_table(TableRules(text, **options))


def _label(header, *lines, **options):
    table = _table(header, *lines, **options)
    refuse_unclear_label(table)
    return table.columns[table.roles.label]


FOUR = ("left,ok", "left,bad", "right,ok", "right,bad")


@pytest.mark.parametrize(
    "title",
    [
        "result_text",
        "Defect Type",
        "imageLabel",
        "target-name",
        "grade",
        "error_category",
        "final verdict",
    ],
)
def test_a_column_whose_name_says_so_is_the_label(title):
    # The first column with repeating values used to be taken: the camera became the class.
    assert _label(f"image,camera,{title}", *FOUR) == title


def test_the_clearest_of_several_telling_names_is_taken():
    assert _label("image,camera_type,defect_type", *FOUR) == "defect_type"
    assert _label("image,filetype,type", *FOUR) == "type"
    # What is said of the label is not the label.
    assert _label("image,labelled_by,defect_kind", *FOUR) == "defect_kind"


def test_where_several_columns_could_be_the_label_they_are_named():
    with pytest.raises(ImportSourceError, match="class: camera, outcome") as caught:
        _label("image,camera,outcome", *FOUR)
    assert "--label-column" in caught.value.hint
    assert _label("image,camera,outcome", *FOUR, label_column="outcome") == "outcome"
    assert _label("image,camera,outcome", *FOUR, group_column="camera") == "outcome"
    # One column with values that come again is no riddle.
    assert _label("image,remark,outcome", "a,ok", "b,bad", "c,ok", "d,bad") == "outcome"


def test_names_and_ranges_that_were_given_tell_the_label():
    lines = ("0.0,mono", "1.0,mono", "0.0,poly", "1.0,poly")
    assert _label("image,score,cell", *lines, bins=(0.5,), bin_names=("ok", "bad")) == "score"
    assert _label("image,score,cell", *lines, class_map=(("mono", "one"),)) == "cell"


@pytest.mark.parametrize("title", ["{}", "defect_{}", "is {}"])
def test_a_column_of_0_and_1_for_each_class_is_refused(title):
    # The first one used to become the label, with the classes '0' and '1'.
    names = [title.format(name) for name in ("crack", "hole", "scratch")]
    lines = ("1,0,0", "0,1,0", "0,0,1", "0,0,0")
    with pytest.raises(ImportSourceError, match="3 columns of 0 and 1") as caught:
        _label(",".join(["image", *names]), *lines)
    assert ", ".join(names) in caught.value.message
    assert _label(",".join(["image", *names]), *lines, label_column="2") == names[0]


def test_one_column_of_0_and_1_or_flags_beside_a_label_are_fine():
    assert _label("image,faulty", "0", "1", "0", "1") == "faulty"
    flags = ("1,0,ok", "0,0,bad", "1,1,ok", "0,1,bad")
    assert _label("image,blurred,dirty,defect_name", *flags) == "defect_name"
    assert _label("image,blurred,is_defect,camera", *flags) == "is_defect"
