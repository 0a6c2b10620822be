"""Split: decide once which images train the model and which judge it."""

from collections.abc import Iterable
from dataclasses import replace

import streamlit as st

from core.data.quality.similarity import LOOK_ALIKES
from core.data.split import MAX_FOLDS, SplitRequest, request_of
from core.domain.datasets import Dataset, Sample
from core.domain.findings import QualityCheck
from core.domain.splits import LeakCertificate, OrderBy, Split, Subset
from core.errors import TouchstoneError
from core.workflows.data import certificates, datasets, quality, splits
from core.workflows.data.certificates import SideCounts
from core.workflows.data.splits import SplitPlan
from core.workspace import Workspace
from pages.ui import components, errors, state, text, widgets
from pages.ui.components import chart
from pages.ui.figures import dataset_charts
from pages.ui.places import Place

SHARES, COUNTS, FOLDS = "Percentages", "Counts", "Folds"
GROUPINGS = {
    "none": "nothing but equal files",
    "auto": "look-alikes (found by the quality check)",
    "folder": "the folder below the class folder",
    "column": "the stored group (part, lot, serial number)",
    "regex": "a pattern in the file name",
}
CHANCE = "chance"
SIDE_HELP = {
    "Train": "Images the model learns from.",
    "Validation": "Images that choose the best epoch and set thresholds; never trained on.",
    "Test": "Images that judge the finished model, and nothing else.",
    "Folds": "The images are divided into this many equal parts; each is left out once.",
    "Per fold": "Images in one fold.",
}
ORDERS = {CHANCE: "by chance", OrderBy.NAME: "by name", OrderBy.DATE: "by file date"}
# Why here and not in the widgets: a split can fill the form, and Streamlit takes one or the other.
FORM = {
    "method": SHARES,
    "bounds": (60, 80),
    "sealed_bound": 75,
    "folds": 5,
    "fold_test": 20,
    "seed": 42,
    "order": CHANCE,
}
SAVED, NEW = "Saved splits", "New split"
PREVIEW_AT_MOST = 20_000  # beyond, a preview costs seconds and is made when asked for
STRIP = 6
STRIPS = 6


def choose_grouping(
    workspace: Workspace, dataset: Dataset, check: QualityCheck | None
) -> str | None:
    """What `create_split` calls the choice, with what speaks against it."""
    known = splits.groupings(workspace, dataset.id)
    options = ["none", *known, "regex"]
    if st.session_state.get("grouping") not in options:
        st.session_state["grouping"] = "auto" if check and check.groups else "none"
    chosen = st.selectbox(
        "Never divide",
        options,
        format_func=_grouping_words,
        key="grouping",
        help="Images of one part must lie on one side, or the test only asks what was trained.",
    )
    if chosen == "none":
        warning = splits.flattery_warning(check)
        if warning:
            st.warning(text.plain(warning), icon=":material/content_copy:")
    if check is None and chosen in ("none", "auto"):
        st.page_link(
            Place.QUALITY,
            label="Run the quality check",
            icon=":material/troubleshoot:",
            query_params={"dataset": dataset.id},
        )
    if chosen == "regex":
        pattern = st.text_input(
            "Pattern",
            key="pattern",
            placeholder=r"(?P<group>part\d+)",
            max_chars=300,
            help="A regular expression with a named group 'group', searched in the path below the "
            "folder of the dataset. Images it does not match stand alone.",
        )
        if not pattern.strip():
            st.info(
                "Type what the names of one part's images have in common, in brackets: for names "
                r"like `part12_a.jpg`, `(?P<group>part\d+)`. Until then images are not grouped.",
                icon=":material/edit:",
            )
            return None
        return f"regex:{pattern.strip()}"
    return None if chosen == "none" else chosen


def _grouping_words(option: str) -> str:
    kind, _, name = option.partition(":")
    return f"the column “{name}”" if kind == "attribute" else GROUPINGS[option]


