import pytest

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
