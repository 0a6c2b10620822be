"""Search: settings to vary, a budget, and what each trial reached; the best one becomes a run."""

import streamlit as st

from core.domain.configs.choices import Recipe
from core.domain.configs.train import recipe_defaults
from core.domain.datasets import Dataset
from core.domain.jobs import Job, JobStatus
from core.domain.keeping.people import Right
from core.domain.search import Trial, range_of, searchable, usual_choice
from core.domain.splits import Split
from core.errors import TouchstoneError
from core.workflows import jobs
from core.workflows.training import search as searches
from core.workflows.training.augmentation import default_augment
from core.workflows.training.search import SearchView
from core.workspace import Workspace
from pages.training import setting_fields
from pages.training.recipe_words import RECIPES
from pages.ui import context, errors, state, text, widgets
from pages.ui.components import chart
from pages.ui.figures import search_charts
from pages.ui.people import rights
from pages.ui.places import Place
from pages.ui.shell import deleted


def form(workspace: Workspace, dataset: Dataset, split: Split) -> None:
    """What to vary, for how long, and one button."""
    wanted = setting_fields.asked()
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    offered = [recipe for recipe in RECIPES if searchable(recipe)]
    with left:
        recipe: Recipe = st.segmented_control(
            "Recipe",
            offered,
            default=wanted.recipe if wanted.recipe in offered else offered[0],
            required=True,
            format_func=lambda r: RECIPES[r][0],
            key="search_recipe",
            bind="query-params",
            help="Settings that are not varied are those of Configure.",
        )
    known = {item.name: item for item in searchable(recipe)}
    with right:
        over = st.multiselect(
            "Settings to vary",
            list(known),
            default=usual_choice(recipe),
            format_func=lambda name: known[name].title,
            key=f"search_over_{recipe}",
            bind="query-params",
            help="Each trial trains once with other values. Two or three settings need about ten "
            "trials.",
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        minutes = st.number_input(
            "Minutes",
            1.0,
            10_000.0,
            20.0,
            step=5.0,
            format="%g",
            key="search_minutes",
            bind="query-params",
            width=140,
            help="For all trials together. The trial that runs then ends with its best epoch.",
        )
        trials = st.number_input(
            "Trials at most",
            1,
            1000,
            10,
            key="search_trials",
            bind="query-params",
            width=140,
            help="Each trains once.",
        )
        pressed = st.button(
            "Start the search",
            type="primary",
            icon=":material/manage_search:",
            key="start_search",
            **rights.only(Right.TRAIN, disabled=not over),
        )
    if not pressed:
        return
    train = recipe_defaults(recipe, wanted.network)
    own = wanted.settings.get(recipe, {})
    defaults = setting_fields.Defaults(train, default_augment(workspace, dataset.id))
    values = {name: own.get(name, defaults.value(name)) for name in defaults.settings}
    asked, augment = setting_fields.configs(defaults, values, wanted)
    try:
        view = searches.start_search(
            workspace,
            dataset.id,
            asked,
            over=tuple(over),
            minutes=minutes,
            trials=trials,
            split=split.id,
            augment=augment,
        )
    except TouchstoneError as err:
        errors.show(err)
        return
    st.query_params["search"] = view.search.id
    st.rerun()


def result(workspace: Workspace, view: SearchView) -> None:
    """The trials of a search, while it runs and afterwards."""

    def draw(job: Job) -> None:
        now = searches.find_search(workspace, view.search.id)
        if job.status.is_active:
            with st.container(horizontal=True, vertical_alignment="center"):
                with st.container(width="stretch"):
                    widgets.job_progress(job)
                _pause(workspace, job)
        elif job.status is not JobStatus.COMPLETED:
            widgets.job_progress(job)
        _trials(now)

    _best(workspace, view)
    widgets.follow(workspace, view.search.id, draw, every_s=2.0)


def _pause(workspace: Workspace, job: Job) -> None:
    if st.button(
        "Pausing …" if job.stop_requested else "Pause",
        icon=":material/pause:",
        key="pause_search",
        **rights.to_stop(
            job,
            help="Frees the device. Resume goes on with the same trial.",
            disabled=job.stop_requested,
        ),
    ):
        jobs.stop(workspace, job.id, pause=True)
        st.rerun(scope="fragment")


def _best(workspace: Workspace, view: SearchView) -> None:
    """The best trial in words, and what one does with the search."""
    best = view.best
    with st.container(horizontal=True, vertical_alignment="center", key="search_best"):
        if best is not None:
            st.markdown(
                f"**Best so far: trial {best.number + 1}**, macro F1 {text.decimal(best.score)} · "
                + ", ".join(f"{_title(view, n)} {_plain(v)}" for n, v in best.values.items())
            )
        st.space("stretch")
        if best is not None and st.button(
            "Train with the best settings",
            type="primary",
            icon=":material/play_arrow:",
            key="train_best",
            **rights.only(Right.TRAIN),
        ):
            run = searches.train_trial(workspace, view.search.id)
            st.switch_page(Place.RUNS, query_params={"run": run.run.id})
        if view.can_resume and st.button(
            "Resume", icon=":material/resume:", key="resume_search", **rights.only(Right.TRAIN)
        ):
            searches.resume_search(workspace, view.search.id)
            st.rerun()
        if not view.status.is_active and st.button(
            "Delete",
            type="tertiary",
            icon=":material/delete:",
            key="delete_search",
            **rights.only(
                Right.TRAIN,
                help="With its trials, into the bin for 30 days (page Health). Runs that were "
                "started from it stay.",
            ),
        ):
            deleted.leave(searches.delete_search(workspace, view.search.id), Place.SEARCH)


def _trials(view: SearchView) -> None:
    measured = [t for t in view.trials if t.score is not None]
    if not measured:
        with st.container(border=True):
            st.caption("The charts appear with the first result.")
        return
    titles = {name: _title(view, name) for name in view.search.over}
    left, right = st.columns(2)
    with left:
        chart(
            search_charts.history(view.trials),
            "search_history",
            description="Validation macro F1 of each trial",
        )
    with right:
        if view.importance:
            chart(
                search_charts.importances(view.importance, titles),
                "search_importance",
                description="Share of the differences that each setting explains",
            )
        elif view.best is not None:
            _parallel(view, titles)
    if view.importance:
        _parallel(view, titles)
    _table(view, titles)


def _parallel(view: SearchView, titles: dict[str, str]) -> None:
    settings = [s for s in searchable(view.search.train.recipe) if s.name in view.search.over]
    configs = (view.search.train, view.search.augment)
    ranges = [
        range_of(s, next(getattr(c, s.name) for c in configs if hasattr(c, s.name)))
        for s in settings
    ]
    chart(
        search_charts.parallel_values(view.trials, ranges, titles),
        "search_parallel",
        description="Values of the completed trials",
    )


def _table(view: SearchView, titles: dict[str, str]) -> None:
    with st.expander("All trials", expanded=len(view.trials) <= 5):
        st.dataframe(
            {
                "trial": [t.number + 1 for t in view.trials],
                "state": [_state(t) for t in view.trials],
                "macro F1": [t.score for t in view.trials],
                **{
                    title: [_plain(t.values[name]) for t in view.trials]
                    for name, title in titles.items()
                },
                "time": [text.duration(t.duration_s or None) for t in view.trials],
            },
            hide_index=True,
            placeholder=text.NOTHING,
            column_config={"macro F1": st.column_config.NumberColumn(format="%.3f")},
        )
    if view.search.folds:
        st.caption(
            f"Few validation images: each trial is cross-validated in {view.search.folds} folds."
        )


def _state(trial: Trial) -> str:
    return trial.error or ("ended early" if trial.state.value == "pruned" else trial.state.value)


def _title(view: SearchView, name: str) -> str:
    known = {s.name: s.title for s in searchable(view.search.train.recipe)}
    return known.get(name, name)


def _plain(value: object) -> str:
    return text.significant(value) if isinstance(value, float) else str(value).replace("_", " ")


def page(workspace: Workspace) -> None:
    dataset = context.dataset(workspace)
    split = context.split(workspace) if dataset else None
    if dataset is None or split is None:
        widgets.empty_state(
            "manage_search",
            "Nothing to search on yet",
            "Import and split images first.",
            (Place.IMPORT, "Import images") if dataset is None else (Place.SPLIT, "Split"),
        )
        return
    form(workspace, dataset, split)
    views = searches.list_searches(workspace, dataset.id)
    if not views:
        return
    names = {v.search.id: f"{v.search.name} · {text.when(v.search.created_at)}" for v in views}
    chosen = state.choose("search", names, label="Search", help="Newest first.")
    result(workspace, searches.find_search(workspace, chosen or ""))


widgets.page_heading(Place.SEARCH, "Let trials find the settings, within a budget.")
page(state.workspace())
