"""Commands about people who may sign in."""

from typing import Annotated

import typer

from core.api.keeping import account_as_json
from core.cli.output import note, say, table
from core.cli.session import JsonOption, WorkspaceOption, session
from core.domain.keeping.people import Account, Role
from core.domain.record import in_utc
from core.words import NOTHING
from core.workflows.keeping import people

app = typer.Typer()
users = typer.Typer(
    no_args_is_help=True,
    help="Say who may sign in, and with which role. `touchstone.toml` says how: docs/people.md.",
)
app.add_typer(users, name="users")

NameArgument = Annotated[
    str, typer.Argument(help="As the provider or the proxy says it, such as kim@example.com.")
]
RoleOption = Annotated[
    Role,
    typer.Option(
        help="viewer: reads. inspector: also classifies, gives feedback. engineer: also data, "
        "training, sign-off. admin: also users, backups, deleting for good."
    ),
]


@users.command(name="list")
def list_users(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the users with their roles."""
    with session(workspace, as_json) as opened:
        known = people.list_users(opened.workspace)
        is_on = people.is_on(opened.workspace)

        def show() -> None:
            table(
                ["name", "role", "", "last signed in (UTC)", "token"],
                [_row(account) for account in known],
            )
            if not is_on:
                note("Nobody is asked to sign in yet: auth.mode in touchstone.toml is off.")

        opened.answer(
            {"users": [account_as_json(account) for account in known], "signing_in": is_on}, show
        )


def _row(account: Account) -> list[object]:
    last = in_utc(account.signed_in_at) if account.signed_in_at else NOTHING
    state = "disabled" if account.disabled else ""
    return [account.name, account.role.value, state, last, "yes" if account.has_token else ""]


@users.command()
def add(
    name: NameArgument,
    role: RoleOption = Role.VIEWER,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a person sign in."""
    with session(workspace, as_json) as opened:
        made = people.add_user(opened.workspace, name, role)
        opened.answer(
            account_as_json(made), lambda: say(f"{made.name} may sign in as {made.role.value}.")
        )


@users.command()
def role(
    name: NameArgument,
    role: Annotated[Role, typer.Argument(help="The new role.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a person another role; it holds from the next click on."""
    with session(workspace, as_json) as opened:
        now = people.set_role(opened.workspace, name, role)
        opened.answer(account_as_json(now), lambda: say(f"{now.name} is {now.role.value} now."))


@users.command()
def disable(
    name: NameArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """Shut a person out, from the next click on; the token stops working, too."""
    with session(workspace, as_json) as opened:
        now = people.set_disabled(opened.workspace, name, disabled=True)
        opened.answer(account_as_json(now), lambda: say(f"{now.name} may no longer enter."))


@users.command()
def enable(
    name: NameArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """Let a person in again who was shut out."""
    with session(workspace, as_json) as opened:
        now = people.set_disabled(opened.workspace, name, disabled=False)
        opened.answer(account_as_json(now), lambda: say(f"{now.name} may enter again."))


@users.command(name="sign-out")
def sign_out(
    name: NameArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """End all sessions of a person."""
    with session(workspace, as_json) as opened:
        people.end_sessions(opened.workspace, name)
        opened.answer({"signed_out": name}, lambda: say(f"{name} has to sign in again."))


@users.command()
def token(
    name: NameArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """Make a token for `touchstone serve`; shown once, and an earlier one stops working."""
    with session(workspace, as_json) as opened:
        made = people.make_token(opened.workspace, name)

        def show() -> None:
            say(made.token)
            note(f"Keep it secret: whoever has it asks as {made.account.name}.")

        opened.answer({"name": made.account.name, "token": made.token}, show)
