"""Home: what this is, what is here, what runs, and what to do next."""

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
    ("upload", "Import", "a folder or ZIP of labelled images"),
    ("call_split", "Split", "into images that train and images that judge"),
    ("model_training", "Train", "in minutes, on any CPU or GPU"),
    ("grid_on", "Judge", "every error, with the image and the reason"),
    ("image_search", "Use", "classify new images, hand over the model"),
)


def welcome() -> None:
    st.title("Teach a computer to sort your images")
    st.markdown(
        "Touchstone trains an image classifier on **your own** images, shows you honestly how "
        "good it is, and lets you use it. In your browser, without code, without internet."
    )
    with st.container(horizontal=True):
        if st.button(
            "Try it with the pill demo",
            type="primary",
            icon=":material/play_arrow:",
            key="demo",
            help="Draws 300 images of good, contaminated and cracked pills "
            "and imports them; nothing is downloaded.",
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
    # Why these numbers: they show clear defects and the variety of the set at a glance.
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
    st.caption("From the demo: good, cracked and contaminated pills, drawn on this machine.")
    pills = _example_pills()
    for column, (name, image) in zip(st.columns(len(pills)), pills, strict=True):
        column.image(image, caption=name, width="stretch")


def next_step(dataset: Dataset) -> None:
    """The one thing that is missing for the newest dataset."""
    own_models = [m for m in models.list_models(state.workspace()) if m.dataset_id == dataset.id]
    name = text.plain(dataset.name)
    if own_models:
        page, label, icon = Place.EVALUATE, "See how good it is", "grid_on"
        words = f"**{text.plain(own_models[0].name)}** is trained. Look at its errors before use."
        query = {"model": own_models[0].id}
    elif runs.list_runs(state.workspace(), dataset.id):
        run = runs.list_runs(state.workspace(), dataset.id)[0]
        page, label, icon = Place.RUNS, "Open the training", "monitoring"
        words = f"**{text.plain(run.run.name)}** is {run.status}."
        query = {"run": run.run.id}
    elif splits.list_splits(state.workspace(), dataset.id):
        page, label, icon = Place.TRAIN, "Train a model", "model_training"
        words = f"**{name}** is split and ready to train."
        query = {"dataset": dataset.id}
    else:
        page, label, icon = Place.SPLIT, "Split the images", "call_split"
        words = f"**{name}** needs a split: which images train the model, which judge it."
        query = {"dataset": dataset.id}
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="next_step"):
        st.markdown(f"**Next step** · {words}")
        if st.button(label, type="primary", icon=f":material/{icon}:", key="next"):
            st.switch_page(page, query_params=query)


def overview(found: list[Dataset], made: list[Model]) -> None:
    scores = [m.test_macro_f1 for m in made if m.test_macro_f1 is not None and not leaks(m)]
    cells = st.columns(4)
    cells[0].metric("Datasets", len(found), border=True)
    cells[1].metric("Images", f"{sum(d.sample_count for d in found):,}", border=True)
    cells[2].metric("Models", len(made), border=True)
    cells[3].metric(
        "Best test macro F1",
        f"{max(scores):.3f}" if scores else "–",
        border=True,
        help="Macro F1 weighs every class the same: 1 is perfect. Measured on images that the "
        "training never saw, for models whose test results were looked at and whose split does not "
        "leak. Compare only models of the same dataset.",
    )


def leaks(model: Model) -> bool:
    """Whether the results of a model flatter, because its split leaks."""
    certificate = judging.certificate_of(state.workspace(), model)
    return certificate is not None and certificate.is_leaking


def recent(found: list[Dataset], made: list[Model]) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Datasets")
        tiles = [_dataset_tile(dataset) for dataset in found[:6]]
        clicked = gallery(tiles, "recent_datasets", side_px=150)
        if clicked:
            st.switch_page(Place.DATASETS, query_params={"dataset": clicked})
    with right:
        st.subheader("Models")
        if not made:
            st.caption("No model yet. Training one takes a minute or two.")
        for model in made[:5]:
            _model_card(model)


def _model_card(model: Model) -> None:
    score = model.test_macro_f1
    with st.container(border=True):
        name, link = st.columns([3, 1], vertical_alignment="center")
        words = "test not looked at yet" if score is None else f"test macro F1 **{score:.3f}**"
        if score is None and model.val_macro_f1 is not None:
            words += f" · validation macro F1 {model.val_macro_f1:.3f}"
        flag = " :orange-badge[:material/gpp_maybe: leaking split]" if leaks(model) else ""
        name.markdown(f"**{text.plain(model.name)}**{flag}")
        name.caption(f"{words} · {text.when(model.created_at)}")
        link.page_link(
            Place.EVALUATE,
            label="Evaluate",
            icon=":material/grid_on:",
            query_params={"model": model.id},
        )


def _dataset_tile(dataset: Dataset) -> Tile:
    samples, _ = datasets.samples(state.workspace(), dataset.id, limit=1)
    url = routes.thumbnail_url(samples[0].id, samples[0].sha256) if samples else ""
    words = f"{dataset.sample_count:,} images, {len(dataset.class_names)} classes"
    return Tile(dataset.id, url, dataset.name, words)


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
