"""Several runs over each other: chosen by checkbox, kept in the link, the best one marked."""

from collections.abc import Mapping, Sequence

import streamlit as st

from core.domain.configs.acting import acted_on, recipe_is_trained
from core.models.catalog import network_title
from core.workflows.training import runs
from core.workflows.training.run_words import setting_in_words, state_in_words
from core.workflows.training.runs import RunView
from core.workspace import Workspace
from pages.training import run_states
from pages.ui import text
from pages.ui.components import chart
from pages.ui.figures import run_comparison
from pages.ui.tables import small_table
from pages.ui.text import html

OFFERED = 12
AT_FIRST = 4
_LINK = "compare"


def compare(workspace: Workspace, views: list[RunView], opened: RunView) -> None:
    """Runs to choose from at the left, their curves over each other at the right."""
    if len(views) < 2:
        return
    st.subheader("Compare runs")
    scores = runs.best_scores(workspace)
    offered = _offered(views, opened)
    wanted = _wanted(offered, opened, scores)
    left, right = st.columns([1, 2], gap="large")
    with left, st.container(gap="xsmall"):
        best = _best(offered, scores)
        chosen = [
            view
            for view in offered
            if st.checkbox(
                _label(view, scores, is_best=view is best),
                value=view.run.id in wanted,
                key=f"compare_{view.run.id}",
            )
        ]
        _remember([view.run.id for view in chosen], _at_first(offered, opened, scores))
    with right:
        _charts(workspace, chosen, _best(chosen, scores))
        _differences(workspace, chosen, scores)
    every = st.expander("Settings and scores of all runs", key="all_runs", on_change="rerun")
    with every:
        if every.open:
            _table(workspace, views, scores)


def _offered(views: list[RunView], opened: RunView) -> list[RunView]:
    """The newest runs, active ones and the open one among them."""
    first = [v for v in views if v.status.is_active or v.run.id == opened.run.id]
    rest = [v for v in views if v not in first]
    return sorted(
        [*first, *rest][:OFFERED], key=lambda v: (not v.status.is_active, -v.run.created_at)
    )


def _wanted(offered: list[RunView], opened: RunView, scores: dict[str, float]) -> set[str]:
    link = st.query_params.get(_LINK)
    return set(link.split(",")) if link else _at_first(offered, opened, scores)


def _at_first(offered: list[RunView], opened: RunView, scores: dict[str, float]) -> set[str]:
    """The open run and the newest ones that came to something."""
    made = [v.run.id for v in offered if v.run.id in scores or v.status.is_active]
    return {opened.run.id, *made[:AT_FIRST]}


def _remember(chosen: list[str], at_first: set[str]) -> None:
    if set(chosen) == at_first or not chosen:
        if _LINK in st.query_params:
            del st.query_params[_LINK]
    elif st.query_params.get(_LINK) != ",".join(chosen):
        st.query_params[_LINK] = ",".join(chosen)


def _best(views: list[RunView], scores: dict[str, float]) -> RunView | None:
    judged = [v for v in views if v.run.id in scores]
    return max(judged, key=lambda v: scores[v.run.id], default=None)


def _label(view: RunView, scores: dict[str, float], *, is_best: bool) -> str:
    score = scores.get(view.run.id)
    parts = [f"{run_states.LOOKS[view.state][0]} {text.plain(view.run.name)}"]
    parts.append(f"F1 {text.decimal(score)}" if score is not None else state_in_words(view.state))
    return " · ".join(parts) + (" · :material/star: **best**" if is_best else "")


def _charts(workspace: Workspace, chosen: list[RunView], best: RunView | None) -> None:
    if not chosen:
        st.caption("Tick the runs to compare.")
        return
    names = {run_id: html(name) for run_id, name in _names(chosen).items()}
    top = names.get(best.run.id) if best else None
    curves = {names[v.run.id]: runs.curve(workspace, v.run.id) for v in chosen}
    curves = {name: curve for name, curve in curves.items() if curve}
    paths = {names[v.run.id]: runs.penalty_path(workspace, v.run.id) for v in chosen}
    paths = {name: path for name, path in paths.items() if path}
    if curves:
        chart(
            run_comparison.scores_over_epochs(curves, best=top),
            "compare_scores",
            description="Validation macro F1 of the chosen runs over the epochs",
        )
    if paths:
        chart(
            run_comparison.losses_over_penalty(paths, best=top),
            "compare_paths",
            description="Cross-validated log loss of the chosen runs over the penalty",
        )
    if not curves and not paths:
        st.caption("The chosen runs have no curves.")


def differing_settings(
    chosen: Sequence[RunView], in_epochs: frozenset[str]
) -> dict[str, list[str]]:
    """Title of each setting in which runs differ -> its value in each; a dash where it is idle."""
    acted = [
        {item.title: setting_in_words(item, value) for item, value in settings}
        for settings in (acted_on(v.run, has_epochs=v.run.id in in_epochs) for v in chosen)
    ]
    titles = dict.fromkeys(title for settings in acted for title in settings)
    rows = {title: [settings.get(title, text.NOTHING) for settings in acted] for title in titles}
    return {title: values for title, values in rows.items() if len(set(values)) > 1}


def _differences(
    workspace: Workspace, chosen: Sequence[RunView], scores: Mapping[str, float]
) -> None:
    if len(chosen) < 2:
        return
    rows = differing_settings(chosen, runs.trained_in_epochs(workspace))
    if not rows:
        st.caption("These runs have the same settings.")
        return
    rows["Validation macro F1"] = [text.decimal(scores.get(v.run.id)) for v in chosen]
    plain = {"": list(rows)}
    for number, name in enumerate(_names(chosen).values()):
        plain[name] = [values[number] for values in rows.values()]
    st.markdown("##### What differs")
    small_table(plain, "differences", about="What differs")


def _names(chosen: Sequence[RunView]) -> dict[str, str]:
    """Run id -> a name that no other one of the chosen has."""
    names: dict[str, str] = {}
    for view in chosen:
        name, number = view.run.name, 2
        while name in names.values():
            name, number = f"{view.run.name} ({number})", number + 1
        names[view.run.id] = name
    return names


def _table(workspace: Workspace, views: list[RunView], scores: dict[str, float]) -> None:
    trained = runs.trained_in_epochs(workspace)
    stepped = [recipe_is_trained(v.run.train.recipe) or v.run.id in trained for v in views]
    st.dataframe(
        {
            "run": [v.run.name for v in views],
            "status": [state_in_words(v.state) for v in views],
            "best macro F1": [scores.get(v.run.id) for v in views],
            "recipe": [v.run.train.recipe.value for v in views],
            "network": [network_title(v.run.train.network) for v in views],
            "fold": [None if v.run.fold is None else v.run.fold + 1 for v in views],
            "size": [v.run.preprocess.image_size_px for v in views],
            "epochs": [
                v.run.train.epochs if s else None for v, s in zip(views, stepped, strict=True)
            ],
            "learning rate": [
                v.run.train.learning_rate if s else None
                for v, s in zip(views, stepped, strict=True)
            ],
            "started": [text.when(v.run.created_at) for v in views],
        },
        hide_index=True,
        placeholder="–",
        column_config={"best macro F1": st.column_config.NumberColumn(format="%.3f")},
    )
