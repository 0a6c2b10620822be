"""Relabeling many images on the page Quality: each is looked at and ticked first."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from core.domain.datasets import Dataset
from core.domain.findings import Certainty, Finding, FindingKind, Fix
from core.workflows.data import datasets, fixes, quality
from core.workspace import Workspace
from pages.data.quality_images import act, picture
from pages.data.quality_words import CERTAINTY_WORDS
from pages.ui import errors, text

AT_ONCE = 24
_COLUMNS = 3


def sure_findings(workspace: Workspace, dataset: Dataset) -> list[Finding]:
    """Open findings of which nine of ten or more are right."""
    every = quality.findings(workspace, dataset.id, FindingKind.SUSPECT_LABEL)
    return [finding for finding in every if finding.certainty is Certainty.SURE]


def agreement_caption(workspace: Workspace, dataset: Dataset) -> None:
    """How good the check is at each class, the weakest first."""
    confirmed = quality.agreement_by_class(workspace, dataset.id)
    if confirmed:
        weakest = sorted(confirmed.items(), key=lambda item: item[1])[:4]
        words = ", ".join(f"{text.plain(name)} {text.percent(share)}" for name, share in weakest)
        st.caption(f"Labels that the check confirms, lowest first: {words}.", help=CERTAINTY_WORDS)


@st.dialog("Relabel images", width="large")
@errors.shown()
def review(workspace: Workspace, dataset: Dataset, findings: Sequence[Finding]) -> None:
    """The images with their label and the proposed one; only ticked ones are relabeled."""
    st.caption("Tick each image whose proposed label is right. Only ticked images are relabeled.")
    shown = findings[:AT_ONCE]
    samples = datasets.find_samples(workspace, [f.sample_ids[0] for f in shown])
    by_id = {sample.id: sample for sample in samples}
    targets = quality.proposed_labels(workspace, dataset.id, shown)
    ticked = []
    columns = st.columns(_COLUMNS)
    listed = [f for f in shown if f.id in targets and f.sample_ids[0] in by_id]
    for number, finding in enumerate(listed):
        sample = by_id[finding.sample_ids[0]]
        now = "no label" if sample.label is None else dataset.class_names[sample.label]
        with columns[number % _COLUMNS], st.container(border=True):
            picture(workspace, sample)
            st.caption(text.plain(sample.name))
            words = f"{text.plain(now)} → {text.plain(targets[finding.id])}"
            if st.checkbox(words, key=f"relabel_{finding.id}"):
                ticked.append(finding.id)
    if len(findings) > len(shown):
        st.caption(f"The first {AT_ONCE} of {text.count(len(findings), 'image')}.")
    if st.button(
        f"Relabel {text.count(len(ticked), 'image')}",
        type="primary",
        icon=":material/label:",
        key="relabel_ticked",
        disabled=not ticked,
        help="Gives the ticked images the proposed label. This is one edit and can be undone.",
    ):
        act(dataset, partial(fixes.fix, workspace, dataset.id, ticked, Fix.RELABEL))
