"""Split: decide once which pictures train the model and which judge it."""

import streamlit as st

from core.domain import Dataset, LeakCertificate, QualityCheck, Split, Subset
from core.errors import TouchstoneError
from core.workflows import datasets, quality, splits
from core.workspace import Workspace
from pages.ui import errors, figures, state, text, widgets
from pages.ui.components import chart

GROUPINGS = {
    "none": "nothing but equal files",
    "auto": "look-alikes (found by the quality check)",
    "folder": "the folder below the class folder",
    "regex": "a pattern in the file name",
}


def choose_grouping(dataset: Dataset, check: QualityCheck | None) -> str | None:
    """What `create_split` calls the choice, with what speaks against it."""
    chosen = st.selectbox(
        "Never divide", list(GROUPINGS), format_func=GROUPINGS.__getitem__, key="grouping",
        index=1 if check and check.groups else 0,
        help="Pictures of one part must lie on one side, or the test only asks what was trained.",
    )  # fmt: skip
    if chosen == "none":
        warning = splits.flattery_warning(check)
        if warning:
            st.warning(text.plain(warning), icon=":material/content_copy:")
    if check is None and chosen in ("none", "auto"):
        st.page_link("quality.py", label="Run the quality check", icon=":material/troubleshoot:",
                     query_params={"dataset": dataset.id})  # fmt: skip
    if chosen == "regex":
        pattern = st.text_input(
            "Pattern", key="pattern", placeholder=r"(?P<group>part\d+)", max_chars=300,
            help="A regular expression with a named group 'group', searched in the path below the "
            "folder of the dataset. Pictures it does not match stand alone.",
        )  # fmt: skip
        return f"regex:{pattern.strip()}"
    return None if chosen == "none" else chosen


def form(workspace: Workspace, dataset: Dataset) -> None:
    with st.container(border=True):
        st.subheader("New split")
        low, high = st.slider(
            "Train · validation · test", 5, 100, (60, 80), 5, format="%d %%", key="bounds",
            help="Left of the first handle: train. Between: validation, which chooses the best "
            "epoch. Right of the second handle: test, which judges the model and is used for "
            "nothing else.",
        )  # fmt: skip
        st.markdown(
            f":gray[Train] **{low} %** · :gray[validation] **{high - low} %** · "
            f":gray[test] **{100 - high} %**"
        )
        if high == 100:
            st.warning("Without test pictures nothing will tell how good the model really is.")
        group_by = choose_grouping(dataset, quality.last_check(workspace, dataset.id))
        left, right = st.columns([1, 2])
        seed = left.number_input("Seed", 0, 2**31 - 1, 42, key="seed",
                                 help="The same seed gives the same split.")  # fmt: skip
        name = right.text_input("Name", key="split_name", placeholder="named by its percentages",
                                help="How the split is called in lists.",
                                max_chars=100)  # fmt: skip
        if st.button("Split", type="primary", icon=":material/call_split:", key="do_split"):
            fractions = (low / 100, (high - low) / 100, (100 - high) / 100)
            try:
                split = splits.create_split(workspace, dataset.id, fractions=fractions,
                                            seed=int(seed), name=name or None,
                                            group_by=group_by)  # fmt: skip
            except TouchstoneError as err:
                errors.show(err)
                return
            state.remember("split", split.id)
            st.query_params["split"] = split.id
            st.rerun()
        st.caption(
            "Every class is divided in these proportions, as well as groups allow, with at least "
            "one picture everywhere. A split is saved and never changed, so results stay "
            "comparable."
        )


def certificate(found: LeakCertificate | None) -> None:
    """Green only when everything was looked for and nothing found."""
    if found is None:
        st.info("This split was made before leaks were counted; make a new one to know.")
        return
    if found.is_clean:
        st.success(
            "**Leak certificate**: no group, no equal file and no look-alike lies in two subsets.",
            icon=":material/verified:",
        )
        return
    counts = (("groups", found.groups_across), ("equal files", found.exact_across),
              ("pairs of look-alikes", found.near_across))  # fmt: skip
    words = [f"{name} in two subsets: **{'not looked for' if n is None else f'{n:,}'}**"
             for name, n in counts]  # fmt: skip
    leaks = any(n for _, n in counts)
    shown = st.error if leaks else st.warning
    shown("**Leak certificate**: " + " · ".join(words), icon=":material/gpp_maybe:")


def show(workspace: Workspace, dataset: Dataset, split: Split) -> None:
    counts = splits.subset_counts(workspace, dataset, split.id)
    cells = st.columns(3)
    for cell, subset in zip(cells, Subset, strict=True):
        cell.metric(subset.value.capitalize(), f"{sum(counts[subset].values()):,}", border=True)
    certificate(split.certificate)
    chart(figures.subset_counts(counts, dataset.class_names, dark=state.is_dark()), "subset_counts",
          description="Pictures per class and subset")  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Next: train a model", type="primary", icon=":material/model_training:",
                     key="to_train"):  # fmt: skip
            st.switch_page("train.py", query_params={"dataset": dataset.id, "split": split.id})
        st.caption(
            f"{text.plain(split.strategy.capitalize())} · "
            f"seed {split.seed} · made {text.when(split.created_at)} · content {split.digest[:12]}"
        )


@st.fragment
@errors.shown()
def pictures(workspace: Workspace, dataset: Dataset, split: Split) -> None:
    st.subheader("Pictures of a subset")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        subset = st.segmented_control("Subset", list(Subset), default=Subset.TRAIN, required=True,
                                      format_func=lambda s: s.value, key="subset")  # fmt: skip
        names = ["all classes", *dataset.class_names]
        chosen = st.selectbox("Class", range(len(names)), format_func=names.__getitem__,
                              key="split_class", width=260)  # fmt: skip
    widgets.paged_samples(
        lambda limit, offset: datasets.samples(
            workspace, dataset.id, label=chosen - 1 if chosen else None, split_id=split.id,
            subset=subset, limit=limit, offset=offset,
        ),
        lambda sample: widgets.sample_tile(sample, dataset.class_names),
        key=f"split_pictures_{split.id}_{subset}",
    )  # fmt: skip


def page(workspace: Workspace) -> None:
    found = {d.id: d.name for d in datasets.list_datasets(workspace)}
    if not found:
        widgets.empty_state(
            "call_split", "Nothing to split yet", "Import pictures first.",
            ("import_pictures.py", "Import pictures", "upload"),
        )  # fmt: skip
        return
    chosen = state.choose("dataset", found, label="Dataset", help="Which pictures to split.")
    dataset = datasets.find_dataset(workspace, chosen or "")
    existing = {s.id: s.name for s in splits.list_splits(workspace, dataset.id)}
    left, right = st.columns([2, 3], gap="large")
    with left:
        form(workspace, dataset)
    with right:
        if not existing:
            st.info(
                "This dataset has no split yet. 60 / 20 / 20 is a good start; with fewer than "
                "about 20 pictures per class, give the test set more."
            )
            return
        split_id = state.choose(
            "split", existing, label="Split", help="Saved splits, newest first."
        )
        split = splits.find_split(workspace, dataset.id, split_id)
        show(workspace, dataset, split)
    pictures(workspace, dataset, split)


widgets.page_heading(
    "Split", "Pictures that train the model must never judge it: divide them once, and keep it."
)
page(state.workspace())
