import pytest

from core.domain.configs.acting import acted_on, acting_settings
from core.domain.configs.augment import AugmentConfig
from core.domain.configs.choices import OptimizerName, Recipe, ScheduleName
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.train import TrainConfig, recipe_defaults
from core.domain.depth import LEVEL_SETTINGS
from core.domain.settings import settings_of
from core.domain.training import TrainingRun

QUICK = recipe_defaults(Recipe.QUICK, "resnet18")
FULL = recipe_defaults(Recipe.FULL, "resnet18")
STEPS = {"epochs", "batch_size", "learning_rate", "optimizer", "schedule", "patience"}
AUGMENTATION = {item.name for item in settings_of(AugmentConfig)}
EVERY = {
    item.name
    for kind in (TrainConfig, AugmentConfig, PreprocessConfig)
    for item in settings_of(kind)
}


def test_a_solved_head_has_no_epochs_and_no_augmentation():
    # Reports listed augmentation, epochs and a learning rate that the quick recipe never used.
    names = acting_settings(QUICK, AugmentConfig())
    assert not names & (STEPS | AUGMENTATION | {"momentum", "weight_decay"})
    assert {"penalty", "refit", "class_weights", "label_smoothing", "image_size_px"} <= names


def test_an_earlier_quick_run_was_trained_in_epochs_without_augmentation():
    names = acting_settings(QUICK, AugmentConfig(), has_epochs=True)
    assert names >= STEPS | {"momentum", "weight_decay"}
    assert not names & (AUGMENTATION | {"penalty", "refit"})


def test_every_setting_acts_on_some_run():
    staged = TrainConfig(
        Recipe.STAGED,
        optimizer=OptimizerName.SGD,
        schedule=ScheduleName.STEP,
        start_from_head=True,
        start_model="parts",
        checkpoint_interval=1,
    )
    acting = acting_settings(QUICK, AugmentConfig()) | acting_settings(staged, AugmentConfig())
    assert acting == EVERY


def test_a_full_run_of_an_earlier_version_lists_what_it_listed_then():
    former = TrainConfig(Recipe.FULL, optimizer=OptimizerName.ADAMW)
    run = TrainingRun("r", "r", "d", "s", PreprocessConfig(), AugmentConfig(), former, 0.0)
    of_training = {s.name for s, _ in acted_on(run, has_epochs=True)} & {
        s.name for s in settings_of(TrainConfig)
    }
    assert of_training == STEPS | {
        *("recipe", "network", "class_weights", "label_smoothing", "seed", "device", "weight_decay")
    }


def test_momentum_belongs_to_sgd_and_changes_need_a_probability():
    never = AugmentConfig(probability=0.0)
    names = acting_settings(FULL, never)
    assert FULL.optimizer is OptimizerName.ADAMW
    assert names & (AUGMENTATION | {"momentum"}) == {"probability"}


@pytest.mark.parametrize("train", [QUICK, FULL])
def test_what_acted_is_listed_with_its_value(train):
    augment = AugmentConfig(blur=1.0)
    run = TrainingRun("r", "r", "d", "s", PreprocessConfig(), augment, train, 0.0)
    listed = acted_on(run, has_epochs=False)
    values = {item.name: value for item, value in listed}
    # Gray levels are a setting of images with more than 8 bits only.
    assert set(values) <= acting_settings(train, run.augment) - set(LEVEL_SETTINGS)
    assert (train is FULL) == ("ema_decay" in values) == ("blur" in values)
    # What is off, and what older runs could not have, would fill the report.
    assert not set(values) & {"cutmix", "focal_gamma", "minutes", "stored_versions"}
    assert not set(values) & {"augment_mode", "noise"}
    assert values["network"] == "resnet18"
