"""Commands of the training: networks, train, follow, stop and resume."""

from collections.abc import Sequence
from typing import Annotated

import typer

from core.api.training import (
    cross_validation_as_json,
    network_as_json,
    run_as_json,
    trained_as_json,
)
from core.cli.output import errors, say, table
from core.cli.session import (
    ChangedOption,
    DatasetArgument,
    JsonOption,
    RunArgument,
    Session,
    WorkspaceOption,
    follow,
    session,
    with_unchanged_files,
)
from core.cli.settings import (
    ConfigOption,
    SetOption,
    Values,
    chosen_settings,
    refuse_idle,
    with_setting_options,
)
from core.domain.configs.augment import AugmentConfig
from core.domain.configs.choices import Recipe
from core.domain.configs.train import TrainConfig, recipe_defaults
from core.domain.jobs import Job
from core.domain.settings import with_settings
from core.domain.splits import Split, Subset
from core.errors import ConfigError, TrainingError
from core.models.catalog import DEFAULT_NETWORK
from core.models.devices import default_recipe
from core.words import decimal, duration, percent, points
from core.workflows.data import datasets
from core.workflows.data.splits import find_split
from core.workflows.results import evaluation
from core.workflows.training import folds, runs
from core.workflows.training.run_words import state_in_words
from core.workflows.training.runs import RunView
from core.workflows.use import models

app = typer.Typer()

_TRAIN_EXAMPLES = """[bold]Examples[/bold]

touchstone train Pills --recipe quick

touchstone train Pills --recipe full --epochs 20 --no-flip-vertical

touchstone train Pills --config settings.toml --set class_weights=none

A setting is taken from its option, else from --set, else from --config, else from the recipe.
Pixels that are not set are those saved for the dataset, else the network's own.
"""


@app.command()
def networks(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the networks: size, license of the weights, and where the weights are."""
    with session(workspace, as_json) as opened:
        offers = runs.networks(opened.workspace)
        result = [network_as_json(opened.workspace, network, place) for network, place in offers]
        rows = [
            [
                n["name"],
                n["title"],
                f"{n['parameters_m']:g} M",
                f"{n['image_size_px']} px",
                n["license"],
                n["availability"],
                n["source"] or "–",
            ]
            for n in result
        ]
        headings = ["name", "title", "weights", "image", "license", "available", "from"]
        opened.answer({"networks": result}, lambda: table(headings, rows))


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
        training = _train_config(chosen.train)
        refuse_idle(chosen, training.recipe)
        if "refit" in chosen.train and training.refit:
            _refuse_refit_on_folds(find_split(opened.workspace, dataset_id, split))
        augment = with_settings(AugmentConfig(), chosen.augment)
        preprocess = with_settings(
            runs.default_preprocess(opened.workspace, dataset_id, training.network),
            chosen.preprocess,
        )

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
            _answer_training(opened, view.run.id, follow(opened, view.job))

        with_unchanged_files(opened, dataset_id, changed, start)


@app.command()
def stop(run: RunArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Stop a running or waiting run after its current step; `resume` continues it."""
    with session(workspace, as_json) as opened:
        view = runs.stop_training(opened.workspace, run)
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
    """Resume a stopped, failed or interrupted run from its last checkpoint.

    A stopped run of which `--finish` made a model stays stopped and can still be resumed.
    """
    with session(workspace, as_json) as opened:
        view = runs.find_run(opened.workspace, run)
        if finish and not runs.can_finish(opened.workspace, view.run):
            raise TrainingError(
                f"The run '{view.run.name}' has no completed epoch to make a model of.",
                "Resume it without --finish.",
            )
        job = runs.resume_training(opened.workspace, view.run.id, finish=finish)
        _answer_training(opened, view.run.id, follow(opened, job))


@app.command(name="runs")
def list_runs(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the training runs."""
    with session(workspace, as_json) as opened:
        views = runs.list_runs(opened.workspace)
        result = [run_as_json(view) for view in views]
        rows = [[v.run.id, v.run.name, state_in_words(v.state), v.model_id or "–"] for v in views]
        opened.answer({"runs": result}, lambda: table(["id", "name", "status", "model"], rows))


def _answer_folds(opened: Session, started: Sequence[RunView]) -> None:
    for view in started:
        assert view.job is not None
        errors.print(view.run.name, markup=False, highlight=False)
        follow(opened, view.job)
    views = [runs.find_run(opened.workspace, view.run.id) for view in started]
    validation = folds.cross_validation(opened.workspace, folds.group_runs(views)[0])
    assert validation is not None
    result = cross_validation_as_json(validation)

    def show() -> None:
        table(
            ["fold", "images", "accuracy", "macro F1"],
            [
                [s.fold + 1, s.n, percent(s.accuracy, of=s.n), decimal(s.macro_f1)]
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


def _answer_training(opened: Session, run_id: str, job: Job) -> None:
    view = runs.find_run(opened.workspace, run_id)
    model_id = str(job.result["model_id"])
    report = evaluation.evaluation_report(opened.workspace, model_id, Subset.VALIDATION)
    epochs = len(runs.curve(opened.workspace, run_id))
    path = runs.penalty_path(opened.workspace, run_id)
    trials = runs.detail_trials(opened.workspace, run_id)
    result = trained_as_json(view, job, epochs=epochs, path=path, trials=trials, validation=report)
    model = models.find_model(opened.workspace, model_id)
    took = duration((job.finished_at or 0) - (job.started_at or 0))
    opened.answer(
        result,
        lambda: say(
            f"Model '{model.name}' ({model_id}): validation accuracy "
            f"{percent(report.accuracy, of=report.n)}, macro F1 "
            f"{decimal(report.macro_f1)}, {took}",
        ),
    )


def _refuse_refit_on_folds(split: Split) -> None:
    if split.folds:
        raise ConfigError(
            f"The split '{split.name}' has folds: a refit would leave nothing to validate on.",
            "Leave --refit out, or choose a split without folds.",
        )


def _train_config(chosen: Values) -> TrainConfig:
    """The recipe's settings with those that were chosen."""
    asked = with_settings(TrainConfig(network=DEFAULT_NETWORK), chosen)
    recipe: Recipe = asked.recipe if "recipe" in chosen else default_recipe()
    return with_settings(recipe_defaults(recipe, asked.network), chosen)
