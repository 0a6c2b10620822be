"""The images of findings on the page Quality: gallery, large view, answers, labels to confirm."""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from core.domain.datasets import Dataset, Sample
from core.domain.findings import Certainty, Finding, FindingKind, Fix
from core.domain.parts import PartAnswer
from core.workflows import files
from core.workflows.data import datasets, fixes, quality
from core.workspace import Workspace
from pages.data.quality_words import CERTAINTY_WORDS, FIX_WORDS
from pages.ui import errors, text, widgets
from pages.ui.components import gallery

RELABELED_AT_ONCE = 24
_RELABEL_COLUMNS = 3


def act(dataset: Dataset, do: Callable[[], fixes.AppliedFix]) -> None:
    """Apply a fix, remember how to undo it, and rerun the page."""
    done = do()
    st.session_state.setdefault(f"fixes_{dataset.id}", []).append(done)
    # Why a toast as well: the page may be scrolled down, and Undo is at the top.
    st.toast(
        f"{text.plain(done.words)}. You can undo this at the top.", icon=":material/check_circle:"
    )
    st.rerun()


def pairs_button(workspace: Workspace, dataset: Dataset, finding: Finding) -> None:
    if st.button(
        "Pair by pair",
        icon=":material/compare:",
        key=f"pairs_{finding.id}",
        type="tertiary",
        help="Shows the images of this finding two by two. Answer for each pair.",
    ):
        answer_pairs(workspace, dataset, finding)


@st.dialog("Do these images show one part?", width="large")
@errors.shown()
def answer_pairs(workspace: Workspace, dataset: Dataset, finding: Finding) -> None:
    """One pair after the other; an answer closes the dialog and can be undone at the top."""
    pairs = quality.open_pairs(workspace, finding, dataset.id)
    if not pairs:
        st.info("No two images of this finding look alike any more.")
        return
    key = f"pair_{finding.id}"
    place = int(st.session_state.get(key, 0)) % len(pairs)
    samples = {s.id: s for s in datasets.find_samples(workspace, pairs[place])}
    shown = [samples[i] for i in pairs[place] if i in samples]
    for column, sample in zip(st.columns(2), shown, strict=False):
        with column:
            picture(workspace, sample)
            st.caption(text.plain(sample.name))
    st.caption(f"Pair {place + 1:,} of {len(pairs):,}")
    with st.container(horizontal=True, gap="small"):
        for given, how in ((PartAnswer.SAME, Fix.GROUP), (PartAnswer.DIFFERENT, Fix.DIFFERENT)):
            words = FIX_WORDS[how]
            if st.button(
                words.label,
                icon=f":material/{words.icon}:",
                key=f"pair_{given}",
                help=words.help,
            ):
                act(dataset, partial(fixes.answer, workspace, dataset.id, pairs[place], given))
        if len(pairs) > 1 and st.button(
            "Next pair", icon=":material/skip_next:", key="pair_next", type="tertiary"
        ):
            st.session_state[key] = place + 1
            st.rerun(scope="fragment")


@st.dialog("Image", width="large", position="right")
@errors.shown()
def show_image(
    workspace: Workspace, sample: Sample, dataset: Dataset, finding: Finding | None = None
) -> None:
    picture(workspace, sample)
    label = dataset.class_names[sample.label] if sample.label is not None else "no label"
    st.markdown(f"#### {text.plain(label)}")
    st.caption(
        f"{text.plain(sample.name)} · {sample.width} × {sample.height} · "
        f"{text.size(sample.file_size)}"
    )
    if st.button(
        "Exclude this image",
        icon=":material/hide_image:",
        key="exclude_one",
        help=FIX_WORDS[Fix.EXCLUDE].help,
    ):
        act(dataset, lambda: fixes.exclude_images(workspace, dataset.id, [sample.id]))
    if finding is not None and st.button(
        "Another part than the others",
        icon=":material/call_split:",
        key="apart_one",
        help="This image shows a different part than all others of this finding. The others stay "
        "together.",
    ):
        others = [i for i in finding.sample_ids if i != sample.id]
        act(
            dataset,
            lambda: fixes.answer_one_against_others(workspace, dataset.id, sample.id, others),
        )


def picture(workspace: Workspace, sample: Sample) -> None:
    """The image in full."""
    path, reason = files.path_or_reason(workspace, sample)
    if path:
        widgets.whole_image(sample, width_px=min(640, max(256, 3 * sample.width)))
    else:
        st.warning(text.plain(reason))


def images_gallery(
    workspace: Workspace,
    dataset: Dataset,
    images: Sequence[Sample],
    key: str,
    side_px: int = 120,
    finding: Finding | None = None,
) -> None:
    """Images to click; `finding` is one of look-alikes that nobody has answered for."""
    tiles = [widgets.sample_tile(s, dataset.class_names) for s in images]
    clicked = gallery(tiles, key, side_px=side_px)
    opened = next((s for s in images if str(s.id) == clicked), None)
    if opened:
        show_image(workspace, opened, dataset, finding)


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
    shown = findings[:RELABELED_AT_ONCE]
    samples = datasets.find_samples(workspace, [f.sample_ids[0] for f in shown])
    by_id = {sample.id: sample for sample in samples}
    targets = quality.proposed_labels(workspace, dataset.id, shown)
    ticked = []
    columns = st.columns(_RELABEL_COLUMNS)
    listed = [f for f in shown if f.id in targets and f.sample_ids[0] in by_id]
    for number, finding in enumerate(listed):
        sample = by_id[finding.sample_ids[0]]
        now = "no label" if sample.label is None else dataset.class_names[sample.label]
        with columns[number % _RELABEL_COLUMNS], st.container(border=True):
            picture(workspace, sample)
            st.caption(text.plain(sample.name))
            words = f"{text.plain(now)} → {text.plain(targets[finding.id])}"
            if st.checkbox(words, key=f"relabel_{finding.id}"):
                ticked.append(finding.id)
    if len(findings) > len(shown):
        st.caption(f"The first {RELABELED_AT_ONCE} of {text.count(len(findings), 'image')}.")
    if st.button(
        f"Relabel {text.count(len(ticked), 'image')}",
        type="primary",
        icon=":material/label:",
        key="relabel_ticked",
        disabled=not ticked,
        help="Gives the ticked images the proposed label. This is one edit and can be undone.",
    ):
        act(dataset, partial(fixes.fix, workspace, dataset.id, ticked, Fix.RELABEL))
