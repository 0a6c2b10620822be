"""What is written beside an exported network: an example for each program, and a README."""

from typing import assert_never

from core.domain.configs.choices import Channels, ResizeMode
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.parts import PartHow, PartRule
from core.models.bundle import ModelCard

_OPENVINO = """import openvino

network = openvino.Core().read_model("model.xml")
about = json.loads(network.get_rt_info("touchstone").value)
exact = {"INFERENCE_PRECISION_HINT": "f32"}
compiled = openvino.Core().compile_model(network, "CPU", exact)
run = lambda pixels: compiled(pixels)[0][0]"""
_OPEN = {
    "openvino": _OPENVINO,
    "int8": _OPENVINO,
    "onnx": """import onnxruntime

session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
about = json.loads(session.get_modelmeta().custom_metadata_map["touchstone"])
run = lambda pixels: session.run(None, {"pixels": pixels})[0][0]""",
}
_DECIDES = """`rule` in `touchstone.json` decides: accept, reject, or inspector review
(`to a person`)."""
_DETECTS = """It only knows good images. The score of an image is how far its least familiar place
is from all places of good images, 1 at the limit; the confidence of being unlike them is
score / (1 + score)."""
_IN_8_BITS = """Weights and activations have 8 bits, so confidences differ from the original:
`check.json` lists the images and parts that are decided differently."""
PACKAGES = {"openvino": "openvino", "int8": "openvino", "onnx": "onnxruntime"}
PROGRAMS = {"openvino": "OpenVINO", "int8": "OpenVINO, in 8 bits", "onnx": "ONNX Runtime"}


def example(config: PreprocessConfig, network_format: str) -> str:
    """A program that classifies image files and decides, without Touchstone."""
    whole = (config.roi_left, config.roi_top, config.roi_right, config.roi_bottom) == (0, 0, 1, 1)
    side = config.image_size_px
    lines = [f"    image.draft(None, ({2 * side}, {2 * side}))"] if whole else []
    lines.append("    image = ImageOps.exif_transpose(image)")
    lines.append('    if "A" in image.mode or "transparency" in image.info:')
    lines.append('        white = Image.new("RGBA", image.size, "white")')
    lines.append('        image = Image.alpha_composite(white, image.convert("RGBA"))')
    lines += [] if whole else _region(config)
    gray = config.channels is Channels.GRAY
    lines.append('    image = image.convert("RGB")' + ('.convert("L")' if gray else ""))
    lines += _resize(config.resize_mode, side)
    pixels = "\n".join(lines)
    return f'''"""Usage: python example.py IMAGE [IMAGE …]; prints a JSON object for each image."""
import json
import sys

import numpy as np
from PIL import Image, ImageOps
{_OPEN[network_format]}


def pixels_of(image):
{pixels}
    # uint8 [1, {side}, {side}, 3]
    return np.ascontiguousarray(np.asarray(image.convert("RGB"))[None])


def decide(confidences, rule):
    if rule is None:
        return None
    best, verdicts = int(confidences.argmax()), rule["verdicts"]
    defective = [i for i, verdict in enumerate(verdicts) if verdict == "NOK"]
    nok = min(1.0, confidences[defective].sum(dtype=np.float64))
    if rule["class_thresholds"] and confidences[best] < rule["class_thresholds"][best]:
        return "to a person"
    if rule["accept_below"] is None:
        return {{"OK": "accept", "NOK": "reject", None: "to a person"}}[verdicts[best]]
    strictness = int(nok >= rule["accept_below"]) + int(nok >= rule["reject_from"])
    return ("accept", "to a person", "reject")[strictness]


for path in sys.argv[1:]:
    try:
        with Image.open(path) as file:
            if file.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"):
                raise ValueError("more than 8 bits per channel")
            confidences = run(pixels_of(file))
        order = np.argsort(-confidences, kind="stable")
        named = [[about["class_names"][i], float(confidences[i])] for i in order]
        said = {{"decision": decide(confidences, about["rule"]), "confidences": named}}
    except (OSError, ValueError) as error:
        said = {{"error": str(error)}}
    print(json.dumps({{"path": path, **said}}))
'''


def _region(config: PreprocessConfig) -> list[str]:
    edges = (config.roi_left, config.roi_top, config.roi_right, config.roi_bottom)
    return [
        "    w, h = image.size",
        f"    left, top = round({edges[0]} * w), round({edges[1]} * h)",
        f"    right, bottom = round({edges[2]} * w), round({edges[3]} * h)",
        "    left, top = min(left, w - 1), min(top, h - 1)",
        "    image = image.crop((left, top, max(right, left + 1), max(bottom, top + 1)))",
    ]


def _resize(mode: ResizeMode, side: int) -> list[str]:
    match mode:
        case ResizeMode.STRETCH:
            return [f"    image = image.resize(({side}, {side}), Image.Resampling.BICUBIC)"]
        case ResizeMode.LETTERBOX | ResizeMode.CROP:
            choose = "min" if mode is ResizeMode.LETTERBOX else "max"
            return [
                f"    scale = {choose}({side} / image.width, {side} / image.height)",
                "    size = [max(1, round(length * scale)) for length in image.size]",
                "    resized = image.resize(size, Image.Resampling.BICUBIC)",
                f'    image = Image.new("RGB", ({side}, {side}), (127, 127, 127))',
                f"    image.paste(resized, (({side} - size[0]) // 2, ({side} - size[1]) // 2))",
            ]
        case _:
            assert_never(mode)


def _of_parts(rule: PartRule) -> str:
    match rule.how:
        case PartHow.ANY:
            return "Of several images of one part, the strictest decides."
        case PartHow.AT_LEAST:
            return (
                f"Of several images of one part, {rule.k} must agree, or all of fewer: sort their\n"
                f"decisions from the strictest on and take number {rule.k}."
            )
        case PartHow.MEAN:
            return (
                "For several images of one part, give `decide` the mean of their confidences, in\n"
                "the order of the classes."
            )
        case _:
            assert_never(rule.how)


def readme(card: ModelCard, network_format: str, *, sha256: str, parts: PartRule | None) -> str:
    """What the folder is, how it is run, and what it does not do.

    `parts` is how its rule combines images of one part; None: it has no rule.
    """
    names = "\n".join(f"{i}. {name}" for i, name in enumerate(card.class_names))
    side = card.preprocess.image_size_px
    files = "`model.onnx`" if network_format == "onnx" else "`model.xml`, `model.bin`"
    rule = "The model has no threshold: it classifies and decides nothing."
    rule = f"{_DECIDES}\n{_of_parts(parts)}" if parts else rule
    rule = f"{rule}\n\n{_DETECTS}" if card.is_detector else rule
    rule = f"{rule}\n\n{_IN_8_BITS}" if network_format == "int8" else rule
    return f"""# {card.name}

A model of Touchstone for {PROGRAMS[network_format]}; sha256
{sha256}.

- {files}: the network. Input `pixels`, uint8 [1, {side}, {side}, 3], RGB; output `confidences`,
  float32 [1, {len(card.class_names)}], which sum to 1. Normalization, contrast, last layer and
  softmax are inside. Its metadata hold the text of `touchstone.json` under the key `touchstone`.
- `touchstone.json`: classes, preprocessing and decision rule.
- `example.py`: from image files to decisions, without Touchstone:
  `pip install numpy pillow {PACKAGES[network_format]}`, then `python example.py image.png`.
- `check.json`: how the example compares with Touchstone on real images.

{rule}

Images with more than 8 bits per channel must be scaled to 8 bits first, from `black_level` to
`white_level` of `preprocess`.

Classes, in the order of the output:

{names}
"""
