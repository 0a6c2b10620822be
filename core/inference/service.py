"""The work of the inference process: plain functions over files.

The app submits them to one long-lived process, which keeps the model loaded between calls. This
module is light, because the app imports it to name the functions.
"""

import hashlib
import io
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.data.pixels.images import MAX_FILE_BYTES, read_image
from core.data.pixels.preprocess import load_pixels, preprocess_image
from core.domain.depth import GrayLevels
from core.domain.models import ColourMap, HeatmapMethod, ModelFormat, Prediction
from core.errors import ModelFileError
from core.files import read_user_file
from core.inference.detector import mean_of_places
from core.inference.explaining import changes
from core.inference.explaining.changes import WhatIf
from core.inference.heatmaps import Explainer
from core.inference.overlay import overlay
from core.inference.predictor import Predictor, build_module
from core.models.bundle import read_card, read_shapes
from core.models.learned import content_digest

Source = Path | bytes


@lru_cache(maxsize=2)
def _predictor(bundle: Path, runtimes: Path) -> Predictor:
    return Predictor.open(bundle, runtimes=runtimes)


@lru_cache(maxsize=2)
def _explainer(bundle: Path, runtimes: Path) -> Explainer:
    return Explainer(_predictor(bundle, runtimes))


def warm_up(bundle: Path, runtimes: Path) -> None:
    """Load a model before the first request needs it."""
    _explainer(bundle, runtimes).warm_up()


def predict(
    bundle: Path, runtimes: Path, sources: list[Source], names: list[str]
) -> list[Prediction]:
    """One prediction per image, in order; unreadable ones carry their error."""
    return list(_predictor(bundle, runtimes).predict([_opened(s) for s in sources], names))


def explained(
    bundle: Path,
    runtimes: Path,
    source: Source,
    name: str,
    class_index: int | None,
    method: HeatmapMethod,
    colours: ColourMap,
) -> tuple[Prediction, bytes]:
    """What the model says of one image, and the PNG overlay of a class; None: the predicted one.

    Raises:
        UnreadableImageError: if the image cannot be decoded.
    """
    explainer, predictor = _explainer(bundle, runtimes), _predictor(bundle, runtimes)
    pixels = _network_pixels(bundle, runtimes, source)
    said = predictor.judged(name, explainer.features(pixels))
    if class_index is None:
        class_index = predictor.card.class_names.index(said.confidences[0][0])
    heat = explainer.heatmap(pixels, class_index, method)
    return said, _png(overlay(pixels, heat, colours=colours))


def heat(
    bundle: Path, runtimes: Path, source: Source, class_index: int, method: HeatmapMethod
) -> bytes:
    """The heatmap alone, as a PNG of one channel: 0 to 255, aligned to the preprocessed image.

    Raises:
        UnreadableImageError: if the image cannot be decoded.
    """
    pixels = _network_pixels(bundle, runtimes, source)
    values = _explainer(bundle, runtimes).heatmap(pixels, class_index, method)
    return _png(Image.fromarray((values * 255 + 0.5).astype(np.uint8)))


def network_input(bundle: Path, runtimes: Path, source: Source) -> bytes:
    """The preprocessed image as a PNG: exactly the pixels that the network gets.

    Raises:
        UnreadableImageError: if the image cannot be decoded.
    """
    return _png(Image.fromarray(_network_pixels(bundle, runtimes, source)))


def what_if(
    bundle: Path, runtimes: Path, source: Source, asked: WhatIf
) -> tuple[Prediction, bytes]:
    """What a model says of a changed image, and what it sees of it, as a PNG.

    Raises:
        UnreadableImageError: if the image cannot be decoded.
    """
    predictor = _predictor(bundle, runtimes)
    modified = source.stat().st_mtime_ns if isinstance(source, Path) and source.exists() else 0
    config = predictor.card.preprocess
    image = changes.what_if(_upright(source, modified, config.levels), asked)
    pixels = preprocess_image(image, config)
    (features,) = predictor.features(pixels[None])
    return predictor.judged("", features), _png(Image.fromarray(pixels))


# Why kept: an image is asked for at every step of a slider.
@lru_cache(maxsize=2)
def _upright(source: Source, _modified_ns: int, levels: GrayLevels | None) -> Image.Image:
    return read_image(_opened(source), levels=levels)


def export_network(
    bundle: Path,
    folder: Path,
    model_format: ModelFormat,
    sha256: str,
    rule: str,
    calibration: list[Path],
) -> None:
    """Write a model for another program; see `core/inference/exporting.py`.

    Raises:
        TouchstoneError: if it cannot be written in this format.
    """
    from core.inference.exporting import write_network

    write_network(bundle, folder, model_format, sha256=sha256, rule=rule, calibration=calibration)


def nearest(
    bundle: Path, runtimes: Path, source: Source, count: int
) -> list[tuple[str, float]] | None:
    """The training images that are nearest to an image by its features, besides itself.

    Returns:
        For each, nearest first, the first 16 hexadecimal digits of the SHA-256 of its content, and
        its score (`core.inference.unfamiliar`); None if the model has kept none.

    Raises:
        UnreadableImageError: if the image cannot be decoded.
    """
    predictor = _predictor(bundle, runtimes)
    if predictor.unfamiliar is None:
        return None
    pixels = _network_pixels(bundle, runtimes, source)
    content = source
    if isinstance(content, Path):
        content = read_user_file(content, most_bytes=MAX_FILE_BYTES)
    own = content_digest(hashlib.sha256(content).hexdigest())
    (features,) = predictor.features(pixels[None])
    if predictor.detector is not None:
        features = mean_of_places(features)
    found = predictor.unfamiliar.nearest(features, count, besides=own)
    return [(f"{digest:016x}", score) for digest, score in found]


def check_bundle(bundle: Path, runtimes: Path) -> None:
    """Load an uploaded model strictly.

    Raises:
        ModelFileError: if it cannot be used.
    """
    from core.models.build import network_shapes

    card = read_card(bundle)
    # Why first: a small file may name a network of gigabytes.
    expected, head = network_shapes(card.network, len(card.class_names))
    given = read_shapes(bundle)
    if card.head_is_own:
        expected = {k: shape for k, shape in expected.items() if not k.startswith(f"{head}.")}
        given = {k: shape for k, shape in given.items() if not k.startswith(f"{card.head}.")}
    if expected != given:
        raise ModelFileError(
            f"The weights of model '{card.name}' do not fit the network {card.network}.",
            "Download the model again from where it was made.",
        )
    predictor = Predictor.open(bundle, runtimes=runtimes)
    build_module(predictor.card, predictor.tensors)
    if predictor.detector is not None:
        side = card.preprocess.image_size_px
        example = predictor.features(np.zeros((1, side, side, 3), np.uint8))
        if example.shape[2] != predictor.detector.channels:
            raise ModelFileError(
                f"What model '{card.name}' knows of good images does not fit its network.",
                "Download the model again from where it was made.",
            )


def _network_pixels(bundle: Path, runtimes: Path, source: Source) -> NDArray[np.uint8]:
    modified = source.stat().st_mtime_ns if isinstance(source, Path) and source.exists() else 0
    return _pixels(bundle, runtimes, source, modified)


# Why kept: an image is asked for once per class that is looked at.
@lru_cache(maxsize=8)
def _pixels(bundle: Path, runtimes: Path, source: Source, _modified_ns: int) -> NDArray[np.uint8]:
    pixels = load_pixels(_opened(source), _predictor(bundle, runtimes).card.preprocess)
    pixels.flags.writeable = False
    return pixels


def _opened(source: Source) -> Path | io.BytesIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
