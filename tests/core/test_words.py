import pytest

from core.words import count, joined, listed


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
