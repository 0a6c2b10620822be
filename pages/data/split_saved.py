"""A saved split: its numbers, certificate, images, and what can be done with it."""

from collections.abc import Iterable, Sequence

import streamlit as st

from core.api import splits as split_json
from core.data.split_request import SplitRequest, request_of
from core.domain.datasets import Dataset, Sample
from core.domain.keeping.people import Right
from core.domain.splits import (
    CountedGroups,
    Grouping,
    GroupKind,
    LeakCertificate,
    Split,
    SplitSide,
    Subset,
)
from core.words import joined
from core.workflows.data import certificates, datasets, quality, splits
from core.workflows.data.certificates import SideCounts
from core.workflows.data.split_words import strategy_in_words
from core.workspace import Workspace
from pages.data.split_form import View
from pages.data.split_preview import (
    certificate,
    counts_chart,
    gaps,
    honesty,
    numbers,
    what_look_alikes_are,
)
from pages.ui import components, errors, state, text, widgets
from pages.ui.people import rights
from pages.ui.places import Place
from pages.ui.shell import deleted
from pages.ui.split_counts import side_counts

STRIP = 6
STRIPS = 6


def show(workspace: Workspace, dataset: Dataset, split: Split) -> None:
    """Everything about one split: whether it leaks, what it holds, and what can be done."""
    counts = side_counts(workspace, dataset, split)
    _changed(workspace, dataset, split)
    can_train = not _lacks_validation(split, counts)
    left, right = st.columns([3, 2], gap="large")
    with left:
        certificate(split.certificate)
        if split.strategy.grouping is not None:
            honesty(quality.last_check(workspace, dataset.id))
        numbers(counts)
        counts_chart(counts, dataset, "subset_counts")
        gaps(counts)
    with right:
        _badges(dataset, split)
        how = strategy_in_words(split)
        st.caption(
            f"{text.plain(how[:1].upper() + how[1:])} · seed {split.seed} · "
            f"{text.when(split.created_at)}"
        )
        leaks = split.certificate if split.certificate and split.certificate.is_leaking else None
        if leaks is not None and st.button(
            "Make a split without leaks",
            type="primary",
            icon=":material/call_split:",
            key="make_clean",
            help="Opens a new split that keeps together what this one shares.",
        ):
            _keep_together(leaks)
        if can_train and st.button(
            "Next: train a model",
            type="secondary" if leaks else "primary",
            icon=":material/model_training:",
            key="to_train",
        ):
            st.switch_page(Place.TRAIN, query_params={"dataset": dataset.id, "split": split.id})
        with st.container(horizontal=True):
            _actions(split, dataset)
        what_look_alikes_are()
    _strips(workspace, dataset, split, counts)
    # Read while they are open: with 100,000 images that takes seconds.
    images = st.expander("All images of one subset or fold", key="all_images", on_change="rerun")
    with images:
        if images.open:
            _images(workspace, dataset, split, list(counts))
    certified = st.expander("Certificate as text", key="certificate_text", on_change="rerun")
    with certified:
        if certified.open:
            _certificate_file(workspace, split)
    with st.expander("Delete this split", icon=":material/delete:"):
        st.markdown(_taken_along(workspace, split))
        if st.button(
            "Delete split …", icon=":material/delete:", key="do_delete", **rights.only(Right.DATA)
        ):
            _confirm_delete(workspace, split)


def _keep_together(leaks: LeakCertificate) -> None:
    """Open the form with what a leaking split should have kept together."""
    is_of_parts = leaks.groups_across and leaks.counted is CountedGroups.PARTS
    # Why forgotten: the form then proposes it by the last quality check.
    st.session_state.pop("grouping", None)
    if is_of_parts:
        st.session_state["grouping"] = Grouping(GroupKind.COLUMN).option
    st.session_state["split_view_next"] = View.NEW
    st.rerun()


def _taken_along(workspace: Workspace, split: Split) -> str:
    """What goes with the split, and what stays."""
    runs, searches = splits.use_count(workspace, split.id)
    users = [text.count(n, noun) for n, noun in ((runs, "run"), (searches, "search")) if n]
    taken = f"Also deletes {joined(users)}. " if users else "No run has used it. "
    return f"{taken}Models, reports and images stay."


