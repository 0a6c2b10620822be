"""The example beside an exported network: the same pixels and decisions, without our code."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps

from core.data.pixels.preprocess import load_pixels
from core.domain.configs.choices import Channels, ResizeMode
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import Verdict
from core.domain.models import ModelFormat
from core.evaluation.decisions.outcome import OperatingPoint
from core.evaluation.decisions.rule import DecisionRule, part_decision, rule_to_json
from core.inference.export_texts import example
from tests.conftest import marked_image

NAMES = ("a", "b", "c")


def _functions(config):
    """Only the functions of the example: the rest needs the network."""
    text = example(config, ModelFormat.OPENVINO.value)
    start, end = text.index("def pixels_of"), text.index("for path in sys.argv")
    space = {"np": np, "Image": Image, "ImageOps": ImageOps}
    exec(text[start:end], space)
    return space["pixels_of"], space["decide"]


REGION = PreprocessConfig(64, roi_left=0.1, roi_top=0.25, roi_right=0.8, roi_bottom=0.9)


@pytest.mark.parametrize(
    "config",
    [
        PreprocessConfig(64),
        PreprocessConfig(64, resize_mode=ResizeMode.LETTERBOX, channels=Channels.GRAY),
        replace(REGION, resize_mode=ResizeMode.CROP),
    ],
)
def test_the_example_feeds_the_same_pixels(config, tmp_path):
    pixels_of, _ = _functions(config)
    color = Image.fromarray(marked_image("stripes", 3)[0]).resize((300, 170))
    exif = Image.Exif()
    exif[0x0112] = 6
    color.save(tmp_path / "turned.jpg", exif=exif)
    color.convert("L").save(tmp_path / "gray.png")
    color.putalpha(120)
    color.save(tmp_path / "clear.png")
    color.convert("P").save(tmp_path / "palette.png")
    for path in sorted(tmp_path.iterdir()):
        with Image.open(path) as file:
            assert np.array_equal(pixels_of(file)[0], load_pixels(path, config)), path.name


@pytest.mark.parametrize(
    "point",
    [
        OperatingPoint(0.3, 0.7),
        OperatingPoint(),
        OperatingPoint(0.5, 0.5, (0.6, 0.0, 0.9)),
    ],
)
def test_the_example_decides_by_the_same_rule(point):
    rule = DecisionRule(point, NAMES, (Verdict.OK, Verdict.NOK, Verdict.NOK), "by hand", 0.95, 1.0)
    _, decide = _functions(PreprocessConfig())
    rows = np.random.default_rng(1).dirichlet((0.7, 0.7, 0.7), 200).astype(np.float32)
    ours = [part_decision(rule.decide(dict(zip(NAMES, row.tolist(), strict=True)))) for row in rows]
    assert [decide(row, json.loads(rule_to_json(rule))) for row in rows] == ours
    assert len(set(ours)) > 1
    assert decide(rows[0], None) is None
