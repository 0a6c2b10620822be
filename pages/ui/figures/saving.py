"""What a chart is called and which table it saves as CSV."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from core.files import Cell, safe_cell


def save_as(figure: go.Figure, title: str, columns: Mapping[str, Sequence[Cell]]) -> None:
    """Name a chart and give it its table.

    Args:
        figure: what is shown.
        title: a few words; names the saved files and stands above a saved image.
        columns: name with unit -> one cell per row; columns of one length. None is an empty cell.
            Text is made safe for spreadsheet programs here, and quoted in the browser.
    """
    table = [
        [safe_cell(name), [safe_cell(cell) if isinstance(cell, str) else cell for cell in cells]]
        for name, cells in columns.items()
    ]
    figure.update_layout(meta={"title": title, "table": table})


def of_model(figure: go.Figure, model_name: str, subset: str) -> go.Figure:
    """The same chart, its saved files named after the model and the images that it shows, too."""
    figure.update_layout(meta={**figure.layout.meta, "of": f"{model_name} {subset}"})
    return figure
