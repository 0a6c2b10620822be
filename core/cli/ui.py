"""The command that starts the app."""

import json
import os
from typing import Annotated

import typer

from core.administration import sign_in_of
from core.cli.output import errors
from core.cli.serve import serve
from core.cli.session import JsonOption, WorkspaceOption, session
from core.domain.configs.administration import AuthMode
from core.exposure import INSECURE_VARIABLE, refuse_exposed

app = typer.Typer()


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8501,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Name under which browsers reach this machine; with another --host."),
    ] = None,
    insecure_lan: Annotated[
        bool,
        typer.Option(
            "--insecure-lan",
            help="With another --host: everybody in the network may see, change and delete all.",
        ),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start the app and print its address."""
    with session(workspace, as_json) as opened:
        root = opened.workspace.root
        if insecure_lan:
            os.environ[INSECURE_VARIABLE] = "1"
        refuse_exposed(host, signs_in=sign_in_of(root).mode is not AuthMode.OFF)
    if as_json:
        print(json.dumps({"url": f"http://{host}:{port}", "workspace": str(root)}), flush=True)
    else:
        errors.print(f"Touchstone: http://{host}:{port}  (workspace {root})")
    serve(opened.workspace, host, port, allow_host or ())
