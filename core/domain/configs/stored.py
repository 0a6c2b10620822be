"""Configs as they are kept in rows and model files."""

import json
from dataclasses import asdict, fields
from typing import Any, TypeVar

from core.domain.configs.augment import AugmentConfig
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.train import TrainConfig
from core.errors import ConfigError

Config = TypeVar("Config", PreprocessConfig, AugmentConfig, TrainConfig)


def config_to_json(config: PreprocessConfig | AugmentConfig | TrainConfig) -> str:
    """The whole config as JSON, for a row or a model file."""
    return json.dumps(asdict(config), sort_keys=True)


# Names that settings had in runs and model files of earlier versions.
FORMER_NAMES = {
    "share": "probability",
    "mirror_columns": "flip_horizontal",
    "mirror_rows": "flip_vertical",
    "balance_classes": "class_weights",
}


def config_from_json(kind: type[Config], text: str) -> Config:
    """The config that `config_to_json` wrote.

    Raises:
        ConfigError: if the text is no such config, has unknown settings or values out of range.
    """
    try:
        values = json.loads(text)
        known = {item.name: item for item in fields(kind)}
        values = {FORMER_NAMES.get(name, name): value for name, value in values.items()}
        unknown = set(values) - set(known)
        if unknown:
            raise ValueError(f"unknown settings {', '.join(sorted(unknown))}")
        return kind(**{name: _typed(known[name].default, value) for name, value in values.items()})
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as err:
        raise ConfigError(
            f"These settings cannot be read: {err}.",
            "They may come from a newer version of Touchstone.",
        ) from err


def _typed(default: Any, value: Any) -> Any:
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise ValueError(f"{value!r} is not yes or no")
        return value
    return type(default)(value)
