"""The HTTP application: what it answers to which request. JSON as of `touchstone … --json`."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect

from core.api.models import part_as_json, prediction_as_json
from core.api.values import JsonObject
from core.domain.models import Prediction
from core.domain.names import known_name
from core.evaluation.decisions.part_decisions import part_results
from core.serving.engine import BusyError, Engine, SentImage, ServedModel
from core.serving.limits import BodyLimit, OfUser, ServeLimits, is_allowed
from core.serving.metrics import CONTENT_TYPE, Metrics
from core.serving.pages import OPENAPI_OF_PREDICT, overview
from core.serving.shadow import Shadow

PREDICT = "/v1/predict"
_OPEN = ("/health", "/", "/docs", "/openapi.json")  # without the token
_HERE = ["localhost", "127.0.0.1", "["]  # the last one begins every address of IPv6
_RAW = ("image/", "application/octet-stream")


def create_app(
    models: Sequence[ServedModel],
    *,
    version: str,
    limits: ServeLimits | None = None,
    token: str | None = None,
    of_user: OfUser | None = None,
    shadow: Shadow | None = None,
) -> FastAPI:
    """The application that serves some models; the first answers where a request names none.

    Args:
        models: at least one.
        version: of Touchstone.
        limits: of requests; None: the usual ones.
        token: that requests must carry; None: none, and only for names of this machine.
        of_user: which other tokens count, those of users; None: none.
        shadow: a model that runs silently beside one of them.
    """
    served = _Service(models, limits or ServeLimits(), version, shadow)
    app = FastAPI(
        title="Touchstone",
        version=version,
        docs_url=None,  # its page loads scripts from the internet
        redoc_url=None,
        lifespan=served.lifespan,
    )
    app.add_middleware(BodyLimit, most_bytes=served.limits.request_bytes)
    if token is None and of_user is None:
        # Why: a page in a browser of this machine could ask under a name of its own.
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=_HERE)

    @app.middleware("http")
    async def guarded(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        if request.url.path not in _OPEN and not await run_in_threadpool(
            is_allowed, request.headers, token, of_user
        ):
            answer = _error(401, "The bearer token is missing or wrong.", "Send it as a header.")
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        return await call_next(request)

    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)
    app.get("/v1/models", summary="The models that answer")(served.list_models)
    app.get("/v1/shadow", summary="Where the shadow model disagrees")(served.show_shadow)
    app.get("/health", summary="Whether the server answers")(served.health)
    app.get("/metrics", summary="Counters for Prometheus")(served.show_metrics)
    app.post(PREDICT, summary="Classify images", openapi_extra=OPENAPI_OF_PREDICT)(served.predict)
    for path in ("/", "/docs"):
        app.get(path, include_in_schema=False)(served.docs)
    return app


class _Service:
    """What the paths do, around one engine."""

    def __init__(
        self,
        models: Sequence[ServedModel],
        limits: ServeLimits,
        version: str,
        shadow: Shadow | None,
    ) -> None:
        self._models, self.limits, self._version = models, limits, version
        self._shadow = shadow
        self._metrics = Metrics()
        self._engine: Engine | None = None

    @asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        self._engine = Engine(most_waiting=self.limits.waiting)
        task = asyncio.create_task(self._shadow.run(self._engine)) if self._shadow else None
        try:
            yield
        finally:
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            self._engine.close()

    async def list_models(self) -> JSONResponse:
        return JSONResponse({"models": [_model_as_json(model) for model in self._models]})

    async def show_shadow(self) -> JSONResponse:
        if self._shadow is None:
            return _error(404, "No shadow model runs here.", "Start the server with --shadow.")
        return JSONResponse(self._shadow.as_json())

    async def health(self) -> JSONResponse:
        return JSONResponse({"status": "ok", "version": self._version, "models": len(self._models)})

    async def show_metrics(self) -> Response:
        assert self._engine is not None
        counts = self._shadow.images if self._shadow else {}
        compared = {kind.value: images for kind, images in counts.items()}
        content = self._metrics.text(self._engine.waiting, compared)
        return Response(content, media_type=CONTENT_TYPE)

    async def docs(self, request: Request) -> HTMLResponse:
        names = [model.name for model in self._models]
        return HTMLResponse(overview(str(request.base_url), names, self._version))

    async def predict(self, request: Request) -> Response:
        began = time.perf_counter()
        try:
            answer: Response = await self._predicted(request)
        except BusyError as err:
            answer = _error(429, err.message, err.hint)
            answer.headers["Retry-After"] = str(err.retry_after_s)
        except HTTPException as err:
            answer = _http_error(request, err)
        except ClientDisconnect:
            answer = _error(400, "The request was cut off.", "Send it again.")
        self._metrics.answered(answer.status_code, time.perf_counter() - began)
        return answer

    async def _predicted(self, request: Request) -> JSONResponse:
        assert self._engine is not None
        self._engine.refuse_if_full()  # Why before: what is refused need not be received
        images, wanted = await self._received(request)
        if not images:
            raise _refusal(400, "The request has no image.", "Send files in the field 'files'.")
        # Why the smaller one: for more images than may wait there would never be room.
        most = min(self.limits.images, self.limits.waiting)
        if len(images) > most:
            words = f"{len(images)} images were sent; the limit of a request is {most}."
            raise _refusal(
                413, words, "Send several requests, or raise --max-images and --max-waiting."
            )
        model = self._model(wanted)
        results = await self._engine.predict(model, images)
        self._metrics.predicted(model.name, results)
        if self._shadow is not None:
            self._shadow.offer(model, images, results)
        return JSONResponse(_answer(model, results))

    async def _received(self, request: Request) -> tuple[list[SentImage], str]:
        """The images of a request, and the name of the model that it wants."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        query = request.query_params
        if kind == "multipart/form-data":
            form = await request.form(
                max_files=self.limits.images + 1, max_fields=2 * self.limits.images + 4
            )
            try:
                return await _images_of(form), str(form.get("model") or query.get("model") or "")
            finally:
                await form.close()
        if kind.startswith(_RAW):
            content = await request.body()
            name, part = query.get("name") or "image", query.get("part") or None
            images = [SentImage(name, content, part)] if content else []
            return images, query.get("model") or ""
        raise _refusal(
            415,
            f"A body of type '{kind}' is not understood.",
            "Send multipart/form-data with the field 'files', or one image as image/png.",
        )

    def _model(self, wanted: str) -> ServedModel:
        if not wanted:
            return self._models[0]
        by_name = {model.name: model for model in self._models}
        name = known_name(wanted, by_name)
        match = by_name[name] if name else next((m for m in self._models if m.id == wanted), None)
        if match is None:
            listed = ", ".join(by_name)
            raise _refusal(404, f"No model '{wanted}' is served here.", f"There are: {listed}.")
        return match