def choose_request(
    workspace: Workspace, dataset: Dataset, sealed: Split | None
) -> SplitRequest | None:
    """The form; None where its numbers make no sense yet, which it says."""
    method = st.segmented_control(
        "Divide by",
        [SHARES, COUNTS, FOLDS],
        required=True,
        key="method",
        help="Percentages: every class in the same proportions. Counts: a fixed number of "
        "images. Folds: several trainings, each judged on another part, show how much a result "
        "depends on luck.",
    )
    try:
        if method == COUNTS:
            request = _counts(dataset, sealed)
        else:
            request = _folds(sealed) if method == FOLDS else _shares(sealed)
        group_by = choose_grouping(workspace, dataset, quality.last_check(workspace, dataset.id))
        left, right = st.columns(2)
        order_by = left.selectbox(
            "Order",
            list(ORDERS),
            format_func=ORDERS.__getitem__,
            key="order",
            help="By name or date: within each class the first or oldest images train and the "
            "last or newest judge, as it will be on the shop floor, where tomorrow's parts are "
            "judged by a model of today. Dates are those of the files in the folder or ZIP; "
            "images that were uploaded one by one have none.",
        )
        seed = right.number_input(
            "Seed", 0, 2**31 - 1, key="seed", help="The same seed gives the same split."
        )
        return replace(
            request,
            group_by=group_by,
            seed=int(seed),
            order_by=None if order_by == CHANCE else OrderBy(order_by),
        )
    except TouchstoneError as err:
        errors.show(err)
        return None


def _shares(sealed: Split | None) -> SplitRequest:
    if sealed:
        train = st.slider(
            "Train · validation",
            5,
            95,
            step=5,
            format="%d%%",
            key="sealed_bound",
            help="The test set is sealed; these are the shares of the rest. Left: train. Right: "
            "validation, which chooses the best epoch.",
        )
        st.markdown(
            f":gray[Train] **{train}%** · :gray[validation] **{100 - train}%** of the "
            "images that are not sealed"
        )
        return SplitRequest((train / 100, (100 - train) / 100, 0.0))
    st.slider(
        "Train · validation · test",
        5,
        100,
        step=5,
        format="%d%%",
        key="bounds",
        help="Left of the first handle: train. Between: validation, which chooses the best "
        "epoch. Right of the second handle: test, which judges the model and is used for "
        "nothing else.",
    )
    low, high = st.session_state.bounds
    st.markdown(
        f":gray[Train] **{low}%** · :gray[validation] **{high - low}%** · "
        f":gray[test] **{100 - high}%**"
    )
    if high == 100:
        st.warning("Without test images nothing will tell how good the model really is.")
    return SplitRequest((low / 100, (high - low) / 100, (100 - high) / 100))


def _counts(dataset: Dataset, sealed: Split | None) -> SplitRequest:
    per_class = st.toggle(
        "This many of every class",
        key="per_class",
        help="Off: images of all classes together, spread over them as they are frequent.",
    )
    share = dataset.sample_count // (5 * (len(dataset.class_names) if per_class else 1))
    usual = {"train": 3 * share, "validation": share, "test": share}
    if sealed:
        usual.pop("test")
    for name, n in usual.items():
        st.session_state.setdefault(f"count_{name}_{per_class}", n)
    counts = [
        int(
            column.number_input(
                name.capitalize(), 0, 10_000_000, help="Images.", key=f"count_{name}_{per_class}"
            )
        )
        for column, name in zip(st.columns(len(usual)), usual, strict=True)
    ]
    st.caption("Images beyond these counts are not used.")
    train, validation, test = (*counts, 0)[:3]
    return SplitRequest(counts=(train, validation, test), per_class=per_class)


def _folds(sealed: Split | None) -> SplitRequest:
    left, right = st.columns(2)
    folds = left.number_input(
        "Folds",
        2,
        MAX_FOLDS,
        key="folds",
        help="Parts of equal size; each validates once, while the others train. 5 is usual.",
    )
    test = 0
    if not sealed:
        test = right.number_input(
            "Test, %",
            0,
            50,
            step=5,
            key="fold_test",
            help="Held out from all folds; judges the final model. 0: no test set.",
        )
    st.caption(
        f"{folds} trainings, each with {1 - 1 / folds:.0%} of the images that are not "
        "test; the Train page starts one or all of them."
    )
    return SplitRequest((0.0, 0.0, test / 100), folds=int(folds))


