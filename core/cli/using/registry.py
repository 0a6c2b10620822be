"""Commands of the registry: list models, set their stage, write about them."""

from typing import Annotated

import typer

from core.api.models import model_as_json
from core.cli.output import say, table
from core.cli.session import (
    JsonOption,
    ModelArgument,
    WorkspaceOption,
    refuse_options_before_command,
    session,
)
from core.domain.models import ModelStage
from core.words import decimal
from core.workflows.use import models, registry

app = typer.Typer()
group = typer.Typer(invoke_without_command=True, no_args_is_help=False)
app.add_typer(group, name="models")


@group.callback()
def models_group(
    context: typer.Context, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """List the models, release or retire one, and write about it."""
    if context.invoked_subcommand is None:
        list_models(workspace, as_json)
    else:
        refuse_options_before_command(context)


@group.command(name="list")
def list_models(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the models, newest first, with their stage."""
    with session(workspace, as_json) as opened:
        stored = models.list_models(opened.workspace)
        rows = [
            [m.id, m.name, m.stage.value, m.dataset_name, m.network, decimal(m.val_macro_f1)]
            for m in stored
        ]
        headings = ["id", "name", "stage", "dataset", "network", "validation macro F1"]
        opened.answer(
            {"models": [model_as_json(model) for model in stored]}, lambda: table(headings, rows)
        )


@group.command()
def stage(
    model: ModelArgument,
    to: Annotated[ModelStage, typer.Argument(help="What the model is for from now on.")],
    reason: Annotated[str, typer.Option(help="Why; recorded with who did it.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before retiring.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Release a model whose sealed test has passed, retire it, or make it a candidate again.

    Releasing a model retires the released one of the same dataset.
    """
    with session(workspace, as_json) as opened:
        chosen = models.find_model(opened.workspace, model)
        if to is ModelStage.RETIRED and not yes and not as_json:
            typer.confirm(f"Retire the model '{chosen.name}'?", abort=True, err=True)
        staged = registry.set_stage(opened.workspace, chosen.id, to, reason)
        opened.answer(model_as_json(staged), lambda: say(f"'{staged.name}' is {staged.stage}."))


@group.command()
def notes(
    model: ModelArgument,
    text: Annotated[
        str | None, typer.Argument(help="New text; empty removes it.", show_default="shows it")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show or replace what is written about a model."""
    with session(workspace, as_json) as opened:
        chosen = models.find_model(opened.workspace, model)
        if text is not None:
            chosen = registry.set_note(opened.workspace, chosen.id, text)
        opened.answer(model_as_json(chosen), lambda: say(chosen.note or "No notes."))
