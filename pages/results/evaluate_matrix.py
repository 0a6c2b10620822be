"""The clickable matrix in all its views, for one model or several side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from core.domain.models import Model
from core.domain.splits import Subset
from core.evaluation.decisions.outcome import decide, has_both
from core.evaluation.decisions.views import decision_matrix, ok_nok_matrix
from core.evaluation.measures.classification import confused_pairs
from core.evaluation.measures.views import MatrixView, class_matrix, classes_to_show
from core.workflows.results.judging import JudgedSet
from core.workspace import Workspace
from pages.results import evaluate_gallery
from pages.ui import errors, judged, state, text
from pages.ui.components import clickable_matrix, clicked_cell
from pages.ui.figures import confusion_matrix
from pages.ui.figures.saving import of_model

COUNTS, OF_TRUE, OF_PREDICTED = "counts", "% of true", "% of predicted"
OK_NOK, DECISION, PAIRS, TABLE = "OK / NOK", "decision", "confused pairs", "table"
SHARES = {OF_TRUE: "true", OF_PREDICTED: "predicted"}
WINDOWS = (15, 25, 50, 100)
FEW_CELLS = 8
TABLE_PX = 400
STICKY_PX = 620  # a higher one would not fit the window: it scrolls with the page
FEW = 25  # so many classes are all shown at first
MOST_PAIRS = 200


@dataclass(frozen=True)
class MatrixSelection:
    """What of the matrix is in view."""

    kind: str
    search: str = ""
    most: int = 25


@st.fragment
@errors.shown()
def matrix_and_images(workspace: Workspace, models: Sequence[Model], subset: Subset) -> None:
    """The matrices beside the images; one matrix stays in view while its images scroll."""
    judgements = [judged.judgement(workspace, model, subset) for model in models]
    with st.container(horizontal=True, key="answer", gap="large"):
        left = st.container(key="matrix_side")
        right = st.container(key="gallery_side")
    with left:
        shown = _choose_view(workspace, judgements[0], len(judgements) > 1)
        for item in judgements:
            _note_click(item, shown)
        heights = [_named_matrix(workspace, item, shown, judgements) for item in judgements]
    st.html(_layout(len(judgements[0].class_names), heights))
    with right:
        _images(workspace, judgements, shown)


def _layout(classes: int, heights: Sequence[int]) -> str:
    """The two sides: the matrix as wide as it needs, in view while the images scroll.

    Why the least heights: what lies below would else move when charts and images come.
    """
    width = 400 if classes <= FEW_CELLS else 480 if classes <= WINDOWS[0] else 600
    fits = sum(heights) <= STICKY_PX
    sticky = "position: sticky; top: 62px; align-self: flex-start;" if fits else ""
    # Why :has: what lies in the row is not the container itself but a box around it.
    side = "[data-testid=stLayoutWrapper]:has(> .st-key-matrix_side)"
    images = "[data-testid=stLayoutWrapper]:has(> .st-key-gallery_side)"
    return f"""<style>
{side} {{ flex: 0 0 min({width}px, 56%); {sticky} }}
{side} [class*='st-key-matrix_model'] {{ min-height: {min(heights)}px; }}
{images} {{ flex: 1 1 300px; min-width: 0; min-height: 26rem; }}
@media (max-width: 760px) {{
  {side} {{ flex: 1 0 100%; position: static; }}
  {images} {{ flex: 1 0 100%; }}
}}</style>"""


def _named_matrix(
    workspace: Workspace,
    item: JudgedSet,
    shown: MatrixSelection,
    judgements: Sequence[JudgedSet],
) -> int:
    """A matrix, with its model's name where there are several; gives its height in pixels."""
    if len(judgements) > 1:
        st.markdown(f"**{text.plain(item.model.name)}**")
    return _matrix(workspace, item, shown, is_open=item is _opened_model(judgements))


def open_cell(model_id: str, row: int, column: int) -> None:
    """Show the images of this cell; row and column are class indices in the class views."""
    state.put(cell=f"{row}-{column}", of=model_id, page=None)


def _note_view() -> None:
    chosen = str(st.session_state.matrix_view)
    evaluate_gallery.close_cell(view=None if chosen == COUNTS else chosen)