def new_split(workspace: Workspace, dataset: Dataset) -> None:
    _apply_prefill()
    for key, value in FORM.items():
        st.session_state.setdefault(key, value)
    sealed = splits.sealed_split(workspace, dataset)
    left, right = st.columns([2, 3], gap="large")
    with left, st.container(border=True):
        if sealed:
            st.info(
                f"The test set of **{text.plain(sealed.name)}** is sealed: every new split of this "
                "version of the dataset keeps exactly these test images, and only the rest is "
                "divided. Another version of the dataset is free again.",
                icon=":material/lock:",
            )
        request = choose_request(workspace, dataset, sealed)
        name = st.text_input(
            "Name",
            key="split_name",
            placeholder="named by its settings",
            help="How the split is called in lists.",
            max_chars=100,
        )
        seal = not sealed and st.toggle(
            "Seal the test set",
            key="seal",
            disabled=not _has_test(request),
            help="Later splits of this version of the dataset will keep this test set, so that no "
            "test image ever trains a model. There is no way back.",
        )
        if request and st.button(
            "Split", type="primary", icon=":material/call_split:", key="do_split"
        ):
            _make(workspace, dataset, request, name, seal=seal)
        st.caption(
            "Every class is divided in the same proportions, as well as groups allow, with at "
            "least one image everywhere. A split is saved and never changed, so results stay "
            "comparable."
        )
    with right:
        if request:
            preview(workspace, dataset, request, sealed)


def _has_test(request: SplitRequest | None) -> bool:
    return request is not None and request.shares[2] > 0


def _make(
    workspace: Workspace, dataset: Dataset, request: SplitRequest, name: str, *, seal: bool
) -> None:
    try:
        plan = splits.plan_split(workspace, dataset.id, request)
        split = splits.store_split(
            workspace, plan, name=name or None, seal=seal and _has_test(request)
        )
    except TouchstoneError as err:
        errors.show(err)
        return
    state.remember("split", split.id)
    st.query_params["split"] = split.id
    st.session_state["split_view_next"] = SAVED
    st.rerun()


def preview(
    workspace: Workspace, dataset: Dataset, request: SplitRequest, sealed: Split | None
) -> None:
    """What the form would make, before it is made."""
    st.subheader("Preview")
    if dataset.sample_count > PREVIEW_AT_MOST and not st.button(
        "Show what this would make", icon=":material/visibility:", key="do_preview"
    ):
        return
    check = quality.last_check(workspace, dataset.id)
    key = (
        str(workspace.root),
        dataset.id,
        dataset.version,
        request.strategy,
        request.seed,
        request.fractions,
        check.created_at if check else None,
        sealed.id if sealed else None,
    )
    try:
        plan = _plan(key, workspace, dataset.id, request)
    except TouchstoneError as err:
        st.warning(f"{text.plain(err.message)}\n\n{text.plain(err.hint)}", icon=":material/rule:")
        return
    numbers(plan.counts)
    certificate(plan.certificate)
    chart(
        dataset_charts.subset_counts(plan.counts, dataset.class_names, dark=state.is_dark()),
        "preview_counts",
        description="Images per class and subset",
    )


@st.cache_data(max_entries=16, show_spinner="Dividing …")
def _plan(
    key: tuple[object, ...], _workspace: Workspace, dataset_id: str, _request: SplitRequest
) -> SplitPlan:
    return splits.plan_split(_workspace, dataset_id, _request)


def strategy_words(strategy: str) -> str:
    """How a split was made, in the words of the form."""
    words = strategy.replace("grouped by auto", "look-alikes stay together")
    return words[:1].upper() + words[1:]


def numbers(counts: SideCounts) -> None:
    """Images per side; folds are equal, so they share a box."""
    totals = {side: sum(own.values()) for side, own in counts.items()}
    folds = [n for side, n in totals.items() if side.startswith("fold")]
    boxes = {side.capitalize(): f"{n:,}" for side, n in totals.items() if side[:4] != "fold"}
    if folds:
        span = f"{min(folds):,}" if len(set(folds)) == 1 else f"{min(folds):,} – {max(folds):,}"
        boxes = {"Folds": str(len(folds)), "Per fold": span, **boxes}
    for cell, (title, value) in zip(st.columns(len(boxes)), boxes.items(), strict=True):
        cell.metric(title, value, border=True, help=SIDE_HELP[title])