def _lacks_validation(split: Split, counts: SideCounts) -> bool:
    """Whether nothing validates, which is said with what helps: a split that came so."""
    totals = {subset: 0 for subset in Subset}
    for side, own in counts.items():
        totals[side.subset] += sum(own.values())
    if totals[Subset.VALIDATION]:
        return False
    st.warning(
        "This split has no validation images, which choose settings and thresholds: it cannot be "
        "trained.",
        icon=":material/warning:",
    )
    if totals[Subset.TEST] and st.button(
        "Make validation images",
        type="primary",
        icon=":material/call_split:",
        key="make_validation",
        help="Opens a new split that keeps these test images and takes the validation images from "
        "the training images.",
    ):
        st.session_state["split_prefill"] = SplitRequest(keep_test=split.name)
        st.session_state["split_view_next"] = View.NEW
        st.rerun()
    return True


def _badges(dataset: Dataset, split: Split) -> None:
    is_old = split.version < dataset.version
    with st.container(horizontal=True):
        if split.folds:
            st.badge(
                f"{split.folds} folds",
                icon=":material/view_week:",
                color="blue",
                help="Each fold validates one run; the others train it.",
            )
        if split.sealed:
            st.badge(
                "test set sealed",
                icon=":material/lock:",
                color="violet",
                help="Later splits of this version of the dataset keep this test set.",
            )
        st.badge(
            f"version {split.version} of {dataset.version}"
            if is_old
            else f"version {split.version}",
            color="orange" if is_old else "gray",
            help=f"The version of the dataset that was divided. Content: {split.digest[:12]}.",
        )


def _changed(workspace: Workspace, dataset: Dataset, split: Split) -> None:
    """Edits since the split was made, with the images."""
    drift = certificates.drift(workspace, dataset, split)
    if drift.is_empty:
        return
    kinds = [
        (key, words, ids)
        for key, words, ids in (
            ("added", "added since and in no subset", drift.added),
            ("left", "removed since", drift.left),
            ("relabelled", "relabeled since", drift.relabelled),
        )
        if ids
    ]
    counts = " · ".join(f"**{len(ids):,}** {words}" for _, words, ids in kinds)
    st.warning(
        f"This split was made for version {split.version} of the dataset, which is now at version "
        f"{dataset.version}. Images: {counts}.",
        icon=":material/history:",
    )
    with st.expander("Show these images"):
        for key, words, ids in kinds:
            st.markdown(f"**{text.count(len(ids), 'image')} {words}**")
            samples = datasets.find_samples(workspace, ids[: 2 * STRIP])
            _tiles(dataset, samples, f"drift_{key}", side_px=96)


def _actions(split: Split, dataset: Dataset) -> None:
    request = request_of(split)
    if request and st.button(
        "New split like this",
        icon=":material/content_copy:",
        key="like",
        help="Opens the form with the settings of this split.",
    ):
        st.session_state["split_prefill"] = request
        st.session_state["split_view_next"] = View.NEW
        st.rerun()
    can_seal = not split.sealed and split.version == dataset.version and split.fractions[2] > 0
    if can_seal and st.button(
        "Seal test set",
        icon=":material/lock:",
        key="do_seal",
        **rights.only(
            Right.DATA, help="Later splits of this version of the dataset will keep this test set."
        ),
    ):
        _confirm_seal(split)


@st.dialog("Seal the test set")
@errors.shown()
def _confirm_seal(split: Split) -> None:
    st.markdown(
        "Every new split of this version of the dataset will keep the test images of "
        f"**{text.plain(split.name)}**; only the other images are divided. This cannot be undone. "
        "Editing the dataset makes a new version, which is not bound by the seal."
    )
    if st.button("Seal", type="primary", icon=":material/lock:", key="seal_now"):
        splits.seal_test(state.workspace(), split.id)
        st.rerun()


@st.dialog("Delete split")
@errors.shown()
def _confirm_delete(workspace: Workspace, split: Split) -> None:
    st.markdown(f"Delete **{text.plain(split.name)}**? {_taken_along(workspace, split)}")
    st.caption("It stays in the bin for 30 days (page Health).")
    sure = True
    if split.sealed:
        st.warning(
            "Its test set is sealed. Once the last split that holds it is deleted, these images "
            "can be used for training, and results on them can no longer be verified.",
            icon=":material/lock_open:",
        )
        sure = st.checkbox(
            "Give up the sealed test set of this split", key=f"delete_sealed_{split.id}"
        )
    if st.button(
        "Delete", type="primary", icon=":material/delete:", key="delete_now", disabled=not sure
    ):
        deleted.leave(splits.delete_split(workspace, split.id), Place.SPLIT)


