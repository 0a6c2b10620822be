"""Settings on the command line: options, files and `--set`, all made from their declarations."""

import inspect
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from core.domain.configs.acting import recipe_settings
from core.domain.configs.augment import AugmentConfig
from core.domain.configs.augment_presets import ORIENTATION_SETTINGS
from core.domain.configs.choices import Recipe
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.stored import FORMER_NAMES
from core.domain.configs.train import TrainConfig, recipe_defaults
from core.domain.settings import Setting, SettingGroup, settings_of, with_settings
from core.domain.training import TrainingRun
from core.errors import ConfigError
from core.files import read_user_file

SECTIONS = {"train": TrainConfig, "augment": AugmentConfig, "preprocess": PreprocessConfig}
_IDLE_HINTS = {
    Recipe.QUICK: "Quick solves the last layer exactly on unchanged images: without epochs, "
    "learning rate or augmentation.",
    Recipe.STAGED: "Staged trains the upper layers step by step, from the solved last layer on.",
    Recipe.FULL: "Full trains all layers step by step: use weight decay instead of a penalty.",
    Recipe.GOOD_ONLY: "Good_only remembers good images; its false-alarm rate is --unfamiliar-rate.",
}
_GROUPS = {"augment": SettingGroup.AUGMENTATION, "preprocess": SettingGroup.PIXELS}
_MOST_BYTES = 10_000_000
_SECTION_OF = {item.name: key for key, kind in SECTIONS.items() for item in settings_of(kind)}

Values = Mapping[str, object]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="JSON or TOML file of settings in the sections train, augment and preprocess.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any setting by its name, for example weight_decay=0.01; may be repeated. Wins over "
        "--config.",
    ),
]


@dataclass(frozen=True)
class ChosenSettings:
    """The settings that were chosen, by section; everything else keeps its default."""

    train: dict[str, object] = field(default_factory=dict)
    augment: dict[str, object] = field(default_factory=dict)
    preprocess: dict[str, object] = field(default_factory=dict)

    def update(self, section: str, values: Values) -> None:
        """Let the values of one section win over those so far."""
        chosen: dict[str, object] = getattr(self, section)
        chosen.update(values)