def certificate(found: LeakCertificate | None) -> None:
    """Green only when everything was looked for and nothing found."""
    if found is None:
        st.info("Leaks of this split were not counted yet.")
        return
    if found.is_clean:
        st.success(
            "**Leak certificate**: 0 groups, 0 equal files and 0 look-alikes lie on two sides.",
            icon=":material/verified:",
        )
    else:
        counts = (
            ("groups", found.groups_across),
            ("equal files", found.exact_across),
            ("pairs of look-alikes", found.near_across),
        )
        words = [
            f"{name} on two sides: **{'not looked for' if n is None else f'{n:,}'}**"
            for name, n in counts
        ]
        shown = st.error if any(n for _, n in counts) else st.warning
        shown("**Leak certificate**: " + " · ".join(words), icon=":material/gpp_maybe:")
    st.caption(LOOK_ALIKES)
    if found.kept_out:
        st.info(
            f"{text.count(found.kept_out, 'image')} left out: like a sealed test image, so "
            "neither for training nor for the sealed test set.",
            icon=":material/lock:",
        )


def show(workspace: Workspace, dataset: Dataset, split: Split) -> None:
    counts = certificates.side_counts(workspace, dataset, split)
    badges(dataset, split)
    changed(workspace, dataset, split)
    numbers(counts)
    left, right = st.columns([2, 3], gap="large")
    with left:
        certificate(split.certificate)
        if st.button(
            "Next: train a model", type="primary", icon=":material/model_training:", key="to_train"
        ):
            st.switch_page(Place.TRAIN, query_params={"dataset": dataset.id, "split": split.id})
        with st.container(horizontal=True):
            actions(workspace, dataset, split)
        st.caption(
            f"{text.plain(strategy_words(split.strategy))} · seed {split.seed} · "
            f"made {text.when(split.created_at)} · content {split.digest[:12]}"
        )
        certificate_file(workspace, split)
    with right:
        chart(
            dataset_charts.subset_counts(counts, dataset.class_names, dark=state.is_dark()),
            "subset_counts",
            description="Images per class and subset",
        )
    strips(workspace, dataset, split, counts)
    with st.expander("All images of one side"):
        images(workspace, dataset, split, list(counts))


def badges(dataset: Dataset, split: Split) -> None:
    found = split.certificate
    with st.container(horizontal=True):
        if found and found.is_clean:
            st.badge(
                "no leaks",
                icon=":material/verified:",
                color="green",
                help="Groups, equal files and look-alikes were looked for; none lies on two "
                f"sides. {LOOK_ALIKES}",
            )
        else:
            st.badge(
                _leak_words(found),
                icon=":material/gpp_maybe:",
                color="orange",
                help="See the leak certificate below.",
            )
        if split.folds:
            st.badge(
                f"{split.folds} folds",
                icon=":material/view_week:",
                color="blue",
                help="Each fold validates once, while the others train.",
            )
        if split.sealed:
            st.badge(
                "test set sealed",
                icon=":material/lock:",
                color="violet",
                help="Later splits of this version of the dataset keep this test set.",
            )
        old = split.version < dataset.version
        st.badge(
            f"version {split.version}" + (f" of {dataset.version}" if old else ""),
            color="orange" if old else "gray",
            help="The version of the dataset that was divided.",
        )


def _leak_words(found: LeakCertificate | None) -> str:
    if found is None or not any((found.groups_across, found.exact_across, found.near_across)):
        return "leaks not looked for"
    return "leaks"


def changed(workspace: Workspace, dataset: Dataset, split: Split) -> None:
    """Edits since the split was made, with the images."""
    drift = certificates.drift(workspace, dataset, split)
    if drift.is_empty:
        return
    kinds = {
        "added since and in no subset": drift.added,
        "gone since": drift.left,
        "with another label since": drift.relabelled,
    }
    words = [f"**{len(ids):,}** {what}" for what, ids in kinds.items() if ids]
    st.warning(
        f"This split was made for version {split.version} of the dataset, today it is version "
        f"{dataset.version}: {' · '.join(words)}.",
        icon=":material/history:",
    )
    with st.expander("Show these images"):
        for what, ids in kinds.items():
            if ids:
                st.markdown(f"**{text.count(len(ids), 'image')} {what}**")
                found = datasets.find_samples(workspace, ids[: 2 * STRIP])
                _tiles(dataset, found, f"drift_{what[:4]}", side_px=96)


