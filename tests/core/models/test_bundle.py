import json
import pickle
import struct
from dataclasses import replace

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save

from core.domain.configs.choices import Detail
from core.domain.configs.preprocess import PreprocessConfig
from core.errors import ModelFileError
from core.models.build import build_network
from core.models.bundle import (
    ModelCard,
    read_card,
    read_tensors,
    shared_ranges,
    with_rule,
    write_bundle,
)

CARD = ModelCard(
    name="Pills <b>1</b>",
    class_names=("<script>alert(1)</script>", "größe", "[x](javascript:1)"),
    preprocess=PreprocessConfig(96),
    network="tf_efficientnet_lite0",
    head="classifier",
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    origin={"dataset": "Pills"},
)
TENSORS = {
    "classifier.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "classifier.bias": np.zeros(3, np.float32),
    "count": np.array(7, np.int64),
}


def _file(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    return path


def test_a_model_file_gives_back_what_went_in_byte_for_byte(tmp_path):
    content = write_bundle(CARD, TENSORS)
    path = _file(tmp_path, content)
    card, tensors = read_card(path), read_tensors(path)
    assert card == CARD  # markup in names is data and stays as it is
    assert all(np.array_equal(tensors[name], TENSORS[name]) for name in TENSORS)
    assert write_bundle(card, tensors) == content


def test_a_detail_beyond_the_whole_image_is_kept_and_told_to_older_versions(tmp_path):
    card = replace(CARD, detail=Detail.TILES)
    path = _file(tmp_path, write_bundle(card, TENSORS))
    assert read_card(path) == card
    # A version without details builds a network of this name, and says that it comes from a newer.
    with safe_open(path, framework="numpy") as file:
        network = file.metadata()["network"]
    assert network == f"{CARD.network}+tiles"
    with pytest.raises(ModelFileError, match="not known") as caught:
        build_network(network, 2)
    assert "newer version" in caught.value.hint
    unknown = _file(tmp_path, write_bundle(replace(CARD, network="resnet18+halves"), TENSORS))
    with pytest.raises(ModelFileError, match="'halves'"):
        read_card(unknown)


def test_a_rule_goes_in_and_out_of_a_model_file_and_an_unknown_one_is_refused(tmp_path):
    content = write_bundle(CARD, TENSORS)
    decided = with_rule(content, '{"größe": 1}')
    card = read_card(_file(tmp_path, decided))
    assert card == replace(CARD, rule='{"größe": 1}')
    assert np.array_equal(read_tensors(tmp_path / "model.safetensors")["count"], TENSORS["count"])
    assert (write_bundle(card, TENSORS), with_rule(decided, "")) == (decided, content)
    newer = decided.replace(b'"part_rule": "any"', b'"part_rule": "two"')
    with pytest.raises(ModelFileError, match="images of a part") as caught:
        read_card(_file(tmp_path, newer))
    assert "newer version" in caught.value.hint


def test_what_models_of_one_network_share_does_not_depend_on_their_classes(tmp_path):
    stage = np.arange(100_000, dtype=np.float32)
    network = {f"blocks.{n}.weight": stage + n for n in range(4)} | {"conv_head.weight": stage}
    beside = {"touchstone.features": np.arange(3_000_000, dtype=np.float32)}
    few = write_bundle(CARD, TENSORS | network | beside)
    head = {"classifier.weight": np.ones((9, 4), np.float32), "classifier.bias": np.ones(9, "f4")}
    names = tuple("abcdefghi")
    many = write_bundle(replace(CARD, class_names=names), TENSORS | network | beside | head)
    tuned = write_bundle(CARD, TENSORS | network | beside | {"blocks.3.weight": stage})
    first, second, third = (
        [content[start:end] for start, end in shared_ranges(content)]
        for content in (few, many, tuned)
    )
    assert first == second
    assert sum(map(len, first)) == 8 + 5 * stage.nbytes + 12_000_000
    assert max(map(len, first)) <= 1 << 22
    # What a fine-tuned network did not change is still the same.
    assert len(set(first) - set(third)) == 1


def test_arrays_that_lie_differently_in_memory_are_stored_by_value(tmp_path):
    weight = np.asfortranarray(TENSORS["classifier.weight"])
    path = _file(tmp_path, write_bundle(CARD, {**TENSORS, "classifier.weight": weight}))
    assert np.array_equal(read_tensors(path)["classifier.weight"], weight)


def _lying(header):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"\0" * 16


NOT_A_MODEL = {
    "empty": b"",
    "text": b"hello, I am a model",
    "picture": b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
    "pickle": pickle.dumps({"weights": [1, 2]}),
    "zip": b"PK\x03\x04" + b"\0" * 60,
    "cut": write_bundle(CARD, TENSORS)[:-20],
    "longer": write_bundle(CARD, TENSORS) + b"surplus",
    "endless header": struct.pack("<Q", 2**63) + b"{}",
    "header of garbage": struct.pack("<Q", 8) + b"\xff" * 8,
    "memory bomb": _lying({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}),
    "overlapping": _lying(
        {n: {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]} for n in "ab"}
    ),
    "wrong size": _lying({"a": {"dtype": "F32", "shape": [5], "data_offsets": [0, 16]}}),
    "unknown type": _lying({"a": {"dtype": "X9", "shape": [4], "data_offsets": [0, 16]}}),
}


