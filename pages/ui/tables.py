"""Small tables as plain HTML: there at once, and read by screen readers.

Streamlit's own table is a canvas for a hundred thousand rows, whose code a browser starts for a
third of a second; it stays where rows are many, chosen or edited. What is said here is shown as it
is, never read as HTML.
"""

import html
from collections.abc import Collection, Mapping, Sequence

import streamlit as st

SMALL_ROWS = 8  # seen at a glance, so nobody sorts them; the style sheet keeps a place for as many
Pairs = Sequence[tuple[str, str]]
_LONG = 48  # characters: longer texts wrap, and scroll within their cell


def small_table(
    columns: Mapping[str, Sequence[str]],
    key: str,
    *,
    about: str,
    numbers: Collection[str] = (),
    shares: Mapping[str, Sequence[float]] | None = None,
    tips: Mapping[str, str] | None = None,
    opens: Mapping[str, Sequence[Pairs]] | None = None,
) -> None:
    """A table of a few rows.

    Args:
        columns: title -> texts, one for each row.
        key: of the place that it takes before it is drawn.
        about: what the table is about, for screen readers.
        numbers: titles of columns whose texts stand at the right.
        shares: title -> shares in [0, 1], drawn as bars with whole percents, behind the others.
        tips: title -> what is said where the pointer rests on it.
        opens: title -> for each row, what its text opens into: names and texts, by mouse or keys.
            A narrow screen shows the cells of a row below each other then.
    """
    bars = shares or {}
    heads = "".join(_head(title, numbers, tips or {}) for title in (*columns, *bars))
    cells = [
        *(
            [_opening(*item) for item in zip(own, opens[title], strict=True)]
            if opens and title in opens
            else [_text(words, is_number=title in numbers) for words in own]
            for title, own in columns.items()
        ),
        *([_bar(share) for share in own] for own in bars.values()),
    ]
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in zip(*cells, strict=True))
    count = min(len(next(iter(columns.values()))), SMALL_ROWS)
    table = st.container(key=f"{key}_of_{count}_rows")
    kind = "ts-table opens" if opens else "ts-table"
    table.html(
        f'<div class="{kind}" role="region" tabindex="0" aria-label="{html.escape(about)}">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _head(title: str, numbers: Collection[str], tips: Mapping[str, str]) -> str:
    kind = ' class="number"' if title in numbers else ""
    tip = f' title="{html.escape(tips[title])}"' if title in tips else ""
    return f'<th scope="col"{kind}{tip}>{html.escape(title)}</th>'


def _text(words: str, *, is_number: bool) -> str:
    if len(words) > _LONG and not is_number:
        return f'<td class="long"><div>{html.escape(words)}</div></td>'
    kind = ' class="number"' if is_number else ""
    return f"<td{kind}>{html.escape(words)}</td>"


def _opening(words: str, pairs: Pairs) -> str:
    # Why a tabindex: what scrolls must be reached by keys, in every browser.
    listed = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in pairs
    )
    return (
        f'<td class="opening"><details><summary>{html.escape(words)}</summary>'
        f'<dl tabindex="0">{listed}</dl></details></td>'
    )


def _bar(share: float) -> str:
    filled = f'<span><i style="width: {100 * share:.1f}%"></i></span>'
    return f'<td class="bar">{filled}<b>{round(100 * share)}%</b></td>'
