"""The half-filled form: fields made from the settings' own titles, ranges and help.

What differs from the defaults is in the link (`set=epochs=20,momentum=0.8`) and in the session, so
that it survives a reload, another page and another recipe. Everything can be read before a field is
drawn, so that the page can say at its top what is set further down.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import streamlit as st

from core.domain.configs.acting import recipe_settings
from core.domain.configs.augment import AugmentConfig
from core.domain.configs.augment_presets import ORIENTATION_SETTINGS
from core.domain.configs.choices import Preset, Recipe
from core.domain.configs.presets import preset
from core.domain.configs.train import TrainConfig, recipe_defaults
from core.domain.configs.written import class_factors
from core.domain.settings import Setting, Value, settings_of
from core.errors import ConfigError, TouchstoneError
from core.models.brought import known_networks
from core.models.catalog import DEFAULT_NETWORK
from core.models.devices import default_recipe
from pages.ui import state, text

_LINK, _ASKED, _WRITTEN = "set", "train_asked", "train_link"
_OWN_CONTROLS = ("recipe", "network", "device", "start_model")  # drawn by the page itself


@dataclass
class Asked:
    """What was asked for besides the defaults; `settings` are those of each recipe."""

    recipe: Recipe
    network: str = DEFAULT_NETWORK
    device: str = "auto"
    start_model: str = ""
    settings: dict[Recipe, dict[str, Value]] = field(default_factory=dict)
    refused: tuple[str, ...] = ()

    @property
    def own(self) -> dict[str, Value]:
        """Settings of the present recipe that differ from its defaults."""
        return self.settings.get(self.recipe, {})


@dataclass(frozen=True)
class Defaults:
    """What a run has unless asked otherwise."""

    train: TrainConfig
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    @property
    def settings(self) -> dict[str, Setting]:
        """Name -> setting, of those that act in the recipe and have a field."""
        acting = recipe_settings(self.train.recipe)
        every = (*settings_of(self.train), *settings_of(self.augment))
        return {s.name: s for s in every if s.name in acting and s.name not in _OWN_CONTROLS}

    def value(self, name: str) -> Value:
        """The default of a setting."""
        of = self.train if hasattr(self.train, name) else self.augment
        value: Value = getattr(of, name)
        return value


def asked() -> Asked:
    """What the link asks for, else what this session asked for last."""
    link = st.query_params.get(_LINK)
    known: Asked | None = st.session_state.get(_ASKED)
    if known is None or (link is not None and link != st.session_state.get(_WRITTEN)):
        known = _read(link or "")
        st.session_state[_ASKED], st.session_state[_WRITTEN] = known, link
        _drop_fields(*_OWN_CONTROLS)
    return known


def link_of(train: TrainConfig, augment: AugmentConfig, *, start_model: str | None = None) -> str:
    """The value of the link's parameter that asks for these settings, or for another start."""
    defaults = Defaults(recipe_defaults(train.recipe, train.network))
    changed = {
        name: getattr(train, name, getattr(augment, name, None)) for name in defaults.settings
    }
    # Why always: the default of these is what was answered about the dataset.
    own = {
        n: v
        for n, v in changed.items()
        if v is not None and (v != defaults.value(n) or n in ORIENTATION_SETTINGS)
    }
    start = train.start_model if start_model is None else start_model
    return _written(Asked(train.recipe, train.network, train.device, start, {train.recipe: own}))


def current(wanted: Asked, defaults: Defaults) -> dict[str, Value]:
    """Name -> value of every field, also of those that are not drawn yet."""
    values: dict[str, Value] = {}
    for name in defaults.settings:
        key = _key(defaults, name)
        if key not in st.session_state:
            st.session_state[key] = wanted.own.get(name, defaults.value(name))
        values[name] = st.session_state[key]
    return values


