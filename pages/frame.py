"""The frame around every page: look, navigation, and the one place where errors are shown."""

from pathlib import Path

import streamlit as st

from core.domain.jobs import JobKind, JobStatus
from core.workflows import jobs
from pages.ui import errors, state, text

ASSETS = Path(__file__).parent / "ui" / "assets"

st.set_page_config(
    page_title="Touchstone",
    page_icon=str(ASSETS / "icon.svg"),
    layout="wide",
)
st.logo(str(ASSETS / "logo.svg"), icon_image=str(ASSETS / "icon.svg"), size="large")

page = st.navigation(
    {
        "": [
            st.Page("home.py", title="Home", icon=":material/home:", url_path="home", default=True),
        ],
        "Data": [
            st.Page(
                "data/import_images.py", title="Import", icon=":material/upload:", url_path="import"
            ),
            st.Page(
                "data/datasets.py",
                title="Datasets",
                icon=":material/photo_library:",
                url_path="datasets",
            ),
            st.Page(
                "data/versions.py", title="Versions", icon=":material/history:", url_path="versions"
            ),
            st.Page(
                "data/quality.py",
                title="Quality",
                icon=":material/troubleshoot:",
                url_path="quality",
            ),
            st.Page("data/split.py", title="Split", icon=":material/call_split:", url_path="split"),
            st.Page(
                "data/preprocess.py",
                title="Preprocess",
                icon=":material/tune:",
                url_path="preprocess",
            ),
        ],
        "Training": [
            st.Page(
                "training/train.py",
                title="Train",
                icon=":material/model_training:",
                url_path="train",
            ),
            st.Page(
                "training/runs.py", title="Runs", icon=":material/monitoring:", url_path="runs"
            ),
        ],
        "Results": [
            st.Page(
                "results/evaluate.py",
                title="Evaluate",
                icon=":material/grid_on:",
                url_path="evaluate",
            ),
            st.Page(
                "results/operating_point.py",
                title="Operating point",
                icon=":material/balance:",
                url_path="decide",
            ),
            st.Page(
                "results/compare.py",
                title="Compare",
                icon=":material/compare_arrows:",
                url_path="compare",
            ),
            st.Page(
                "signoff/plan.py",
                title="Test planner",
                icon=":material/checklist:",
                url_path="plan",
            ),
            st.Page(
                "signoff/signoff.py",
                title="Sign-off",
                icon=":material/verified:",
                url_path="signoff",
            ),
        ],
        "Use": [
            st.Page(
                "use/predict.py",
                title="Predict",
                icon=":material/image_search:",
                url_path="predict",
            ),
            st.Page(
                "use/models.py", title="Models", icon=":material/deployed_code:", url_path="models"
            ),
        ],
    },
    # Why: with the line of a running job below it, the menu would fold the last pages away.
    expanded=True,
)


st.set_page_config(page_title=f"{page.title} · Touchstone")
# Streamlit's own running icon and its Stop button would stop half a page, never a job.
st.html("<style>[data-testid='stStatusWidget'] { display: none; }</style>")

JOB_WORDS = {
    JobKind.IMPORT: "Import",
    JobKind.TRAIN: "Training",
    JobKind.PREDICT: "Prediction",
    JobKind.QUALITY: "Quality check",
    JobKind.REPORT: "Report",
    JobKind.EXPLAIN: "Heatmaps",
}


@st.fragment(run_every=3)
@errors.shown()
def active_jobs() -> None:
    """What is running now, on every page; looking also tells lost jobs from living ones."""
    for job in jobs.active(state.workspace()):
        share = min(1.0, job.done / job.total) if job.total else 0.0
        words = job.phase if job.status is JobStatus.RUNNING else "waiting"
        st.progress(share, text=f"**{JOB_WORDS[job.kind]}** · {text.plain(words)} · {share:.0%}")


with errors.shown():
    if jobs.active(state.workspace()):
        with st.sidebar:
            active_jobs()
    page.run()
