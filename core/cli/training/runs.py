"""Commands of runs: list, show, control, continue, clone and refit."""

from typing import Annotated

import typer

from core.api.training import run_as_json, run_record_as_json
from core.cli.output import note, say, table
from core.cli.session import (
    ChangedOption,
    FollowOption,
    JsonOption,
    ModelArgument,
    RunArgument,
    Session,
    WorkspaceOption,
    follow,
    refuse_options_before_command,
    session,
    with_unchanged_files,
)
from core.cli.training.trained import answer_training, refuse_finish
from core.domain.jobs import QueueMove
from core.words import count, decimal, joined, significant
from core.workflows.training import checkpoints, control, record, refit, runs
from core.workflows.training.record import checkpoints_in_words
from core.workflows.training.run_words import state_in_words
from core.workflows.training.runs import RunView

app = typer.Typer()
group = typer.Typer(invoke_without_command=True, no_args_is_help=False)
app.add_typer(group, name="runs")


@group.callback()
def runs_group(
    context: typer.Context, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """List, show and control the runs; without a command it lists them."""
    if context.invoked_subcommand is None:
        list_runs(workspace, as_json)
    else:
        refuse_options_before_command(context)


@group.command(name="list")
def list_runs(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the runs, newest first; waiting ones with their place in the queue."""
    with session(workspace, as_json) as opened:
        views = runs.list_runs(opened.workspace)
        places = {v.run.id: i + 1 for i, v in enumerate(control.queue(opened.workspace))}
        result = [{**run_as_json(v), "queue_position": places.get(v.run.id)} for v in views]
        rows = [
            [
                v.run.id,
                v.run.name,
                state_in_words(v.state) + (f" ({places[v.run.id]})" if v.run.id in places else ""),
                v.model_id or "–",
            ]
            for v in views
        ]
        opened.answer({"runs": result}, lambda: table(["id", "name", "status", "model"], rows))


@group.command()
def show(run: RunArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Show a run: state, settings, curve, versions, hashes, and the command that repeats it."""
    with session(workspace, as_json) as opened:
        view = runs.find_run(opened.workspace, run)
        kept = record.run_record(opened.workspace, view)
        result = run_record_as_json(view, kept)

        def tell() -> None:
            table(["", ""], [[name, words] for name, words in record.facts_in_words(view, kept)])
            if kept.curve:
                table(
                    ["epoch", "training loss", "validation loss", "macro F1", "learning rate"],
                    [
                        [
                            e.epoch + 1,
                            decimal(e.train_loss, 4),
                            decimal(e.val_loss, 4),
                            decimal(e.val_macro_f1),
                            significant(e.learning_rate),
                        ]
                        for e in kept.curve
                    ],
                )
            if kept.checkpoints:
                table(["checkpoint", "epoch", "macro F1", "size"], checkpoints_in_words(kept))
            for words in kept.command_notes:
                note(words)
            say(kept.command)

        opened.answer(result, tell)


@group.command()
def pause(run: RunArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Pause a run after its current step: the device is free, `resume` goes on exactly there."""
    with session(workspace, as_json) as opened:
        _answer_request(opened, control.pause_training(opened.workspace, run), "pauses")


@group.command()
def stop(run: RunArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Stop a run; it makes a model of its best epoch, and `resume` can still go on."""
    with session(workspace, as_json) as opened:
        _answer_request(opened, control.stop_training(opened.workspace, run), "stops")


@group.command()
def resume(
    run: RunArgument,
    finish: Annotated[
        bool,
        typer.Option("--finish", help="Make a model of the best epoch instead of training on."),
    ] = False,
    follow_it: FollowOption = True,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Resume a paused, stopped, failed or interrupted run from its last checkpoint."""
    with session(workspace, as_json) as opened:
        view = runs.find_run(opened.workspace, run)
        refuse_finish(opened, view, finish)
        job = runs.resume_training(opened.workspace, view.run.id, finish=finish)
        if follow_it:
            answer_training(opened, view.run.id, follow(opened, job))
        else:
            _answer_queued(opened, runs.find_run(opened.workspace, view.run.id))


@group.command(name="model")
def model_of_checkpoint(
    run: RunArgument,
    checkpoint: Annotated[
        str, typer.Argument(help="best, last, or the number of a kept epoch; `runs show` lists.")
    ],
    follow_it: FollowOption = True,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a model of a kept epoch; the run and its other models stay as they are."""
    with session(workspace, as_json) as opened:
        job = checkpoints.make_model(opened.workspace, run, checkpoint)
        if follow_it:
            answer_training(opened, job.subject_id, follow(opened, job))
        else:
            _answer_queued(opened, runs.find_run(opened.workspace, job.subject_id))


@group.command(name="continue")
def continue_run(
    run: RunArgument,
    epochs: Annotated[int, typer.Option(min=1, max=1000, help="How many more epochs.")] = 10,
    follow_it: FollowOption = True,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train more epochs on the network of a run's newest model, as a new run."""
    with session(workspace, as_json) as opened:
        view = runs.find_run(opened.workspace, run)
        more = control.continue_training(opened.workspace, run, epochs=epochs)
        if words := control.begins_anew(opened.workspace, view):
            note(words)
        _answer_started(opened, more, follow_it)


@group.command()
def clone(
    run: RunArgument,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting to change; may be repeated."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the new run and its model.")] = None,
    follow_it: FollowOption = True,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start a run with the settings of another one, changed by `--set`."""
    from core.cli.settings import chosen_settings, refuse_idle, settings_like

    with session(workspace, as_json) as opened:
        like = runs.find_run(opened.workspace, run).run
        chosen = chosen_settings(None, assignments or (), {})
        train, augment, preprocess = settings_like(like, chosen)
        refuse_idle(chosen, train.recipe)
        view = runs.start_training(
            opened.workspace,
            like.dataset_id,
            train,
            split=like.split_id,
            preprocess=preprocess,
            augment=augment,
            name=name,
            fold=like.fold,
        )
        _answer_started(opened, view, follow_it)


@group.command()
def order(
    run: RunArgument,
    to: Annotated[QueueMove, typer.Argument(help="Its place among the waiting runs.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move a waiting run in the queue of its device."""
    with session(workspace, as_json) as opened:
        control.move_run(opened.workspace, run, to)
        waiting = control.queue(opened.workspace)
        result = {"queue": [{"run_id": v.run.id, "name": v.run.name} for v in waiting]}
        rows = [[i + 1, v.run.id, v.run.name] for i, v in enumerate(waiting)]
        opened.answer(result, lambda: table(["", "id", "name"], rows))


@group.command()
def delete(
    run: RunArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a run with its curve, settings and saved state; its models stay."""
    with session(workspace, as_json) as opened:
        view = runs.find_run(opened.workspace, run)
        if not yes and not as_json:
            takes = joined(runs.taken_along(opened.workspace, view.run.id))
            typer.confirm(f"Delete the run '{view.run.name}' with {takes}?", abort=True, err=True)
        runs.delete_run(opened.workspace, view.run.id)
        models = f"{count(len(view.models), 'model')} stay" if view.models else "it made no model"
        opened.answer(
            {"deleted": view.run.id, "kind": "run", "models_kept": list(view.models)},
            lambda: say(f"Deleted the run '{view.run.name}'; {models}."),
        )


@app.command(name="refit")
def refit_model(
    model: ModelArgument,
    follow_it: FollowOption = True,
    changed: ChangedOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Refit a model with the images and classes of today.

    Its split is extended: no image changes its subset. A quick model takes seconds, as features
    are kept, and does not depend on the order in which images came; others train on.
    """
    with session(workspace, as_json) as opened:
        run = refit.run_of_model(opened.workspace, model)
        note(refit.news_in_words(refit.news_of(opened.workspace, run)))

        def start() -> None:
            _answer_started(opened, refit.refit(opened.workspace, run.id), follow_it)

        with_unchanged_files(opened, run.dataset_id, changed, start)


def _answer_request(opened: Session, view: RunView, does: str) -> None:
    result = {
        "run_id": view.run.id,
        "status": view.status.value,
        "stop_requested": view.status.is_active,
    }
    words = f"{does} after its current step" if view.status.is_active else f"is {view.status}"
    opened.answer(result, lambda: say(f"The run '{view.run.name}' {words}."))


def _answer_started(opened: Session, view: RunView, follow_it: bool) -> None:
    if follow_it and view.job is not None:
        answer_training(opened, view.run.id, follow(opened, view.job))
    else:
        _answer_queued(opened, view)


def _answer_queued(opened: Session, view: RunView) -> None:
    opened.answer(
        run_as_json(view),
        lambda: say(f"The run '{view.run.name}' ({view.run.id}) is {state_in_words(view.state)}."),
    )
