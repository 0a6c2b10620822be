"""What tables of a page say, small ones and grids alike."""

from xml.etree import ElementTree

from streamlit.testing.v1 import AppTest


def tables(app: AppTest) -> list[dict[str, list[str]]]:
    """Title -> texts of each small table, then of each grid (numbers as Python writes them)."""
    bodies = [item.proto.body for item in app.get("html") if 'class="ts-table' in item.proto.body]
    grids = [
        {str(title): [str(value) for value in values] for title, values in grid.value.items()}
        for grid in app.dataframe
    ]
    return [*(_small(body) for body in bodies), *grids]


def _small(body: str) -> dict[str, list[str]]:
    head, *rows = (
        ["".join((cell.find(".//summary") or cell).itertext()) for cell in row]
        for row in ElementTree.fromstring(body).iter("tr")
    )
    return {title: [row[at] for row in rows] for at, title in enumerate(head)}
