"""The learning rate finder: a dialog with a short ramp, its plot, and one click that takes it."""

import streamlit as st

from core.domain.configs.augment import AugmentConfig
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.train import TrainConfig
from core.domain.datasets import Dataset
from core.domain.jobs import Job
from core.domain.keeping.people import Right
from core.domain.splits import Split
from core.errors import TouchstoneError
from core.workflows import jobs
from core.workflows.training import rates
from core.workspace import Workspace
from pages.training import setting_fields
from pages.training.setting_fields import Asked, Defaults
from pages.ui import errors, text, widgets
from pages.ui.components import chart
from pages.ui.figures import search_charts
from pages.ui.people import rights

_JOB = "rate_finder"


def offer(
    workspace: Workspace,
    dataset: Dataset,
    split: Split,
    asked: tuple[TrainConfig, AugmentConfig],
    pixels: PreprocessConfig,
    wanted: Asked,
    defaults: Defaults,
) -> None:
    """A button where the recipe has a learning rate; it opens the dialog."""
    if "learning_rate" not in defaults.settings:
        return
    if st.button(
        "Find a learning rate",
        icon=":material/search_insights:",
        type="tertiary",
        key="find_rate",
        **rights.only(
            Right.TRAIN,
            help="Tries growing learning rates for 60 steps and suggests the one at which the loss "
            "falls fastest: plain cross-entropy, one rate for all layers. Needs about a minute.",
        ),
    ):
        try:
            job = rates.start_finder(
                workspace, dataset.id, asked[0], split=split.id, preprocess=pixels, augment=asked[1]
            )
        except TouchstoneError as err:
            errors.show(err)
            return
        st.session_state[_JOB] = job.subject_id
        _dialog(workspace, wanted, defaults)


@st.dialog("Learning rate finder", width="large")
@errors.shown()
def _dialog(workspace: Workspace, wanted: Asked, defaults: Defaults) -> None:
    @errors.shown()
    def live() -> None:
        job = jobs.latest(workspace, st.session_state[_JOB])
        if job is not None:
            _shown(job, wanted, defaults)

    st.fragment(live, run_every=1.0)()


def _shown(job: Job, wanted: Asked, defaults: Defaults) -> None:
    found = rates.found_rates(job)
    if found is None:
        widgets.job_progress(job)
        return
    chart(
        search_charts.rate_ramp(found.rates, found.losses, found.suggested),
        "rate_ramp",
        description="Training loss over the learning rate",
    )
    rate = text.significant(found.suggested, 2)
    st.markdown(f"The loss falls fastest at **{rate}**; beyond its minimum training is unstable.")
    if st.button(f"Use {rate}", type="primary", icon=":material/check:", key="use_rate"):
        setting_fields.put(wanted, defaults, "learning_rate", float(rate))
        st.rerun()
