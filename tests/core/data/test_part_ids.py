import pytest

from core.data.part_ids import part_ids, part_source
from core.errors import ConfigError

NAMES = ["p1/left.png", "p1/right.png", "p2/left.png", "loose.png"]


def test_a_part_is_told_by_folder_pattern_or_a_column_of_a_table(tmp_path):
    assert part_ids(part_source("folder"), NAMES) == ["p1", "p1", "p2", None]
    assert part_ids(part_source(r"regex:(?P<group>p\d)/"), NAMES) == ["p1", "p1", "p2", None]
    table = tmp_path / "parts.csv"
    table.write_text("Serial No;File\nS-7;p1\\left.png\nS-7;loose.png\nS-8;p2/left.png\n")
    source = part_source("column:serial no", table)
    assert part_ids(source, NAMES) == ["S-7", None, "S-8", "S-7"]
    assert source.option == "column:serial no"
    assert part_ids(source, []) == []


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("auto", "cannot be told"),
        ("folder:x", "cannot be told"),
        ("regex:", "cannot be told"),
        ("regex:(", "cannot be read"),
        ("regex:nothing(?P<group>x)", "matches no image"),
        ("column:part", "table"),
    ],
)
def test_what_tells_no_part_says_so(option, words):
    with pytest.raises(ConfigError, match=words) as caught:
        part_ids(part_source(option), NAMES)
    assert caught.value.hint


def test_a_table_without_the_column_or_the_images_says_so(tmp_path):
    table = tmp_path / "parts.csv"
    table.write_text("file,part\nelsewhere.png,1\n")
    with pytest.raises(ConfigError, match="no column 'serial'"):
        part_ids(part_source("column:serial", table), NAMES)
    with pytest.raises(ConfigError, match="names none of the images"):
        part_ids(part_source("column:part", table), NAMES)
    with pytest.raises(ConfigError, match="No image lies in a folder"):
        part_ids(part_source("folder"), ["a.png", "b.png"])
    with pytest.raises(ConfigError, match="cannot be read"):
        part_ids(part_source("column:part", tmp_path / "none.csv"), NAMES)
