"""Home: what this is, what is here, and what to do next."""

from dataclasses import dataclass

import streamlit as st
from PIL import Image

from core.data.demo import render_pill
from core.domain.datasets import Dataset
from core.domain.models import Model
from core.workflows.data import datasets, demo, splits
from core.workflows.results import judging
from core.workflows.training import runs
from core.workflows.use import models
from pages.ui import routes, state, text
from pages.ui.components import Tile, gallery
from pages.ui.places import Place

STEPS = (
    ("upload", "Import", "a folder or ZIP of labeled images"),
    ("call_split", "Split", "into images for training and for testing"),
    ("model_training", "Train", "in minutes, on any CPU or GPU"),
    ("grid_on", "Evaluate", "every mistake with its image and heatmap"),
    ("image_search", "Use", "classify new images, export the model"),
)


def welcome() -> None:
    st.title("Train an image classifier on your own images")
    st.markdown(
        "Touchstone trains a classifier on **your own** images, shows how good it really is and "
        "puts it to use: in your browser, without code and without internet."
    )
    with st.container(horizontal=True):
        if st.button(
            "Try it with the pill demo",
            type="primary",
            icon=":material/play_arrow:",
            key="demo",
            help="Draws 300 images of good, contaminated and cracked pills and imports them. "
            "Nothing is downloaded.",
        ):
            start_demo()
        if st.button("Import your images", icon=":material/upload:", key="go_import"):
            st.switch_page(Place.IMPORT)


def start_demo() -> None:
    bar = st.progress(0.0, text="Drawing pill images …")

    def show(done: int, total: int) -> None:
        bar.progress(done / total, text=f"Drawing pill images … {done} of {total}")

    job = demo.start_demo(state.workspace(), on_progress=show)
    st.switch_page(Place.IMPORT, query_params={"import": job.subject_id})


def steps() -> None:
    with st.container(key="steps"):
        for column, (icon, title, words) in zip(st.columns(len(STEPS)), STEPS, strict=True):
            with column.container(border=True, height="stretch"):
                st.markdown(f"#### :material/{icon}: {title}")
                st.caption(words)


@st.cache_data(show_spinner=False)
def _example_pills() -> list[tuple[str, Image.Image]]:
    # Why these: they show clear defects and the variety of the dataset at a glance.
    chosen = [
        ("good", 3),
        ("crack", 2),
        ("contamination", 2),
        ("good", 6),
        ("crack", 8),
        ("contamination", 4),
    ]
    return [(name, render_pill(name, index)) for name, index in chosen]


def examples() -> None:
    st.caption("Images of the demo: good, cracked and contaminated pills, drawn on this machine.")
    pills = _example_pills()
    for column, (name, image) in zip(st.columns(len(pills)), pills, strict=True):
        column.image(image, caption=name, width="stretch")


@dataclass(frozen=True)
class _Step:
    place: Place
    label: str
    words: str
    query: dict[str, str]


def next_step(dataset: Dataset) -> None:
    """The one thing to do next for the newest dataset."""
    step = _next_step(dataset)
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="next_step"):
        st.markdown(f"**Next step** · {step.words}")
        if st.button(step.label, type="primary", icon=step.place.icon, key="next"):
            st.switch_page(step.place, query_params=step.query)


def _next_step(dataset: Dataset) -> _Step:
    workspace, name = state.workspace(), text.plain(dataset.name)
    for_dataset = {"dataset": dataset.id}
    own_models = [m for m in models.list_models(workspace) if m.dataset_id == dataset.id]
    if own_models:
        words = f"**{text.plain(own_models[0].name)}** is trained. Check its mistakes before use."
        return _Step(Place.EVALUATE, "Evaluate it", words, {"model": own_models[0].id})
    own_runs = runs.list_runs(workspace, dataset.id)
    if own_runs:
        words = f"**{text.plain(own_runs[0].run.name)}** is {own_runs[0].status}."
        return _Step(Place.RUNS, "Open the run", words, {"run": own_runs[0].run.id})
    made = splits.list_splits(workspace, dataset.id)
    if made and not any(split.fractions[1] > 0 for split in made):
        words = f"**{name}** came with a split that has no validation images."
        query = {**for_dataset, "split": made[0].id}
        return _Step(Place.SPLIT, "Make validation images", words, query)
    if made:
        words = f"**{name}** is split and ready for training."
        return _Step(Place.TRAIN, "Train a model", words, for_dataset)
    words = f"**{name}** needs a split: which images train the model and which test it."
    return _Step(Place.SPLIT, "Split the images", words, for_dataset)


def overview(known: list[Dataset], trained: list[Model]) -> None:
    scores = [m.val_macro_f1 for m in trained if m.val_macro_f1 is not None and not leaks(m)]
    cells = st.columns(4)
    cells[0].metric("Datasets", len(known), border=True)
    cells[1].metric("Images", f"{sum(d.sample_count for d in known):,}", border=True)
    cells[2].metric("Models", len(trained), border=True)
    cells[3].metric(
        "Best validation macro F1",
        f"{max(scores):.3f}" if scores else "–",
        border=True,
        help="Macro F1 gives every class equal weight; 1 is perfect. Models with a leaking split "
        "do not count. Compare only models of the same dataset.",
    )


def leaks(model: Model) -> bool:
    """Whether the results of a model look too good because its split leaks."""
    certificate = judging.certificate_of(state.workspace(), model)
    return certificate is not None and certificate.is_leaking


def recent(known: list[Dataset], trained: list[Model]) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Datasets")
        tiles = [_dataset_tile(dataset) for dataset in known[:6]]
        clicked = gallery(tiles, "recent_datasets", side_px=150)
        if clicked:
            st.switch_page(Place.DATASETS, query_params={"dataset": clicked})
    with right:
        st.subheader("Models")
        if not trained:
            st.caption("No model yet. Training one takes a minute or two.")
        for model in trained[:5]:
            _model_card(model)


def _model_card(model: Model) -> None:
    with st.container(border=True):
        name, link = st.columns([3, 1], vertical_alignment="center")
        flag = " :orange-badge[:material/gpp_maybe: leaking split]" if leaks(model) else ""
        name.markdown(f"**{text.plain(model.name)}**{flag}")
        name.caption(" · ".join([*_scores(model), text.when(model.created_at)]))
        link.page_link(
            Place.EVALUATE,
            label="Evaluate",
            icon=Place.EVALUATE.icon,
            query_params={"model": model.id},
        )


def _scores(model: Model) -> list[str]:
    if model.val_macro_f1 is None:
        return []
    return [f"Validation macro F1 **{model.val_macro_f1:.3f}**"]


def _dataset_tile(dataset: Dataset) -> Tile:
    samples, _ = datasets.samples(state.workspace(), dataset.id, limit=1)
    url = routes.thumbnail_url(samples[0].id, samples[0].sha256) if samples else ""
    counts = (
        text.count(dataset.sample_count, "image"),
        text.count(len(dataset.class_names), "class"),
    )
    return Tile(dataset.id, url, dataset.name, ", ".join(counts))


known = datasets.list_datasets(state.workspace())
trained = models.list_models(state.workspace())
if known:
    st.title("Home")
    next_step(known[0])
    overview(known, trained)
    recent(known, trained)
    with st.container(horizontal=True):
        if st.button("Import images", icon=":material/upload:", key="go_import"):
            st.switch_page(Place.IMPORT)
        if st.button("Draw another pill demo", icon=":material/play_arrow:", key="demo"):
            start_demo()
else:
    welcome()
    steps()
    examples()
