"""Files over HTTP beside Streamlit: images, plotly.js, model files in, ZIP files in."""

import errno
import json
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import plotly
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from core.domain.datasets import SampleStatus
from core.domain.ids import new_id
from core.domain.models import Model
from core.errors import FilesChangedError, NotAllowedError, TouchstoneError
from core.files import CsvDelimiter, atomic_write, require_space
from core.workflows.data import datasets, exports, image_facts, quick_edits, uploads
from core.workflows.data.exports import ExportFormat
from core.workflows.data.quick_edits import QuickAction, QuickAnswer, QuickEdit
from core.workflows.signoff import report as reports
from core.workflows.use import models
from core.workspace import Workspace, open_workspace
from pages.ui import image_words
from pages.ui.waiting import (
    EXPORT_S,
    EXPORTS,
    PICTURE_S,
    PICTURES,
    NoAnswerError,
    blocks_in_time,
    in_time,
)

_CHECK_EVERY_BYTES = 64_000_000
MAX_EDIT_BYTES = 4 * 1024**2
UPLOAD_HEADER = "x-touchstone-upload"
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
# The traces of nearly all charts, which a browser starts in a sixth of the time of the whole one.
# `packaging/plotly` makes it.
PLOTLY_SMALL = Path(__file__).parent / "assets" / "plotly-small.min.js"
# Why the version and the size: browsers keep these files for a year.
PLOTLY_URL = f"/vendor/plotly.min.js?{plotly.__version__}"
PLOTLY_SMALL_URL = f"/vendor/plotly-small.min.js?{PLOTLY_SMALL.stat().st_size}"
_CACHE = {"Cache-Control": "private, max-age=86400"}
_ASK_AGAIN = {"Cache-Control": "private, no-cache"}


def heated_url(sample_id: int, sha256: str, model_id: str) -> str:
    """A thumbnail with the heatmap of the predicted class."""
    return f"/pictures/{sample_id}/heated?{urlencode({'model': model_id, 'of': sha256[:12]})}"


def thumbnail_url(sample_id: int, sha256: str = "") -> str:
    # Why the hash: browsers keep thumbnails for a day, and ids of deleted samples are used again.
    return f"/pictures/{sample_id}/thumbnail?{sha256[:12]}"


def image_url(sample_id: int, sha256: str = "", *, model: Model | None = None) -> str:
    """The whole image, read as its dataset is shown, or as a model reads it."""
    wanted = {"content": sha256[:12]}
    if model is not None:
        levels = model.preprocess.levels
        wanted["reading"] = levels.key if levels else image_facts.NO_SCALE
    return f"/pictures/{sample_id}/full?{urlencode(wanted)}"


def export_url(
    dataset_id: str,
    file_format: ExportFormat,
    version: int,
    split_id: str | None,
    delimiter: CsvDelimiter = CsvDelimiter.COMMA,
) -> str:
    wanted = {"version": version, "split": split_id or "", "delimiter": delimiter.value}
    return f"/datasets/{dataset_id}/export.{file_format.value}?{urlencode(wanted)}"


def model_url(model_id: str) -> str:
    return f"/model-files/{model_id}"


def report_url(report_id: str, *, ending: str = "html", name: str = "", keep: bool = False) -> str:
    """`name`: of the file when it is saved."""
    wanted = {"name": name} if name else {}
    if keep:
        wanted["download"] = "1"
    return f"/reports/{report_id}.{ending}" + (f"?{urlencode(wanted)}" if wanted else "")


async def _thumbnail(request: Request) -> Response:
    workspace, sample_id = open_workspace(), request.path_params["sample"]
    try:
        path, is_fixed = await in_time(
            PICTURES, PICTURE_S, image_facts.thumbnail_file, workspace, sample_id
        )
    except TouchstoneError as err:
        return Response(err.message, 404)
    return _picture(request, path, is_fixed=is_fixed)


async def _image(request: Request) -> Response:
    """The whole image with the pixels of the one reader, never the file as it is.

    Browsers do not show TIFF and 16-bit floats at all, and turn, color and scale others their way.
    """
    reading = request.query_params.get("reading", "")
    try:
        sample_id = request.path_params["sample"]
        path = await in_time(
            PICTURES, PICTURE_S, image_facts.view_file, open_workspace(), sample_id, reading
        )
    except TouchstoneError as err:
        return Response(err.message, 404)
    return _picture(request, path, is_fixed=False)


