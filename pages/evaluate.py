"""Evaluate: every number, and the pictures behind it."""

import streamlit as st

from core.domain import Model, Subset
from core.evaluation.metrics import EvaluationReport
from core.workflows import evaluation, models
from core.workflows.evaluation import JudgedSample
from core.workspace import Workspace
from pages.ui import errors, figures, inference, routes, state, text, widgets
from pages.ui.components import Tile, clickable_matrix, clicked_cell, gallery

PAGE = 48
SUBSET_HELP = (
    "Test pictures were never used in training: only they tell how good the model is. Validation "
    "chose the best epoch; train shows what was learned by heart."
)


def numbers(report: EvaluationReport) -> None:
    cells = st.columns(6)
    cells[0].metric("Pictures", f"{report.n:,}", border=True, help="Pictures of this subset.")
    cells[1].metric("Accuracy", text.percent(report.accuracy), border=True,
                    help="Share of all pictures that were classified right. Large classes weigh "
                    "more.")  # fmt: skip
    cells[2].metric("Macro F1", f"{report.macro_f1:.3f}", border=True,
                    help="Balance of precision and recall, every class counted the same. 1 is "
                    "perfect.")  # fmt: skip
    cells[3].metric("Recall", text.percent(report.macro_recall), border=True,
                    help="Of the pictures of a class, how many were found; mean over the "
                    "classes.")  # fmt: skip
    cells[4].metric("Precision", text.percent(report.macro_precision), border=True,
                    help="Of the pictures predicted as a class, how many were right; mean over "
                    "the classes.")  # fmt: skip
    k = 2 if 2 in report.top_k_error else 1
    cells[5].metric(f"Top-{k} error", text.percent(report.top_k_error[k]), border=True,
                    help=f"Share of pictures whose true class is not among the {k} most confident "
                    "ones.")  # fmt: skip


def per_class(report: EvaluationReport) -> None:
    st.subheader("Classes")
    rows = sorted(report.per_class, key=lambda c: (c.f1, -c.support))
    confused = {c.name: _confused_with(report, i) for i, c in enumerate(report.per_class)}
    st.dataframe(
        {"class": [c.name for c in rows],
         "precision": [c.precision if c.has_data else None for c in rows],
         "recall": [c.recall if c.has_data else None for c in rows],
         "F1": [c.f1 if c.has_data else None for c in rows],
         "pictures": [c.support for c in rows],
         "most often taken for": [confused[c.name] for c in rows]},
        hide_index=True, key="per_class",
        column_config={
            "precision": _bar("Of the pictures predicted as this class, the share that is right."),
            "recall": _bar("Of the pictures of this class, the share that was found."),
            "F1": _bar("Balance of precision and recall."),
        },
    )  # fmt: skip
    if any(not c.has_data for c in rows):
        st.caption("Classes without pictures in this subset have no data.")


def _bar(help_text: str):  # type: ignore[no-untyped-def]
    return st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.3f", help=help_text)


def _confused_with(report: EvaluationReport, row: int) -> str:
    counts = report.confusion_matrix[row].copy()
    counts[row] = 0
    worst = int(counts.argmax())
    return f"{report.class_names[worst]} ({counts[worst]})" if counts[worst] else "–"


@st.fragment
@errors.shown()
def matrix_and_pictures(
    workspace: Workspace, model: Model, subset: Subset, report: EvaluationReport
) -> None:
    key = f"matrix_{model.id}_{subset}"
    cell = _open_cell(key, len(report.class_names))
    left, right = st.columns([5, 6], gap="large")
    with left:
        _matrix(report, key, cell)
    with right:
        _pictures(workspace, model, subset, report, cell)


