"""The look of the frame is in the page from its first paint, before any script has run.

Streamlit sends one page for all addresses and knows its style only once its scripts and the first
run of a page are through; what is drawn until then would be white, and would jump afterwards.
"""

from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ASSETS = Path(__file__).parent / "assets"
# Why in the body: rules of the same weight must come after those of Streamlit, in the head.
_BODY = b"<body>"
_ROOT = b'<div id="root">'
# Without these the app sends its page whole, and as text.
_PACKED_OR_KEPT = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")


class StyleFirstPaint:
    """ASGI middleware around the app; adds the frame's style sheet to Streamlit's page."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        sheets = [(_ASSETS / name).read_bytes() for name in ("first_paint.css", "frame.css")]
        self._style = b"<style>" + b"\n".join(sheets) + b"</style>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; a page of text is collected, and sent with the style in it."""
        if not _asks_for_page(scope):
            await self.app(scope, receive, send)
            return
        start: Message = {}
        page = bytearray()

        async def styled(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_page(message):
                start = message
            elif not start:
                await send(message)
            elif message["type"] == "http.response.body":
                page.extend(message.get("body", b""))
                if not message.get("more_body"):
                    content = self._styled(bytes(page))
                    headers = MutableHeaders(raw=list(start["headers"]))
                    headers["content-length"] = str(len(content))
                    del headers["etag"]  # it names the page without the style
                    await send({**start, "headers": headers.raw})
                    await send({"type": "http.response.body", "body": content})

        as_is = [item for item in scope["headers"] if item[0] not in _PACKED_OR_KEPT]
        await self.app({**scope, "headers": as_is}, receive, styled)

    def _styled(self, page: bytes) -> bytes:
        if _ROOT not in page:  # a page of ours, such as a report
            return page
        named = page.replace(b"<title>Streamlit<", b"<title>Touchstone<", 1)
        return named.replace(_BODY, _BODY + self._style, 1)


def _asks_for_page(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and scope["method"] == "GET"
        and "text/html" in Headers(scope=scope).get("accept", "")
    )


def _is_page(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    return start["status"] == 200 and headers.get("content-type", "").startswith("text/html")
