import pytest

from core.domain.configs.augment import AugmentConfig
from core.domain.configs.choices import ClassWeights, OptimizerName, ResizeMode
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.train import TrainConfig
from core.domain.settings import settings_of, with_settings
from core.errors import ConfigError

EVERY = [s for kind in (TrainConfig, AugmentConfig, PreprocessConfig) for s in settings_of(kind)]


@pytest.mark.parametrize("setting", EVERY, ids=lambda s: s.name)
def test_every_setting_has_a_title_a_short_help_a_range_and_a_default_that_is_allowed(setting):
    assert setting.title
    assert 3 <= len(setting.help.split()) <= 40
    if setting.kind in (int, float):
        assert setting.low is not None
    assert setting.read(str(setting.default)) == setting.default
    setting.check(setting.default)


def test_names_and_options_are_unique_over_all_configs():
    # `--set key=value` and the options have no sections.
    assert len({s.name for s in EVERY}) == len({s.option for s in EVERY}) == len(EVERY)


def test_text_and_numbers_are_read_in_the_type_of_the_setting():
    values = {"epochs": "30", "learning_rate": 1, "optimizer": "AdamW", "refit": "no"}
    config = with_settings(TrainConfig(), values)
    assert (config.epochs, config.learning_rate) == (30, 1.0)
    assert type(config.learning_rate) is float
    assert config.optimizer is OptimizerName.ADAMW
    assert config.refit is False
    crop = with_settings(PreprocessConfig(), {"resize_mode": "crop"})
    assert crop.resize_mode is ResizeMode.CROP


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("epochs", "many", "Epochs is many, but must be a whole number between 1 and 1,000."),
        ("epochs", 12.5, "Epochs is 12.5, but must be a whole number between 1 and 1,000."),
        ("epochs", True, "Epochs is True, but must be a whole number between 1 and 1,000."),
        ("epochs", 0, "Epochs is 0, but must be a whole number between 1 and 1,000."),
        ("momentum", "1.5", "Momentum is 1.5, but must be a number between 0 and 0.999."),
        ("optimizer", "adam", "Optimizer is adam, but must be one of adamw, sgd."),
        ("refit", "perhaps", "Refit with validation is perhaps, but must be yes or no."),
    ],
)
def test_what_is_not_allowed_is_refused_by_title_range_and_help(name, value, words):
    with pytest.raises(ConfigError) as refused:
        with_settings(TrainConfig(), {name: value})
    assert refused.value.message == words
    assert refused.value.hint == next(s.help for s in EVERY if s.name == name)


def test_an_unknown_setting_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError) as refused:
        with_settings(AugmentConfig(), {"zoom": 1})
    assert "no setting 'zoom'" in refused.value.message
    assert "rotate_degrees" in refused.value.hint


def test_class_weights_are_also_read_as_the_yes_or_no_that_they_were():
    for text, weights in (("yes", ClassWeights.BALANCED), ("no", ClassWeights.NONE)):
        assert with_settings(TrainConfig(), {"class_weights": text}).class_weights is weights
