"""Every setting of a run is an option, a line of a file and a `--set`, from its declaration."""

import json

import pytest
from typer.testing import CliRunner

from core.cli.app import app, load_command
from core.cli.settings import SECTIONS, ChosenSettings, chosen_settings
from core.cli.training.start import chosen_configs
from core.domain.configs.choices import ClassWeights, DetailChoice, Preset, Recipe
from core.domain.configs.presets import preset as preset_settings
from core.domain.configs.train import TrainConfig
from core.domain.settings import SettingGroup, settings_of
from core.errors import ConfigError
from core.store import runs
from core.store.database import connect
from tests.conftest import copy_of

EVERY = [s for kind in SECTIONS.values() for s in settings_of(kind)]


@pytest.fixture(scope="module")
def panels():
    """Option -> its panel in the help of `train`."""
    options = load_command("train").params
    return {
        name: o.rich_help_panel for o in options if o.param_type_name == "option" for name in o.opts
    }


def test_train_has_an_option_for_every_setting_under_its_group(panels):
    # 8 of 30 settings could be reached from the command line.
    assert {s.option for s in EVERY} <= set(panels)
    assert {panels[s.option] for s in settings_of(TrainConfig)} == {
        s.group for s in settings_of(TrainConfig)
    }
    # Augmentation stood before the network and the recipe.
    assert list(dict.fromkeys(filter(None, panels.values()))) == list(SettingGroup)
    assert panels["--weight-decay"] == "Regularization"
    assert panels["--flip-horizontal"] == "Augmentation"
    assert panels["--resize-mode"] == "Pixels"


def test_the_help_names_ranges_and_what_the_recipes_use():
    shown = CliRunner().invoke(app, ["train", "-h"], env={"COLUMNS": "300"}).stdout
    assert "1..1000" in shown
    assert "staged 30, full 12" in shown
    assert "balance-classes" not in shown
    assert "--no-flip-vertical" in shown
    assert "(staged , full )" not in shown  # the default of a text that is empty


def test_an_option_wins_over_set_and_set_over_the_file(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text("[train]\nepochs = 7\nseed = 1\npatience = 3\n[augment]\ncrop = 0.2\n")
    chosen = chosen_settings(file, ["train.seed=2", "patience=4"], {"patience": 5})
    assert chosen.train == {"epochs": 7, "seed": "2", "patience": 5}
    assert chosen.augment == {"crop": 0.2}


def test_a_json_file_takes_former_names_and_dashes(tmp_path):
    file = tmp_path / "settings.json"
    file.write_text('{"augment": {"mirror_rows": false}, "train": {"weight-decay": 0.5}}')
    chosen = chosen_settings(file, ["preprocess.image-size-px=96"], {})
    assert chosen.augment == {"flip_vertical": False}
    assert chosen.train == {"weight_decay": 0.5}
    assert chosen.preprocess == {"image_size_px": "96"}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", "{", "is not valid JSON"),
        ("a.toml", "epochs = ", "is not valid TOML"),
        ("a.json", b"\xff\xfe", "is not valid JSON"),
        ("a.json", "[]", "has no sections"),
        ("a.json", '{"train": 3}', "holds no settings"),
        ("a.toml", "epochs = 3", "unknown section 'epochs'"),
        ("a.toml", "[train]\nzoom = 3", "no setting 'train.zoom'"),
        ("a.toml", "[train]\ncrop = 0.3", "no setting 'train.crop'"),
        ("a.yaml", "train: {}", "neither JSON nor TOML"),
        ("none.json", None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path, name, content, words):
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=words) as refused:
        chosen_settings(file, [], {})
    assert refused.value.hint


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("epochs", "sets nothing", "--set weight_decay=0.01"),
        ("epoch=3", "no setting 'epoch'", "epochs"),
        ("augment.epochs=3", "no setting 'augment.epochs'", "epochs"),
        ("=3", "no setting ''", "recipe"),
    ],
)
def test_an_assignment_that_sets_nothing_is_refused_with_similar_names(text, words, hint):
    with pytest.raises(ConfigError, match=words) as refused:
        chosen_settings(None, [text], {})
    assert hint in refused.value.hint


