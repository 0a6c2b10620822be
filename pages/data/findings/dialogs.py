"""The dialog of the page Quality: labels to confirm before many are changed."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from core.domain.datasets import Dataset, Sample
from core.domain.findings import Certainty, Finding, FindingKind, Fix
from core.domain.keeping.people import Right
from core.workflows import files
from core.workflows.data import datasets, fixes, quality
from core.workspace import Workspace
from pages.data.findings import actions
from pages.ui import errors, image_words, text, widgets
from pages.ui.people import rights

RELABELED_AT_ONCE = 24
_RELABEL_COLUMNS = 3


def picture(workspace: Workspace, sample: Sample) -> None:
    """The image in full."""
    path, reason = files.path_or_reason(workspace, sample)
    if path:
        widgets.whole_image(sample, width_px=min(640, max(256, 3 * sample.width)))
    else:
        st.warning(text.plain(reason))


def sure_findings(workspace: Workspace, dataset: Dataset) -> list[Finding]:
    """Open findings of which nine of ten or more are right."""
    # Why so many: the sure ones come first.
    first = quality.findings(
        workspace, dataset.id, FindingKind.SUSPECT_LABEL, limit=RELABELED_AT_ONCE + 1
    )
    return [finding for finding in first if finding.certainty is Certainty.SURE]


@st.dialog("Relabel images", width="large")
@errors.shown()
def review(workspace: Workspace, dataset: Dataset, findings: Sequence[Finding]) -> None:
    """The images with their label and the proposed one; only ticked ones are relabeled."""
    st.caption("Only ticked images are relabeled.")
    shown = findings[:RELABELED_AT_ONCE]
    samples = datasets.find_samples(workspace, [f.sample_ids[0] for f in shown])
    by_id = {sample.id: sample for sample in samples}
    targets = quality.proposed_labels(workspace, dataset.id, shown)
    ticked = []
    columns = st.columns(_RELABEL_COLUMNS)
    listed = [f for f in shown if f.id in targets and f.sample_ids[0] in by_id]
    for number, finding in enumerate(listed):
        sample = by_id[finding.sample_ids[0]]
        now = image_words.class_name(sample, dataset.class_names)
        with columns[number % _RELABEL_COLUMNS], st.container(border=True):
            picture(workspace, sample)
            st.caption(text.plain(sample.name))
            words = f"{text.plain(now)} → {text.plain(targets[finding.id])}"
            if st.checkbox(words, key=f"relabel_{finding.id}"):
                ticked.append(finding.id)
    if len(findings) > len(shown):
        st.caption(f"The first {RELABELED_AT_ONCE}. The others come up when these are done.")
    if st.button(
        f"Relabel {text.count(len(ticked), 'image')}",
        type="primary",
        icon=":material/label:",
        key="relabel_ticked",
        **rights.only(
            Right.DATA,
            help="Gives the ticked images the proposed label, in one edit.",
            disabled=not ticked,
        ),
    ):
        relabel = partial(fixes.fix, workspace, dataset.id, ticked, Fix.RELABEL)
        actions.remember(workspace, dataset.id, actions.diary(dataset.id), relabel)
        st.rerun()
