"""What a server lets in: sizes of requests, the token, and from where."""

import hmac
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import ConfigError
from core.exposure import listens_for_others
from core.files import read_user_file

TOKEN_VARIABLE = "TOUCHSTONE_SERVE_TOKEN"
OfUser = Callable[[str], bool]  # whether a token is that of a user who may classify images
_SHORTEST_TOKEN = 16
_LARGEST_TOKEN_FILE = 10_000


@dataclass(frozen=True)
class ServeLimits:
    """Limits of a server: of one request, and of what waits."""

    request_bytes: int = 100_000_000
    images: int = 64
    waiting: int = 128


def read_token(file: Path | None, environment: Mapping[str, str] = os.environ) -> str | None:
    """The bearer token, of a file or else of the environment; None: there is none.

    Raises:
        ConfigError: if the file cannot be read, or the token is too short to be a secret.
    """
    if file is not None:
        try:
            token = read_user_file(file, most_bytes=_LARGEST_TOKEN_FILE).decode().strip()
        except (OSError, UnicodeDecodeError) as err:
            raise ConfigError(
                f"The token file {file} cannot be read.", "Give a text file with the token alone."
            ) from err
    else:
        token = environment.get(TOKEN_VARIABLE, "").strip()
        if not token:
            return None
    if len(token) < _SHORTEST_TOKEN or not token.isascii() or " " in token:
        raise ConfigError(
            f"A token needs at least {_SHORTEST_TOKEN} characters of ASCII without blanks.",
            "Make one, for example with: openssl rand -hex 32",
        )
    return token


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine can reach an address."""
    return not listens_for_others(host)


def refuse_open_server(host: str, token: str | None) -> None:
    """Refuse to answer other machines without a token.

    Raises:
        ConfigError: if that was asked for.
    """
    if token is None and not is_loopback(host):
        raise ConfigError(
            f"On {host}, other machines could use the models without a token.",
            f"Give --token-file, set {TOKEN_VARIABLE}, or listen on 127.0.0.1.",
        )


def is_allowed(headers: Headers, token: str | None, of_user: OfUser | None = None) -> bool:
    """Whether a request carries the token, or one of a user who may ask, if one is needed."""
    if token is None and of_user is None:
        return True
    scheme, _, given = headers.get("authorization", "").partition(" ")
    sent = given.strip()
    if scheme.lower() != "bearer" or not sent:
        return False
    same = token is not None and hmac.compare_digest(sent.encode(), token.encode())
    return same or (of_user is not None and of_user(sent))


class BodyLimit:
    """Answers 413 to a request whose body is too large, before or while it is read."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        """Surround an app."""
        self._app, self._most = app, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._most:
                raise self._refusal()  # the app answers with it
            return message

        if scope["type"] == "http":
            length = Headers(scope=scope).get("content-length", "")
            if length.isdecimal() and int(length) > self._most:
                refusal = self._refusal()
                answer = JSONResponse(refusal.detail, refusal.status_code, refusal.headers)
                await answer(scope, receive, send)
                return
        await self._app(scope, counted, send)

    def _refusal(self) -> HTTPException:
        words = {
            "error": f"The request has more than {self._most / 1e6:g} MB.",
            "hint": "Send fewer or smaller images, or raise --max-mb.",
        }
        return HTTPException(413, words, {"Connection": "close"})  # type: ignore[arg-type]
