"""Numbers as people write them: `1234.5`, `1,234.5`, `1.234,5`, `1 234,5`."""

import re
from collections.abc import Iterable

from core.data.importing.rules import DecimalMark, Delimiter
from core.domain.names import name_key

_BLANKS = " \u00a0\u2009\u202f'’"  # they group digits in some countries
_MARKS = {DecimalMark.POINT: (".", ","), DecimalMark.COMMA: (",", ".")}
_PATTERNS = {
    mark: re.compile(
        rf"[+-]?(?:\d{{1,3}}(?:[{re.escape(group)}{_BLANKS}]\d{{3}})+|\d+)?"
        rf"(?:{re.escape(decimal)}\d*)?(?:[eE][+-]?\d+)?",
        re.ASCII,
    )
    for mark, (decimal, group) in _MARKS.items()
}
_WITH_MARKS = re.compile(r"[+-]?([\d.,]*[.,][\d.,]*)(?:[eE][+-]?\d+)?", re.ASCII)


def number_of(text: str, mark: DecimalMark | None = None) -> float | None:
    """The number in a cell; None if it is not one.

    Args:
        text: the cell.
        mark: of its column; None: any, and `1,234` is then read with a decimal comma.
    """
    cell = text.strip()
    if not any(c.isdigit() for c in cell):
        return None
    for one in (DecimalMark.POINT, DecimalMark.COMMA) if mark is None else (mark,):
        decimal, group = _MARKS[one]
        is_decimal_comma = mark is None and one is DecimalMark.POINT and cell.count(",") == 1
        if (is_decimal_comma and "." not in cell) or not _PATTERNS[one].fullmatch(cell):
            continue
        plain = cell.translate({ord(c): None for c in group + _BLANKS}).replace(decimal, ".")
        try:
            value = float(plain)
        except ValueError:
            continue
        return value if value - value == 0 else None  # neither infinite nor NaN
    return None


def label_key(cell: str, mark: DecimalMark | None = None) -> str | float:
    """Equal for labels with the same meaning: 1, 1.0 and 01; Crack and crack."""
    number = number_of(cell, mark)
    return name_key(cell) if number is None else number


def decimal_mark(
    cells: Iterable[str], delimiter: Delimiter | None
) -> tuple[DecimalMark, bool] | None:
    """Which mark the numbers of a column have, and whether the column proves it.

    `0,5` and `1.234,5` can only have a decimal comma, `1,234,567` only a decimal point; `1,234`
    alone proves nothing. Without proof a comma is decimal, except between commas, where it groups.

    Args:
        cells: of one column.
        delimiter: of the table; None: it is no text.

    Returns:
        None if no number has a point or comma in it.
    """
    proofs = {DecimalMark.POINT: 0, DecimalMark.COMMA: 0}
    open_cells = {".": 0, ",": 0}
    for cell in cells:
        match = _WITH_MARKS.fullmatch(cell.strip())
        if match is None:
            continue
        proof = _proof(match[1])
        if proof is None:
            open_cells["," if "," in match[1] else "."] += 1
        else:
            proofs[proof] += 1
    point, comma = proofs[DecimalMark.POINT], proofs[DecimalMark.COMMA]
    if point or comma:
        return (DecimalMark.COMMA if comma > point else DecimalMark.POINT), not (point and comma)
    if not any(open_cells.values()):
        return None
    has_decimal_comma = open_cells[","] > open_cells["."] and delimiter is not Delimiter.COMMA
    return (DecimalMark.COMMA if has_decimal_comma else DecimalMark.POINT), False


def _proof(digits: str) -> DecimalMark | None:
    """The only mark that these digits, points and commas can have; None: both are possible."""
    points, commas = digits.count("."), digits.count(",")
    if points and commas:
        return DecimalMark.POINT if digits.rfind(".") > digits.rfind(",") else DecimalMark.COMMA
    if points + commas > 1:
        return DecimalMark.COMMA if points else DecimalMark.POINT
    whole, _, rest = digits.replace(",", ".").partition(".")
    if len(rest) == 3 and 1 <= len(whole) <= 3 and not whole.startswith("0"):
        return None
    return DecimalMark.POINT if points else DecimalMark.COMMA
