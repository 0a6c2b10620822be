"""Lines of tables from other machines, and the files that they mean."""

import pytest

from core.data.importing.rules import TableRules
from core.data.importing.tables.match import match_table
from core.data.importing.tables.table import read_table

LOTS = ["lot1/1.png", "lot1/2.png", "lot2/1.png", "lot2/2.png"]


def _match(text, names, **options):
    rules = TableRules(text, **options)
    return match_table(read_table(rules, names), rules, names)


def _table(*paths):
    """The n-th line has the label n."""
    return "path;label\n" + "\n".join(f"{path};label {n}" for n, path in enumerate(paths))


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        # Absolute paths of another machine used to give "no labelled image" where names repeat.
        ([rf"D:\Daten\Teile\{n.replace('/', chr(92))}" for n in LOTS], LOTS),
        ([rf"\\server\share\parts\{n.replace('/', chr(92))}" for n in LOTS], LOTS),
        ([f"/home/ann/parts/{n}" for n in LOTS], LOTS),
        ([f"c:/parts/{n.upper()}" for n in LOTS], LOTS),
        ([f"parts/{n}" for n in LOTS], LOTS),
        (LOTS, [f"set 3/{n}" for n in LOTS]),
        ([f"C:/old/{n}" for n in LOTS], [f"new/place/{n}" for n in LOTS]),
        ([f"./{n}" for n in LOTS], LOTS),
        ([f"../images/{n}" for n in LOTS], LOTS),
        ([f"file:///D:/parts/{n}" for n in LOTS], LOTS),
        ([f"https://host/files/parts/{n}?token=1%2F2#x" for n in LOTS], LOTS),
        ([f"s3://bucket/{n}" for n in LOTS], LOTS),
        ([f"D:/x/{n[:-4]}.bmp" for n in LOTS], LOTS),
        ([f"D:/x/{n[:-4]}" for n in LOTS], LOTS),
        # One folder too many on one side, where it says nothing.
        (LOTS, [n.replace("/", "/images/") for n in LOTS]),
        ([n.replace("/", "/Imgs/") for n in LOTS], LOTS),
        (["Teile%201/gr%C3%B6%C3%9Fe.png", "b/2.png"], ["Teile 1/größe.png", "b/2.png"]),
        (["a/100%25.png", "b/100%.png"], ["a/100%.png", "b/100%.png"]),
        (["a/gro\u0308\u00dfe.png", "b/2.png"], ["a/größe.png", "b/2.png"]),
        (
            ["/data/upload/1/abc123-name.jpg", "/data/upload/7/0f3e2d1c-x_y.jpg"],
            ["a/name.jpg", "b/x y.jpg"],
        ),
        (["/data/local-files/?d=lot1/1.png", "/data/local-files/?d=lot2%2F1.png"], LOTS[::2]),
        (["A.png", "a.png"], ["A.png", "a.png"]),
    ],
)
def test_a_path_means_the_file_with_the_longest_common_ending(paths, names):
    found = _match(_table(*paths), names)
    labels = {name: item.label for name, item in found.by_name.items()}
    assert labels == {name: f"label {n}" for n, name in enumerate(names)}
    assert (found.missing, found.unclear, found.conflicts) == ((), (), ())


@pytest.mark.parametrize(
    ("paths", "names", "reason"),
    [
        (["1.png"], LOTS, "fits 2 files"),
        (["images/1.png"], LOTS, "fits 2 files"),
        (["x/lot1/1.png"], ["a/lot1/1.png", "b/lot1/1.png"], "fits 2 files"),
        # A lot that is missing must not label the images of another one.
        (["lot1/1.png", "lot3/3.png"], ["lot1/1.png", "lot2/3.png"], "another folder"),
        (["D:/p/lot1/1.png", "D:/p/lot2/2.png"], ["lot1/1.png", "lot1/2.png"], "another folder"),
        (["D:/lot 7/1.png", "D:/lot 7/2.png"], ["lot 8/1.png", "lot 8/2.png"], "another folder"),
        (["2024-01-05/1.png"], ["2024-01-06/1.png", "2024-01-06/2.png"], "another folder"),
        (["ok/1.png", "nok/9.png"], ["ok/1.png", "ok/9.png", "nok/8.png"], "another folder"),
    ],
)
def test_what_is_ambiguous_or_elsewhere_is_listed_and_not_matched(paths, names, reason):
    found = _match(_table(*paths), names)
    assert found.unclear
    assert all(reason in item.reason for item in found.unclear)
    assert all(item.path in paths for item in found.unclear)
    assert all(any(path.endswith(name) for path in paths) for name in found.by_name)


