import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.configs.augment import AugmentConfig
from core.domain.configs.choices import (
    ClassWeights,
    Normalization,
    OptimizerName,
    Preset,
    Recipe,
    ResizeMode,
)
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.presets import preset
from core.domain.configs.stored import config_from_json, config_to_json
from core.domain.configs.train import TrainConfig, recipe_defaults
from core.domain.configs.written import class_factors
from core.domain.ids import new_id
from core.domain.jobs import JobKind, JobStatus
from core.errors import ConfigError


@pytest.mark.parametrize(
    "config",
    [
        PreprocessConfig(),
        PreprocessConfig(96, ResizeMode.CROP, normalization=Normalization.NONE, roi_left=0.25),
        AugmentConfig(probability=0.0, rotate_quarter=True, rotate_degrees=17.5),
        TrainConfig(),
        TrainConfig(
            Recipe.FULL,
            "resnet18",
            optimizer=OptimizerName.SGD,
            class_weights=ClassWeights.BALANCED,
        ),
        recipe_defaults(Recipe.FULL, "resnet50"),
    ],
)
def test_a_config_survives_its_json(config):
    assert config_from_json(type(config), config_to_json(config)) == config


@given(
    st.builds(
        TrainConfig,
        epochs=st.integers(1, 1000),
        learning_rate=st.floats(1e-7, 10.0),
        seed=st.integers(0, 2**31 - 1),
        class_weights=st.sampled_from(ClassWeights),
    )
)
def test_any_allowed_training_config_survives_its_json(config):
    assert config_from_json(TrainConfig, config_to_json(config)) == config


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (TrainConfig, {"milestones": "4 eight"}),
        (TrainConfig, {"class_penalties": "crack: -1"}),
        (TrainConfig, {"class_penalties": "crack"}),
        (PreprocessConfig, {"image_size_px": 31}),
        (PreprocessConfig, {"image_size_px": 1025}),
        (PreprocessConfig, {"roi_left": 0.6, "roi_right": 0.5}),
        (AugmentConfig, {"probability": 1.01}),
        (AugmentConfig, {"brightness": -0.1}),
        (TrainConfig, {"epochs": 0}),
        (TrainConfig, {"batch_size": 0}),
        (TrainConfig, {"learning_rate": 0.0}),
        (TrainConfig, {"learning_rate": math.nan}),
        (TrainConfig, {"seed": -1}),
    ],
)
def test_a_value_out_of_its_range_is_refused_with_a_hint(kind, values):
    with pytest.raises(ConfigError) as caught:
        kind(**values)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "7",
        '{"image_size_px": "large"}',
        '{"image_size_px": null}',
        '{"image_size_px": 1e999}',  # used to escape as OverflowError
        '{"resize_mode": "fold"}',
        '{"newer_setting": 1}',
        '{"roi_left": NaN}',
        "[" * 100_000,
    ],
)
def test_settings_that_are_none_raise_one_of_our_errors(text):
    with pytest.raises(ConfigError):
        config_from_json(PreprocessConfig, text)


def test_yes_and_no_are_not_guessed_from_text():
    with pytest.raises(ConfigError):
        config_from_json(AugmentConfig, json.dumps({"mirror_rows": "false"}))


def test_the_digest_names_pixels_and_nothing_else():
    plain = PreprocessConfig()
    assert plain.digest == PreprocessConfig(normalization=Normalization.NONE).digest
    others = [
        PreprocessConfig(image_size_px=240),
        PreprocessConfig(resize_mode=ResizeMode.CROP),
        PreprocessConfig(normalization=Normalization.ALL_CHANNELS),
        PreprocessConfig(normalization=Normalization.FIRST_CHANNEL),
        PreprocessConfig(roi_left=0.1),
    ]
    assert len({config.digest for config in [plain, *others]}) == 6


def test_ids_are_short_different_and_easy_to_read():
    ids = {new_id("ds") for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(i) == 11 and not set(i[3:]) & set("ilo01") for i in ids)


def test_every_status_is_either_active_or_an_end():
    active = {status for status in JobStatus if status.is_active}
    assert active == {JobStatus.QUEUED, JobStatus.RUNNING}


def test_trainings_imports_and_checks_do_not_wait_for_each_other():
    assert len({kind.lane for kind in (JobKind.TRAIN, JobKind.IMPORT, JobKind.QUALITY)}) == 3
    assert JobKind.PREDICT.lane == JobKind.QUALITY.lane


def test_settings_of_earlier_versions_are_read_under_their_former_names():
    # Runs and model files before 0.2 call the flips "mirror" and the probability "share".
    text = json.dumps({"share": 0.3, "mirror_columns": False, "mirror_rows": True})
    assert config_from_json(AugmentConfig, text) == AugmentConfig(
        probability=0.3, flip_horizontal=False, flip_vertical=True
    )


@pytest.mark.parametrize(
    ("former", "today"), [(True, ClassWeights.BALANCED), (False, ClassWeights.NONE)]
)
def test_class_weights_were_yes_or_no_once(former, today):
    text = json.dumps({"balance_classes": former})
    assert config_from_json(TrainConfig, text) == TrainConfig(class_weights=today)
    with pytest.raises(ConfigError):
        config_from_json(TrainConfig, json.dumps({"class_weights": "strong"}))


def test_penalties_are_written_as_text_and_name_classes_of_the_dataset():
    text = "type: A: 3; scratch : 1.5"
    assert class_factors(text, ("good", "type: A", "scratch")) == (1.0, 3.0, 1.5)
    with pytest.raises(ConfigError, match="'scratch', which is no class") as refused:
        class_factors(text, ("good", "type: A"))
    assert "good" in refused.value.hint


@pytest.mark.parametrize("recipe", [Recipe.QUICK, Recipe.STAGED, Recipe.FULL])
def test_a_thorough_preset_trains_longer_than_a_fast_one_and_balanced_is_the_default(recipe):
    fast, balanced, thorough = (preset(which, recipe, "resnet18") for which in Preset)
    assert balanced == recipe_defaults(recipe, "resnet18")
    assert fast.epochs <= balanced.epochs <= thorough.epochs
    assert fast.detail.levels == thorough.detail.levels[: len(fast.detail.levels)]
    assert fast != thorough
