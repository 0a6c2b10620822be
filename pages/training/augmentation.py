"""The random changes of training images: presets, settings by what they change, live preview."""

import base64
import html
from collections.abc import Sequence
from concurrent.futures import Future, wait
from dataclasses import asdict

import streamlit as st

from core.domain.configs.augment import AugmentChange, AugmentConfig
from core.domain.configs.augment_presets import AugmentPreset, augment_preset
from core.domain.configs.choices import Recipe
from core.domain.configs.train import TrainConfig
from core.domain.datasets import Dataset
from core.domain.settings import settings_of
from core.errors import TouchstoneError
from core.workflows.data.datasets import orientation_of
from core.workflows.training import augmentation, runs
from core.workflows.training.augmentation import AugmentedImage, PreviewDraw, PreviewRequest
from core.workspace import Workspace
from pages.training import preview, setting_fields
from pages.training.setting_fields import Asked, Defaults
from pages.ui import context, errors, inference, state

GROUPS = {
    "How often": ("probability", "augment_mode"),
    "Position and shape": (
        "rotate_degrees",
        "rotate_step",
        "crop",
        "scale",
        "shift",
        "shear",
        "perspective",
        "flip_horizontal",
        "flip_vertical",
        "rotate_quarter",
    ),
    "Light and color": ("brightness", "contrast", "light_spot", "saturation", "hue"),
    "Focus, noise and cover": ("blur", "noise", "erase"),
}
PRESETS = {
    AugmentPreset.STANDARD: "Standard",
    AugmentPreset.FIXED_ORIENTATION: "Fixed orientation",
    AugmentPreset.ANY_ORIENTATION: "Any orientation",
    AugmentPreset.VARYING_LIGHT: "Varying light",
    AugmentPreset.FINE_TEXTURE: "Fine texture",
}
Job = Future[list[list[AugmentedImage]]]
_TITLES = {setting.name: setting.title.lower() for setting in settings_of(AugmentConfig)}
_PRESET, _FIRST = "augment_preset", "augment_first_epoch"
_JOB, _LAST = "augment_preview_job", "augment_preview_last"
_SHOWN, _CLASSES, _SIZE_PX = 7, 3, 144
_UNCHANGED = "unchanged"
_NOTE = (
    "position:absolute;inset:auto 0 0 0;font-size:.65rem;line-height:1.5;text-align:center;"
    "background:rgba(16,21,20,.72);color:#fff;border-radius:0 0 6px 6px"
)
_PATIENCE_S, _ASK_AGAIN_S = 1.0, 0.5


def section(defaults: Defaults, names: Sequence[str], wanted: Asked) -> None:
    """The folded part of the form; its preview is drawn while it is open."""
    workspace = state.workspace()
    dataset = context.dataset(workspace)
    # Why no number of changes in its title: another title would fold it again.
    folded = st.expander(
        "Augmentation", icon=":material/auto_fix_high:", key="augmentation", on_change="rerun"
    )
    with folded:
        values = setting_fields.current(wanted, defaults)
        _, config = setting_fields.configs(defaults, values, wanted)
        if dataset is not None:
            _presets(workspace, dataset, defaults, config)
        if folded.open and dataset is not None:
            train, _ = setting_fields.configs(defaults, values, wanted)
            with st.container(key="augment_preview", gap="xsmall"):
                _preview(workspace, dataset, train, config)
        for heading, group in GROUPS.items():
            st.markdown(f"**{heading}**")
            setting_fields.draw(defaults, [name for name in group if name in names])


def _presets(
    workspace: Workspace, dataset: Dataset, defaults: Defaults, config: AugmentConfig
) -> None:
    """Buttons that fill the fields below; the one that they equal is marked."""
    orientation = orientation_of(workspace, dataset.id)
    presets = {which: augment_preset(which, orientation) for which in AugmentPreset}
    equal = (which for which, preset in presets.items() if preset == config)
    st.session_state[_PRESET] = next(equal, None)

    def fill() -> None:
        chosen = st.session_state[_PRESET]
        if chosen is not None:
            setting_fields.fill(defaults, asdict(presets[chosen]))

    st.segmented_control(
        "Preset",
        list(PRESETS),
        format_func=PRESETS.__getitem__,
        key=_PRESET,
        on_change=fill,
        help="Fills the settings below, by what varies between your images. Each can then be "
        "changed.",
    )