def _matrix(report: EvaluationReport, key: str, cell: tuple[int, int] | None) -> None:
    st.subheader("Confusion matrix")
    view = st.segmented_control(
        "Show", ["counts", "shares", "table"], default="counts", required=True,
        key="matrix_view", label_visibility="collapsed",
        help="Shares are relative to the true class. The table can be used by keyboard.",
    )  # fmt: skip
    if view == "table":
        _table(report, key)
        return
    figure = figures.confusion_matrix(
        report, show_shares=view == "shares", dark=state.is_dark(), cell=cell
    )
    clickable_matrix(
        figure, key, cell=cell,
        description="Confusion matrix: rows true, columns predicted. Click a cell, or use the "
        "arrow keys, to see its pictures.",
    )  # fmt: skip
    st.caption("Click a cell to see exactly its pictures. Rows: true class, columns: predicted.")


def _table(report: EvaluationReport, key: str) -> None:
    table_key = f"{key}_table_{st.session_state.get('table_round', 0)}"
    columns = dict(zip(report.class_names, report.confusion_matrix.T.tolist(), strict=True))
    event = st.dataframe(
        {"true \\ predicted": list(report.class_names), **columns}, hide_index=True,
        on_select="rerun", selection_mode="single-cell", key=table_key,
    )  # fmt: skip
    cells = [cell for cell in event.selection.cells if cell[1] in report.class_names]
    # Why compared: the table keeps its selection at every rerun.
    if cells and cells[0] != st.session_state.get(f"{table_key}_seen"):
        st.session_state[f"{table_key}_seen"] = cells[0]
        row, column = cells[0][0], report.class_names.index(cells[0][1])
        st.query_params["cell"] = f"{row}-{column}"
        st.rerun(scope="fragment")


def _open_cell(key: str, count: int) -> tuple[int, int] | None:
    """The cell to show: the newest click, else the one in the link."""
    clicked = clicked_cell(key)
    if clicked and clicked != st.session_state.get(f"{key}_seen"):
        st.session_state[f"{key}_seen"] = clicked
        st.query_params["cell"] = f"{clicked[0]}-{clicked[1]}"
    return _cell_from_url(count)


def _close_cell() -> None:
    """Forget the open cell, also in the table, which would keep its selection."""
    st.query_params.pop("cell", None)
    st.session_state.table_round = st.session_state.get("table_round", 0) + 1


def _cell_from_url(count: int) -> tuple[int, int] | None:
    parts = st.query_params.get("cell", "").split("-")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        return None
    row, column = int(parts[0]), int(parts[1])
    return (row, column) if row < count and column < count else None


def _pictures(
    workspace: Workspace,
    model: Model,
    subset: Subset,
    report: EvaluationReport,
    cell: tuple[int, int] | None,
) -> None:
    names = report.class_names
    if cell is None:
        st.subheader("All errors")
        found = evaluation.judged_samples(workspace, model.id, subset, errors_only=True)
        st.caption("The most confident mistakes come first: they teach the most.")
    else:
        true, predicted = cell
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(f"{text.plain(names[true])} → {text.plain(names[predicted])}")
            if st.button("Show all errors", icon=":material/close:", key="clear_cell"):
                _close_cell()
                st.rerun(scope="fragment")
        found = evaluation.judged_samples(
            workspace, model.id, subset, true_class=true, predicted_class=predicted
        )
        right = "right" if true == predicted else "wrong"
        st.caption(
            f"{text.count(len(found), 'picture')}, {right}: true class "
            f"**{text.plain(names[true])}**, predicted **{text.plain(names[predicted])}**. Most "
            "confident first."
        )
    if not found:
        st.info("No picture here." if cell else "No error on these pictures.")
        return
    _gallery(workspace, model, names, found, f"cell_{model.id}_{subset}_{cell}")


