import pytest

from core.data.importing.rules import (
    Delimiter,
    TableRules,
    read_class_map,
    read_class_pairs,
    read_edges,
    read_names,
)
from core.data.importing.tables.match import match_table
from core.data.importing.tables.table import read_table
from core.domain.splits import Subset
from core.errors import ConfigError, ImportSourceError

NAMES = ["a/1.png", "b/2.png"]


def _labels(text, names=NAMES, **options):
    rules = TableRules(text, **options)
    found = match_table(read_table(rules, names), rules, names)
    return {name: item.label for name, item in found.by_name.items()}


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
        "a/1.png   good\nb/2.png \t bad\n",
        "image label score\na/1.png good 0.2\nb/2.png bad 0.9\n",
        "nr;score;label;name\n1;0,5;good;A/1.PNG\n2;0,5;bad;B/2.PNG\n",
        "1,good\n2,bad\n",
        "old/place/1.bmp,good\nold/place/2.bmp,bad\n",
        "class,id\ngood,a/1\nbad,b/2\n",
        "sep=;\nDatei;Klasse\na/1.png;good\nb/2.png;bad\n",
        '"sep=,"\r\na/1.png,good\r\nb/2.png,bad\r\n',
        "id,external,label\n1,a/1.png,good\n2,b/2.png,bad\n",
    ],
)
def test_all_usual_tables_say_the_same(text):
    assert _labels(text) == {"a/1.png": "good", "b/2.png": "bad"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "two columns"),
        ("just text", "two columns"),
        ("a.png,good\nb.png", "Line 2"),
        ('a.png,"' + "x" * 200_000, "cannot be read"),
        (f"a.png,{'x' * 201}", "longer than"),
    ],
)
def test_a_table_that_is_none_says_why(text, reason):
    with pytest.raises(ImportSourceError, match=reason):
        _labels(text, ["a.png"])


@pytest.mark.parametrize(
    ("columns", "lines", "what"),
    [
        ("label", ("ok", "bad"), "two labels: 'ok' and 'bad'."),
        ("label,part", ("ok,A", "ok,B"), "two parts: 'A' and 'B'."),
        ("label,split", ("ok,train", "ok,test"), "two subsets: 'train' and 'test'."),
    ],
)
def test_of_a_contradiction_only_this_image_is_left_out(columns, lines, what):
    # One image with two labels used to refuse the whole table.
    first, second = lines
    rows = [f"path,{columns}", f"a.png,{first}", f"b.png,{first}", f"a.png,{second}"]
    rules = TableRules("\n".join([*rows, f"b.png,{first.upper()}"]))
    found = match_table(read_table(rules), rules, ["a.png", "b.png"])
    assert found.by_name["a.png"].label is None
    assert found.by_name["a.png"].reason.endswith(what)
    assert (found.by_name["b.png"].label, found.conflicts) == ("ok", ("a.png",))


def test_comments_above_the_table_are_skipped():
    text = "# exported 2021, by the line\n\n#second, comment\npath,camera,label\na.png,c,x\nb.png"
    rules = TableRules(text + ",c,y\nc.png")
    table = read_table(TableRules(text + ",c,y"))
    assert (table.columns, len(table.rows), table.comments) == (("path", "camera", "label"), 2, 2)
    with pytest.raises(ImportSourceError, match="Line 7 "):  # numbers are those of the file
        read_table(rules)
    marked = read_table(TableRules("# by hand\n# path, camera, label\na.png,c,x\nb.png,c,y"))
    assert (marked.columns, marked.comments) == (("path", "camera", "label"), 1)
    named = read_table(TableRules("#1.png,x\n#2.png,y"))
    assert (len(named.rows), named.comments) == (2, 0)


def test_short_lines_at_the_end_are_left_out_but_no_image_is():
    # A line 'total' used to refuse the whole table.
    table = read_table(TableRules("path,label,part\na.png,x,1\nb.png,y,2\ntotal\n2 images"))
    assert (len(table.rows), table.cut_off) == (2, ((4, "total"), (5, "2 images")))
    for text in ("a.png,x\ntotal\nb.png,y", "path,label\nx\ny", "a.png,x\nb.png\ntotal"):
        with pytest.raises(ImportSourceError, match="Line 2 of the table"):
            read_table(TableRules(text))


def test_the_same_line_twice_is_no_contradiction():
    assert _labels("a.png,x\na.png,x", ["a.png"]) == {"a.png": "x"}


def test_a_cell_in_quotes_may_hold_the_delimiter():
    names = ["a, b/1 2.png", "c/3.png"]
    assert _labels('"a, b/1 2.png",good\nc/3.png,bad', names)["a, b/1 2.png"] == "good"
    assert _labels('"a, b/1 2.png"  good\nc/3.png bad', names)["a, b/1 2.png"] == "good"