def _drawn(train: TrainConfig, config: AugmentConfig) -> tuple[range, str]:
    """The epochs whose changes a preview shows, and what they are in words.

    The stored versions of a staged run are changed as in the epoch of their number; version 0 is
    unchanged.
    """
    first = st.session_state.get(_FIRST, 0)
    if train.recipe is not Recipe.STAGED:
        last = first + _SHOWN
        return range(first, last), f"Originals, then epochs {first + 1} to {last}"
    versions = _changed_versions(train, config)
    first = first % max(versions, 1) // _SHOWN * _SHOWN
    shown = range(1 + first, 1 + min(first + _SHOWN, versions))
    if not shown:
        return shown, "Originals, the only stored version"
    last = shown[-1] + 1
    are = f"versions {shown[0] + 1} to {last}" if len(shown) > 1 else f"version {last}"
    return shown, f"Originals, then stored {are}"


def _changed_versions(train: TrainConfig, config: AugmentConfig) -> int:
    return train.stored_versions - 1 if config.probability > 0 else 0


def _preview(
    workspace: Workspace, dataset: Dataset, train: TrainConfig, config: AugmentConfig
) -> None:
    """An image of each class, and the same image as such a run will change it."""
    shown, words = _drawn(train, config)
    is_all = train.recipe is Recipe.STAGED and _changed_versions(train, config) <= _SHOWN
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Preview**", width="content")
        st.caption(f"{words} of a run with seed {train.seed}", width="stretch")
        if not is_all and st.button("Another draw", icon=":material/casino:", key="augment_again"):
            st.session_state[_FIRST] = st.session_state.get(_FIRST, 0) + _SHOWN
            st.rerun()
    samples = preview.one_per_class(workspace, dataset, at_most=_CLASSES)
    names = [dataset.class_names[sample.label or 0] for sample in samples]
    job = _job(
        augmentation.preview_request(
            workspace,
            dataset.id,
            samples,
            runs.default_preprocess(workspace, dataset.id, train.network),
            config,
            PreviewDraw(train.seed, tuple(shown), _SIZE_PX),
        )
    )
    if not wait([job], timeout=_PATIENCE_S).done:
        _waiting(names, job, count=len(shown))
        return
    try:
        rows = inference.answer(job)
    except TouchstoneError as err:
        errors.show(err)
        return
    st.session_state[_LAST] = names, rows
    st.html(_rows(names, rows))


def _job(request: PreviewRequest) -> Job:
    """The pictures of this request, being drawn in the helper process; a former one is dropped."""
    former: tuple[PreviewRequest, Job] | None = st.session_state.get(_JOB)
    if former is not None and former[0] == request:
        return former[1]
    if former is not None:
        former[1].cancel()
    job = inference.submit(augmentation.augmented, request)
    st.session_state[_JOB] = request, job
    return job


def _waiting(names: Sequence[str], job: Job, *, count: int) -> None:
    """The former pictures, else empty places, until the new ones are there; then the page again."""
    last = st.session_state.get(_LAST, ((), ()))
    places = [[None] * (1 + count) for _ in names]
    shown: Sequence[Sequence[AugmentedImage | None]] = last[1] if last[0] == names else places

    @st.fragment(run_every=_ASK_AGAIN_S)
    def ask() -> None:
        if job.done():
            st.rerun()
        st.html(f"<div style='opacity:.6'>{_rows(names, shown)}</div>")

    ask()


def _rows(names: Sequence[str], rows: Sequence[Sequence[AugmentedImage | None]]) -> str:
    """HTML of one row of pictures for each class, the original first."""
    parts = []
    for name, row in zip(names, rows, strict=True):
        pictures = "".join(_picture(name, index, image) for index, image in enumerate(row))
        parts.append(
            "<div style='font-size:.8rem;line-height:1.2;margin:.2rem 0 .1rem'>"
            f"{html.escape(name)}</div>"
            "<div style='display:grid;gap:.3rem;"
            f"grid-template-columns:repeat(auto-fit,minmax(4.2rem,1fr))'>{pictures}</div>"
        )
    return "".join(parts)


def _picture(name: str, index: int, image: AugmentedImage | None) -> str:
    shape = "width:100%;aspect-ratio:1;border-radius:6px;display:block"
    if image is None:
        return f"<div style='{shape};background:currentColor;opacity:.08'></div>"
    words = "original" if index == 0 else ", ".join(map(_title, image.changes)) or _UNCHANGED
    url = "data:image/jpeg;base64," + base64.b64encode(image.picture).decode()
    alt = html.escape(f"{name}: {words}", quote=True)
    ring = "outline:2px solid currentColor;outline-offset:-2px;" if index == 0 else ""
    note = f"<div style='{_NOTE}'>{words}</div>" if words == _UNCHANGED else ""
    picture = f"<img src='{url}' alt='{alt}' title='{alt}' style='{shape};{ring}'>"
    return f"<div style='position:relative;overflow:hidden'>{picture}{note}</div>"


def _title(change: AugmentChange) -> str:
    return _TITLES[change.value]