def _picture(request: Request, path: Path, *, is_fixed: bool) -> Response:
    """A file whose name says its content and how it was read.

    Where the gray levels of a dataset can change, browsers ask each time whether it is still this
    file; the answer is one line.
    """
    tag = f'"{path.stem}"'
    headers = {"ETag": tag, **(_CACHE if is_fixed else _ASK_AGAIN)}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    media_type = {".webp": "image/webp", ".png": "image/png"}[path.suffix]
    return FileResponse(path, media_type=media_type, headers=headers)


async def _plotly(request: Request) -> Response:
    keep = {"Cache-Control": "public, immutable, max-age=31536000"}
    file = PLOTLY_SMALL if request.url.path.endswith("-small.min.js") else PLOTLY
    return FileResponse(file, media_type="text/javascript", headers=keep)


async def _model(request: Request) -> Response:
    workspace = open_workspace()
    try:
        model = await run_in_threadpool(models.find_model, workspace, request.path_params["model"])
        path = await run_in_threadpool(models.model_file, workspace, model)
        if "range" not in request.headers:  # else the rest of a download that is recorded already
            await run_in_threadpool(models.note_download, workspace, model)
    except TouchstoneError as err:
        return Response(err.message, 404)
    name = quote(f"{model.name}.safetensors", safe="")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return FileResponse(path, media_type="application/octet-stream", headers=headers)


async def _facts(request: Request) -> Response:
    """What the large view shows beside an image: rows of name and value, and its history."""
    try:
        facts = await run_in_threadpool(
            image_facts.facts_of, open_workspace(), request.path_params["sample"]
        )
    except TouchstoneError as err:
        return JSONResponse({"error": err.message}, 404)
    answer = {"rows": image_words.rows(facts), "history": image_words.history(facts)}
    return JSONResponse(answer, headers={"Cache-Control": "no-store"})


async def _edit(request: Request) -> Response:
    """Store the edits made in a gallery; answers with words and the states of what it shows."""
    if not from_our_page(request):
        return JSONResponse({"error": "This edit did not come from the app's page."}, 403)
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > MAX_EDIT_BYTES:
            return JSONResponse({"error": "This edit is too large."}, 413)
    try:
        presses, shown = _read_edits(bytes(body))
    except (ValueError, KeyError, TypeError, AttributeError):
        return JSONResponse({"error": "This edit cannot be read."}, 400)
    try:
        answer = await run_in_threadpool(_store_edits, request.path_params["dataset"], presses)
        states = await run_in_threadpool(_states, request.path_params["dataset"], shown)
    except NotAllowedError as err:
        return JSONResponse({"error": str(err)}, 403)
    except TouchstoneError as err:
        return JSONResponse({"error": str(err)}, 409)
    return JSONResponse(
        {
            "messages": answer.messages,
            "failed": answer.failed,
            "voided": answer.voided,
            "version": answer.version,
            "states": states,
        }
    )


def _read_edits(body: bytes) -> tuple[list[QuickEdit], list[int]]:
    content = json.loads(body)
    presses = [
        QuickEdit(
            QuickAction(item["action"]),
            tuple(int(i) for i in item["ids"]),
            str(item.get("class_name", "")),
            str(item.get("group", "")),
        )
        for item in content["edits"]
    ]
    return presses, [int(i) for i in content["shown"]]


def _store_edits(dataset_id: str, presses: list[QuickEdit]) -> QuickAnswer:
    return quick_edits.quick_edits(open_workspace(), dataset_id, presses)


def _states(dataset_id: str, sample_ids: list[int]) -> dict[str, dict[str, object]]:
    workspace = open_workspace()
    names = datasets.find_dataset(workspace, dataset_id).class_names
    return {
        str(s.id): {
            "title": image_words.class_name(s, names),
            "excluded": s.status is not SampleStatus.USED,
        }
        for s in datasets.find_samples(workspace, sample_ids)
    }


