"""What the image dialog shows to explain: graded methods, changed copies, alike images."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from core.domain.models import HeatmapMethod, Model, Prediction
from core.evaluation.decisions.rule import decision_in_words
from core.workflows.results import heatmap_grades, heatmap_words
from core.workflows.use.alike import AlikeImage
from core.workspace import Workspace
from pages.ui import routes, text
from pages.ui.places import Place


@dataclass(frozen=True)
class MethodView:
    """A method of heatmaps as it is offered; `note` says what it is worth for this model.

    `is_quick`: so that those of the next images can be fetched ahead. `is_recommended`: the one
    that is shown unless another was chosen.
    """

    key: str
    label: str
    help: str
    note: str
    is_weak: bool
    is_quick: bool
    is_recommended: bool = False


def methods_of(workspace: Workspace, model: Model) -> tuple[MethodView, ...]:
    """All methods: those that were tested and are worth something first."""
    tested = heatmap_grades.heatmap_test(workspace, model)
    graded = {item.method: item for item in tested.methods} if tested else {}
    ordered = [*graded, *(m for m in heatmap_grades.methods_for(model) if m not in graded)]
    first = heatmap_grades.recommended(tested, model)
    ordered.sort(key=lambda method: method is not first)
    return tuple(
        MethodView(
            method.value,
            heatmap_words.method_in_words(method, of_detector=model.is_detector),
            heatmap_words.method_help(method, of_detector=model.is_detector),
            heatmap_words.grade_in_words(graded[method]) if method in graded else "",
            method in graded and graded[method].trust.is_weak,
            method in (HeatmapMethod.GRAD_CAM, HeatmapMethod.FINE_GRAD_CAM),
            method is first,
        )
        for method in ordered
    )


@dataclass(frozen=True)
class WhatIfView:
    """What a model says of a changed image: by class index, and in words. `image` is a PNG."""

    confidences: tuple[float, ...]
    words: tuple[str, ...]
    title: str
    note: str
    image: str


def what_if_view(model: Model, said: Prediction, seen: bytes, note: str) -> WhatIfView:
    """What the dialog shows of a changed image; `note` is how far to trust it."""
    confidences = dict(said.confidences)
    values = tuple(confidences[name] for name in model.class_names)
    title = f"{said.class_name} {text.confidence(said.confidence)}"
    return WhatIfView(
        values,
        tuple(text.confidence(value) for value in values),
        f"{title} · {decision_in_words(said.decision)}" if said.decision else title,
        note,
        f"data:image/png;base64,{base64.b64encode(seen).decode()}",
    )


@dataclass(frozen=True)
class FinalView:
    """What the final model says of an image whose bars are of a model that had not seen it.

    `words` are by class index; `note` tells the two apart.
    """

    words: tuple[str, ...]
    note: str


def final_view(model: Model, said: Prediction, held_out: str) -> FinalView:
    """What the dialog adds to `held_out`, the sentence that says whose the bars are."""
    confidences = dict(said.confidences)
    return FinalView(
        tuple(text.confidence(confidences[name]) for name in model.class_names),
        f"{held_out.rstrip('.')}; the final model says {said.class_name} "
        f"{text.confidence(said.confidence)}.",
    )


@dataclass(frozen=True)
class AlikeTile:
    """A training image that is near to the shown one; `page` is where it opens."""

    thumbnail: str
    page: str
    name: str
    label: str


@dataclass(frozen=True)
class AlikeView:
    """The nearest training images, nearest first; `note`: why there are none, or how near."""

    images: tuple[AlikeTile, ...]
    note: str = ""


def alike_view(found: Sequence[AlikeImage] | None) -> AlikeView:
    """What the dialog shows of the nearest training images; None: the model has kept none."""
    if found is None:
        return AlikeView((), "This model keeps no training images. Train again to compare.")
    if not found:
        return AlikeView((), "Its training images are not in this workspace.")
    return AlikeView(
        tuple(
            AlikeTile(
                routes.thumbnail_url(item.sample.id, item.sample.sha256),
                f"/{Place.DATASETS.url_path}?{urlencode(_opened(item))}",
                item.sample.name or item.sample.path,
                item.class_name or "no label",
            )
            for item in found
        ),
        "Even the nearest ones are not alike." if found[0].score > 1 else "",
    )


def _opened(item: AlikeImage) -> dict[str, str]:
    home = {} if item.dataset is None else {"dataset": item.dataset.id}
    return {**home, "image": str(item.sample.id)}
