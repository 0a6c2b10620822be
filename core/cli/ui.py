"""The command that starts the app."""

import json
from typing import Annotated

import typer

from core.cli.output import errors
from core.cli.serve import serve
from core.cli.session import JsonOption, WorkspaceOption, session

app = typer.Typer()


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8501,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Name under which browsers reach this machine; with another --host."),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start the app and print its address."""
    with session(workspace, as_json) as opened:
        root = opened.workspace.root
    if as_json:
        print(json.dumps({"url": f"http://{host}:{port}", "workspace": str(root)}), flush=True)
    else:
        errors.print(f"Touchstone: http://{host}:{port}  (workspace {root})")
    serve(opened.workspace, host, port, allow_host or ())
