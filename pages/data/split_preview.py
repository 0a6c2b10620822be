"""What a split holds: the images of each side and the leak certificate."""

import streamlit as st

from core.data.quality.similarity import LOOK_ALIKES
from core.data.small_classes import class_gaps
from core.data.split_request import SplitRequest
from core.domain.datasets import Dataset
from core.domain.findings import QualityCheck
from core.domain.splits import LeakCertificate, Split, Subset
from core.errors import TouchstoneError
from core.workflows.data import certificates, quality, splits
from core.workflows.data.certificates import SideCounts
from core.workflows.data.split_plans import SplitPlan, plan_split
from core.workflows.data.split_words import gap_in_words, groups_in_words, leaks_in_words
from core.workspace import Workspace
from pages.ui import text, widgets
from pages.ui.components import chart
from pages.ui.figures import dataset_charts

GAPS_SHOWN = 8
PREVIEW_AT_MOST = 20_000  # beyond, a preview costs seconds and is made when asked for
SUBSET_HELP = {
    Subset.TRAIN: "Used to train the model.",
    Subset.VALIDATION: "Used to choose settings and thresholds. The quick recipe also trains on "
    "them in its last step.",
    Subset.TEST: "Used only to judge the finished model.",
}


def preview(
    workspace: Workspace, dataset: Dataset, request: SplitRequest, sealed: Split | None
) -> None:
    """The split that the form would make."""
    st.header("Preview")
    if dataset.sample_count > PREVIEW_AT_MOST and not st.button(
        "Show a preview", icon=":material/visibility:", key="do_preview"
    ):
        return
    check = quality.last_check(workspace, dataset.id)
    key = (
        str(workspace.root),
        dataset.id,
        dataset.version,
        repr(request),
        (check.created_at, len(check.near_pairs)) if check else None,
        sealed.id if sealed else None,
    )
    try:
        plan = _plan(key, workspace, dataset.id, request)
    except TouchstoneError as err:
        st.warning(f"{text.plain(err.message)}\n\n{text.plain(err.hint)}", icon=":material/rule:")
        return
    certificate(plan.certificate)
    if request.group_by is not None:
        honesty(check)
    numbers(plan.counts)
    counts_chart(plan.counts, dataset, "preview_counts")
    gaps(plan.counts)


def honesty(check: QualityCheck | None) -> None:
    """Why the split is not random, in one line."""
    words = splits.why_not_random(check)
    if words:
        st.caption(f":material/shuffle: {text.plain(words)}")


@st.cache_data(max_entries=16, show_spinner="Dividing …")
def _plan(
    key: tuple[object, ...], _workspace: Workspace, dataset_id: str, _request: SplitRequest
) -> SplitPlan:
    return plan_split(_workspace, dataset_id, _request)


def counts_chart(counts: SideCounts, dataset: Dataset, key: str) -> None:
    """Images per class and side."""
    chart(
        dataset_charts.subset_counts(certificates.counts_by_name(counts), dataset.class_names),
        key,
        description="Images per class and subset",
    )


def numbers(counts: SideCounts) -> None:
    """Images per side; folds are about equal and share a box."""
    totals = {side: sum(own.values()) for side, own in counts.items()}
    folds = [n for side, n in totals.items() if side.fold is not None]
    boxes = []
    if folds:
        least, most = min(folds), max(folds)
        span = f"{least:,}" if least == most else f"{least:,} – {most:,}"
        boxes.append(
            ("Folds", str(len(folds)), "The images are divided into this many equal folds.")
        )
        boxes.append(("Per fold", span, "Images in one fold."))
    boxes += [
        (side.name.capitalize(), f"{n:,}", SUBSET_HELP[side.subset])
        for side, n in totals.items()
        if side.fold is None
    ]
    with st.container(horizontal=True, key="split_numbers"):  # one row, on a phone too
        for title, value, help_text in boxes:
            st.metric(title, value, help=help_text)


def gaps(counts: SideCounts) -> None:
    """Classes that a subset lacks."""
    lacking = class_gaps(counts)
    if not lacking:
        return
    lines = [text.plain(gap_in_words(gap)) for gap in lacking[:GAPS_SHOWN]]
    if len(lacking) > GAPS_SHOWN:
        lines.append(f"{text.count(len(lacking) - GAPS_SHOWN, 'more class')} like these.")
    st.warning("\n\n".join(lines), icon=":material/rule:")


def certificate(leaks: LeakCertificate | None) -> None:
    """Green only when everything was checked and nothing leaks."""
    if leaks is None:
        st.info("Leaks of this split have not been checked yet.")
        return
    if leaks.is_clean:
        st.success(
            "**Leak certificate**: no part, identical file or look-alike is in more than one "
            "subset.",
            icon=":material/verified:",
        )
    else:
        unknown = (
            (groups_in_words(leaks.counted), leaks.groups_across),
            ("pairs of look-alikes", leaks.near_across),
        )
        lines = [f"{what}: **not checked**" for what, n in unknown if n is None]
        if leaks.is_leaking:
            lines.insert(
                0, f"**{leaks_in_words(leaks.leaks)}**, so results look better than they are"
            )
        else:
            lines.append("identical files in more than one subset: **0**")
        shown = st.error if leaks.is_leaking else st.warning
        shown("**Leak certificate**: " + " · ".join(lines), icon=":material/gpp_maybe:")
    if leaks.kept_out:
        st.caption(
            f":material/lock: {text.count(leaks.kept_out, 'image')} not used: identical or similar "
            "to a test image that is kept."
        )


def what_look_alikes_are() -> None:
    """What the certificate can see, behind a small button."""
    with widgets.why("what_is_checked", "What is checked?"):
        st.caption(LOOK_ALIKES)
