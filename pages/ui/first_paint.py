"""The look of the frame is in the page from its first paint, before any script has run.

Streamlit sends one page for all addresses and knows its style only once its scripts and the first
run of a page are through; what is drawn until then would be white, and would jump afterwards.
For an address that has no page, the browser is sent on to where that is said.
"""

import re
from pathlib import Path

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.ui.shell import missing

_ASSETS = Path(__file__).parent / "assets"
_SHEETS = ("first_paint.css", "frame.css", "board.css")
# Why in the body: rules of the same weight must come after those of Streamlit, in the head.
_BODY = b"<body>"
_HEAD_END = b"</head>"
# Elements of nearly every page, whose code Streamlit otherwise fetches when the first of them is
# drawn: until then a gray bar of another height stands in their place, and the page jumps.
_ELEMENTS = (
    "BidiComponent",
    "Button",
    "ButtonGroup",
    "Checkbox",
    "FileUploader",
    "Html",
    "Metric",
    "NumberInput",
    "PageLink",
    "Pagination",
    "Progress",
    "Radio",
    "Selectbox",
    "Slider",
    "StreamlitMarkdown",
    "TextArea",
    "TextInput",
    "Tooltip",
)
_IMPORT = re.compile(r"""(?:from|import)["']\./([\w.-]+\.js)["']""")
_CODE = Path(streamlit.__file__).parent / "static" / "static" / "js"
_ROOT = b'<div id="root">'
# Without these the app sends its page whole, and as text.
_PACKED_OR_KEPT = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")


class StyleFirstPaint:
    """ASGI middleware around the app; adds the frame's style sheet to Streamlit's page."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        sheets = [(_ASSETS / name).read_bytes() for name in _SHEETS]
        self._style = b"<style>" + b"\n".join(sheets) + b"</style>"
        self._code = _files_of_elements()

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
                    if onward := _onward(scope, bytes(page)):
                        await RedirectResponse(onward)(scope, receive, send)
                        return
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
        styled = named.replace(_BODY, _BODY + self._style, 1)
        missing = (name for name in self._code if name.encode() not in page)
        links = "".join(
            f'<link rel="modulepreload" crossorigin href="./static/js/{name}">' for name in missing
        )
        return styled.replace(_HEAD_END, links.encode() + _HEAD_END, 1)


def _files_of_elements() -> list[str]:
    """Files of code that a browser should fetch at once; none that this Streamlit does not have."""
    files = [file.name for name in _ELEMENTS for file in sorted(_CODE.glob(f"{name}.*.js"))]
    for name in files:  # grows by what each of them imports
        imported = _IMPORT.findall((_CODE / name).read_text(encoding="utf-8"))
        files += [item for item in imported if item not in files and (_CODE / item).is_file()]
    return files


def _onward(scope: Scope, page: bytes) -> str | None:
    """Where Streamlit's page is asked for at an address that is none of ours."""
    if _ROOT not in page:
        return None
    return missing.redirection(scope["path"], scope["query_string"].decode("latin-1"))


def _asks_for_page(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and scope["method"] == "GET"
        and "text/html" in Headers(scope=scope).get("accept", "")
    )


def _is_page(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    return start["status"] == 200 and headers.get("content-type", "").startswith("text/html")
