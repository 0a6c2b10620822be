"""In front of pages, pictures, uploads and live connections: who is not signed in gets nothing."""

import html
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from streamlit.auth_util import encode_provider_token, validate_auth_credentials
from streamlit.errors import StreamlitAPIException

from core.administration import sign_in_of
from core.domain.configs.administration import AuthMode
from core.domain.keeping.people import Actor, Standing, acting_as
from core.errors import NotAllowedError, NotSignedInError, TouchstoneError
from core.exposure import EXPOSED_VARIABLE
from core.workflows.keeping import people
from core.workspace import open_workspace
from pages.ui.people.identity import claimed
from pages.ui.people.session import SINCE_HEADER, USER_HEADER

_PAGE = (Path(__file__).parents[1] / "assets" / "sign_in.html").read_text(encoding="utf-8")
_SIGN_IN = "/sign-in"
_NEXT = "touchstone_next"
_NEXT_S = 600
_OURS = (USER_HEADER.encode(), SINCE_HEADER.encode())
# Nothing of a workspace: whether the server answers, and the scripts that Streamlit gives anybody.
_OPEN = ("/_stcore/health", "/static/")
_OPEN_WITH_PROVIDER = ("/auth/login", "/auth/logout", "/oauth2callback", _SIGN_IN)


class SignInGuard:
    """Answers only people who may enter, and says to all that follows who asks."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        # Why always: a live connection outlasts the moment in which signing in is switched on.
        headers = [item for item in scope["headers"] if item[0].lower() not in _OURS]
        scope = {**scope, "headers": headers}
        mode = sign_in_of().mode
        if mode is not AuthMode.OFF:
            os.environ[EXPOSED_VARIABLE] = "1"  # people of other machines are meant to come
        if mode is AuthMode.OFF or _is_open(scope["path"], mode):
            await self.app(scope, receive, send)
            return
        try:
            actor = await run_in_threadpool(_entered, scope)
        except TouchstoneError as err:
            await _refuse(err, mode, scope, receive, send)
            return
        if (target := _waiting_link(scope)) is not None:
            answer = RedirectResponse(target, 303)
            answer.delete_cookie(_NEXT)
            await answer(scope, receive, send)
            return
        scope["headers"] = [
            *headers,
            (_OURS[0], quote(actor.name).encode()),
            (_OURS[1], str(actor.since).encode()),
        ]
        with acting_as(actor):
            await self.app(scope, receive, send)


def _is_open(path: str, mode: AuthMode) -> bool:
    return path.startswith(_OPEN) or (mode is AuthMode.OIDC and path in _OPEN_WITH_PROVIDER)


def _entered(scope: Any) -> Actor:
    workspace = open_workspace()
    actor = claimed(scope, sign_in_of(workspace.root))
    try:
        account = people.enter(workspace, actor)
    except NotAllowedError as err:
        if not isinstance(err, NotSignedInError):
            people.record_refused_entry(workspace, actor.name, err)
        raise
    return Actor(account.name, Standing.ACCOUNT, actor.since)


def _waiting_link(scope: Any) -> str | None:
    """Where somebody wanted to go before signing in; providers come back to the first page."""
    if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
        return None
    target = HTTPConnection(scope).cookies.get(_NEXT, "")
    return target if _is_own_path(target) else None


def _is_own_path(target: str) -> bool:
    """Whether an address leads into this app, and nowhere else."""
    is_path = target.startswith("/") and not target.startswith(("//", "/\\"))
    return is_path and target.isascii() and target.isprintable() and len(target) < 2000


async def _refuse(
    err: TouchstoneError, mode: AuthMode, scope: Any, receive: Any, send: Any
) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    is_unknown = isinstance(err, NotSignedInError)
    status = 401 if is_unknown else 403 if isinstance(err, NotAllowedError) else 503
    if "text/html" not in Headers(scope=scope).get("accept", ""):
        await Response(str(err), status)(scope, receive, send)
        return
    link = ""
    if mode is AuthMode.OIDC:
        query = scope.get("query_string", b"").decode("latin-1")
        wanted = scope["path"] + (f"?{query}" if query else "")
        link = (
            f'<a href="{_SIGN_IN}?{html.escape(urlencode({"next": wanted}))}">Sign in</a>'
            if is_unknown
            else '<a href="/auth/logout">Sign in as somebody else</a>'
        )
    words = "Sign in to go on." if is_unknown and mode is AuthMode.OIDC else str(err)
    await page(words, status, link)(scope, receive, send)


def page(words: str, status: int, link: str = "") -> HTMLResponse:
    """A page of ours with one sentence and one link, which is HTML; it needs no script."""
    content = _PAGE.replace("{{words}}", html.escape(words)).replace("{{link}}", link)
    return HTMLResponse(content, status, {"Cache-Control": "no-store"})


async def _sign_in(request: Request) -> Response:
    """Go to the provider, and remember where to come back to."""
    if sign_in_of().mode is not AuthMode.OIDC:
        return RedirectResponse("/")
    try:
        validate_auth_credentials("default")
        token = encode_provider_token("default")
    except (StreamlitAPIException, ImportError) as err:
        words = f"Signing in is not set up on this server: {err} See docs/people.md."
        return page(words, 503)
    answer = RedirectResponse(f"/auth/login?{urlencode({'provider': token})}", 303)
    target = request.query_params.get("next", "")
    if _is_own_path(target) and target != "/":
        answer.set_cookie(_NEXT, target, max_age=_NEXT_S, httponly=True, samesite="lax")
    return answer


ROUTES = [Route(_SIGN_IN, _sign_in)]