def _certificate_file(workspace: Workspace, split: Split) -> None:
    with st.spinner("Reading the split …"):
        content = _certificate_text((str(workspace.root), repr(split)), workspace, split)
    st.code(content, language="json", height=260)
    st.download_button(
        "Download",
        content,
        f"{split.id}-certificate.json",
        "application/json",
        icon=":material/download:",
        key="certificate_file",
    )


@st.cache_data(max_entries=16, show_spinner=False)
def _certificate_text(key: tuple[str, ...], _workspace: Workspace, _split: Split) -> str:
    return split_json.certificate_text(_workspace, _split)


@st.cache_data(max_entries=64, show_spinner=False)
def _first_images(
    key: tuple[object, ...], _workspace: Workspace, _split: Split, _side: SplitSide
) -> list[Sample]:
    return splits.images_of_side(_workspace, _split, _side, limit=STRIP)[0]


def _strips(workspace: Workspace, dataset: Dataset, split: Split, counts: SideCounts) -> None:
    """A few images of every side, next to each other."""
    sides = [side for side, own in counts.items() if any(own.values())][:STRIPS]
    for start in range(0, len(sides), 3):
        for column, side in zip(
            st.columns(3, gap="medium"), sides[start : start + 3], strict=False
        ):
            with column:
                is_locked = split.sealed and side.subset is Subset.TEST
                lock = ":material/lock: " if is_locked else ""
                st.markdown(
                    f"**{lock}{side.name.capitalize()}** :gray[· "
                    f"{text.count(sum(counts[side].values()), 'image')}]"
                )
                key = (str(workspace.root), split.id, dataset.version, side.name)
                samples = _first_images(key, workspace, split, side)
                _tiles(dataset, samples, f"strip_{side.name}", side_px=84)


def _tiles(dataset: Dataset, samples: Iterable[Sample], key: str, *, side_px: int) -> None:
    tiles = [widgets.sample_tile(sample, dataset.class_names) for sample in samples]
    components.gallery(tiles, key.replace(" ", "_"), side_px=side_px)


@st.fragment
@errors.shown()
def _images(
    workspace: Workspace, dataset: Dataset, split: Split, sides: Sequence[SplitSide]
) -> None:
    by_name = {side.name: side for side in sides}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.segmented_control(
            "Fold" if split.folds else "Subset",
            list(by_name),
            default=sides[0].name,
            required=True,
            key=f"side_{split.folds}",
            help="Which images of the split to show.",
        )
        names = ["all classes", *dataset.class_names]
        chosen = st.selectbox(
            "Class",
            range(len(names)),
            format_func=names.__getitem__,
            key="split_class",
            width=260,
            help="Show only images of one class.",
        )
    side = by_name.get(name or "", sides[0])
    widgets.paged_samples(
        lambda limit, offset: splits.images_of_side(
            workspace,
            split,
            side,
            label=chosen - 1 if chosen else None,
            limit=limit,
            offset=offset,
        ),
        lambda sample: widgets.sample_tile(sample, dataset.class_names),
        key=f"split_pictures_{split.id}_{side.name}".replace(" ", "_"),
    )


def overview(existing: Sequence[Split]) -> None:
    """All splits of the dataset, as a table."""
    every = st.expander(f"All {len(existing)} splits", key="all_splits", on_change="rerun")
    with every:
        if every.open:
            _table(existing)


def _table(existing: Sequence[Split]) -> None:
    st.dataframe(
        {
            "split": [s.name for s in existing],
            "leaks": [_leaks(s.certificate) for s in existing],
            "method": [strategy_in_words(s) for s in existing],
            "folds": [s.folds or None for s in existing],
            "test": ["sealed" if s.sealed else "" for s in existing],
            "version": [s.version for s in existing],
            "made": [text.when(s.created_at) for s in existing],
        },
        hide_index=True,
    )


def _leaks(leaks: LeakCertificate | None) -> str:
    if leaks is not None and leaks.is_leaking:
        return "leaks"
    return "none" if leaks is not None and leaks.is_clean else "not checked"