def actions(workspace: Workspace, dataset: Dataset, split: Split) -> None:
    request = request_of(split)
    if request and st.button(
        "New split like this",
        icon=":material/content_copy:",
        key="like",
        help="Opens the form with the settings of this split.",
    ):
        st.session_state["split_prefill"] = request
        st.session_state["split_view_next"] = NEW
        st.rerun()
    can_seal = not split.sealed and split.version == dataset.version and split.fractions[2] > 0
    if can_seal and st.button(
        "Seal test set",
        icon=":material/lock:",
        key="do_seal",
        help="Later splits of this version of the dataset will keep this test set.",
    ):
        confirm_seal(split)
    if st.button(
        "Delete",
        icon=":material/delete:",
        key="do_delete",
        help="Removes the split and its trainings; models stay.",
    ):
        confirm_delete(workspace, split)


@st.dialog("Seal the test set")
@errors.shown()
def confirm_seal(split: Split) -> None:
    st.markdown(
        f"From now on every new split of this version of the dataset keeps the test images of "
        f"**{text.plain(split.name)}**; only the rest is divided anew. There is no way back. When "
        "the dataset is edited, its next version is free again."
    )
    if st.button("Seal", type="primary", icon=":material/lock:", key="seal_now"):
        splits.seal_test(state.workspace(), split.id)
        st.rerun()


@st.dialog("Delete split")
@errors.shown()
def confirm_delete(workspace: Workspace, split: Split) -> None:
    runs = splits.run_count(workspace, split.id)
    with_runs = f" with {text.count(runs, 'training')}" if runs else ""
    st.markdown(f"Delete **{text.plain(split.name)}**{with_runs}? Models stay.")
    sure = True
    if split.sealed:
        st.warning(
            "Its test set is sealed. When the last split that holds it is gone, nothing keeps "
            "these images out of training any more, and figures on them can no longer be "
            "checked.",
            icon=":material/lock_open:",
        )
        sure = st.checkbox("I give up the sealed test set of this split", key="delete_sealed")
    if st.button(
        "Delete", type="primary", icon=":material/delete:", key="delete_now", disabled=not sure
    ):
        splits.delete_split(workspace, split.id)
        st.session_state.pop("chosen_split", None)
        st.query_params.pop("split", None)
        st.rerun()


def certificate_file(workspace: Workspace, split: Split) -> None:
    with st.expander("Certificate as text"):
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
    return certificates.certificate_text(_workspace, _split)


@st.cache_data(max_entries=64, show_spinner=False)
def _first_images(
    key: tuple[object, ...], _workspace: Workspace, _split: Split, side: str
) -> list[Sample]:
    return splits.images_of_side(_workspace, _split, side, limit=STRIP)[0]


def strips(workspace: Workspace, dataset: Dataset, split: Split, counts: SideCounts) -> None:
    """A few images of every side, next to each other."""
    sides = [side for side, own in counts.items() if any(own.values())][:STRIPS]
    for start in range(0, len(sides), 3):
        for column, side in zip(
            st.columns(3, gap="medium"), sides[start : start + 3], strict=False
        ):
            with column:
                lock = ":material/lock: " if split.sealed and side == Subset.TEST else ""
                st.markdown(
                    f"**{lock}{side.capitalize()}** :gray[· "
                    f"{text.count(sum(counts[side].values()), 'image')}]"
                )
                key = (str(workspace.root), split.id, dataset.version)
                found = _first_images(key, workspace, split, side)
                _tiles(dataset, found, f"strip_{side}", side_px=64)


def _tiles(dataset: Dataset, samples: Iterable[Sample], key: str, *, side_px: int) -> None:
    tiles = [widgets.sample_tile(sample, dataset.class_names) for sample in samples]
    components.gallery(tiles, key.replace(" ", "_"), side_px=side_px)