def keep(wanted: Asked, defaults: Defaults, values: Mapping[str, Value]) -> None:
    """Remember in link and session what differs from the defaults, but for what cannot be read."""
    usable = _usable(defaults, values)
    own = {name: value for name, value in usable.items() if value != defaults.value(name)}
    wanted.settings[wanted.recipe] = own
    link = _written(wanted)
    st.session_state[_WRITTEN] = link or None
    state.put_words(_LINK, link)


def fill(defaults: Defaults, values: Mapping[str, Value]) -> None:
    """Set the fields of these settings; call before they are drawn."""
    for name, value in values.items():
        if name in defaults.settings:
            st.session_state[_key(defaults, name)] = value


def forget_field(name: str) -> None:
    """Let a field start again from its default, in every recipe."""
    known: Asked | None = st.session_state.get(_ASKED)
    for recipe in Recipe:
        st.session_state.pop(f"set_{recipe.value}_{name}", None)
        if known is not None:
            known.settings.get(recipe, {}).pop(name, None)


def forget(wanted: Asked) -> None:
    """Back to the defaults of the recipe."""
    wanted.settings.pop(wanted.recipe, None)
    wanted.refused = ()
    _drop_fields()


def _of_preset(which: Preset, defaults: Defaults) -> dict[str, Value]:
    """The settings of a preset that differ from the defaults of the recipe."""
    train = preset(which, defaults.train.recipe, defaults.train.network)
    return {
        name: value
        for name in defaults.settings
        if (value := getattr(train, name, defaults.value(name))) != defaults.value(name)
    }


def matching_preset(wanted: Asked, defaults: Defaults) -> Preset | None:
    """The preset that has just these settings."""
    return next((p for p in Preset if _of_preset(p, defaults) == wanted.own), None)


def take_preset(which: Preset, wanted: Asked, defaults: Defaults) -> None:
    """Fill the form with the settings of a preset."""
    wanted.settings[wanted.recipe] = _of_preset(which, defaults)
    _drop_fields()


def put(wanted: Asked, defaults: Defaults, name: str, value: Value) -> None:
    """Fill one field of the form."""
    wanted.settings.setdefault(wanted.recipe, {})[name] = value
    st.session_state.pop(_key(defaults, name), None)


def _drop_fields(*others: str) -> None:
    """Let the fields start again from what was asked for."""
    for key in [k for k in st.session_state if str(k).startswith("set_") or k in others]:
        del st.session_state[key]


def configs(
    defaults: Defaults, values: Mapping[str, Value], wanted: Asked
) -> tuple[TrainConfig, AugmentConfig]:
    """The settings as asked for; what cannot be read is left at its default."""
    usable = _usable(defaults, values)
    train = {n: v for n, v in usable.items() if hasattr(defaults.train, n)}
    augment = {n: v for n, v in usable.items() if n not in train}
    return (
        replace(
            defaults.train,
            **train,  # type: ignore[arg-type]
            device=wanted.device,
            start_model=wanted.start_model,
        ),
        replace(defaults.augment, **augment),  # type: ignore[arg-type]
    )


def refusals(
    defaults: Defaults, values: Mapping[str, Value], class_names: Sequence[str] = ()
) -> dict[str, ConfigError]:
    """Name -> why its value is not allowed: what a person typed as text.

    Args:
        defaults: of the form.
        values: name -> value of every field.
        class_names: of the dataset; with them, classes that it does not have are refused, too.
    """
    found = {}
    for name, value in values.items():
        try:
            defaults.settings[name].check(value)
            if name == "class_penalties" and class_names:
                class_factors(str(value), class_names)
        except ConfigError as err:
            found[name] = err
    return found


def _usable(defaults: Defaults, values: Mapping[str, Value]) -> dict[str, Value]:
    refused = refusals(defaults, values)
    return {n: defaults.value(n) if n in refused else value for n, value in values.items()}


