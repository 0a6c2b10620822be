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


def _opening_page() -> None:
    from pages.ui.tables import small_table

    pairs = [("<b>", "1 < 2"), ("digest", "abc")]
    small_table({"details": ["<i>short"]}, "rows", about="Rows", opens={"details": [pairs]})


def test_a_text_opens_into_names_and_values_by_keys_and_none_of_it_is_html() -> None:
    (table,) = AppTest.from_function(_opening_page).run().get("html")
    body = table.proto.body
    assert "<details><summary>&lt;i&gt;short</summary>" in body
    assert '<dl tabindex="0"><dt>&lt;b&gt;</dt><dd>1 &lt; 2</dd><dt>digest</dt>' in body