@pytest.mark.parametrize("kind", NOT_A_MODEL)
def test_a_file_that_is_no_model_is_refused_with_a_hint(tmp_path, kind):
    path = _file(tmp_path, NOT_A_MODEL[kind])
    for read in (read_card, read_tensors):
        with pytest.raises(ModelFileError) as caught:
            read(path)
        assert caught.value.hint


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelFileError):
        read_card(tmp_path / "none.safetensors")


def test_weights_of_another_program_are_no_touchstone_model(tmp_path):
    for metadata in (None, {"format": "pt"}):
        path = _file(tmp_path, save(TENSORS, metadata))
        with pytest.raises(ModelFileError, match="not a Touchstone model"):
            read_card(path)


@pytest.mark.parametrize(
    "broken",
    [
        replace(CARD, class_names=("only one",)),
        replace(CARD, class_names=("a", "a")),
        replace(CARD, class_names=("a", "")),
        replace(CARD, class_names=("a", 7)),
        replace(CARD, std=(0.5, 0.0, 0.5)),
        replace(CARD, std=(0.5, float("nan"), 0.5)),
        replace(CARD, mean=(0.5, float("inf"), 0.5)),
        replace(CARD, mean=(0.5,)),
        replace(CARD, name=""),
        replace(CARD, origin=[1]),
        replace(CARD, origin={"dataset": {"a": [1]}}),
    ],
)
def test_a_description_without_sense_is_refused(tmp_path, broken):
    with pytest.raises(ModelFileError, match="description"):
        read_card(_file(tmp_path, write_bundle(broken, TENSORS)))


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("class_names", "not json"),
        ("class_names", "7"),
        ("class_names", '"ab"'),
        ("class_names", "[" * 100_000),
        ("class_names", '["a", ["b"]]'),
        ("preprocess", '{"image_size_px": 100000}'),
        ("preprocess", '{"image_size_px": 1e999}'),
        ("mean", "[0.5, null, 0.5]"),
        ("mean", '{"a": 1}'),
        ("origin", "7"),
    ],
)
def test_metadata_that_lies_is_refused(tmp_path, key, text):
    content = write_bundle(CARD, TENSORS)
    size = struct.unpack("<Q", content[:8])[0]
    metadata = json.loads(content[8 : 8 + size])["__metadata__"]
    with pytest.raises(ModelFileError, match="description"):
        read_card(_file(tmp_path, save(TENSORS, {**metadata, key: text})))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused_by_name(tmp_path, value):
    bias = np.array([0, value, 0], np.float32)
    path = _file(tmp_path, write_bundle(CARD, {**TENSORS, "classifier.bias": bias}))
    with pytest.raises(ModelFileError, match=r"classifier\.bias"):
        read_tensors(path)
