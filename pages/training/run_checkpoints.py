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
            f"Weights of single epochs, at most {text.size(most)} for this run. They are deleted "
            "with it."
        )
        for item in kept:
            _row(workspace, view, item)


def _row(workspace: Workspace, view: RunView, item: MeasuredCheckpoint) -> None:
    checkpoint = item.checkpoint
    with st.container(horizontal=True, vertical_alignment="center"):
        name = f"**Epoch {checkpoint.epoch + 1}**" if checkpoint.epoch >= 0 else "**Start**"
        st.markdown(f"{name} · {_KINDS[checkpoint.kind]}", width=170)
        st.markdown(f"macro F1 {text.decimal(item.val_macro_f1)}", width=140)
        st.markdown(text.size(checkpoint.size_bytes), width=90)
        st.space("stretch")
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