def _choose_view(workspace: Workspace, judgement: JudgedSet, side_by_side: bool) -> MatrixSelection:
    options = [COUNTS, OF_TRUE, OF_PREDICTED]
    if has_both(judgement.verdicts):
        options.append(OK_NOK)
        if judged.saved_point(workspace, judgement.model) is not None:
            options.append(DECISION)
    options += [PAIRS] if side_by_side else [PAIRS, TABLE]
    many = len(judgement.class_names) > WINDOWS[0]
    st.session_state.matrix_view = state.linked("view", options, COUNTS)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        kind = st.selectbox(
            "Confusion matrix",
            options,
            key="matrix_view",
            format_func=lambda view: f"Confusion matrix: {view}",
            label_visibility="collapsed",
            width=255,
            on_change=_note_view,
        )
        if not many or kind in (OK_NOK, TABLE):
            return MatrixSelection(str(kind), most=max(WINDOWS))
        search = st.text_input(
            "Find a class",
            key="class_search",
            placeholder="Part of its name",
            width=150,
            help="Shows the matching classes and those they are most often confused with.",
        )
        if kind == PAIRS:
            return MatrixSelection(PAIRS, search)
        count = len(judgement.class_names)
        sizes = [n for n in WINDOWS if n < count]
        if count <= max(WINDOWS):
            sizes.append(count)
        usual = count if count <= FEW else WINDOWS[0]
        most = st.selectbox(
            "Classes in view",
            sizes,
            index=sizes.index(usual),
            key="matrix_size",
            width=130,
            help="The most confused classes come first. Fewer classes are easier to read.",
        )
    return MatrixSelection(str(kind), search, int(most))


def _view(workspace: Workspace, judgement: JudgedSet, shown: MatrixSelection) -> MatrixView:
    if shown.kind == OK_NOK:
        return ok_nok_matrix(judgement.predicted, judgement.targets, judgement.verdicts)
    opened = _class_cell(judgement)
    searched = classes_to_show(
        judgement.matrix, judgement.class_names, search=shown.search, most=shown.most
    )
    # Why: a link to a cell must show it, whatever the window.
    classes = tuple(sorted({*searched, *(opened or ())})) if searched else ()
    if shown.kind == DECISION:
        point = judged.saved_point(workspace, judgement.model)
        if point is not None and has_both(judgement.verdicts):
            decisions = decide(
                point, judgement.probabilities, judgement.verdicts, parts=judgement.parts
            )
            return decision_matrix(
                decisions, judgement.targets, judgement.verdicts, judgement.class_names, searched
            )
    return class_matrix(judgement.predicted, judgement.targets, judgement.class_names, classes)


def _class_cell(judgement: JudgedSet) -> tuple[int, int] | None:
    """The open cell, if it can be a pair of classes of this model."""
    cell, count = _cell_in_link(), len(judgement.class_names)
    return cell if cell and max(cell) < count else None


def _cell_in_link() -> tuple[int, int] | None:
    parts = st.query_params.get("cell", "").split("-")
    if len(parts) != 2 or not all(part.isdecimal() and len(part) < 7 for part in parts):
        return None
    return int(parts[0]), int(parts[1])


def _place(view: MatrixView, cell: tuple[int, int] | None) -> tuple[int, int] | None:
    """The cell of the link as row and column of the view; None where it is not in view."""
    if cell is None:
        return None
    row = _index(view.row_classes, cell[0], len(view.rows))
    column = _index(view.column_classes, cell[1], len(view.columns))
    return None if row is None or column is None else (row, column)


def _index(classes: tuple[int, ...] | None, value: int, count: int) -> int | None:
    if classes is not None:
        return classes.index(value) if value in classes else None
    return value if value < count else None


def _key(judgement: JudgedSet, shown: MatrixSelection) -> str:
    kind = "classes" if shown.kind in (COUNTS, *SHARES) else shown.kind.replace(" / ", "_")
    return f"matrix_{judgement.model.id}_{judgement.subset}_{kind}"


def _note_click(judgement: JudgedSet, shown: MatrixSelection) -> None:
    """Put the newest click of this matrix into the link."""
    key = _key(judgement, shown)
    clicked = clicked_cell(key)
    if not clicked or clicked == st.session_state.get(f"{key}_seen"):
        return
    st.session_state[f"{key}_seen"] = clicked
    rows, columns = st.session_state.get(f"{key}_classes", (None, None))
    row = rows[clicked[0]] if rows and clicked[0] < len(rows) else clicked[0]
    column = columns[clicked[1]] if columns and clicked[1] < len(columns) else clicked[1]
    open_cell(judgement.model.id, row, column)


def _opened_model(judgements: Sequence[JudgedSet]) -> JudgedSet:
    wanted = st.query_params.get("of")
    return next((item for item in judgements if item.model.id == wanted), judgements[0])


def _matrix(
    workspace: Workspace, judgement: JudgedSet, shown: MatrixSelection, *, is_open: bool
) -> int:
    """The matrix in the view that was chosen; gives its height in pixels."""
    if shown.kind == PAIRS:
        _pairs(judgement, shown)
        return TABLE_PX
    view = _view(workspace, judgement, shown)
    if not view.rows:
        st.info("No class name contains this text.")
        return 0
    if shown.kind == TABLE:
        _table(judgement, view)
        return TABLE_PX
    key = _key(judgement, shown)
    st.session_state[f"{key}_classes"] = (view.row_classes, view.column_classes)
    cell = _place(view, _cell_in_link()) if is_open else None
    figure = confusion_matrix.matrix(
        view,
        shares=SHARES.get(shown.kind, ""),
        cell=cell,
    )
    clickable_matrix(
        of_model(figure, judgement.model.name, judgement.subset),
        key,
        cell=cell,
        zoom=confusion_matrix.can_zoom(view),
        description="Confusion matrix: rows true, columns predicted. Click a cell or use the "
        "arrow keys to see its images.",
    )
    st.caption(_caption(judgement, view))
    return int(figure.layout.height)