def _call(root, *arguments, code=0):
    answer = CliRunner().invoke(app, [*map(str, arguments), "--workspace", str(root), "--json"])
    assert answer.exit_code == code, answer.output
    return json.loads(answer.stdout)


def test_a_preset_is_a_start_that_set_and_options_win_over(trained):
    # The presets could be chosen on the page only.
    def asked(preset, **chosen):
        values = ChosenSettings(train={"recipe": "staged", **chosen})
        workspace, dataset = trained.workspace, trained.dataset.id
        return chosen_configs(workspace, dataset, values, preset=preset)[0]

    network = asked(None).network
    for which in Preset:
        assert asked(which) == preset_settings(which, Recipe.STAGED, network)
    assert asked(None) == asked(Preset.BALANCED)
    thorough = asked(Preset.THOROUGH, epochs=7)
    assert (thorough.epochs, thorough.stored_versions) == (7, 12)
    said = CliRunner().invoke(app, ["train", "-h"], env={"COLUMNS": "300"}).stdout
    assert "--preset" in said
    assert "fast|balanced|thorough" in said
    refused = ("train", "Marks", "--preset", "fast")
    for more in (("--like", "Marks quick"), ("--recipe", "good_only")):
        said = _call(trained.workspace.root, *refused, *more, code=1)["error"]
        assert "preset" in said


def test_a_run_keeps_the_settings_that_were_given_in_all_three_ways(trained, tmp_path):
    workspace = copy_of(trained.workspace, tmp_path / "copy")
    file = tmp_path / "settings.json"
    file.write_text('{"train": {"recipe": "quick", "penalty": 9}, "preprocess": {"roi_top": 0.1}}')
    made = _call(
        workspace.root,
        *("train", "Marks", "--config", file, "--set", "penalty=3", "--set", "label_smoothing=0.1"),
        *("--no-refit", "--image-size", "64", "--device", "cpu"),
        *("--roi-right", "0.9", "--no-balance-classes"),
    )
    with connect(workspace) as db:
        run = runs.find_run(db, made["run_id"])
    assert run.train == TrainConfig(
        penalty=3,
        label_smoothing=0.1,
        refit=False,
        device="cpu",
        class_weights=ClassWeights.NONE,
        detail=DetailChoice.AUTO,
        unfamiliar_rate=0.01,
    )
    assert (made["penalty"], made["penalty_path"], made["refit"], made["epochs"]) == (
        3,
        [],
        False,
        0,
    )
    assert run.preprocess.roi_top == 0.1
    assert (run.preprocess.image_size_px, run.preprocess.roi_right) == (64, 0.9)


@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        (("--epochs", "20"), "Epochs (--epochs)"),
        (("--set", "learning_rate=0.1"), "Learning rate (--learning-rate)"),
        (("--optimizer", "adamw"), "Optimizer (--optimizer)"),
        (("--no-flip-vertical",), "Flip vertical (--flip-vertical)"),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(trained, arguments, title):
    # A quick run took epochs and augmentation, used neither, and its report listed both.
    answer = _call(
        trained.workspace.root, "train", "Marks", "--recipe", "quick", *arguments, code=1
    )
    assert answer["error"] == f"{title} does nothing in the recipe 'quick'."
    assert "without epochs" in answer["hint"]


def test_a_setting_out_of_range_is_refused_with_its_title_range_and_help(trained):
    root = trained.workspace.root
    answer = _call(root, "train", "Marks", "--set", "momentum=2", code=1)
    assert answer == {
        "error": "Momentum is 2.0, but must be a number between 0 and 0.999.",
        "hint": "For SGD only: how much of the previous step carries over.",
    }
    wrong = _call(root, "train", "Marks", "--roi-left", "0.9", "--roi-right", "0.5", code=1)
    assert "region of interest is empty" in wrong["error"]
