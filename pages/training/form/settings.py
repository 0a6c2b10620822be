"""The fields of Train: the important settings first, the others folded under headings."""

from collections.abc import Mapping, Sequence

import streamlit as st

from core.domain.configs.choices import Recipe
from core.domain.settings import Setting, SettingGroup
from core.domain.splits import Split
from core.errors import ConfigError
from core.workspace import Workspace
from pages.training import augmentation, setting_fields
from pages.training.form.controls import choose_device, choose_start
from pages.training.setting_fields import Asked, Defaults

FIRST = (
    "epochs",
    "minutes",
    "batch_size",
    "learning_rate",
    "class_weights",
)
# First where nothing but the last layer is trained, or nothing at all.
_SOLVED = ("detail", "head", "penalty", "refit")
_OF_DETECTORS = ("unfamiliar_rate",)
_ICONS = {
    SettingGroup.MODEL: ":material/account_tree:",
    SettingGroup.LAST_LAYER: ":material/layers:",
    SettingGroup.LENGTH: ":material/timer:",
    SettingGroup.STEPS: ":material/trending_down:",
    SettingGroup.LOSS: ":material/balance:",
    SettingGroup.REGULARIZATION: ":material/blur_on:",
    SettingGroup.EVALUATION: ":material/monitoring:",
    SettingGroup.CHECKPOINTS: ":material/save:",
    SettingGroup.MACHINE: ":material/memory:",
    SettingGroup.AUGMENTATION: ":material/auto_fix_high:",
    SettingGroup.PIXELS: ":material/grid_4x4:",
}


def settings(
    workspace: Workspace,
    defaults: Defaults,
    split: Split,
    wanted: Asked,
    refused: Mapping[str, ConfigError],
) -> None:
    """Fields for what acts in the recipe: the important ones first, then one fold per heading.

    `refused`: why the value of a setting is not allowed.
    """
    known = list(defaults.settings)
    if split.folds and "refit" in known:  # a fold must stay unseen
        known.remove("refit")
    solved: tuple[str, ...] = () if "epochs" in known else _SOLVED
    solved = _OF_DETECTORS + solved if wanted.recipe is Recipe.GOOD_ONLY else solved
    first = [name for name in (*FIRST, *solved) if name in known]
    setting_fields.draw(defaults, first)
    others = [defaults.settings[name] for name in known if name not in first]
    with st.container(gap="xsmall"):
        for group, own in by_group(defaults, others).items():
            if group is SettingGroup.AUGMENTATION:
                augmentation.section(defaults, own, wanted)
                continue
            # Why a key: the number of changes in its title would fold it again.
            key = f"settings_{group.name.lower()}"
            with st.expander(_titled(group.value, own, wanted), icon=_ICONS[group], key=key):
                if group is SettingGroup.MODEL:
                    choose_start(workspace, wanted)
                setting_fields.draw(defaults, own, refused=refused)
                if group is SettingGroup.MACHINE:
                    choose_device(wanted)


def by_group(defaults: Defaults, items: Sequence[Setting]) -> dict[SettingGroup, list[str]]:
    """Names by heading, in the order of the headings; those of model and machine are always there.

    Their controls of start model and device are drawn by the page itself.
    """
    groups: dict[SettingGroup, list[str]] = {}
    for item in items:
        of = SettingGroup.AUGMENTATION if hasattr(defaults.augment, item.name) else None
        groups.setdefault(item.group or of or SettingGroup.MACHINE, []).append(item.name)
    for always in (SettingGroup.MODEL, SettingGroup.MACHINE):
        groups.setdefault(always, [])
    return {group: groups[group] for group in SettingGroup if group in groups}


def _titled(title: str, names: Sequence[str], wanted: Asked) -> str:
    changed = sum(name in wanted.own for name in names)
    return f"{title} · {changed} changed" if changed else title
