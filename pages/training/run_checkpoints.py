"""The kept epochs of a run: what each reached, and a model made of one."""

import streamlit as st

from core.domain.keeping.people import Right
from core.domain.training import CheckpointKind
from core.workflows.training import checkpoints
from core.workflows.training.checkpoints import MeasuredCheckpoint
from core.workflows.training.runs import RunView
from core.workspace import Workspace
from pages.ui import text
from pages.ui.people import rights

_KINDS = {
    CheckpointKind.BEST: "best",
    CheckpointKind.LAST: "last",
    CheckpointKind.INTERVAL: "interval",
}


def section(workspace: Workspace, view: RunView) -> None:
    """The checkpoints of a run with what they take on the disk; nothing without any."""
    kept = checkpoints.kept_epochs(workspace, view.run.id)
    if not kept:
        return
    taken = sum(item.checkpoint.size_bytes for item in kept)
    with st.expander(f"Checkpoints · {text.count(len(kept), 'file')}, {text.size(taken)}"):
        most = checkpoints.most_bytes(view.run.train, kept)
        st.caption(
            f"Weights of single epochs with their macro F1, at most {text.size(most)} for this "
            "run. They are deleted with it."
        )
        with st.container(gap="xsmall"):
            for epoch in dict.fromkeys(item.checkpoint.epoch for item in kept):
                _row(workspace, view, [item for item in kept if item.checkpoint.epoch == epoch])


def _row(workspace: Workspace, view: RunView, kept: list[MeasuredCheckpoint]) -> None:
    """One epoch: why it was kept, what it reached, and a model of it."""
    checkpoint = kept[0].checkpoint
    name = f"Epoch {checkpoint.epoch + 1}" if checkpoint.epoch >= 0 else "Start"
    why = ", ".join(_KINDS[item.checkpoint.kind] for item in kept)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{name}** · {why} · F1 {text.decimal(kept[0].val_macro_f1)}")
        if st.button(
            "Make a model",
            icon=":material/deployed_code:",
            key=f"model_{checkpoint.key}",
            type="tertiary",
            **rights.only(
                Right.TRAIN,
                help="Takes about a minute. The run and its other models stay as they are.",
                disabled=view.status.is_active,
            ),
        ):
            checkpoints.make_model(workspace, view.run.id, checkpoint.key)
            st.rerun()