def _gallery(
    workspace: Workspace,
    model: Model,
    names: tuple[str, ...],
    found: list[JudgedSample],
    key: str,
) -> None:
    pages = -(-len(found) // PAGE)
    page = min(st.session_state.get(f"{key}_page", 1), pages)
    shown = found[(page - 1) * PAGE : page * PAGE]
    clicked = gallery([_tile(item, names) for item in shown], key, side_px=112)
    if pages > 1:
        st.pagination(pages, key=f"{key}_page")
    opened = next((item for item in shown if str(item.sample.id) == clicked), None)
    if opened:
        show_picture(workspace, model, opened)


def _tile(item: JudgedSample, names: tuple[str, ...]) -> Tile:
    wrong = item.target != item.predicted
    return Tile(
        key=str(item.sample.id), url=routes.thumbnail_url(item.sample.id, item.sample.sha256),
        title=f"{item.confidence:.1%}",
        detail=f"{names[item.target]} → {names[item.predicted]}" if wrong else names[item.target],
        hint=item.sample.path, tone="wrong" if wrong else "",
    )  # fmt: skip


@st.dialog("Why this decision?", width="large", position="right")
@errors.shown()
def show_picture(workspace: Workspace, model: Model, item: JudgedSample) -> None:
    names = model.class_names
    true = names[item.target]
    ranked = sorted(zip(names, item.probabilities, strict=True), key=lambda pair: -pair[1])
    path = workspace.resolve(item.sample.path)
    key = f"why_{item.sample.id}"
    left, right = st.columns([4, 5], gap="medium")
    if path.is_file():
        left.image(str(path), width="stretch")
    else:
        left.warning("The file is not there any more; only its stored confidences are.")
    left.caption(text.plain(item.sample.path))
    with right:
        _verdict(item, names)
        widgets.confidences(ranked, true_class=true, key=key)
        if path.is_file():
            widgets.heatmaps(workspace, model, path, ranked, true_class=true, key=key)


def _verdict(item: JudgedSample, names: tuple[str, ...]) -> None:
    true, predicted = text.plain(names[item.target]), text.plain(names[item.predicted])
    if item.target == item.predicted:
        st.success(f"Right: **{true}**, {item.confidence:.1%} confident.",
                   icon=":material/check_circle:")  # fmt: skip
    else:
        st.error(
            f"Wrong: predicted **{predicted}** ({item.confidence:.1%}), but it is **{true}** "
            f"({item.probabilities[item.target]:.1%}).",
            icon=":material/cancel:",
        )


def _choose_subset(subsets: list[Subset], preferred: Subset) -> Subset:
    """The subset, in the link where it is not the usual one; another subset closes the cell."""
    linked = st.query_params.get("subset")
    start = next((s for s in subsets if s.value == linked), preferred)
    if st.session_state.get("subset") not in subsets:
        st.session_state.subset = start
    chosen: Subset = st.segmented_control(
        "Subset", subsets, required=True, format_func=lambda s: s.value, key="subset",
        help=SUBSET_HELP, on_change=_close_cell,
    )  # fmt: skip
    if chosen is preferred:
        st.query_params.pop("subset", None)
    elif linked != chosen.value:
        st.query_params["subset"] = chosen.value
    return chosen


def page(workspace: Workspace) -> None:
    found = {m.id: m.name for m in models.list_models(workspace)}
    if not found:
        widgets.empty_state("grid_on", "No model to judge yet", "Train one first.",
                            ("train.py", "Train a model", "model_training"))  # fmt: skip
        return
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        chosen = state.choose("model", found, label="Model", help="Models, newest first.")
    model = models.find_model(workspace, chosen or "")
    subsets = evaluation.evaluated_subsets(workspace, model.id)
    if not subsets:
        st.info(
            "There are no results of this model here: it was uploaded, or its dataset was "
            "deleted. It can still be used for predictions."
        )
        st.page_link("predict.py", label="Predict with it", icon=":material/image_search:",
                     query_params={"model": model.id})  # fmt: skip
        return
    with right:
        preferred = Subset.TEST if Subset.TEST in subsets else subsets[0]
        subset = _choose_subset(subsets, preferred)
    inference.warm_up(workspace, model)
    report = evaluation.evaluation_report(workspace, model.id, subset)
    numbers(report)
    if subset is Subset.TRAIN:
        st.warning("These pictures trained the model: the numbers flatter it.")
    matrix_and_pictures(workspace, model, subset, report)
    per_class(report)
    with st.container(horizontal=True):
        if st.button("Next: use it on new pictures", icon=":material/image_search:",
                     key="to_predict"):  # fmt: skip
            st.switch_page("predict.py", query_params={"model": model.id})


widgets.page_heading("Evaluate", "How good is the model, where does it err, and why?")
page(state.workspace())
