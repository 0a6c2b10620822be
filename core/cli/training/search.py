"""The search over settings, and the learning rate finder."""

from typing import Annotated

import typer

from core.api.search import search_as_json
from core.cli.output import say, table
from core.cli.session import (
    DatasetArgument,
    FollowOption,
    JsonOption,
    Session,
    WorkspaceOption,
    follow,
    refuse_options_before_command,
    session,
)
from core.cli.settings import ConfigOption, SetOption, chosen_settings, refuse_idle
from core.cli.training.start import chosen_configs
from core.cli.training.trained import answer_training
from core.domain.search import usual_choice
from core.words import count, decimal, duration, number, significant
from core.workflows.data import datasets
from core.workflows.training import rates
from core.workflows.training import search as searches
from core.workflows.training.search import SearchView

app = typer.Typer()
group = typer.Typer(invoke_without_command=True, no_args_is_help=False)
app.add_typer(group, name="searches")

SearchArgument = Annotated[str, typer.Argument(help="Name or id of a search.")]


@app.command()
def search(
    dataset: DatasetArgument,
    over: Annotated[
        list[str] | None,
        typer.Option(
            "--over",
            metavar="SETTING",
            help="Setting to vary; may be repeated.",
            show_default="learning rate, weight decay and class weights, by the recipe",
        ),
    ] = None,
    minutes: Annotated[float, typer.Option(help="Time for all trials together.")] = 20.0,
    trials: Annotated[int, typer.Option(min=1, help="Trials at most.")] = 20,
    split: Annotated[
        str | None, typer.Option(help="Name or id of a split.", show_default="the newest")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the search.")] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    train_best: Annotated[
        bool, typer.Option("--train-best", help="Then train a model with the best settings.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the search of this name; no trial is lost.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search settings: trials are chosen by what earlier ones reached, hopeless ones end early.

    Everything else is as `train` has it. Ctrl+C stops the search; `searches resume` goes on.
    """
    with session(workspace, as_json) as opened:
        if resume:
            view = searches.find_search(opened.workspace, name or dataset)
            view = searches.resume_search(opened.workspace, view.search.id)
        else:
            dataset_id = datasets.find_dataset(opened.workspace, dataset).id
            chosen = chosen_settings(config, assignments or (), {})
            train, augment, preprocess = chosen_configs(opened.workspace, dataset_id, chosen)
            refuse_idle(chosen, train.recipe)
            names = tuple(n.replace("-", "_") for n in over or usual_choice(train.recipe))
            view = searches.start_search(
                opened.workspace,
                dataset_id,
                train,
                over=names,
                minutes=minutes,
                trials=trials,
                split=split,
                preprocess=preprocess,
                augment=augment,
                name=name,
            )
        assert view.job is not None
        follow(opened, view.job)
        view = searches.find_search(opened.workspace, view.search.id)
        if train_best:
            run = searches.train_trial(opened.workspace, view.search.id)
            assert run.job is not None
            answer_training(opened, run.run.id, follow(opened, run.job))
        else:
            opened.answer(search_as_json(view), lambda: _show(view))


@app.command(name="learning-rate")
def learning_rate(
    dataset: DatasetArgument,
    split: Annotated[
        str | None, typer.Option(help="Name or id of a split.", show_default="the newest")
    ] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Suggest a learning rate: growing rates for 60 steps, the one at which the loss falls fastest.

    Images, network, random changes, batch size and optimizer are those of `train`. The loss is
    plain cross-entropy with one learning rate for all layers: class weights, penalties, balanced
    sampling, focal loss, label smoothing, mixup, cutmix, gradient clipping, accumulated batches,
    averaged weights and the decay per stage do not act.
    """
    with session(workspace, as_json) as opened:
        dataset_id = datasets.find_dataset(opened.workspace, dataset).id
        chosen = chosen_settings(config, assignments or (), {})
        train, augment, preprocess = chosen_configs(opened.workspace, dataset_id, chosen)
        job = rates.start_finder(
            opened.workspace, dataset_id, train, split=split, preprocess=preprocess, augment=augment
        )
        found = rates.found_rates(follow(opened, job))
        assert found is not None
        result = {
            "suggested": found.suggested,
            "ramp": [
                {"learning_rate": rate, "loss": loss}
                for rate, loss in zip(found.rates, found.losses, strict=True)
            ],
        }
        opened.answer(result, lambda: say(f"Learning rate {significant(found.suggested, 2)}"))


@group.callback()
def searches_group(
    context: typer.Context, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """List, show and control the searches; without a command it lists them."""
    if context.invoked_subcommand is None:
        list_searches(workspace, as_json)
    else:
        refuse_options_before_command(context)


@group.command(name="list")
def list_searches(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the searches, newest first, with what each has reached."""
    with session(workspace, as_json) as opened:
        views = searches.list_searches(opened.workspace)
        rows = [
            [
                view.search.id,
                view.search.name,
                view.status.value,
                number(len(view.trials)),
                decimal(view.best.score if view.best else None),
            ]
            for view in views
        ]
        opened.answer(
            {"searches": [search_as_json(view) for view in views]},
            lambda: table(["id", "name", "status", "trials", "best macro F1"], rows),
        )


@group.command()
def show(
    search: SearchArgument,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a search: its trials, and the best settings so far."""
    with session(workspace, as_json) as opened:
        view = searches.find_search(opened.workspace, search)
        opened.answer(search_as_json(view), lambda: _show(view))


@group.command()
def pause(
    search: SearchArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """Pause a search: the device is free, `searches resume` goes on with the same trial."""
    with session(workspace, as_json) as opened:
        _answer_request(opened, searches.pause_search(opened.workspace, search), "pauses")


@group.command()
def stop(
    search: SearchArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """Stop a search; its best trial can be trained, and `searches resume` can still go on."""
    with session(workspace, as_json) as opened:
        _answer_request(opened, searches.stop_search(opened.workspace, search), "stops")


@group.command()
def resume(
    search: SearchArgument,
    follow_it: FollowOption = True,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Resume a paused, stopped, failed or interrupted search; no trial is lost."""
    with session(workspace, as_json) as opened:
        view = searches.resume_search(opened.workspace, search)
        if follow_it and view.job is not None:
            follow(opened, view.job)
            view = searches.find_search(opened.workspace, view.search.id)
            opened.answer(search_as_json(view), lambda: _show(view))
        else:
            words = f"The search '{view.search.name}' is {view.status}."
            opened.answer(search_as_json(view), lambda: say(words))


@group.command()
def delete(
    search: SearchArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a search with its trials; runs that were started from it stay."""
    with session(workspace, as_json) as opened:
        view = searches.find_search(opened.workspace, search)
        if not yes and not as_json:
            takes = count(len(view.trials), "trial")
            typer.confirm(
                f"Delete the search '{view.search.name}' with {takes}?", abort=True, err=True
            )
        binned = searches.delete_search(opened.workspace, view.search.id)
        opened.answer(
            {"deleted": view.search.id, "kind": "search", "bin_id": binned.id},
            lambda: say(f"Deleted the search '{view.search.name}'."),
        )


def _answer_request(opened: Session, view: SearchView, does: str) -> None:
    result = {
        "search_id": view.search.id,
        "status": view.status.value,
        "stop_requested": view.status.is_active,
    }
    words = f"{does} after its current step" if view.status.is_active else f"is {view.status}"
    opened.answer(result, lambda: say(f"The search '{view.search.name}' {words}."))


def _show(view: SearchView) -> None:
    table(
        ["trial", "state", "macro F1", "time", *view.search.over],
        [
            [
                trial.number + 1,
                trial.state.value,
                decimal(trial.score),
                duration(trial.duration_s or None),
                *(_plain(trial.values[name]) for name in view.search.over),
            ]
            for trial in view.trials
        ],
    )
    if view.best is not None:
        chosen = ", ".join(f"{n} {_plain(v)}" for n, v in view.best.values.items())
        say(f"Best: trial {view.best.number + 1}, macro F1 {decimal(view.best.score)}: {chosen}")


def _plain(value: object) -> str:
    return significant(value, 4) if isinstance(value, float) else str(value)