async def _export(request: Request) -> Response:
    """A version of a dataset as a ZIP of class folders or as a table, streamed."""
    kind = request.path_params["kind"]
    wanted = request.query_params
    number = wanted.get("version", "")
    delimiter = wanted.get("delimiter", CsvDelimiter.COMMA.value)
    if kind not in list(ExportFormat) or not (number == "" or number.isdecimal()):
        return Response("There is no such export.", 404)
    if delimiter not in list(CsvDelimiter):
        return Response("There is no such delimiter.", 404)
    try:
        export = await run_in_threadpool(
            exports.plan_export,
            open_workspace(),
            request.path_params["dataset"],
            version=int(number) if number else None,
            split=wanted.get("split") or None,
        )
    except TouchstoneError as err:
        return Response(err.message, 404)
    file_format = ExportFormat(kind)
    try:
        if file_format.has_images:
            await in_time(EXPORTS, EXPORT_S, exports.refuse_changed, open_workspace(), export)
    except (FilesChangedError, NoAnswerError) as err:
        return Response(str(err), 409)
    await run_in_threadpool(exports.note_export, open_workspace(), export, file_format.value)
    blocks = exports.export_blocks(export, file_format, delimiter=CsvDelimiter(delimiter))
    name = quote(f"{export.name}.{kind}", safe="")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    sent = blocks_in_time(EXPORTS, EXPORT_S, blocks)
    return StreamingResponse(sent, media_type=file_format.media_type, headers=headers)


def from_our_page(request: Request) -> bool:
    """Whether a request that changes something was sent by this app."""
    # Why both: a foreign page can send a form here, but neither this header nor another origin.
    origin = urlsplit(request.headers.get("origin", ""))
    return origin.netloc == request.headers.get("host") and UPLOAD_HEADER in request.headers


async def _report(request: Request) -> Response:
    """A report to view, or with `?download` to save; its table always to save."""
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
    if not from_our_page(request):
        return JSONResponse({"error": "This upload did not come from the app's page."}, 403)
    workspace = open_workspace()
    header = request.headers.get("content-length", "0")
    announced = int(header) if header.isascii() and header.isdecimal() else 0
    target = workspace.uploads / f"{new_id('zip')}.zip"
    try:
        _refuse_upload(workspace, announced)
        with atomic_write(target) as partial, partial.open("wb") as file:
            checked = 0
            async for block in request.stream():
                if (received := file.tell() + len(block)) - checked > _CHECK_EVERY_BYTES:
                    checked = received  # others write to the disk too
                    _refuse_upload(workspace, 0)
                uploads.refuse_zip_size(workspace, received)
                await run_in_threadpool(file.write, block)
    except NotAllowedError as err:
        return JSONResponse({"error": str(err)}, 403)
    except TouchstoneError as err:
        return JSONResponse({"error": str(err)}, 413)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it
    except OSError as err:
        if err.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        full = "The disk of the server is full. Nothing was stored; free some space and try again."
        return JSONResponse({"error": full}, 413)
    return JSONResponse({"upload": target.name, "size": target.stat().st_size})


def _refuse_upload(workspace: Workspace, size: int) -> None:
    """Raise where a ZIP file of so many bytes is too much: alone, with others, for the disk."""
    uploads.refuse_readers(workspace)
    uploads.refuse_zip_size(workspace, size)
    require_space(workspace.uploads, size, "The ZIP file")
    uploads.refuse_over_quota(workspace, size)


def _home(request: Request) -> Response:
    """Streamlit knows its first page by no name."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"./{query}")


ROUTES = [
    Route("/home", _home),
    Route("/pictures/{sample:int}/thumbnail", _thumbnail),
    Route("/pictures/{sample:int}/full", _image),
    Route("/pictures/{sample:int}/facts", _facts),
    Route("/datasets/{dataset}/export.{kind}", _export),
    Route("/datasets/{dataset}/edits", _edit, methods=["POST"]),
    Route("/vendor/plotly.min.js", _plotly),
    Route("/vendor/plotly-small.min.js", _plotly),
    Route("/model-files/{model}", _model),
    Route("/reports/{report}.{ending}", _report),
    Route("/uploads/zip", _upload_zip, methods=["POST"]),
]
