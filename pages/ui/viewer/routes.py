"""What the image dialog asks over HTTP: an image in words, as the network sees it, heatmaps."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.data.importing.preview import preview_uploaded
from core.domain.models import HeatmapMethod, Model
from core.domain.signoff import MarkKind
from core.errors import NotAllowedError, NotFoundError, TouchstoneError
from core.inference.explaining.changes import WhatIf
from core.workflows.data import image_facts
from core.workflows.results import evaluation, focus
from core.workflows.use import alike, models, prediction
from core.workspace import open_workspace
from pages.ui import inference
from pages.ui.routes import from_our_page
from pages.ui.viewer import about, explaining, uploads
from pages.ui.viewer.uploads import Upload
from pages.ui.waiting import PICTURE_S, PICTURES, in_time

_CACHE = {"Cache-Control": "private, max-age=86400"}
_NEW = {"Cache-Control": "no-store"}


async def _about(request: Request) -> Response:
    """Everything in words about an image; never kept, because labels and marks change."""

    def answer() -> about.ImageView:
        model = _model(request)
        token = request.path_params.get("token")
        if token is None:
            return about.of_sample(open_workspace(), request.path_params["sample"], model)
        if model is None:
            raise NotFoundError("There is no such model.", "Choose another one.")
        return about.of_upload(open_workspace(), _upload(token), model)

    try:
        view = await in_time(PICTURES, PICTURE_S, answer)
    except TouchstoneError as err:
        return JSONResponse({"error": str(err)}, 404)
    return JSONResponse(asdict(view), headers=_NEW)


async def _input(request: Request) -> Response:
    """The image after preprocessing, pixel for pixel."""
    return await _png(
        lambda: prediction.network_input(
            open_workspace(), _known_model(request), _source(request), call=inference.call
        )
    )


async def _heat(request: Request) -> Response:
    """The heatmap of one class: gray values 0 to 255 in the square of the network."""

    def answer() -> bytes:
        model, wanted = _known_model(request), request.query_params
        try:
            method, index = HeatmapMethod(wanted.get("method", "")), int(wanted.get("class", ""))
        except ValueError:
            raise NotFoundError("There is no such heatmap.", "Reload the page.") from None
        if not 0 <= index < len(model.class_names):
            raise NotFoundError("The model has no such class.", "Reload the page.")
        return prediction.heat(
            open_workspace(), model, _source(request), index, method=method, call=inference.call
        )

    return await _png(answer)


async def _heated(request: Request) -> Response:
    """A thumbnail with its kept heatmap."""
    return await _png(
        lambda: focus.heated_thumbnail(
            open_workspace(), _known_model(request), request.path_params["sample"]
        )
    )


async def _alike(request: Request) -> Response:
    """The nearest training images of an image; asked for once it is shown."""

    def answer() -> explaining.AlikeView:
        model = _known_model(request)
        found = alike.nearest_images(open_workspace(), model, _source(request), call=inference.call)
        return explaining.alike_view(found)

    try:
        view = await in_time(PICTURES, PICTURE_S, answer)
    except TouchstoneError as err:
        return JSONResponse({"error": str(err)}, 404)
    return JSONResponse(asdict(view), headers=_NEW)


async def _what_if(request: Request) -> Response:
    """What the model says of a changed copy of an image."""

    def answer() -> explaining.WhatIfView:
        workspace, model = open_workspace(), _known_model(request)
        if "token" not in request.path_params:
            view = about.of_sample(workspace, request.path_params["sample"], model)
            if view.result is None:  # a sealed test image, for example
                raise NotFoundError(view.note or "There is no result.", "Choose another image.")
        asked = _asked_change(request)
        said, seen = prediction.what_if(
            workspace, model, _source(request), asked, call=inference.call
        )
        note = about.unfamiliar_note(said, is_detector=model.is_detector)
        return explaining.what_if_view(model, said, seen, note)

    try:
        view = await in_time(PICTURES, PICTURE_S, answer)
    except TouchstoneError as err:
        return JSONResponse({"error": str(err)}, 404)
    return JSONResponse(asdict(view), headers=_NEW)


async def _final(request: Request) -> Response:
    """What the final model says of an image that it learned from, after its stored result."""

    def answer() -> explaining.FinalView:
        workspace, model = open_workspace(), _known_model(request)
        view = about.of_sample(workspace, request.path_params["sample"], model)
        if view.result is None or not view.result.final:
            raise NotFoundError(view.note or "There is no other result.", "Reload the page.")
        sources = [_source(request)]
        (said,) = prediction.predict(workspace, model, sources, [view.name], call=inference.call)
        if said.error is not None:
            raise NotFoundError(said.error)
        return explaining.final_view(model, said, about.HELD_OUT)

    try:
        view = await in_time(PICTURES, PICTURE_S, answer)
    except TouchstoneError as err:
        return JSONResponse({"error": str(err)}, 404)
    return JSONResponse(asdict(view), headers=_NEW)


def _asked_change(request: Request) -> WhatIf:
    """The change that an address asks for; numbers beyond what a slider gives are held at its end.

    Raises:
        NotFoundError: if it cannot be read.
    """
    wanted = request.query_params

    def number(name: str, low: float, usual: float, high: float) -> float:
        return min(high, max(low, float(wanted.get(name, usual))))

    try:
        sides = tuple(float(value) for value in wanted.get("cover", "").split(",") if value)
        if not all(math.isfinite(value) for value in sides) or len(sides) not in (0, 4):
            raise ValueError
        return WhatIf(
            cover=(sides[0], sides[1], sides[2], sides[3]) if sides else None,
            rotation=number("rotation", -180, 0, 180),
            crop=number("crop", 0, 0, 0.9),
            brightness=number("brightness", 0, 1, 4),
            blur=number("blur", 0, 0, 10),
            noise=number("noise", 0, 0, 100),
        )
    except ValueError:
        raise NotFoundError("There is no such change.", "Reload the page.") from None


async def _uploaded_image(request: Request) -> Response:
    def answer() -> bytes:
        return about.uploaded_view(_upload(request.path_params["token"]), _known_model(request))

    return await _png(answer)


async def _uploaded_thumbnail(request: Request) -> Response:
    def answer() -> bytes:
        content = _upload(request.path_params["token"]).load()
        levels = _known_model(request).preprocess.levels
        small: bytes | None = inference.call(preview_uploaded, content, levels)
        if small is None:
            raise NotFoundError("The image cannot be read.", "Drop a JPEG, PNG or TIFF.")
        return small

    return await _png(answer)


async def _mark(request: Request) -> Response:
    """Mark an image, or take the mark away."""
    if not from_our_page(request):
        return JSONResponse({"error": "This mark did not come from the app's page."}, 403)
    try:
        wanted = json.loads(await request.body())
        kind, on = MarkKind(wanted["kind"]), bool(wanted["on"])
    except (ValueError, KeyError, TypeError):
        return JSONResponse({"error": "This mark cannot be read."}, 400)
    sample_id = request.path_params["sample"]

    def answer() -> None:
        image_facts.facts_of(open_workspace(), sample_id)  # raises where there is no such image
        evaluation.mark(open_workspace(), [sample_id], kind, on=on)

    try:
        await run_in_threadpool(answer)
    except NotAllowedError as err:
        return JSONResponse({"error": str(err)}, 403)
    except TouchstoneError as err:
        return JSONResponse({"error": str(err)}, 404)
    return JSONResponse({"kind": kind.value, "on": on})


async def _answer(request: Request) -> Response:
    """Keep which class somebody says that an upload shows, or take it back."""
    if not from_our_page(request):
        return JSONResponse({"error": "This answer did not come from the app's page."}, 403)
    try:
        name = json.loads(await request.body())["class_name"]
    except (ValueError, KeyError, TypeError):
        return JSONResponse({"error": "This answer cannot be read."}, 400)
    upload = uploads.find(request.path_params["token"])
    if upload is None or not (name is None or isinstance(name, str)):
        return JSONResponse({"error": about.GONE}, 404)
    upload.answer, upload.answered_aside = name, True
    return JSONResponse({"class_name": name})


async def _png(make: Callable[[], bytes]) -> Response:
    try:
        content = await in_time(PICTURES, PICTURE_S, make)
    except TouchstoneError as err:
        return Response(err.message, 404)
    # Why kept for a day: the address names the model and the content of the image.
    return Response(content, media_type="image/png", headers=_CACHE)


def _model(request: Request) -> Model | None:
    wanted = request.query_params.get("model")
    return models.find_model(open_workspace(), wanted) if wanted else None


def _known_model(request: Request) -> Model:
    model = _model(request)
    if model is None:
        raise NotFoundError("There is no such model.", "Choose another one.")
    return model


def _source(request: Request) -> Path | bytes:
    """The file of a sample, or the content of an upload.

    Raises:
        NotFoundError: if it is gone.
        FilesChangedError: if the file has another content than when it was imported.
    """
    token = request.path_params.get("token")
    if token is not None:
        return _upload(token).load()
    return image_facts.image_file(open_workspace(), request.path_params["sample"])


def _upload(token: str) -> Upload:
    upload = uploads.find(token)
    if upload is None:
        raise NotFoundError("There is no such image.", about.GONE)
    return upload


ROUTES = [
    Route("/pictures/{sample:int}/about", _about),
    Route("/pictures/{sample:int}/input", _input),
    Route("/pictures/{sample:int}/heat", _heat),
    Route("/pictures/{sample:int}/alike", _alike),
    Route("/pictures/{sample:int}/heated", _heated),
    Route("/pictures/{sample:int}/whatif", _what_if),
    Route("/pictures/{sample:int}/final", _final),
    Route("/pictures/{sample:int}/marks", _mark, methods=["POST"]),
    Route("/uploaded/{token}/about", _about),
    Route("/uploaded/{token}/input", _input),
    Route("/uploaded/{token}/heat", _heat),
    Route("/uploaded/{token}/alike", _alike),
    Route("/uploaded/{token}/whatif", _what_if),
    Route("/uploaded/{token}/answer", _answer, methods=["POST"]),
    Route("/uploaded/{token}/full", _uploaded_image),
    Route("/uploaded/{token}/thumbnail", _uploaded_thumbnail),
]