@st.fragment
@errors.shown()
def images(workspace: Workspace, dataset: Dataset, split: Split, sides: list[str]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        side = st.segmented_control(
            "Side",
            sides,
            default=sides[0],
            required=True,
            key=f"side_{split.folds}",
            help="Subset or fold of the split.",
        )
        names = ["all classes", *dataset.class_names]
        chosen = st.selectbox(
            "Class",
            range(len(names)),
            format_func=names.__getitem__,
            key="split_class",
            width=260,
            help="Only images of one class.",
        )
    widgets.paged_samples(
        lambda limit, offset: splits.images_of_side(
            workspace,
            split,
            side or sides[0],
            label=chosen - 1 if chosen else None,
            limit=limit,
            offset=offset,
        ),
        lambda sample: widgets.sample_tile(sample, dataset.class_names),
        key=f"split_pictures_{split.id}_{side}".replace(" ", "_"),
    )


def overview(workspace: Workspace, found: list[Split]) -> None:
    """All splits of the dataset, as a table."""
    with st.expander(f"All {len(found)} splits"):
        st.dataframe(
            {
                "split": [s.name for s in found],
                "leaks": [
                    "none"
                    if s.certificate and s.certificate.is_clean
                    else _leak_words(s.certificate).replace("leaks not", "not")
                    for s in found
                ],
                "strategy": [s.strategy for s in found],
                "folds": [s.folds or None for s in found],
                "test": ["sealed" if s.sealed else "" for s in found],
                "version": [s.version for s in found],
                "made": [text.when(s.created_at) for s in found],
            },
            hide_index=True,
        )


def _apply_prefill() -> None:
    """Take over the settings of a split into the form, before its widgets are drawn."""
    request: SplitRequest | None = st.session_state.pop("split_prefill", None)
    if request is None:
        return
    values: dict[str, object] = {
        "seed": request.seed,
        "order": request.order_by or CHANCE,
        "method": SHARES,
    }
    kind, _, pattern = (request.group_by or "none").partition(":")
    values["grouping"] = request.group_by if kind == "attribute" else kind
    values["pattern"] = pattern
    train, validation, test = (round(100 * share) for share in request.fractions)
    if request.folds:
        values |= {"method": FOLDS, "folds": request.folds, "fold_test": test}
    elif request.counts:
        names = [f"count_{subset}_{request.per_class}" for subset in Subset]
        values |= {
            "method": COUNTS,
            "per_class": request.per_class,
            **dict(zip(names, request.counts, strict=True)),
        }
    else:
        values |= {
            "bounds": (train, train + validation),
            "sealed_bound": round(100 * train / (train + validation)),
        }
    st.session_state.update(values)


def page(workspace: Workspace) -> None:
    found = {d.id: d.name for d in datasets.list_datasets(workspace)}
    if not found:
        widgets.empty_state(
            "call_split",
            "Nothing to split yet",
            "Import images first.",
            (Place.IMPORT, "Import images"),
        )
        return
    left, right = st.columns(2)
    with left:
        chosen = state.choose("dataset", found, label="Dataset", help="Which images to split.")
    dataset = datasets.find_dataset(workspace, chosen or "")
    existing = splits.list_splits(workspace, dataset.id)
    if not existing:
        st.info(
            "This dataset has no split yet. 60 / 20 / 20 is a good start; with fewer than about "
            "20 images per class, give the test set more."
        )
        new_split(workspace, dataset)
        return
    wanted = st.session_state.pop("split_view_next", None)
    st.session_state["split_view"] = wanted or st.session_state.get("split_view") or SAVED
    view = st.segmented_control(
        "View", [SAVED, NEW], required=True, key="split_view", label_visibility="collapsed"
    )
    if view == NEW:
        new_split(workspace, dataset)
        return
    with right:
        names = {s.id: s.name for s in existing}
        split_id = state.choose("split", names, label="Split", help="Saved splits, newest first.")
    split = next(s for s in existing if s.id == split_id)
    show(workspace, dataset, certificates.certified(workspace, split))
    if len(existing) > 1:
        overview(workspace, existing)


widgets.page_heading(
    "Split", "Images that train the model must never judge it: divide them once, and keep it."
)
page(state.workspace())
