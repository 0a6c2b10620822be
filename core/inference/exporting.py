"""Models for other programs: one graph from uint8 pixels to confidences, and what it needs beside.

The folder runs without Touchstone: network, description, README and an example of 30 lines. The
example itself, in a process of its own, is what is checked against the original.
"""

import contextlib
import io
import json
import logging
import math
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

import numpy as np
from numpy.typing import NDArray

from core.data.pixels.preprocess import load_pixels
from core.domain.configs.choices import Normalization
from core.domain.models import ModelFormat, PartDecision, Prediction
from core.domain.parts import part_rule
from core.errors import ConfigError, ModelFileError, TouchstoneError
from core.inference import export_texts
from core.inference.detector import Detector, read_detector
from core.inference.heads import head_module, read_head
from core.inference.predictor import build_module
from core.models.bundle import ModelCard, Tensors, part_rule_of, read_card, read_tensors

if TYPE_CHECKING:
    import torch

FORMAT = "touchstone-export-1"
DESCRIPTION = "touchstone.json"
EXAMPLE = "example.py"
_CHECK_TIMEOUT_S = 600
_ONNX_OPSET = 17


def write_network(
    bundle: Path,
    folder: Path,
    model_format: ModelFormat,
    *,
    sha256: str,
    rule: str,
    calibration: Sequence[Path] = (),
) -> None:
    """Write a model for another program into an existing folder.

    Args:
        bundle: the model file.
        folder: gets the network, its description, a README and an example.
        model_format: for which program; not `bundle`.
        sha256: of the model file without its rule.
        rule: the decision rule as text; empty for none.
        calibration: training images by whose values the range of 8 bits is chosen.

    Raises:
        ModelFileError: if the model cannot be used.
        ConfigError: if a package is missing, or there is no readable image to calibrate with.
    """
    card, tensors = read_card(bundle), read_tensors(bundle)
    description = _description(card, sha256, rule)
    text = json.dumps(description, ensure_ascii=False, indent=2)
    whole = whole_model(card, tensors, read_detector(bundle))
    match model_format:
        case ModelFormat.OPENVINO:
            _save_openvino(_converted(whole, card), text, folder / "model.xml")
        case ModelFormat.INT8:
            network = _in_8_bits(_converted(whole, card), card, calibration)
            _save_openvino(network, text, folder / "model.xml")
        case ModelFormat.ONNX:
            _write_onnx(whole, card, text, folder / "model.onnx")
        case ModelFormat.BUNDLE:
            raise ValueError("a model file is copied, not written")
        case _:
            assert_never(model_format)
    (folder / DESCRIPTION).write_text(text, encoding="utf-8")
    example = export_texts.example(card.preprocess, model_format.value)
    (folder / EXAMPLE).write_text(example, encoding="utf-8")
    how = part_rule(part_rule_of(rule)) if rule else None
    readme = export_texts.readme(card, model_format.value, sha256=sha256, parts=how)
    (folder / "README.md").write_text(readme, encoding="utf-8")


def run_example(folder: Path, images: Sequence[Path]) -> Iterator[Prediction]:
    """What the example of an exported folder says of images; unreadable ones have an error.

    Raises:
        ModelFileError: if it does not run.
    """
    command = [sys.executable, "-I", EXAMPLE, *(str(image.absolute()) for image in images)]
    try:
        answer = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_CHECK_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as err:
        raise _no_example("it took too long") from err
    lines = answer.stdout.splitlines()
    if answer.returncode != 0 or len(lines) != len(images):
        said = answer.stderr.strip().splitlines()
        raise _no_example(said[-1] if said else f"{len(lines)} answers for {len(images)} images")
    for line in lines:
        values = json.loads(line)
        if "error" in values:
            yield Prediction(values["path"], error=values["error"])
        else:
            pairs = tuple((str(n), float(p)) for n, p in values["confidences"])
            decision = None if values["decision"] is None else PartDecision(values["decision"])
            yield Prediction(values["path"], pairs, decision=decision)


def whole_model(
    card: ModelCard, tensors: Tensors, detector: Detector | None = None
) -> "torch.nn.Module":
    """Uint8 pixels [1, S, S, 3] to confidences [1, C]; contrast and normalization included."""
    from torch import Tensor, nn

    stretch = card.preprocess.normalization

    class Whole(nn.Module):
        """Contrast, features, last layer, softmax."""

        def __init__(self) -> None:
            super().__init__()
            self.features = build_module(card, tensors)
            self.head = (
                head_module(read_head(card, tensors)) if detector is None else _distances(detector)
            )

        def forward(self, pixels: Tensor) -> Tensor:
            values = pixels.float()
            if stretch in (Normalization.ALL_CHANNELS, Normalization.FIRST_CHANNEL):
                own = values[..., :1] if stretch is Normalization.FIRST_CHANNEL else values
                low, high = own.amin((1, 2), keepdim=True), own.amax((1, 2), keepdim=True)
                values = (values - low) / (high - low).clamp(min=1.0) * 255.0
                values = (values + 0.5).floor().clamp(0, 255)
            return self.head(self.features(values)).softmax(1)  # type: ignore[no-any-return]

    return Whole().eval()


