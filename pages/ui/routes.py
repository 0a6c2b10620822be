"""Files over HTTP beside Streamlit: pictures, plotly.js, model files in, ZIP files in."""

import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import plotly
import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from core.domain import new_id
from core.errors import NotFoundError, TouchstoneError
from core.workflows import datasets, models
from core.workflows import report as reports
from core.workspace import open_workspace

MAX_ZIP_BYTES = 2 * 1024**3
UPLOAD_HEADER = "x-touchstone-upload"
_PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
_CACHE = {"Cache-Control": "private, max-age=86400"}

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


def thumbnail_url(sample_id: int) -> str:
    return f"/pictures/{sample_id}/thumbnail"


def picture_url(sample_id: int) -> str:
    return f"/pictures/{sample_id}/full"


def model_url(model_id: str) -> str:
    return f"/model-files/{model_id}"


def report_url(report_id: str, *, ending: str = "html", name: str = "", keep: bool = False) -> str:
    """`name`: of the file when it is kept."""
    wanted = {"name": name} if name else {}
    if keep:
        wanted["download"] = "1"
    return f"/reports/{report_id}.{ending}" + (f"?{urlencode(wanted)}" if wanted else "")


async def _thumbnail(request: Request) -> Response:
    try:
        path = await run_in_threadpool(
            datasets.thumbnail_path, open_workspace(), request.path_params["sample"]
        )
    except TouchstoneError as err:
        return Response(err.message, 404)
    return FileResponse(path, media_type="image/webp", headers=_CACHE)


async def _picture(request: Request) -> Response:
    try:
        path = await run_in_threadpool(
            datasets.sample_path, open_workspace(), request.path_params["sample"]
        )
    except NotFoundError as err:
        return Response(err.message, 404)
    return FileResponse(path, headers=_CACHE)


async def _plotly(_: Request) -> Response:
    return FileResponse(
        _PLOTLY, media_type="text/javascript", headers={"Cache-Control": "max-age=31536000"}
    )


async def _model(request: Request) -> Response:
    workspace = open_workspace()
    try:
        model = await run_in_threadpool(models.find_model, workspace, request.path_params["model"])
        path = await run_in_threadpool(models.exported_bundle, workspace, model)
    except TouchstoneError as err:
        return Response(err.message, 404)
    name = quote(f"{model.name}.safetensors", safe="")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return FileResponse(path, media_type="application/octet-stream", headers=headers)


async def _report(request: Request) -> Response:
    """A report to look at, or with `?download` to keep; its table always to keep."""
    name, ending = request.path_params["report"], request.path_params["ending"]
    media = {"html": "text/html; charset=utf-8", "csv": "text/csv; charset=utf-8"}.get(ending)
    try:
        path = reports.report_file(open_workspace(), name, ending)
    except TouchstoneError as err:
        return Response(err.message, 404)
    if media is None or not path.is_file():
        return Response("There is no such report.", 404)
    keep = ending == "csv" or "download" in request.query_params
    title = quote(request.query_params.get("name", name)[:120], safe="")
    kind = "attachment" if keep else "inline"
    headers = {"Content-Disposition": f"{kind}; filename*=UTF-8''{title}.{ending}"}
    return FileResponse(path, media_type=media, headers=headers)


async def _upload_zip(request: Request) -> Response:
    """Stream a ZIP to disk; whole or not at all. Only our own page may send one."""
    origin = urlsplit(request.headers.get("origin", ""))
    if origin.netloc != request.headers.get("host") or UPLOAD_HEADER not in request.headers:
        return JSONResponse({"error": "This upload did not come from the app's page."}, 403)
    workspace = open_workspace()
    announced = int(request.headers.get("content-length") or 0)
    free = shutil.disk_usage(workspace.uploads).free
    if announced > MAX_ZIP_BYTES or announced > free - 1_000_000_000:
        return JSONResponse({"error": _too_large(announced, free)}, 413)
    target = workspace.uploads / f"{new_id('zip')}.zip"
    partial = target.with_suffix(".zip.part")
    try:
        received = 0
        with partial.open("wb") as file:
            async for block in request.stream():
                received += len(block)
                if received > MAX_ZIP_BYTES:
                    return JSONResponse({"error": _too_large(received, free)}, 413)
                await run_in_threadpool(file.write, block)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return JSONResponse({"upload": target.name, "size": received})


def _too_large(size: int, free: int) -> str:
    return (
        f"The ZIP has {size / 1e9:.1f} GB; the limit is {MAX_ZIP_BYTES / 1e9:.1f} GB and "
        f"{free / 1e9:.1f} GB are free. Import a folder on the server instead."
    )


ROUTES = [
    Route("/pictures/{sample:int}/thumbnail", _thumbnail),
    Route("/pictures/{sample:int}/full", _picture),
    Route("/vendor/plotly.min.js", _plotly),
    Route("/model-files/{model}", _model),
    Route("/reports/{report}.{ending}", _report),
    Route("/uploads/zip", _upload_zip, methods=["POST"]),
]


class Gate:
    """In front of everything: refuses foreign Host names, keeps the app in its own window and net.

    Streamlit checks `server.allowedHosts` for its WebSocket only; pages and pictures need it too,
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

        if scope["type"] == "http" and not _host_allowed(dict(scope["headers"]).get(b"host", b"")):
            refusal = Response("This host name is not allowed (server.allowedHosts).", 403)
            await refusal(scope, receive, send)
            return
        await self.app(scope, receive, send_with_headers)


def _host_allowed(header: bytes) -> bool:
    allowed = [str(name).lower() for name in st.get_option("server.allowedHosts")]
    name = (urlsplit(f"//{header.decode('latin-1')}").hostname or "").lower()
    return (
        not allowed
        or "*" in allowed
        or name in allowed
        or any(name.endswith(rule[1:]) for rule in allowed if rule.startswith("*."))
    )
