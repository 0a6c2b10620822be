"""Scripts and style sheets go over the network compressed; each is compressed once per server.

Streamlit sends its own as they are, because Starlette's middleware compresses anew for each
request. What never changes under its address, as it says of its scripts, can be kept instead.
"""

import gzip
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TYPES = ("text/javascript", "application/javascript", "text/css", "image/svg+xml")
_LEAST_BYTES = 1000  # one packet needs no compression
_LEVEL = 6  # the ninth takes a third longer for 0.2%


@dataclass
class _Answer:
    """What the app would send: its first message, and its content so far."""

    start: Message = field(default_factory=dict)
    content: bytearray = field(default_factory=bytearray)


class CompressScripts:
    """ASGI middleware around the app; touches nothing but immutable scripts and style sheets.

    WebSockets, uploads, images, parts of files and pages pass through. About 6 MB are kept where
    every script of Streamlit and Plotly has been asked for.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._kept: dict[str, tuple[Message, bytes]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from what is kept, or pass the request on and keep the answer where it may be."""
        if not _may_be_compressed(scope):
            await self.app(scope, receive, send)
            return
        address = f"{scope['path']}?{scope.get('query_string', b'').decode('latin-1')}"
        if address not in self._kept and not await self._keep(address, scope, receive, send):
            return
        start, content = self._kept[address]
        await send({**start})  # what stands in front adds its headers to it
        await send({"type": "http.response.body", "body": content})

    async def _keep(self, address: str, scope: Scope, receive: Receive, send: Send) -> bool:
        """Whether the answer could be kept; one that cannot has been sent."""
        answer = _Answer()

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_immutable_script(message):
                answer.start = message
            elif not answer.start:
                await send(message)
            elif message["type"] == "http.response.body":
                answer.content += message.get("body", b"")

        await self.app(scope, receive, collect)
        if not answer.start:
            return False
        packed = await run_in_threadpool(gzip.compress, bytes(answer.content), _LEVEL, mtime=0)
        headers = MutableHeaders(raw=list(answer.start["headers"]))
        headers["content-encoding"] = "gzip"
        headers["content-length"] = str(len(packed))
        headers.add_vary_header("accept-encoding")
        del headers["etag"]  # it names the uncompressed bytes
        self._kept[address] = ({**answer.start, "headers": headers.raw}, packed)
        return True


def _may_be_compressed(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    asked = Headers(scope=scope)
    accepted = {part.split(";")[0].strip() for part in asked.get("accept-encoding", "").split(",")}
    is_whole = "range" not in asked and "if-none-match" not in asked
    return is_whole and "gzip" in accepted and scope["path"].endswith((".js", ".css", ".svg"))


def _is_immutable_script(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    return (
        start["status"] == 200
        and "immutable" in headers.get("cache-control", "")
        and headers.get("content-type", "").split(";")[0] in _TYPES
        and "content-encoding" not in headers
        and int(headers.get("content-length", "0")) >= _LEAST_BYTES
    )