def draw(
    defaults: Defaults,
    names: Sequence[str],
    *,
    refused: Mapping[str, ConfigError] | None = None,
    columns: int = 3,
) -> None:
    """The fields of these settings, row by row, then the switches side by side.

    Under a field of which `refused` knows, it is said what is wrong and how to write it.
    """
    switches = [n for n in names if issubclass(defaults.settings[n].kind, bool)]
    fields = [n for n in names if n not in switches]
    for start in range(0, len(fields), columns):
        row = fields[start : start + columns]
        for column, name in zip(st.columns(columns), row, strict=False):
            with column:
                _field(defaults.settings[name], _key(defaults, name))
                if refused and name in refused:
                    _refusal(refused[name])
    if switches:
        with st.container(horizontal=True, gap="medium"):
            for name in switches:
                _field(defaults.settings[name], _key(defaults, name))


def _field(setting: Setting, key: str) -> None:
    """One field; its value is in the session already, and given for its first paint."""
    value = st.session_state[key]
    if issubclass(setting.kind, bool):
        st.toggle(setting.title, value, key=key, help=setting.help)
    elif issubclass(setting.kind, StrEnum):
        options = list(setting.kind)
        st.selectbox(
            setting.title,
            options,
            options.index(value),
            key=key,
            help=setting.help,
            format_func=_spaced,
        )
    elif issubclass(setting.kind, str):
        placeholder = "1 for each class" if setting.name == "class_penalties" else None
        st.text_input(setting.title, value, key=key, help=setting.help, placeholder=placeholder)
    elif issubclass(setting.kind, int):
        first, last = int(setting.low or 0), int(setting.high or 0)
        st.number_input(setting.title, first, last, int(value), 1, key=key, help=setting.help)
    elif setting.step:
        low, high = float(setting.low or 0), float(setting.high or 0)
        digits = "%.0f" if setting.step >= 1 else "%.2f"
        step = float(setting.step)
        st.slider(setting.title, low, high, float(value), step, digits, key=key, help=setting.help)
    else:
        st.number_input(
            setting.title,
            float(setting.low or 0),
            float(setting.high or 0),
            float(value),
            step=_step(float(value), float(setting.default)),
            format="%.6g",
            key=key,
            help=setting.help,
        )


def _refusal(err: ConfigError) -> None:
    # Why no error box: a third of the form is too narrow for one.
    st.caption(f":red[{text.plain(err.message)}] {text.plain(err.hint)}")


def _step(value: float, usual: float) -> float:
    # Why of the default: a step that follows the value would make another field of it.
    return abs(usual) / 10 or abs(value) / 10 or 0.001


def _spaced(item: StrEnum) -> str:
    return item.value.replace("_", " ")


def _key(defaults: Defaults, name: str) -> str:
    return f"set_{defaults.train.recipe.value}_{name}"


def _read(link: str) -> Asked:
    """What a link asks for; what it says wrongly is left at its default and named."""
    pairs, refused = state.read_values(link), []
    try:
        recipe = Recipe(pairs.pop("recipe", default_recipe().value))
    except ValueError:
        recipe, refused = default_recipe(), ["recipe"]
    result = Asked(recipe, device=pairs.pop("device", "auto"))
    result.start_model = pairs.pop("start_model", "")
    network = pairs.pop("network", DEFAULT_NETWORK)
    if network in {n.name for n in known_networks(state.workspace().weights)}:
        result.network = network
    else:
        refused.append("network")
    known = Defaults(recipe_defaults(recipe, result.network)).settings
    own: dict[str, Value] = {}
    for name, value in pairs.items():
        try:
            own[name] = known[name].read(value)
            known[name].check(own[name])
        except (KeyError, TouchstoneError):
            own.pop(name, None)
            refused.append(name)
    result.settings[recipe], result.refused = own, tuple(text.plain(name) for name in refused)
    return result


def _written(wanted: Asked) -> str:
    parts: dict[str, Value] = {}
    if wanted.recipe is not default_recipe():
        parts["recipe"] = wanted.recipe.value
    if wanted.network != DEFAULT_NETWORK:
        parts["network"] = wanted.network
    if wanted.device != "auto":
        parts["device"] = wanted.device
    if wanted.start_model:
        parts["start_model"] = wanted.start_model
    parts |= wanted.own
    return state.written_values(parts)
