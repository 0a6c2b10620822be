import pytest

from core import words
from core.words import count, exact, exact_percent, joined, listed, shortened_percent


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [
        (1, "image", "1 image"),
        (0, "image", "0 images"),
        (1300, "image", "1,300 images"),
        (2, "class", "2 classes"),
        (2, "copy", "2 copies"),
        (2, "day", "2 days"),
    ],
)
def test_a_number_and_its_noun_agree(number, noun, words):
    assert count(number, noun) == words


def test_names_are_joined_and_long_lists_end():
    assert [joined(["a", "b", "c"][:n]) for n in range(1, 4)] == ["a", "a and b", "a, b and c"]
    assert listed(["a", "b", "c"], limit=2) == "a, b and 1 more"
    assert listed(["a", "b"], limit=2) == "a, b"


def test_limits_are_written_with_every_digit():
    limits = (0.02, 0.22153, 0.0295, 1.0, 0.0, 1e-7, 0.07)
    assert [exact_percent(limit) for limit in limits] == [
        *("2%", "22.153%", "2.95%", "100%", "0%", "0.00001%", "7%")
    ]
    assert (exact(1000), exact(0.5)) == ("1000", "0.5")


def test_bounds_are_rounded_to_where_they_hold_and_stay_on_their_side_of_a_limit():
    assert shortened_percent(0.05815, at_most=True) == "5.82%"
    assert shortened_percent(0.9989, at_least=True) == "99.8%"
    assert shortened_percent(0.99996) == "99.996%"
    assert shortened_percent(0.019994, beside=[0.02], at_most=True) == "1.9994%"
    assert shortened_percent(0.02, beside=[0.02], at_most=True) == "2%"
    assert (shortened_percent(0.0), shortened_percent(1.0)) == ("0%", "100%")


def test_a_percentage_has_the_decimals_that_its_images_can_bear():
    counted = [(29, 44), (55, 60), (99, 100), (1, 100), (9_998, 10_001), (0, 7), (7, 7)]
    assert [words.percent(k / n, of=n) for k, n in counted] == [
        *("66%", "92%", "99.0%", "1.0%", "99.97%", "0%", "100%")
    ]
    assert [words.percent(value) for value in (0.897, 0.99996, 0.0004, None, float("nan"))] == [
        *("89.7%", "99.996%", "0.04%", "–", "–")
    ]


def test_the_percentages_of_one_row_make_100_where_one_more_decimal_can_do_it():
    # The matrix of thresholds said 3% and 98% of 40, below a headline of 2.5%.
    assert words.percents([1, 39]) == ["2.5%", "97.5%"]
    assert words.percents([5, 15, 20]) == ["12.5%", "37.5%", "50.0%"]
    assert words.percents([1, 3]) == ["25%", "75%"]
    assert words.percents([3, 24]) == ["11%", "89%"]
    assert words.percents([0, 14]) == ["0%", "100%"]
    assert words.percents([0, 0]) == ["–", "–"]


def test_intervals_are_rounded_outwards_and_never_to_an_end_that_they_do_not_reach():
    assert words.percent_range(0.8164, 0.9724) == "81% to 98%"
    assert words.percent_range(0.0003, 0.9996) == "0.03% to 99.96%"
    assert words.percent_range(0.0, 0.1 + 0.2) == "0% to 30%"
    assert words.percent_with_range(0.9171, 0.911, 0.9243) == "91.7% (91.1% to 92.5%)"
    assert words.percent_bound(0.91111, 0.001, up=True) == "91.12%"


def test_each_kind_of_number_has_one_form_and_what_is_unknown_is_a_dash():
    assert [words.confidence(c) for c in (0.897, 0.99996, 0.00001, 1.0, None)] == [
        *("89.7%", ">99.9%", "<0.1%", "100.0%", "–")
    ]
    assert [words.decimal(0.9184), words.decimal(float("nan")), words.number(1300)] == [
        *("0.918", "–", "1,300")
    ]
    assert [words.points(d) for d in (0.012, -0.003, -0.00001)] == [
        "+1.2",
        "\N{MINUS SIGN}0.3",
        "0.0",
    ]
    assert [words.duration(s) for s in (41.7, 185, 7800, None)] == [
        *("42 s", "3 min 05 s", "2 h 10 min", "–")
    ]
    assert [words.size(b) for b in (950, 12_340, 480_000, 4.8e6, 2.1e9)] == [
        *("950 bytes", "12.3 kB", "0.5 MB", "4.8 MB", "2.1 GB")
    ]
    assert [words.p_value(p) for p in (0.0004, 0.031)] == ["p below 0.001", "p = 0.031"]


def test_a_half_is_rounded_up_as_readers_do():
    # One escape of 40 was written as 2%.
    assert words.percent(1 / 40, width=0.2) == "3%"


def test_plurals_are_as_people_write_them():
    # Nine searches took three "epoches".
    nouns = ("image", "class", "epoch", "search", "key", "entry", "box", "group of copies")
    assert [words.plural(noun) for noun in nouns] == [
        *("images", "classes", "epochs", "searches", "keys", "entries", "boxes", "groups of copies")
    ]
