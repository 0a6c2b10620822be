"""In front of everything: who may ask, what a browser may load, and no error without words."""

import logging
import secrets
import traceback
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers
from starlette.responses import Response

from core.administration import sign_in_of
from core.domain.configs.administration import AuthMode
from core.exposure import is_exposed, is_said_twice

_CONTENT_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' ws: wss: blob: data:",
        "worker-src 'self' blob:",
        "frame-ancestors 'self'",
    )
)


class HostGuard:
    """In front of everything: refuses foreign Host names, keeps the app in its own window and net.

    Streamlit checks `server.allowedHosts` for its WebSocket only; pages and images need it too,
    or a hostile site could read them by pointing its own name at this machine.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", []),
                    (b"content-security-policy", _CONTENT_POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"x-frame-options", b"SAMEORIGIN"),
                    (b"referrer-policy", b"same-origin"),
                ]
            await send(message)

        headers = Headers(scope=scope) if scope["type"] in ("http", "websocket") else Headers()
        host = headers.get("host", "")
        if scope["type"] == "websocket" and not (
            _host_allowed(host) and _origin_allowed(headers.get("origin", ""), host)
        ):
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http" and not _host_allowed(host):
            refusal = Response("This host name is not allowed (server.allowedHosts).", 403)
            await refusal(scope, receive, send)
            return
        await self.app(scope, receive, send_with_headers)


class ExposureGuard:
    """Answers nobody while other machines reach an app that nobody has opened to them.

    Why here too: `streamlit run app.py --server.address 0.0.0.0` asks no command of ours.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] in ("http", "websocket") and _is_open_to_all():
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            words = (
                "This server listens to the whole network and asks nobody who they are, so it "
                "answers nobody. Start it on 127.0.0.1, or with `touchstone ui --host … "
                "--insecure-lan` if everybody may see, change and delete everything, or let people "
                "sign in (docs/people.md)."
            )
            await Response(words, 403)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _is_open_to_all() -> bool:
    """Whether other machines reach the app, nobody signs in, and nobody has said that twice."""
    return is_exposed() and not is_said_twice() and sign_in_of().mode is AuthMode.OFF


class WordsForErrors:
    """An error of a route becomes an answer that names its incident; the log has the trace."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        begun = False

        async def note(message: Any) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, note)
        except OverflowError:
            # Numbers of addresses that no row can have.
            if begun or scope["type"] != "http":
                raise
            await Response("There is nothing under this address.", 404)(scope, receive, send)
        except Exception:
            if begun or scope["type"] != "http":
                raise
            number = secrets.token_hex(4)
            trace = traceback.format_exc()
            logging.getLogger("touchstone").error("incident %s\n%s", number, trace)
            words = (
                f"Something went wrong here (incident {number}). Nothing that was stored is lost. "
                "Try again; if it happens again, give this number to your administrator."
            )
            await Response(words, 500)(scope, receive, send)


def _host_allowed(header: str) -> bool:
    allowed = [str(name).lower() for name in st.get_option("server.allowedHosts")]
    name = _place(f"//{header}")[0]
    return (
        not allowed
        or "*" in allowed
        or name in allowed
        or any(name.endswith(rule[1:]) for rule in allowed if rule.startswith("*."))
    )


def _origin_allowed(origin: str, host: str) -> bool:
    """Whether the live connection of a page may be opened from there: its own address, port too.

    Streamlit takes any port of this machine, and clients that name no origin, which is no browser.
    """
    if origin in [str(item) for item in st.get_option("server.corsAllowedOrigins")]:
        return True
    scheme, separator, _ = origin.partition("://")
    return bool(separator) and _place(origin) == _place(f"{scheme}://{host}")


def _place(address: str) -> tuple[str, int | None]:
    """Name and port of an address; the usual port of its scheme where it names none."""
    try:
        parts = urlsplit(address)
        usual = {"http": 80, "ws": 80, "https": 443, "wss": 443}.get(parts.scheme)
        return (parts.hostname or "").lower().rstrip("."), parts.port or usual
    except ValueError:  # no address, such as `[::1`
        return "", None
