"""What one browser, or a hostile program, may take from the server: memory and connections."""

import asyncio
import logging
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response
from streamlit import runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from uvicorn.protocols.http.h11_impl import H11Protocol

from core import words
from core.administration import how_to_change, limits_of
from core.domain.configs.administration import GB, MB

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError:  # where the faster one is not installed
    HttpToolsProtocol = None  # type: ignore[assignment, misc]

SILENT_S = 20.0
_FORM_BYTES = 10_000  # around the file in its request
_UPLOAD_PATH = "/_stcore/upload_file/"


class UploadQuota:
    """Refuses files that Streamlit would hold in memory: too large, alone or all together.

    Streamlit limits each file, but neither their number nor their sum.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        sends_file = scope["type"] == "http" and scope["method"] == "PUT"
        if sends_file and _UPLOAD_PATH in scope["path"] and (why := _refusal(scope)):
            await Response(why, 413)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _refusal(scope: Any) -> str:
    """Why a file is not taken; empty if it is."""
    limits = limits_of()
    largest, together = limits.file_upload_mb * MB, limits.memory_uploads_gb * GB
    announced = Headers(scope=scope).get("content-length", "")
    if announced.isascii() and announced.isdecimal() and int(announced) > largest + _FORM_BYTES:
        return (
            f"The file is larger than {words.size(largest)}, which is the limit for browsers. "
            f"{how_to_change('file_upload_mb')}"
        )
    if (held := held_bytes()) > together:
        return (
            f"Uploaded files take {words.size(held)} of the memory; together they may take "
            f"{words.size(together)}. Close other tabs, then try again. "
            f"{how_to_change('memory_uploads_gb')}"
        )
    return ""


def held_bytes() -> int:
    """What the uploaded files of all sessions take in memory."""
    if not runtime.exists():
        return 0
    manager = runtime.get_instance().uploaded_file_mgr
    if not isinstance(manager, MemoryUploadedFileManager):
        return 0
    sessions = [*manager.file_storage.values()]
    return sum(len(file.data) for files in sessions for file in [*files.values()])


def close_silent_connections() -> None:
    """Close connections that have sent no whole request after `SILENT_S`; uvicorn waits for ever.

    Why so: Streamlit makes the server, and takes no settings for this.
    """
    for protocol in (H11Protocol, HttpToolsProtocol):
        if protocol is not None and not hasattr(protocol, "touchstone_made"):
            made = protocol.connection_made
            protocol.touchstone_made = made  # type: ignore[union-attr]
            protocol.connection_made = _with_deadline(made)  # type: ignore[method-assign]


def _with_deadline(made: Any) -> Any:
    def connection_made(self: Any, transport: asyncio.Transport) -> None:
        made(self, transport)
        self.loop.call_later(SILENT_S, close_if_silent, self)

    def close_if_silent(self: Any) -> None:
        # A live connection has left this set, a request that has begun is a cycle.
        if self in self.connections and self.cycle is None and not self.transport.is_closing():
            logging.getLogger("touchstone").info("a silent connection was closed")
            self.transport.close()

    return connection_made