def _distances(detector: Detector) -> "torch.nn.Module":
    """Features of places [1, P, C] to logits [1, 2]: of good 0, of unlike it the log of the score.

    Their softmax are the confidences of a detector.
    """
    import torch
    from torch import Tensor, nn

    places = torch.from_numpy(detector.places.astype("float32"))

    class Distances(nn.Module):
        """The largest distance of a place to the nearest one that is kept."""

        kept: Tensor
        length: Tensor
        mean: Tensor
        deviation: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("kept", places.T.contiguous())
            self.register_buffer("length", (places**2).sum(1))
            self.register_buffer("mean", torch.from_numpy(detector.mean))
            self.register_buffer("deviation", torch.from_numpy(detector.deviation))

        def forward(self, features: Tensor) -> Tensor:
            rows = (features - self.mean) / self.deviation  # [1, P, C]
            squares = (rows**2).sum(2, keepdim=True) + self.length - 2 * rows @ self.kept
            farthest = squares.amin(2).clamp(min=1e-12).amax(1, keepdim=True)
            logit = farthest.log() / 2 - math.log(detector.limit)
            return torch.cat([torch.zeros_like(logit), logit], 1)

    return Distances()


def _converted(whole: "torch.nn.Module", card: ModelCard) -> Any:
    """The module as an OpenVINO network."""
    import warnings

    import torch

    from core.inference.runtime import openvino_module

    ov = openvino_module()
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of its own coming retirement
        network = ov.convert_model(whole, example_input=_example(card))
    network.reshape(list(_example(card).shape))
    network.inputs[0].get_tensor().set_names({"pixels"})
    network.outputs[0].get_tensor().set_names({"confidences"})
    return network


def _save_openvino(network: Any, text: str, target: Path) -> None:
    from core.inference.runtime import openvino_module

    network.set_rt_info(text, ["touchstone"])
    openvino_module().save_model(network, target, compress_to_fp16=False)


def _in_8_bits(network: Any, card: ModelCard, calibration: Sequence[Path]) -> Any:
    """The network with weights and activations in 8 bits, except for what follows its features.

    Source: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference"; the library is NNCF.
    """
    from importlib.util import find_spec

    if find_spec("nncf") is None:
        raise ConfigError(
            "To export in 8 bits, a package is missing: nncf.",
            'Install it with: pip install "touchstone-vision[int8]"; or export OpenVINO.',
        )
    images = list(_readable(calibration, card))
    if not images:
        raise ConfigError(
            f"There are no training images to calibrate '{card.name}' with.",
            "Export it where its dataset is, or as OpenVINO.",
        )
    # Why: its bars go to the standard output, which belongs to the answer of a command.
    with contextlib.redirect_stdout(io.StringIO()):
        import nncf  # type: ignore[import-untyped]

        nncf.set_log_level(logging.ERROR)
        products = [op for op in network.get_ordered_ops() if op.get_type_name() == "MatMul"]
        last = [op.get_friendly_name() for op in products[-2 if card.hidden_layer else -1 :]]
        return nncf.quantize(
            network,
            nncf.Dataset(images),
            subset_size=len(images),
            # Why: the head costs nothing, and its logits become confidences.
            ignored_scope=nncf.IgnoredScope(names=last),
        )


def _readable(paths: Sequence[Path], card: ModelCard) -> Iterator[NDArray[np.uint8]]:
    """Pixels uint8 [1, S, S, 3] of the images that can be read."""
    for path in paths:
        with contextlib.suppress(TouchstoneError):
            yield load_pixels(path, card.preprocess)[None]


def _write_onnx(whole: "torch.nn.Module", card: ModelCard, text: str, target: Path) -> None:
    import warnings
    from importlib.util import find_spec

    import torch

    missing = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"To export ONNX and check it, packages are missing: {', '.join(missing)}.",
            'Install them with: pip install "touchstone-vision[export]"; or export OpenVINO.',
        )
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            whole,
            (_example(card),),
            str(target),
            input_names=["pixels"],
            output_names=["confidences"],
            opset_version=_ONNX_OPSET,
            dynamo=False,
        )
    import onnx

    network = onnx.load(target)
    entry = network.metadata_props.add()
    entry.key, entry.value = "touchstone", text
    onnx.save(network, target)


def _example(card: ModelCard) -> "torch.Tensor":
    import torch

    side = card.preprocess.image_size_px
    return torch.zeros(1, side, side, 3, dtype=torch.uint8)


def _description(card: ModelCard, sha256: str, rule: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": card.name,
        "sha256": sha256,
        "class_names": list(card.class_names),
        "input": {"name": "pixels", "type": "uint8", "shape": list(_shape(card))},
        "output": {"name": "confidences", "type": "float32", "temperature": 1.0},
        "preprocess": asdict(card.preprocess),
        "rule": json.loads(rule) if rule else None,
        "part_rule": part_rule_of(rule),
    }


def _shape(card: ModelCard) -> tuple[int, int, int, int]:
    side = card.preprocess.image_size_px
    return 1, side, side, 3


def _no_example(reason: str) -> ModelFileError:
    return ModelFileError(
        f"The exported network does not run: {reason}.", "Export the model in another format."
    )


def largest_difference(ours: Iterable[Prediction], theirs: Iterable[Prediction]) -> float:
    """The largest difference of a confidence between two answers on the same images; 0 for none."""
    largest = 0.0
    for one, other in zip(ours, theirs, strict=True):
        named = dict(other.confidences)
        gaps = [abs(value - named[name]) for name, value in one.confidences if name in named]
        largest = max([largest, *gaps])
    return largest
