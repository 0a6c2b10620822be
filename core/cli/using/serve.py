"""The command that serves models over HTTP."""

from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.cli.output import note, say
from core.cli.session import JsonOption, Session, WorkspaceOption, session
from core.errors import ConfigError
from core.workflows.keeping import people
from core.workflows.use.serving import ModelToServe, model_to_serve, released_names

if TYPE_CHECKING:
    from core.serving.engine import ServedModel

app = typer.Typer()
_NEEDED = ("fastapi", "uvicorn", "multipart", "prometheus_client")
_DISTRIBUTION = "touchstone-vision"


@app.command()
def serve(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names or ids of models, or model files; the first is the default.",
            show_default="the released ones",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0: a free one.")] = 8610,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the bearer token that requests must carry; else the variable "
            "TOUCHSTONE_SERVE_TOKEN. Needed unless only this machine can ask. Where people sign "
            "in, tokens of users count too: `touchstone users token NAME`."
        ),
    ] = None,
    max_mb: Annotated[float, typer.Option(min=0.01, help="Largest request, in MB.")] = 100.0,
    max_images: Annotated[int, typer.Option(min=1, help="Most images of a request.")] = 64,
    max_waiting: Annotated[
        int, typer.Option(min=1, help="Most images that wait; more are answered with 429.")
    ] = 128,
    shadow: Annotated[
        str | None,
        typer.Option(
            help="Model that runs silently beside the default one; GET /v1/shadow lists where they "
            "disagree."
        ),
    ] = None,
    shadow_log: Annotated[
        Path | None, typer.Option(help="CSV file that disagreements are added to.")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve models over HTTP: images in, classes and decisions out, as JSON.

    Ctrl+C or SIGTERM ends it once the requests under way are answered.
    """
    with session(workspace, as_json) as opened:
        _refuse_without_packages()
        from core.serving.limits import ServeLimits, read_token, refuse_open_server

        token = read_token(token_file)
        # Why: where people sign in, nobody asks without a name, on this machine either.
        of_user = (
            partial(people.may_predict_with, opened.workspace)
            if people.is_on(opened.workspace)
            else None
        )
        if of_user is None:
            refuse_open_server(host, token)
        given = models or released_names(opened.workspace)
        chosen = [model_to_serve(opened.workspace, name) for name in dict.fromkeys(given)]
        _refuse_twins(chosen)
        silent = model_to_serve(opened.workspace, shadow) if shadow else None
        if silent is None and shadow_log is not None:
            raise ConfigError("--shadow-log needs --shadow.", "Name the model that runs silently.")
        limits = ServeLimits(int(max_mb * 1e6), max_images, max(max_images, max_waiting))
        from core.serving.run import load, serve_until_stopped
        from core.serving.shadow import Shadow

        def loaded(m: ModelToServe) -> "ServedModel":
            return load(m.id, m.name, m.sha256, m.bundle, m.rule, opened.workspace.runtimes)

        served = [loaded(m) for m in chosen]
        beside = Shadow(loaded(silent), served[0], shadow_log) if silent else None
        for model in chosen:
            if model.is_retired:
                note(f"'{model.name}' is retired.")
            if model.rule is None:
                note(f"'{model.name}' has no threshold: its images are classified, not decided.")

        def ready(address: str) -> None:
            _say_ready(opened, address, chosen)

        is_done = serve_until_stopped(
            served,
            host=host,
            port=port,
            version=_version(),
            limits=limits,
            token=token,
            of_user=of_user,
            shadow=beside,
            on_ready=ready,
        )
        if not is_done:
            raise ConfigError(f"Port {port} of {host} cannot be used.", "Choose another --port.")


def _refuse_without_packages() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"To serve models, packages are missing: {', '.join(missing)}.",
            f'Install them with: pip install "{_DISTRIBUTION}[serve]"',
        )


def _refuse_twins(chosen: list[ModelToServe]) -> None:
    names = [model.name.casefold() for model in chosen]
    twins = [model.name for model in chosen if names.count(model.name.casefold()) > 1]
    if twins:
        raise ConfigError(
            f"Two models are called '{twins[0]}'.", "Rename one, or serve one of them."
        )


def _say_ready(opened: Session, address: str, chosen: list[ModelToServe]) -> None:
    names = [model.name for model in chosen]
    opened.answer(
        {"url": address, "models": names},
        lambda: say(f"{address} answers with {', '.join(names)}. Ctrl+C ends it."),
    )


def _version() -> str:
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:
        return "development"
