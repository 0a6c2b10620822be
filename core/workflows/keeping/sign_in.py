"""Whether what signing in with OpenID Connect needs is there; nothing secret is shown or kept."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from core.domain.configs.administration import AuthMode, SignIn
from core.files import regular_file
from core.workspace import Workspace

NEEDED = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
# Where Streamlit looks where it was not told a file.
_USUAL = Path("~/.streamlit/secrets.toml")


class Lack(StrEnum):
    """What can keep everybody out."""

    FILE = "file"
    CONTENT = "content"
    VALUES = "values"
    PACKAGE = "package"


@dataclass(frozen=True)
class SignInLack:
    """One thing that is missing: in which file, and why or which names, in words."""

    lack: Lack
    file: Path
    why: str = ""


def lacks(workspace: Workspace, settings: SignIn) -> list[SignInLack]:
    """What is missing for people to sign in; empty: nothing, or no provider is asked."""
    if settings.mode is not AuthMode.OIDC:
        return []
    own, usual = workspace.sign_in_secrets, _USUAL.expanduser()
    file = usual if usual.is_file() and not own.exists() else own
    missing = [] if find_spec("authlib") else [SignInLack(Lack.PACKAGE, file)]
    return [*missing, *_of_file(file)]


def _of_file(file: Path) -> list[SignInLack]:
    try:
        found = tomllib.loads(regular_file(file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return [SignInLack(Lack.FILE, file)]
    except OSError as err:
        return [SignInLack(Lack.CONTENT, file, err.strerror or str(err))]
    except ValueError:  # the message of the parser may quote a secret
        return [SignInLack(Lack.CONTENT, file, "it is no valid TOML")]
    section = found.get("auth")
    values: Mapping[str, object] = section if isinstance(section, dict) else {}
    named = values.get("default")  # the provider may have a section of its own
    known = {**values, **named} if isinstance(named, dict) else values
    absent = [name for name in NEEDED if not known.get(name)]
    return [SignInLack(Lack.VALUES, file, ", ".join(absent))] if absent else []
