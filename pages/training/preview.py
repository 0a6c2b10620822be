"""Images as the network sees them, small beside the settings or large beside their originals."""

import base64
import html
import io

import streamlit as st
from PIL import Image

from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import Dataset, Sample
from core.errors import TouchstoneError
from core.workflows.data import datasets, image_facts
from core.workspace import Workspace
from pages.ui import errors, state

Urls = tuple[str, str]
_BEFORE_PX = 480
_STRIP_PX = 160


@st.cache_data(max_entries=64, show_spinner=False)
def before_and_after(_sample: Sample, sha256: str, _config: PreprocessConfig, digest: str) -> Urls:
    """Data URLs of the image and of the network's pixels; `digest` stands for the config.

    Why no st.image: its files vanish when a slider moves again before the browser has them.
    """
    before, after = image_facts.network_preview(state.workspace(), _sample, _config, _BEFORE_PX)
    return _data_url(before), _data_url(after)


@st.cache_data(max_entries=64, show_spinner=False)
def _small(_sample: Sample, sha256: str, _config: PreprocessConfig, digest: str) -> str:
    _, png = image_facts.network_preview(state.workspace(), _sample, _config, _BEFORE_PX)
    after = Image.open(io.BytesIO(png))
    after.thumbnail((_STRIP_PX, _STRIP_PX))
    buffer = io.BytesIO()
    after.save(buffer, "PNG")
    return _data_url(buffer.getvalue())


def _data_url(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def one_per_class(
    workspace: Workspace, dataset: Dataset, *, at_most: int, offset: int = 0
) -> list[Sample]:
    """An image of each of the first classes; `offset` asks for others."""
    chosen: list[Sample] = []
    for label in range(min(at_most, len(dataset.class_names))):
        samples, total = datasets.samples(workspace, dataset.id, label=label, limit=1)
        if total and offset % total:
            samples, _ = datasets.samples(
                workspace, dataset.id, label=label, limit=1, offset=offset % total
            )
        chosen.extend(samples)
    return chosen


def urls(
    workspace: Workspace, dataset: Dataset, config: PreprocessConfig, *, at_most: int
) -> list[tuple[str, str]]:
    """Class and data URL of one small network input of each of the first classes."""
    shown = []
    for sample in one_per_class(workspace, dataset, at_most=at_most):
        try:
            url = _small(sample, sample.sha256, config, config.digest)
        except TouchstoneError as err:
            errors.show(err)
            continue
        shown.append((dataset.class_names[sample.label or 0], url))
    return shown


def strip(workspace: Workspace, dataset: Dataset, config: PreprocessConfig) -> int:
    """A few network inputs in one row of fixed height, named by class; how many classes."""
    shown = list(urls(workspace, dataset, config, at_most=4))
    figures = []
    for label, url in shown:
        name = html.escape(label)
        figures.append(
            "<figure style='margin:0;flex:1 1 0;min-width:0;max-width:10rem'>"
            f"<img src='{url}' alt='Network input of class {name}' style='width:100%;"
            "aspect-ratio:1;border-radius:8px;display:block'>"
            "<figcaption style='font-size:.8rem;overflow:hidden;white-space:nowrap;"
            f"text-overflow:ellipsis;padding-top:.2rem' title='{name}'>{name}</figcaption></figure>"
        )
    st.html(f"<div style='display:flex;gap:.5rem'>{''.join(figures)}</div>")
    return len(shown)


def figure(data_url: str, alt: str, caption: str, ratio: float) -> str:
    """HTML of an image as wide as its column; `ratio` keeps its place while it loads.

    Why no element for each: below others, each would move down when these get their height.
    """
    return (
        f"<figure style='margin:.5rem 0 1rem'><img src='{data_url}' alt='{html.escape(alt)}' "
        f"style='width:100%;aspect-ratio:{ratio:.4f};object-fit:contain;border-radius:8px;"
        "display:block'><figcaption style='font-size:.875rem;opacity:.7;padding-top:.3rem'>"
        f"{html.escape(caption)}</figcaption></figure>"
    )
