import pytest

from core.data.importing.labels import choices_in, folder_at, good_class, path_rule
from core.domain.datasets import LabelSource
from core.domain.names import normal_name
from core.errors import ConfigError


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
        (LabelSource.FILE_NAME_REMOVE_INDEX, "crack_1 (2).png", "crack"),
        (LabelSource.FILE_NAME_REMOVE_INDEX, "crack (3).png", "crack"),
    ],
)
def test_the_class_is_read_where_it_was_said(source, path, label):
    assert path_rule(source)(path).label == label


def test_names_are_composed_and_free_of_control_characters():
    assert normal_name("  Gro\u0308ße\u200b\n ") == "Größe"
    assert normal_name("\x00\x07") == ""


@pytest.mark.parametrize(
    ("level", "label"),
    [(1, "line 2"), (2, "crack"), (-1, "Imgs"), (-2, "crack"), (4, None), (-4, None)],
)
def test_a_folder_of_any_level_can_be_the_class(level, label):
    found = path_rule(LabelSource.FOLDER_LEVEL, level=level)("line 2/crack/Imgs/1.jpg")
    assert found.label == label
    assert (found.reason is None) == (label is not None)
    assert folder_at("1.jpg", -1) is None


@pytest.mark.parametrize(
    ("pattern", "path", "label", "group"),
    [
        (r"(?P<label>[^/]+)/part(?P<group>\d+)_", "set/crack/part7_3.png", "crack", "7"),
        (r"_(?P<label>ok|nok)\.", "1_nok.png", "nok", None),
        (r"(?P<label>\p{L}+)_\d", "größe_1.png", "größe", None),
        (r"(?P<label>x?)\d", "1.png", None, None),
        (r"(?P<label>x)", "1.png", None, None),
    ],
)
def test_a_pattern_finds_label_and_group(pattern, path, label, group):
    found = path_rule(LabelSource.PATTERN, pattern=pattern)(path)
    assert (found.label, found.group) == (label, group)
    assert (found.reason is None) == (label is not None)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(?P<label>", "cannot be read"),
        ("(?P<class>x)", "no group named 'label'"),
        ("", "no group named 'label'"),
        (r"(?P<label>x)(?=y)", "cannot be read"),
        (r"(?:a{1000}){1000}(?P<label>)", "cannot be read"),
        ("x" * 301, "longer than"),
    ],
)
def test_a_pattern_that_is_none_says_why(pattern, reason):
    with pytest.raises(ConfigError, match=reason) as caught:
        path_rule(LabelSource.PATTERN, pattern=pattern)
    assert caught.value.hint


@pytest.mark.timeout(10)
def test_no_pattern_can_hang_the_import():
    # Python's own `re` would need years for this one.
    rule = path_rule(LabelSource.PATTERN, pattern=r"(?P<label>(a|aa)+)$")
    assert rule("a" * 5000 + "!").label is None


@pytest.mark.parametrize(
    ("cell", "choices"),
    [
        ('{"choices": ["crack", "stain"]}', ["crack", "stain"]),
        ('["crack"]', ["crack"]),
        ('{"class": "crack"}', ["crack"]),
        ('{"objects": [], "classifications": [{"answer": {"title": "Crack"}}]}', ["Crack"]),
        ("{crack}", None),
        ("[1, 2]", None),
        ("[" * 9000, None),
        ("crack", None),
    ],
)
def test_labels_in_json_are_found(cell, choices):
    assert choices_in(cell) == choices


@pytest.mark.parametrize(
    ("names", "good"),
    [
        (["MT_Free", "MT_Crack", "MT_Uneven"], "MT_Free"),
        (["gut", "kratzer"], "gut"),
        (["OK", "NOK"], "OK"),
        (["good", "not-good"], "good"),
        (["i.O.", "n.i.O."], "i.O."),
        (["defectFree", "defective"], "defectFree"),
        (["no_defect", "defect"], "no_defect"),
        (["non-defective", "defective"], "non-defective"),
        (["normal", "abnormal"], "normal"),
        (["pass", "fail"], "pass"),
        (["good_a", "good_b", "bad"], None),
        (["crack", "free fall", "good"], None),
        (["booking", "iota"], None),
    ],
)
def test_the_one_class_that_sounds_good_is_proposed(names, good):
    assert good_class(names) == good
