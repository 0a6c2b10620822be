"""The work of the inference process: plain functions over files.

The app submits them to one long-lived process, which keeps the model loaded between calls. This
module is light, because the app imports it to name the functions; only the first heatmap loads
torch.
"""

import io
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.data.pixels.preprocess import load_pixels
from core.domain.models import HeatmapMethod, Prediction
from core.inference.predictor import Predictor

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.inference.heatmaps import Explainer

Source = Path | bytes


@lru_cache(maxsize=2)
def _predictor(bundle: Path, runtimes: Path) -> Predictor:
    return Predictor.open(bundle, runtimes=runtimes)


@lru_cache(maxsize=2)
def _explainer(bundle: Path, runtimes: Path) -> "Explainer":
    from core.inference.heatmaps import Explainer

    return Explainer(_predictor(bundle, runtimes))


def warm_up(bundle: Path, runtimes: Path) -> None:
    """Load a model before the first request needs it."""
    _explainer(bundle, runtimes)


def predict(
    bundle: Path, runtimes: Path, sources: list[Source], names: list[str]
) -> list[Prediction]:
    """One prediction per image, in order; unreadable ones carry their error."""
    return list(_predictor(bundle, runtimes).predict([_opened(s) for s in sources], names))


def heatmaps(
    bundle: Path, runtimes: Path, source: Source, classes: list[int], method: HeatmapMethod
) -> list[bytes]:
    """PNG overlays of one image, one per class index, preceded by the bare preprocessed image.

    Raises:
        UnreadableImageError: if the image cannot be decoded.
    """
    from core.inference.heatmaps import overlay

    explainer = _explainer(bundle, runtimes)
    pixels = load_pixels(_opened(source), _predictor(bundle, runtimes).card.preprocess)
    bare = overlay(pixels, pixels[:, :, 0] * 0.0)
    layers = [overlay(pixels, explainer.heatmap(pixels, index, method)) for index in classes]
    return [_png(image) for image in (bare, *layers)]


def check_bundle(bundle: Path, runtimes: Path) -> None:
    """Load an uploaded model strictly.

    Raises:
        ModelFileError: if it cannot be used.
    """
    from core.inference.heatmaps import Explainer

    Explainer(Predictor.open(bundle, runtimes=runtimes))


def _opened(source: Source) -> Path | io.BytesIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source


def _png(image: "Image") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
