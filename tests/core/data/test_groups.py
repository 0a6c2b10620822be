import time

import pytest

from core.data.groups import group_names, groups_by_folder, groups_by_pattern
from core.domain.datasets import Sample
from core.domain.splits import grouping_of
from core.errors import SplitError

PATHS = ["/data/set/good/part1/a_01.png", "/data/set/good/part2/b_01.png", "/data/set/bad/c_02.png"]


def test_a_pattern_reads_the_group_from_the_path_below_the_common_folder():
    assert groups_by_pattern(PATHS, r"(?P<group>part\d)/") == ["part1", "part2", None]
    assert groups_by_pattern(PATHS, r"^(?P<group>\w+)/") == ["good", "good", "bad"]


@pytest.mark.parametrize(
    "pattern", ["(", "part", "(?P<name>x)", "(?P<group>zzz)", "(?P<group>)" + "a" * 400]
)
def test_a_pattern_that_cannot_work_is_refused_with_an_example(pattern):
    with pytest.raises(SplitError) as caught:
        groups_by_pattern(PATHS, pattern)
    assert "?P<group>" in caught.value.hint


def test_folders_below_the_class_folder_are_groups():
    assert groups_by_folder(PATHS, ["good", "bad"]) == ["good/part1", "good/part2", None]


def test_class_folders_alone_are_no_groups():
    with pytest.raises(SplitError, match="no folders below"):
        groups_by_folder(["/d/good/a.png", "/d/bad/b.png"], ["good", "bad"])


def _named(*names, **more):
    return [
        Sample(i, f"/d/{name}", str(i), 0, 8, 8, "L", 9, name=name, **more)
        for i, name in enumerate(names)
    ]


def test_names_below_the_source_are_searched_as_they_are():
    names = ["lot7/good/a.png", "lot7/good/b.png"]
    assert groups_by_pattern(names, r"^(?P<group>lot\d+)/") == ["lot7", "lot7"]
    mixed = ["/data/set/lot7/a.png", "/data/set/lot8/b.png", "lot7/c.png"]
    assert groups_by_pattern(mixed, r"^(?P<group>lot\d+)/") == ["lot7", "lot8", "lot7"]


def test_a_pattern_that_would_run_for_ever_is_answered_at_once():
    # Backtracking engines need longer than the universe for this one.
    started = time.perf_counter()
    with pytest.raises(SplitError, match="matches no image"):
        groups_by_pattern(["a" * 60 + "/x.png"] * 200, r"(?P<group>(a+)+)$")
    assert time.perf_counter() - started < 2


def test_groups_come_from_columns_and_attributes():
    samples = [*_named("a.png", group="lot 1", attributes={"shift": "early"}), *_named("b.png")]
    assert group_names(samples, grouping_of("column"), []) == ["lot 1", None]
    assert group_names(samples, grouping_of("attribute:shift"), []) == ["early", None]
    with pytest.raises(SplitError) as caught:
        group_names(samples, grouping_of("attribute:line"), [])
    assert "shift" in caught.value.hint
    with pytest.raises(SplitError, match="No image of this dataset has a group"):
        group_names(_named("b.png"), grouping_of("column"), [])


def test_a_folder_of_a_former_class_is_no_group():
    # After renaming 'good' to 'OK', the folder 'good' was once one large group.
    names = ["good/1.png", "good/part2/1.png", "bad/1.png"]
    assert groups_by_folder(names, ["OK", "good", "bad"]) == [None, "good/part2", None]