async def _images_of(form: FormData) -> list[SentImage]:
    """The files of a form; parts are one for all of them, or one each in their order."""
    files = [item for item in form.getlist("files") if isinstance(item, UploadFile)]
    parts = [str(item) for item in form.getlist("parts")]
    if len(parts) not in (0, 1, len(files)):
        raise _refusal(
            400,
            f"{len(files)} files were sent with {len(parts)} parts.",
            "Send the field 'parts' once for each file, once for all of them, or not at all.",
        )
    each = parts * len(files) if len(parts) == 1 else parts or [""] * len(files)
    return [
        SentImage(file.filename or "image", await file.read(), part or None)
        for file, part in zip(files, each, strict=True)
    ]


def _answer(model: ServedModel, results: Sequence[Prediction]) -> JsonObject:
    decided = part_results(results, model.rule)
    return {
        "model": _model_as_json(model),
        "predictions": [prediction_as_json(item) for item in results],
        **({"parts": [part_as_json(part) for part in decided]} if decided else {}),
    }


def _model_as_json(model: ServedModel) -> JsonObject:
    card = model.predictor.card
    return {
        "model_id": model.id,
        "name": model.name,
        "sha256": model.sha256,
        "class_names": list(card.class_names),
        "rule": model.rule.in_words if model.rule else None,
        "part_rule": model.rule.point.parts.text if model.rule else None,
    }


def _error(status: int, message: str, hint: str) -> JSONResponse:
    return JSONResponse({"error": message, "hint": hint}, status)


def _refusal(status: int, message: str, hint: str) -> HTTPException:
    return HTTPException(status, {"error": message, "hint": hint})  # type: ignore[arg-type]


def _http_error(_: Request, err: Any) -> JSONResponse:
    detail = err.detail if isinstance(err.detail, dict) else {"error": str(err.detail), "hint": ""}
    return JSONResponse(detail, err.status_code, err.headers)


def _unexpected(_: Request, err: Exception) -> JSONResponse:
    return _error(
        500, "Something went wrong.", f"The log of the server has the {type(err).__name__}."
    )
