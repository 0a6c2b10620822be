"""Who asks, as a provider of OpenID Connect or a proxy in front says it; never the browser itself.

With a provider, Streamlit keeps what it said in a signed cookie. That cookie lasts 30 days and says
nothing of today: role, end of the session and whether the person may still enter are read from the
workspace, at each request and each run of a page.
"""

import json
from typing import Any, assert_never

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from streamlit.auth_util import get_cookie_with_chunks
from streamlit.web.server.server_util import AUTH_COOKIE_NAME, get_cookie_secret
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from core.domain.configs.administration import AuthMode, SignIn
from core.domain.ids import utc_now
from core.domain.keeping.people import Actor, Standing
from core.domain.names import normal_name
from core.errors import NotAllowedError, NotSignedInError

_PEER = "touchstone.peer"
_DAYS_30_S = 30 * 24 * 3600


def claimed(scope: Any, settings: SignIn) -> Actor:
    """The person of a request, who may still have no account.

    Raises:
        NotSignedInError: if nobody is named, or the session is over.
        NotAllowedError: if the request comes from where nobody may name anybody.
    """
    match settings.mode:
        case AuthMode.OIDC:
            return _of_cookie(scope, settings)
        case AuthMode.PROXY:
            return _of_header(scope, settings)
        case AuthMode.CLOSED | AuthMode.OFF:
            raise NotAllowedError("Nobody may enter at the moment.", "Ask an administrator.")
        case _:
            assert_never(settings.mode)


def _of_cookie(scope: Any, settings: SignIn) -> Actor:
    cookies, begun = HTTPConnection(scope).cookies, [utc_now()]

    def read(name: str) -> bytes | None:
        # As Streamlit writes it (`create_signed_value`), with the time of our own clock.
        serializer = URLSafeTimedSerializer(get_cookie_secret(), salt=name)
        try:
            value, at = serializer.loads(
                cookies.get(name, ""), max_age=_DAYS_30_S, return_timestamp=True
            )
        except (BadData, ValueError):
            return None
        begun.append(at.timestamp())
        return value.encode() if isinstance(value, str) else None

    content = get_cookie_with_chunks(read, AUTH_COOKIE_NAME)
    try:
        claims = json.loads(content) if content else {}
    except ValueError:
        claims = {}
    name = normal_name(str(claims.get(settings.claim) or "")) if isinstance(claims, dict) else ""
    if not name:
        missing = f" Its token has no claim '{settings.claim}'." if claims else ""
        raise NotSignedInError(f"Nobody is signed in.{missing}", "Sign in.")
    if settings.claim == "email" and claims.get("email_verified") is False:
        raise NotAllowedError(
            f"The provider has not verified the address '{name}'.",
            "Confirm it there, then sign in again.",
        )
    return Actor(name, Standing.ACCOUNT, min(begun))


def _of_header(scope: Any, settings: SignIn) -> Actor:
    peer = scope.get(_PEER) or scope.get("client") or ("", 0)
    values = Headers(scope=scope).getlist(settings.header)
    if not settings.trusts(str(peer[0])):
        raise NotAllowedError(
            f"Touchstone is reached through its proxy only; {peer[0] or 'this connection'} is "
            "none that is trusted.",
            "Use the address of the proxy. An administrator changes auth.trusted_proxies.",
        )
    name = normal_name(_text(values[0])) if len(values) == 1 else ""
    if not name:
        raise NotSignedInError(
            f"The proxy does not say who you are: one header {settings.header} is expected, "
            f"{len(values)} came.",
            "Sign in at the proxy. An administrator checks its settings: docs/people.md.",
        )
    return Actor(name, Standing.ACCOUNT, utc_now())


def _text(value: str) -> str:
    """A header, which proxies write in UTF-8 and servers read as Latin-1."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def remember_peers() -> None:
    """Keep who has really connected; uvicorn replaces it by what a proxy of this machine says.

    Why so: Streamlit makes the server, and takes no settings for this.
    """
    if hasattr(ProxyHeadersMiddleware, "touchstone_call"):
        return
    call = ProxyHeadersMiddleware.__call__

    async def remembering(self: Any, scope: Any, receive: Any, send: Any) -> None:
        scope[_PEER] = scope.get("client")
        await call(self, scope, receive, send)

    ProxyHeadersMiddleware.touchstone_call = call  # type: ignore[attr-defined]
    ProxyHeadersMiddleware.__call__ = remembering  # type: ignore[method-assign]
