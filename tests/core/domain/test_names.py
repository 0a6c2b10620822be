import pytest

from core.domain.names import distinct_names, known_name, name_key, usual_spellings


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Crack", "CRACK"),
        ("Größe", "Gro\u0308ße"),
        ("GRÖSSE", "größe"),
        (" Çatlak\u200b", "çatlak"),
    ],
)
def test_names_are_equal_without_case_and_in_one_form(one, other):
    assert name_key(one) == name_key(other)


def test_a_typed_name_means_the_exact_one_else_the_only_similar_one():
    assert known_name("crack", ["Crack", "hole"]) == "Crack"
    assert known_name("a", ["A", "a"]) == "a"
    assert known_name("ÄB", ["äb", "Äb"]) is None
    assert known_name("dent", ["Crack"]) is None


def test_the_most_frequent_spelling_wins():
    assert usual_spellings({"crack": 2, "Crack": 5, "CRACK": 5, "ok": 1}) == {
        "crack": "Crack",
        "Crack": "Crack",
        "CRACK": "Crack",
        "ok": "ok",
    }


def test_equal_file_names_get_numbers_that_nobody_has():
    names = ["a.png", "A.png", "a (2).png", "b", "b", "x/a.png"]
    assert distinct_names(names) == ["a.png", "A (3).png", "a (2).png", "b", "b (2)", "x/a.png"]
    assert distinct_names(["a", "a"], folders=["a (2)"]) == ["a", "a (3)"]