def test_the_parts_of_a_table_are_found_and_can_be_chosen():
    text = "images/1.png 0.33 mono train\nimages/2.png 1.0 poly val\nimages/3.png 1.0 mono test"
    names = ["images/1.png", "images/2.png", "images/3.png"]
    table = read_table(TableRules(text), names)
    assert (table.delimiter, table.has_header) == (Delimiter.BLANKS, False)
    assert (table.roles.path, table.roles.label, table.roles.group, table.roles.split) == (
        0,
        1,
        None,
        3,
    )
    assert [table.columns[i] for i in table.further] == ["column 3"]
    chosen = TableRules(text, label_column="3", split_column="", group_column="column 2")
    found = match_table(read_table(chosen, names), chosen, names).by_name["images/1.png"]
    assert (found.label, found.group, found.subset) == ("mono", "0.33", None)
    assert found.attributes == (("column 4", "train"),)
    with pytest.raises(ConfigError, match="no column 'side'"):
        read_table(TableRules(text, label_column="side"), names)


def test_group_split_and_further_columns_are_known_by_their_names():
    text = "file,class,Serial Number,subset,camera\n1.png,ok,S7,Valid,left\n2.png,bad,S8,Train,"
    names = ["1.png", "2.png"]
    rules = TableRules(text)
    found = match_table(read_table(rules, names), rules, names).by_name
    assert (found["1.png"].group, found["1.png"].subset) == ("S7", Subset.VALIDATION)
    assert found["1.png"].attributes == (("camera", "left"),)
    assert found["2.png"].attributes == ()
    without = TableRules(text, group_column="", split_column="")
    found = match_table(read_table(without, names), without, names).by_name["2.png"]
    assert (found.group, found.subset) == (None, None)
    assert dict(found.attributes) == {"Serial Number": "S8", "subset": "Train"}


def test_a_header_can_be_denied_and_claimed():
    text = "x,label\ny,crack"
    assert len(read_table(TableRules(text, header=True)).rows) == 1
    assert len(read_table(TableRules(text, header=False)).rows) == 2
    with pytest.raises(ImportSourceError, match="no lines below"):
        read_table(TableRules("path,label", header=True))


def test_numbers_get_names_by_map_and_by_bins():
    text = "1.png;0\n2.png;1\n3.png;1.0\n4.png;7"
    names = [f"{i}.png" for i in range(1, 5)]
    mapped = _labels(text, names, class_map=read_class_map("0=good, 1=crack"))
    assert mapped == {"1.png": "good", "2.png": "crack", "3.png": "crack", "4.png": None}
    scores = "1.png 0.0\n2.png 0.33\n3.png 0.5\n4.png 1.0"
    binned = _labels(scores, names, bins=read_edges("0.4"), bin_names=("ok", "bad"))
    assert binned == {"1.png": "ok", "2.png": "ok", "3.png": "bad", "4.png": "bad"}
    odd = TableRules("1.png,0\n2.png,many", bins=(0.5,), bin_names=("ok", "bad"))
    found = match_table(read_table(odd, names), odd, names).by_name["2.png"]
    assert "is not a number" in found.reason


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: TableRules("", bins=(0.5,), bin_names=("one",)),
        lambda: TableRules("", bins=(0.5, 0.5), bin_names=("a", "b", "c")),
        lambda: read_class_map("0=good, 1"),
        lambda: read_class_map("0=good, 0=bad"),
        lambda: read_edges("0.5, half"),
    ],
)
def test_names_of_numbers_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigError) as caught:
        wrong()
    assert caught.value.hint


def test_a_base_name_counts_only_where_it_is_there_once():
    names = ["a/1.png", "b/1.png", "a/2.png"]
    rules = TableRules("1.png,x\n2.png,y\n3.png,z")
    found = match_table(read_table(rules, names), rules, names)
    assert {name: item.label for name, item in found.by_name.items()} == {"a/2.png": "y"}
    assert (found.missing, found.by_ending) == (("3.png",), 1)
    assert [item.path for item in found.unclear] == ["1.png"]
    assert "fits 2 files" in found.unclear[0].reason


def test_names_may_hold_commas_where_they_are_quoted():
    typed = '0="good, clean"; 1=d\'Or, 2 = "a=b"'
    assert read_class_map(typed) == (("0", "good, clean"), ("1", "d'Or"), ("2", "a=b"))
    assert read_names('ok, "bad, really"') == ("ok", "bad, really")
    assert read_class_map('"a=1"=x, ,2=y=z;') == (("a=1", "x"), ("2", "y=z"))
    with pytest.raises(ConfigError, match="quotation mark"):
        read_names('ok, "bad')


def test_of_several_maps_each_is_one_pair():
    # They used to be joined with commas, so that '0=ok, good' lost its second half.
    assert read_class_pairs(["0=ok, good", "1=bad; worn"]) == (
        ("0", "ok, good"),
        ("1", "bad; worn"),
    )
    assert read_class_pairs(["0=ok, 1=bad"]) == (("0", "ok"), ("1", "bad"))
    with pytest.raises(ConfigError, match="looks like 2 pairs"):
        read_class_pairs(["0=ok, 1=bad", "2=worn"])
    assert read_class_pairs(['0="ok, 1=bad"', "2=worn"])[0] == ("0", "ok, 1=bad")