def test_a_bare_name_is_not_matched_against_the_folders_of_labels_and_lots():
    names = ["ok/1.png", "nok/2.png", "nok/3.png", "ok/4.png"]
    found = _match("file,label\n1.png,ok\n2.png,ok\n3.png,nok\nOK/4.png,nok", names)
    labels = {name: item.label for name, item in found.by_name.items()}
    assert labels == {"ok/1.png": "ok", "nok/3.png": "nok", "ok/4.png": "nok"}
    assert [item.path for item in found.unclear] == ["2.png"]
    assert "folder named like another label" in found.unclear[0].reason
    lots = "file,label,lot\n1.png,a,L1\n2.png,a,L2\n3.png,b,L2"
    found = _match(lots, ["L1/1.png", "L1/2.png", "L2/3.png"])
    assert [item.path for item in found.unclear] == ["2.png"]
    assert "another part" in found.unclear[0].reason


def test_of_several_files_of_one_name_the_one_in_the_folder_of_the_part_or_label_is_meant():
    text = "file,label,lot\n1.png,a,lot1\n2.png,b,lot1\n1.png,b,lot2\n2.png,a,lot2\n1.png,a,lot9"
    found = _match(text, LOTS)
    assert [found.by_name[name].label for name in LOTS] == ["a", "b", "b", "a"]
    assert [(item.path, "fits 2 files" in item.reason) for item in found.unclear] == [
        ("1.png", True)
    ]
    found = _match("file,label\n1.png,ok\n1.png,bad", ["ok/1.png", "bad/1.png"])
    assert {name: item.label for name, item in found.by_name.items()} == {
        "ok/1.png": "ok",
        "bad/1.png": "bad",
    }


def test_folders_of_another_language_do_not_contradict():
    found = _match("file,label\n2024/a.png,x\n2025/b.png,y", ["ok/a.png", "nok/b.png"])
    assert {n: item.label for n, item in found.by_name.items()} == {
        "ok/a.png": "x",
        "nok/b.png": "y",
    }
    assert found.by_ending == 2


def test_labels_and_parts_that_differ_only_in_case_are_one():
    # 'Crack' and 'crack ' used to be two classes, 'L7' and 'l7' two parts.
    text = "file,label,lot\n1.png,crack,L7\n2.png,Crack,l7\n3.png,crack ,L7\n4.png,ok,L8"
    found = _match(text, [f"{i}.png" for i in range(1, 5)])
    assert [item.label for item in found.by_name.values()] == ["crack", "crack", "crack", "ok"]
    assert [item.group for item in found.by_name.values()] == ["L7", "L7", "L7", "L8"]
    assert found.merged == {"Crack": "crack"}


def test_letters_are_classes_of_their_own():
    found = _match("file,label\n1.png,a\n2.png,A\n3.png,a\n3.png,A", ["1.png", "2.png", "3.png"])
    assert [item.label for item in found.by_name.values()] == ["a", "A", None]
    assert found.conflicts == ("3.png",)


def test_two_files_whose_names_look_alike_are_ambiguous():
    names = ["gr\u00fcn.png", "gru\u0308n.png", "x.png"]
    found = _match("file,label\ngrün.png,a\nx.png,b", names)
    assert (list(found.by_name), len(found.unclear)) == (["x.png"], 1)


def test_an_empty_label_beside_a_real_one_is_no_conflict():
    found = _match("file,label\n1.png,\n1.png,ok\n2.png,bad\n2.png,", ["1.png", "2.png"])
    assert {name: item.label for name, item in found.by_name.items()} == {
        "1.png": "ok",
        "2.png": "bad",
    }
