"""Small tables: what they say is text, in the page and to screen readers."""

from streamlit.testing.v1 import AppTest


def _page() -> None:
    from pages.ui.tables import small_table

    small_table(
        {"class": ["<img src=x onerror=alert(1)>"], "n": ["1,000"]},
        "classes",
        about='Classes "A"',
        numbers=("n",),
        shares={"share": [0.256]},
        tips={"n": 'in "use"'},
    )


def test_what_a_small_table_says_is_never_read_as_html():
    (table,) = AppTest.from_function(_page).run().get("html")
    body = table.proto.body
    assert "<img" not in body
    assert "<td>&lt;img src=x onerror=alert(1)&gt;</td>" in body
    assert 'aria-label="Classes &quot;A&quot;"' in body
    assert '<th scope="col" class="number" title="in &quot;use&quot;">n</th>' in body
    assert "width: 25.6%" in body
    assert "26%" in body
