"""How many images of each class a split has in each subset; read once for each version."""

import streamlit as st

from core.domain.datasets import Dataset
from core.domain.splits import Split
from core.workflows.data import certificates
from core.workflows.data.certificates import SideCounts
from core.workspace import Workspace


def side_counts(workspace: Workspace, dataset: Dataset, split: Split) -> SideCounts:
    """Images of each side and class, by the labels of the dataset as it is now."""
    # Why the version: whatever changes a label or excludes an image makes a new one.
    key = (str(workspace.root), split.id, dataset.id, dataset.version, dataset.class_names)
    return _counted(key, workspace, dataset, split)


@st.cache_data(max_entries=64, show_spinner=False)
def _counted(
    key: tuple[object, ...], _workspace: Workspace, _dataset: Dataset, _split: Split
) -> SideCounts:
    return certificates.side_counts(_workspace, _dataset, _split)
