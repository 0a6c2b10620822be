"""Cells of exported tables."""


def safe_cell(text: str | None) -> str | None:
    """Text that a spreadsheet program shows and never runs as a formula."""
    return f"'{text}" if text and text[0] in "=+-@\t\r" else text