def with_setting_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command with one option per setting; it gets those given as `options`, by name."""
    options = [
        _parameter(key, item) for key, kind in SECTIONS.items() for item in settings_of(kind)
    ]
    options.append(_former_switch("balance_classes"))
    names = {option.name for option in options}

    def called(**arguments: Any) -> None:
        given = {k: v for k, v in arguments.items() if k in names and v is not None}
        command(**{k: v for k, v in arguments.items() if k not in names}, options=given)

    signature = inspect.signature(command)
    own = [p for p in signature.parameters.values() if p.name != "options"]
    every = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + options
    parameters = sorted(every, key=_place_in_help)
    called.__name__, called.__doc__ = command.__name__, command.__doc__
    called.__annotations__ = {p.name: p.annotation for p in parameters}
    called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return called


def chosen_settings(
    file: Path | None, assignments: Sequence[str], options: Values
) -> ChosenSettings:
    """What was chosen: the file, changed by `--set`, changed by explicit options.

    Raises:
        ConfigError: if the file or an assignment cannot be read, or names no setting.
    """
    chosen = ChosenSettings()
    if file is not None:
        for section, values in _read_file(file).items():
            chosen.update(section, values)
    for text in assignments:
        section, name, value = _assignment(text)
        chosen.update(section, {name: value})
    for name, given in options.items():
        today = FORMER_NAMES.get(name, name)
        chosen.update(_SECTION_OF[today], {today: given})
    return chosen


def settings_like(
    run: TrainingRun, chosen: ChosenSettings
) -> tuple[TrainConfig, AugmentConfig, PreprocessConfig]:
    """The settings of a run with those that were chosen; another recipe brings its own.

    Raises:
        ConfigError: if a value is not allowed.
    """
    asked = with_settings(run.train, chosen.train)
    if asked.recipe is not run.train.recipe:
        usual = recipe_defaults(asked.recipe, asked.network)
        usual = replace(usual, seed=run.train.seed, device=run.train.device)
        asked = with_settings(usual, chosen.train)
    return (
        asked,
        with_settings(run.augment, chosen.augment),
        with_settings(run.preprocess, chosen.preprocess),
    )


def refuse_idle(chosen: ChosenSettings, recipe: Recipe) -> None:
    """Accept only settings that act in the recipe.

    Raises:
        ConfigError: if one that was chosen would do nothing.
    """
    acting = recipe_settings(recipe)
    for section, kind in SECTIONS.items():
        for item in settings_of(kind):
            if item.name in getattr(chosen, section) and item.name not in acting:
                raise ConfigError(
                    f"{item.title} ({item.option}) does nothing in the recipe '{recipe}'.",
                    f"Leave it out, or choose another recipe. {_IDLE_HINTS[recipe]}",
                )


def _parameter(section: str, item: Setting) -> inspect.Parameter:
    names = f"{item.option}/--no-{item.option[2:]}" if item.kind is bool else item.option
    info = typer.Option(
        names,
        help=item.help.replace("[", "\\["),
        metavar=None if item.low is None else f"{item.low:g}..{item.high:.10g}",
        show_default=_usual(section, item),
        rich_help_panel=item.group or _GROUPS[section],
    )
    return inspect.Parameter(
        item.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[item.kind | None, info],
    )


def _place_in_help(parameter: inspect.Parameter) -> int:
    """The panel of an option, in the order of the form; first of all those without one."""
    (info,) = getattr(parameter.annotation, "__metadata__", (None,))
    panel = getattr(info, "rich_help_panel", None)
    return list(SettingGroup).index(SettingGroup(panel)) if panel else -1


def _former_switch(name: str) -> inspect.Parameter:
    """The option of a setting that was yes or no under another name: still read, not listed."""
    switch = name.replace("_", "-")
    info = typer.Option(f"--{switch}/--no-{switch}", hidden=True)
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=None, annotation=Annotated[bool | None, info])


def _usual(section: str, item: Setting) -> str | bool:
    """The default in words; False where there is none, or it depends on dataset and machine."""
    if section == "preprocess" or item.name == "recipe":
        return False
    if item.name in ORIENTATION_SETTINGS:
        return "as answered by `touchstone orientation`, else no"
    if section == "augment":
        return _in_words(item.default)
    by_recipe = {
        recipe: _in_words(getattr(recipe_defaults(recipe, str(item.default)), item.name))
        for recipe in Recipe
        if item.name in recipe_settings(recipe)
    }
    if not any(by_recipe.values()):  # texts that are empty
        return False
    if len(by_recipe) == len(Recipe) and len(set(by_recipe.values())) == 1:
        return by_recipe[Recipe.QUICK]
    return ", ".join(f"{recipe} {words}" for recipe, words in by_recipe.items())


def _in_words(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _read_file(file: Path) -> dict[str, Values]:
    try:
        content = _parsed(file)
    except OSError as err:
        raise ConfigError(
            f"{file} cannot be read: {err.strerror or err}.", "Check the path of --config."
        ) from err
    except (ValueError, RecursionError) as err:  # both parsers raise kinds of ValueError
        raise ConfigError(
            f"{file} is not valid {file.suffix[1:].upper()}: {err}.",
            "Settings stand in the sections train, augment and preprocess.",
        ) from err
    if not isinstance(content, dict):
        raise ConfigError(f"{file} has no sections.", f"There are: {', '.join(SECTIONS)}.")
    return {section: _section(file, section, values) for section, values in content.items()}


def _parsed(file: Path) -> object:
    match file.suffix.lower():
        case ".toml":
            return tomllib.loads(_text(file))
        case ".json":
            return json.loads(_text(file))
        case _:
            raise ConfigError(
                f"{file} is neither JSON nor TOML.", "Its name must end in .json or .toml."
            )


def _text(file: Path) -> str:
    return read_user_file(file, most_bytes=_MOST_BYTES).decode("utf-8-sig")


def _section(file: Path, section: str, values: object) -> Values:
    if section not in SECTIONS:
        raise ConfigError(
            f"{file} has an unknown section '{section}'.", f"There are: {', '.join(SECTIONS)}."
        )
    if not isinstance(values, dict):
        raise ConfigError(
            f"'{section}' in {file} holds no settings.", 'For example: {"train": {"epochs": 30}}.'
        )
    return {_known_name(section, str(name)): value for name, value in values.items()}


def _assignment(text: str) -> tuple[str, str, str]:
    """Section, name and value of `weight_decay=0.01` or `train.weight_decay=0.01`."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"'{text}' sets nothing.", "For example: --set weight_decay=0.01.")
    section, dot, name = key.strip().partition(".")
    if dot:
        return section, _known_name(section, name), value.strip()
    name = _plain_name(section)
    return _SECTION_OF.get(name) or _unknown(name), name, value.strip()


def _plain_name(name: str) -> str:
    plain = name.replace("-", "_")
    return FORMER_NAMES.get(plain, plain)


def _known_name(section: str, name: str) -> str:
    plain = _plain_name(name)
    return plain if _SECTION_OF.get(plain) == section else _unknown(f"{section}.{name}")


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name.rpartition(".")[2], _SECTION_OF, n=3)
    known = near or list(_SECTION_OF)
    raise ConfigError(
        f"There is no setting '{name}'.",
        f"{'Similar' if near else 'There are'}: {', '.join(known)}.",
    )
