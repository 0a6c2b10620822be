"""What the image dialog shows of one image: words, addresses and places, ready for the browser."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import assert_never
from urllib.parse import urlencode

import numpy as np
from PIL import Image

from core.data.importing.preview import whole_uploaded
from core.data.pixels.preprocess import placement
from core.domain.datasets import SampleStatus
from core.domain.models import Model, PartDecision, Prediction
from core.domain.splits import Subset
from core.errors import NotFoundError, TouchstoneError
from core.evaluation.decisions.rule import decision_in_words
from core.workflows import files
from core.workflows.data import image_facts
from core.workflows.data.image_facts import ImageFacts
from core.workflows.results import access, evaluation
from core.workflows.results.access import ResultsAccess
from core.workflows.results.evaluation import JudgedSample
from core.workflows.use import feedback, prediction
from core.workspace import Workspace
from pages.ui import image_words, inference, judged, routes, text
from pages.ui.places import Place
from pages.ui.viewer.explaining import MethodView, methods_of
from pages.ui.viewer.uploads import Upload
from pages.ui.viewer.viewing import ImageKind, Tone

UNFAMILIAR, UNFAMILIAR_SHAPE = "Unlike the training images", "help"
UNFAMILIAR_ICON = f":material/{UNFAMILIAR_SHAPE}:"
HELD_OUT = "Predicted by a model that had not seen this image."
GONE = "This image was uploaded in another session, or its place was needed. Drop it again."


@dataclass(frozen=True)
class ClassBar:
    """A class with its confidence; `roles` are "predicted" and "labeled"."""

    name: str
    index: int
    confidence: float
    words: str
    roles: tuple[str, ...]


@dataclass(frozen=True)
class ImageResult:
    """What a model says of an image; boxes are left, top, right, bottom in fractions of it.

    `heat` is the address of the heatmaps; `&class=` and `&method=` are added to it; `alike` that
    of the nearest training images, `what_if` that of changed copies. `final` is that of what the
    final model says where `bars` are of one that had not seen the image; else empty. `side` is
    that of the network's square in its own pixels. `methods` are the best ones first; `tests` is
    the page that tests them.
    """

    bars: tuple[ClassBar, ...]
    side: int
    input: str
    heat: str
    alike: str
    what_if: str
    square: tuple[float, float, float, float]
    seen: tuple[float, float, float, float]
    methods: tuple[MethodView, ...]
    tests: str
    final: str = ""


@dataclass(frozen=True)
class ImageView:
    """An image as the dialog shows it. `problem`: why it cannot be shown; `note`: why no result is.

    `note` may also say how far to trust a result.
    `tone` is a word for the style sheet, `icon` says the same by its shape. Without `dataset` the
    image cannot be edited; `answer` is where to say which of `classes` an upload shows.
    """

    key: str
    name: str
    title: str
    tone: Tone
    icon: str
    full: str
    size: tuple[int, int]
    problem: str = ""
    note: str = ""
    result: ImageResult | None = None
    dataset: str | None = None
    answer: str = ""
    classes: tuple[str, ...] = ()
    label: str | None = None
    excluded: bool = False
    marks: tuple[str, ...] = ()
    rows: tuple[tuple[str, str], ...] = ()
    history: tuple[str, ...] = ()


def of_sample(workspace: Workspace, sample_id: int, model: Model | None) -> ImageView:
    """A sample, with what a model says of it.

    Raises:
        NotFoundError: if there is no such image.
    """
    facts = image_facts.facts_of(workspace, sample_id)
    sample = facts.sample
    path, problem = files.path_or_reason(workspace, sample)
    said, note = _said(workspace, facts, model, path)
    result = None
    if model is not None and said is not None:
        where = f"/{ImageKind.SAMPLES}/{sample.id}"
        version = sample.sha256[:12]
        size = (sample.width, sample.height)
        result = _result(workspace, where, model, said.bars, size, version)
        if said.is_held_out:
            result = replace(result, final=result.what_if.replace("/whatif?", "/final?"))
    excluded = sample.status is not SampleStatus.USED
    title, tone, icon = (said.title, said.tone, said.icon) if said else _unjudged(facts)
    return ImageView(
        key=str(sample.id),
        name=sample.name or sample.path,
        title=f"{title} (excluded)" if excluded else title,
        tone=tone,
        icon=icon,
        full=routes.image_url(sample.id, sample.sha256, model=model),
        size=(sample.width, sample.height),
        problem=problem,
        note=note,
        result=result,
        dataset=facts.dataset.id,
        classes=facts.dataset.class_names,
        label=facts.class_name,
        excluded=excluded,
        marks=tuple(
            sorted(evaluation.marks(workspace, facts.dataset.id).get(sample.id, frozenset()))
        ),
        rows=tuple(image_words.rows(facts)),
        history=tuple(image_words.history(facts)),
    )


def of_upload(workspace: Workspace, upload: Upload, model: Model) -> ImageView:
    """An uploaded image, with what a model says of it."""
    where = f"/{ImageKind.UPLOADS}/{upload.token}"
    full = f"{where}/full?{urlencode({'model': model.id})}"
    known = upload.predictions.get(model.id)
    if not upload.is_there or known is None:
        return ImageView(
            upload.token, upload.name, upload.name, "", "image", full, (1, 1), problem=GONE
        )
    (item,) = [known] if upload.is_of_folder else prediction.decided(workspace, model, [known])
    if item.error is not None:
        return ImageView(
            upload.token,
            upload.name,
            "Unreadable",
            "wrong",
            "broken_image",
            full,
            (1, 1),
            problem=item.error,
        )
    tone, icon = decision_look(item.decision)
    title = f"{item.class_name} {text.confidence(item.confidence)}"
    bars = _bars(model.class_names, dict(item.confidences), predicted=item.class_name, label=None)
    if upload.size is None:
        upload.size = Image.open(io.BytesIO(uploaded_view(upload, model))).size
    size = upload.size
    return ImageView(
        key=upload.token,
        name=upload.name,
        title=f"{title} · {decision_in_words(item.decision)}" if item.decision else title,
        tone=tone,
        icon=icon,
        full=full,
        size=size,
        note=unfamiliar_note(item, is_detector=model.is_detector),
        result=_result(workspace, where, model, bars, size, ""),
        answer=f"{where}/answer",
        classes=feedback.classes_to_answer(workspace, model),
        label=upload.answer,
    )


def unfamiliar_note(item: Prediction, *, is_detector: bool = False) -> str:
    """That an image is unfamiliar and what that means; empty for others, but for detectors."""
    if item.unfamiliar is not None and is_detector:
        return f"Score {text.decimal(item.unfamiliar, 2)}; above 1 it is unlike the good images."
    if item.unfamiliar is None or not item.is_unfamiliar:
        return ""
    return (
        f"{UNFAMILIAR} (score {text.decimal(item.unfamiliar, 2)}, the limit is 1): do not rely on "
        "the class, however high the confidence."
    )


def uploaded_view(upload: Upload, model: Model) -> bytes:
    """The whole uploaded image as a PNG, with the pixels that the model reads.

    Raises:
        NotFoundError: if its content is gone.
        UnreadableImageError: if it cannot be decoded.
    """
    content: bytes = inference.call(whole_uploaded, upload.load(), model.preprocess.levels)
    return content


def decision_look(decision: PartDecision | None) -> tuple[Tone, str]:
    """Tone and icon of a decision; the icons differ in shape."""
    match decision:
        case None:
            return "", "label"
        case PartDecision.ACCEPT:
            return "accept", "check_circle"
        case PartDecision.REVIEW:
            return "review", "person_search"
        case PartDecision.REJECT:
            return "reject", "block"
        case _:
            assert_never(decision)


@dataclass(frozen=True)
class _Said:
    """What a model says of a sample; `is_held_out`: not the final one, but one before its refit."""

    title: str
    tone: Tone
    icon: str
    bars: tuple[ClassBar, ...]
    is_held_out: bool = False


def _said(
    workspace: Workspace, facts: ImageFacts, model: Model | None, path: Path | None
) -> tuple[_Said | None, str]:
    """What the model says, and why that is not shown or what it is worth."""
    if model is None:
        return None, ""
    subset = next((s for split, s in facts.subsets if split.id == model.split_id), None)
    if subset is Subset.TEST:
        note = _withheld(access.access_to_test(workspace, model))
        if note:
            return None, note
    item = _judged(workspace, model, subset, facts.sample.id) if subset else None
    if item is not None:
        said = _said_of(item, model.class_names)
        if model.validation_cross_validated and subset is Subset.VALIDATION:
            return replace(said, is_held_out=True), HELD_OUT
        return said, ""
    if path is None:
        return None, ""
    try:
        (now,) = prediction.predict(workspace, model, [path], [""], call=inference.call)
    except TouchstoneError as err:
        return None, str(err)
    if now.error is not None:
        return None, now.error
    note = unfamiliar_note(now, is_detector=model.is_detector)
    return _said_now(now, model.class_names, facts.class_name), note


def _withheld(shown: ResultsAccess) -> str:
    match shown:
        case ResultsAccess.SHOWN:
            return ""
        case ResultsAccess.SEALED:
            return "This is a sealed test image: its result is shown once the test is opened."
        case ResultsAccess.NOT_VIEWED:
            return "This is a test image, and nobody has viewed the test results of the model yet."
        case _:
            assert_never(shown)


def _judged(
    workspace: Workspace, model: Model, subset: Subset, sample_id: int
) -> JudgedSample | None:
    """The stored result of a sample, or None."""
    try:
        known = judged.judgement_aside(workspace, model, subset)
    except NotFoundError:
        return None
    at = np.flatnonzero(known.sample_ids == sample_id)
    items = evaluation.judged_images(workspace, known, at)
    return items[0] if items else None


def _said_of(item: JudgedSample, names: Sequence[str]) -> _Said:
    confidences = dict(zip(names, item.probabilities, strict=True))
    return _compared(names, confidences, names[item.predicted], names[item.target])


def _said_now(item: Prediction, names: Sequence[str], label: str | None) -> _Said:
    known = label if label in names else None
    return _compared(names, dict(item.confidences), item.class_name or "", known)


def _compared(
    names: Sequence[str], confidences: Mapping[str, float], predicted: str, label: str | None
) -> _Said:
    said = f"{predicted} {text.confidence(confidences[predicted])}"
    bars = _bars(names, confidences, predicted=predicted, label=label)
    if label is None:
        return _Said(f"Predicted {said}", "", "label", bars)
    if predicted == label:
        return _Said(f"Right: {said}", "right", "check_circle", bars)
    return _Said(f"Wrong: predicted {said}, labeled {label}", "wrong", "cancel", bars)


def _bars(
    names: Sequence[str],
    confidences: Mapping[str, float],
    *,
    predicted: str | None,
    label: str | None,
) -> tuple[ClassBar, ...]:
    """In decreasing order of confidence."""
    order = sorted(range(len(names)), key=lambda i: -confidences[names[i]])
    return tuple(
        ClassBar(
            names[i],
            i,
            confidences[names[i]],
            text.confidence(confidences[names[i]]),
            tuple(
                role
                for role, name in (("predicted", predicted), ("labeled", label))
                if name == names[i]
            ),
        )
        for i in order
    )


def _unjudged(facts: ImageFacts) -> tuple[str, Tone, str]:
    return facts.class_name or "No label", "", "label"


def _result(
    workspace: Workspace,
    where: str,
    model: Model,
    bars: tuple[ClassBar, ...],
    size: tuple[int, int],
    content: str,
) -> ImageResult:
    asked = urlencode({"model": model.id, "content": content})
    place = placement(size, model.preprocess)
    return ImageResult(
        bars,
        model.preprocess.image_size_px,
        f"{where}/input?{asked}",
        f"{where}/heat?{asked}",
        f"{where}/alike?{asked}",
        f"{where}/whatif?{asked}",
        place.square,
        place.seen,
        methods_of(workspace, model),
        f"/{Place.EVALUATE.url_path}?{urlencode({'model': model.id, 'tab': 'Heatmaps'})}",
    )
