"""Commands of the training: train, follow, stop and resume."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer

from core.api.training import cross_validation_as_json
from core.cli.output import errors, note, say, table
from core.cli.session import (
    ChangedOption,
    DatasetArgument,
    JsonOption,
    RunArgument,
    Session,
    WorkspaceOption,
    follow,
    note_serious_finding,
    session,
    with_unchanged_files,
)
from core.cli.settings import (
    ChosenSettings,
    ConfigOption,
    SetOption,
    Values,
    chosen_settings,
    refuse_idle,
    settings_like,
    with_setting_options,
)
from core.cli.training.trained import answer_training, refuse_finish
from core.domain.configs.acting import recipe_settings
from core.domain.configs.augment import AugmentConfig
from core.domain.configs.augment_presets import AugmentPreset
from core.domain.configs.choices import Preset, Recipe
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.presets import preset as preset_settings
from core.domain.configs.train import TrainConfig
from core.domain.settings import SettingGroup, with_settings
from core.domain.splits import Split
from core.errors import ConfigError
from core.models.catalog import DEFAULT_NETWORK
from core.models.devices import default_recipe
from core.words import decimal, percent, points
from core.workflows.data import datasets
from core.workflows.data.splits import find_split
from core.workflows.training import control, folds, networks, runs
from core.workflows.training.augmentation import default_augment
from core.workflows.training.runs import RunView
from core.workflows.use import models
from core.workspace import Workspace

app = typer.Typer()

_TRAIN_EXAMPLES = """[bold]Examples[/bold]

touchstone train Pills --recipe quick

touchstone train Pills --recipe full --epochs 20 --flip-vertical

touchstone train Pills --recipe staged --preset thorough --set patience=10

touchstone train Pills --recipe full --augment-preset varying_light --blur 1

touchstone train Pills --recipe good_only --unfamiliar-rate 0.01

touchstone train Pills --config settings.toml --set class_weights=none

touchstone train Pills --like "Pills EfficientNet-Lite0 quick" --set seed=7

A setting is taken from its option, else from --set, else from --config, else from --preset, else
from the recipe.
Pixels that are not set are those saved for the dataset, else the network's own.
"""


@app.command(epilog=_TRAIN_EXAMPLES)
@with_setting_options
def train(
    dataset: DatasetArgument,
    options: Values,
    split: Annotated[
        str | None, typer.Option(help="Name or id of a split.", show_default="the newest")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run and its model.")] = None,
    fold: Annotated[
        int | None,
        typer.Option(help="Fold that validates, from 1, for a split with folds."),
    ] = None,
    all_folds: Annotated[
        bool, typer.Option("--all-folds", help="Train one model per fold: mean and spread.")
    ] = False,
    like: Annotated[
        str | None,
        typer.Option(help="Run whose settings and split are taken, changed by the other options."),
    ] = None,
    preset: Annotated[
        Preset | None,
        typer.Option(
            help="How much time for how good a model: epochs, and what is compared.",
            show_default=Preset.BALANCED.value,
        ),
    ] = None,
    augment_preset: Annotated[
        AugmentPreset | None,
        typer.Option(
            help="Random changes to begin with, by what varies between the images.",
            show_default=AugmentPreset.STANDARD.value,
            rich_help_panel=SettingGroup.AUGMENTATION,
        ),
    ] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    changed: ChangedOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a model, or one for each fold."""
    with session(workspace, as_json) as opened:
        if all_folds and fold is not None:
            raise ConfigError("--fold and --all-folds exclude each other.", "Give one of them.")
        dataset_id = datasets.find_dataset(opened.workspace, dataset).id
        chosen = chosen_settings(config, assignments or (), options)
        if like is not None:
            for option, given in (("--preset", preset), ("--augment-preset", augment_preset)):
                if given is not None:
                    raise ConfigError(
                        f"--like and {option} exclude each other.", "Give one of them."
                    )
            origin = runs.find_run(opened.workspace, like).run
            training, augment, preprocess = settings_like(origin, chosen)
            if split is None and origin.dataset_id == dataset_id:
                split = origin.split_id
        else:
            training, augment, preprocess = chosen_configs(
                opened.workspace, dataset_id, chosen, augment_preset, preset
            )
        refuse_idle(chosen, training.recipe)
        if augment_preset is not None:
            _refuse_idle_preset(training.recipe)
        if preset is not None and training.recipe is Recipe.GOOD_ONLY:
            raise ConfigError(
                "A preset does nothing in the recipe 'good_only'.",
                "Leave --preset out, or choose another recipe.",
            )
        if "refit" in chosen.train and training.refit:
            _refuse_refit_on_folds(find_split(opened.workspace, dataset_id, split))

        note_serious_finding(opened, dataset_id)

        def start() -> None:
            if all_folds:
                started = runs.start_cross_validation(
                    opened.workspace,
                    dataset_id,
                    training,
                    split=split,
                    preprocess=preprocess,
                    augment=augment,
                    name=name,
                )
                _answer_folds(opened, started)
                return
            view = runs.start_training(
                opened.workspace,
                dataset_id,
                training,
                split=split,
                preprocess=preprocess,
                augment=augment,
                name=name,
                fold=None if fold is None else fold - 1,
            )
            assert view.job is not None
            answer_training(opened, view.run.id, follow(opened, view.job))

        with_unchanged_files(opened, dataset_id, changed, start)