def _caption(judgement: JudgedSet, view: MatrixView) -> str:
    """What the matrix leaves out, and how a large one is read."""
    sentences = ["Click a cell for its images."]
    if confusion_matrix.can_zoom(view):
        sentences.append("Scroll to zoom, drag to move, double-click to reset.")
    count = len(judgement.class_names)
    if view.row_classes is not None and len(view.row_classes) < count:
        sentences.append(f"In view: {len(view.row_classes)} of {count:,} classes.")
        if view.column_classes:
            sentences.append(_mistakes_in_view(judgement, view))
    elif view.outside:
        left_out = text.count(view.outside, "image")
        sentences.append(f"Not counted: {left_out} of classes without a verdict.")
    return " ".join(sentences)


def _mistakes_in_view(judgement: JudgedSet, view: MatrixView) -> str:
    right = sum(
        view.counts[row, column]
        for row, true in enumerate(view.row_classes or ())
        for column, predicted in enumerate(view.column_classes or ())
        if true == predicted
    )
    mistakes = int((~judgement.right).sum())
    return f"They account for {view.counts.sum() - right:,} of {mistakes:,} mistakes."


def _table(judgement: JudgedSet, view: MatrixView) -> None:
    drawn = st.session_state.get("table_round", 0)
    key = f"table_{_key(judgement, MatrixSelection(TABLE))}_{drawn}"
    names = [f"{n} " if n == "true \\ predicted" else n for n in view.columns]
    columns = dict(zip(names, view.counts.T.tolist(), strict=True))
    event = st.dataframe(
        {"true \\ predicted": list(view.rows), **columns},
        hide_index=True,
        on_select="rerun",
        selection_mode="single-cell",
        key=key,
    )
    cells = [cell for cell in event.selection.cells if cell[1] in names]
    # Why compared: the table keeps its selection at every rerun.
    if cells and cells[0] != st.session_state.get(f"{key}_seen"):
        st.session_state[f"{key}_seen"] = cells[0]
        row, column = cells[0][0], names.index(cells[0][1])
        classes = view.row_classes or tuple(range(len(names)))
        open_cell(judgement.model.id, classes[row], classes[column])
        st.rerun(scope="fragment")


def _pairs(judgement: JudgedSet, shown: MatrixSelection) -> None:
    names, wanted = judgement.class_names, shown.search.casefold().strip()
    pairs = [
        pair
        for pair in confused_pairs(judgement.matrix, most=10_000)
        if wanted in names[pair.true].casefold() or wanted in names[pair.predicted].casefold()
    ][:MOST_PAIRS]
    if not pairs:
        st.info("No class is confused with another here.")
        return
    key = f"{_key(judgement, shown)}_{wanted}_{st.session_state.get('table_round', 0)}"
    event = st.dataframe(
        {
            "true": [names[p.true] for p in pairs],
            "predicted": [names[p.predicted] for p in pairs],
            "images": [p.count for p in pairs],
            "% of class": [p.share for p in pairs],
        },
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=key,
        column_config={
            "% of class": st.column_config.NumberColumn(
                format="percent", help="Of all images of the true class."
            )
        },
    )
    rows = list(event.selection.rows)
    if rows and rows[0] < len(pairs) and rows[0] != st.session_state.get(f"{key}_seen"):
        st.session_state[f"{key}_seen"] = rows[0]
        open_cell(judgement.model.id, pairs[rows[0]].true, pairs[rows[0]].predicted)
        st.rerun(scope="fragment")


def _images(workspace: Workspace, judgements: Sequence[JudgedSet], shown: MatrixSelection) -> None:
    """The images of the open cell, else all errors."""
    item = _opened_model(judgements)
    kind = shown if shown.kind in (OK_NOK, DECISION) else MatrixSelection(COUNTS, most=max(WINDOWS))
    view = _view(workspace, item, kind)
    place = _place(view, _cell_in_link())
    whose = item.model.name if len(judgements) > 1 else ""
    if place is None:
        evaluate_gallery.errors_of(workspace, item, whose=whose)
        return
    row, column = place
    evaluate_gallery.images_of(
        workspace,
        item,
        view.images(row, column),
        title=f"{view.rows[row]} → {view.columns[column]}",
        tone=view.tones[row][column],
        whose=whose,
    )
