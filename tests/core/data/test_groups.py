import pytest

from core.data.groups import groups_by_folder, groups_by_pattern
from core.errors import SplitError

PATHS = ["/data/set/good/part1/a_01.png", "/data/set/good/part2/b_01.png", "/data/set/bad/c_02.png"]


def test_a_pattern_reads_the_group_from_the_path_below_the_common_folder():
    assert groups_by_pattern(PATHS, r"(?P<group>part\d)/") == ["part1", "part2", None]
    assert groups_by_pattern(PATHS, r"^(?P<group>\w+)/") == ["good", "good", "bad"]


@pytest.mark.parametrize("pattern", ["(", "part", "(?P<name>x)", "(?P<group>zzz)", "(?P<group>)" + "a" * 400])  # noqa: E501 # fmt: skip
def test_a_pattern_that_cannot_work_is_refused_with_an_example(pattern):
    with pytest.raises(SplitError) as caught:
        groups_by_pattern(PATHS, pattern)
    assert "?P<group>" in caught.value.hint


def test_folders_below_the_class_folder_are_groups():
    assert groups_by_folder(PATHS, ["good", "good", "bad"]) == ["good/part1", "good/part2", None]


def test_class_folders_alone_are_no_groups():
    with pytest.raises(SplitError, match="no folders below"):
        groups_by_folder(["/d/good/a.png", "/d/bad/b.png"], ["good", "bad"])