@app.command()
def stop(run: RunArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Stop a run after its current step, as `runs stop` does; `resume` continues it."""
    with session(workspace, as_json) as opened:
        view = control.stop_training(opened.workspace, run)
        result = {
            "run_id": view.run.id,
            "status": view.status.value,
            "stop_requested": view.status.is_active,
        }
        words = "stops after its current step" if view.status.is_active else f"is {view.status}"
        opened.answer(result, lambda: say(f"The run '{view.run.name}' {words}."))


@app.command()
def resume(
    run: RunArgument,
    finish: Annotated[
        bool,
        typer.Option("--finish", help="Make a model of the best epoch instead of training on."),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Resume a paused, stopped, failed or interrupted run from its last checkpoint.

    A stopped run of which `--finish` made a model stays stopped and can still be resumed.
    """
    with session(workspace, as_json) as opened:
        view = runs.find_run(opened.workspace, run)
        refuse_finish(opened, view, finish)
        job = runs.resume_training(opened.workspace, view.run.id, finish=finish)
        answer_training(opened, view.run.id, follow(opened, job))


def _answer_folds(opened: Session, started: Sequence[RunView]) -> None:
    for view in started:
        assert view.job is not None
        errors.print(view.run.name, markup=False, highlight=False)
        try:
            follow(opened, view.job)
        except KeyboardInterrupt:
            _note_active(opened, started)
            raise
    views = [runs.find_run(opened.workspace, view.run.id) for view in started]
    validation = folds.cross_validation(opened.workspace, folds.group_runs(views)[0])
    assert validation is not None
    result = cross_validation_as_json(validation)

    def show() -> None:
        table(
            ["fold", "model", "images", "accuracy", "macro F1"],
            [
                [
                    s.fold + 1,
                    models.find_model(opened.workspace, s.model_id).name,
                    s.n,
                    percent(s.accuracy, of=s.n),
                    decimal(s.macro_f1),
                ]
                for s in validation.scores
            ],
        )
        accuracy, f1 = validation.accuracy, validation.macro_f1
        say(
            f"Validation over {validation.folds} folds: accuracy "
            f"{percent(accuracy.mean)} ± {points(accuracy.std, signed=False)} points, "
            f"macro F1 {decimal(f1.mean)} ± {decimal(f1.std)}"
        )

    recipe, network = started[0].run.train.recipe.value, started[0].run.train.network
    opened.answer({"recipe": recipe, "network": network, "cross_validation": result}, show)


def _note_active(opened: Session, started: Sequence[RunView]) -> None:
    """Name the runs that go on after Ctrl+C, each with the command that stops it."""
    views = [runs.find_run(opened.workspace, view.run.id) for view in started]
    active = [view for view in views if view.status.is_active]
    if active:
        note("Other folds are still queued or running. To stop them:")
    for view in active:
        command = shlex.join(["touchstone", "runs", "stop", view.run.name])
        errors.print(command, markup=False, highlight=False, soft_wrap=True)


def _refuse_refit_on_folds(split: Split) -> None:
    if split.folds:
        raise ConfigError(
            f"The split '{split.name}' has folds: a refit would leave nothing to validate on.",
            "Leave --refit out, or choose a split without folds.",
        )


def _refuse_idle_preset(recipe: Recipe) -> None:
    if "probability" not in recipe_settings(recipe):
        raise ConfigError(
            f"A preset of augmentation does nothing in the recipe '{recipe}'.",
            "Leave --augment-preset out, or choose another recipe.",
        )


def chosen_configs(
    workspace: Workspace,
    dataset_id: str,
    chosen: ChosenSettings,
    which: AugmentPreset | None = None,
    preset: Preset | None = None,
) -> tuple[TrainConfig, AugmentConfig, PreprocessConfig]:
    """What was chosen, else what the preset, the recipe and the dataset have."""
    training = _train_config(workspace, dataset_id, chosen.train, preset or Preset.BALANCED)
    for problem in networks.take_found(workspace, only=training.network):
        raise problem
    pixels = runs.default_preprocess(workspace, dataset_id, training.network)
    usual = default_augment(workspace, dataset_id, which or AugmentPreset.STANDARD)
    return (
        training,
        with_settings(usual, chosen.augment),
        with_settings(pixels, chosen.preprocess),
    )


def _train_config(
    workspace: Workspace, dataset_id: str, chosen: Values, preset: Preset
) -> TrainConfig:
    """The preset's settings with those that were chosen; an own model brings its network."""
    asked = with_settings(TrainConfig(network=DEFAULT_NETWORK), chosen)
    if asked.start_model and "network" not in chosen:
        model = models.find_model(workspace, asked.start_model)
        asked = replace(asked, network=model.network)
    recipe: Recipe = asked.recipe
    if "recipe" not in chosen:
        has_one = len(datasets.find_dataset(workspace, dataset_id).class_names) == 1
        recipe = Recipe.GOOD_ONLY if has_one else default_recipe()
    return with_settings(preset_settings(preset, recipe, asked.network), chosen)
