import pytest

from core.data.importing.rules import DecimalMark, Delimiter, TableRules
from core.data.importing.tables.match import match_table
from core.data.importing.tables.numbers import decimal_mark, label_key, number_of
from core.data.importing.tables.table import read_table

POINT, COMMA = DecimalMark.POINT, DecimalMark.COMMA


@pytest.mark.parametrize(
    ("cells", "delimiter", "found"),
    [
        (["1.234,5", "0,5"], Delimiter.SEMICOLON, (COMMA, True)),
        (["1,234.5", "12"], Delimiter.COMMA, (POINT, True)),
        (["1,234,567", "1,234"], None, (POINT, True)),
        (["1.234.567"], None, (COMMA, True)),
        (["1,234", "0,123"], None, (COMMA, True)),
        (["1,234", "12,5"], None, (COMMA, True)),
        (["1234,567"], None, (COMMA, True)),
        (["1,234", "2,345"], Delimiter.COMMA, (POINT, False)),
        (["1,234", "2,345"], Delimiter.SEMICOLON, (COMMA, False)),
        (["1.234", "2.345"], Delimiter.SEMICOLON, (POINT, False)),
        (["1.5", "1,5", "2,5"], None, (COMMA, False)),
        (["1", "2", "crack", ""], None, None),
    ],
)
def test_the_decimal_mark_is_decided_by_the_whole_column(cells, delimiter, found):
    # Every comma used to be a decimal one: 1,234 parts became 1.234.
    assert decimal_mark(cells, delimiter) == found


@pytest.mark.parametrize(
    ("text", "mark", "value"),
    [
        ("1,234.5", POINT, 1234.5),
        ("1.234,5", COMMA, 1234.5),
        ("1,234", POINT, 1234.0),
        ("1,234", COMMA, 1.234),
        ("1,234", None, 1.234),
        ("1 234,5", COMMA, 1234.5),
        ("1'234.5", POINT, 1234.5),
        ("-2,5e-3", COMMA, -0.0025),
        (".5", POINT, 0.5),
        ("1,5", POINT, None),
        ("12,34,5", POINT, None),
        ("1e999", POINT, None),
        ("12a", None, None),
        ("", None, None),
        ("²", None, None),
    ],
)
def test_a_number_is_read_with_the_mark_of_its_column(text, mark, value):
    assert number_of(text, mark) == value


def test_labels_of_one_meaning_have_one_key():
    assert label_key("1,0") == label_key("01") == 1.0
    assert label_key("Crack") == label_key("CRACK")


def test_ranges_follow_the_mark_and_it_can_be_changed():
    text = "path;load\n1.png;1.250\n2.png;0,5\n3.png;12,5\n"
    names = ["1.png", "2.png", "3.png"]

    def classes(**more):
        rules = TableRules(text, bins=(10.0,), bin_names=("low", "high"), **more)
        found = match_table(read_table(rules, names), rules, names).by_name
        return [found[name].label for name in names]

    assert classes() == ["high", "low", "high"]
    assert classes(decimal=POINT) == ["low", None, None]
