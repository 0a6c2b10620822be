"""The model file: one safetensors file that holds the weights and all that their use needs.

Its metadata has the classes, the preprocessing and the network, so nothing can get lost. The same
bytes are stored in the database, downloaded, uploaded and read by the predictor.
"""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from core.domain.configs.choices import Detail, HeadKind
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.stored import config_from_json, config_to_json
from core.domain.parts import ANY_IMAGE, part_rule
from core.errors import ConfigError, ModelFileError
from core.files import open_user_file

FORMAT = "touchstone-model-1"
MAX_MODEL_BYTES = 2_000_000_000
# Names of arrays that belong to the model and are no weights of its network begin with this.
BESIDE = "touchstone."
# Bytes of a range that models may share: at least, where so much lies together, and at most.
_LEAST_RANGE, _MOST_RANGE = 1 << 18, 1 << 22
Tensors = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class ModelCard:
    """The metadata of a model file.

    `head` names the last layer (`<head>.weight` is [C, D]); mean and std are for gray values in
    [0, 1]; `origin` holds facts about how it was made (dataset, run, recipe, metrics). `detail`
    says what the features are made from, `hidden_layer` whether the head has one
    (`core/inference/heads.py`); beyond the whole image, or with it, the head is no part of the
    network. `preprocess` makes the pixels that such a model gets. `rule` is the decision rule as
    text (`core/evaluation/decisions/rule.py`); empty: it decides nothing.
    """

    name: str
    class_names: tuple[str, ...]
    preprocess: PreprocessConfig
    network: str
    head: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    origin: dict[str, str]
    detail: Detail = Detail.WHOLE
    rule: str = ""
    hidden_layer: bool = False

    @property
    def is_detector(self) -> bool:
        """Whether it only knows good images (`core/inference/detector.py`) and has no head."""
        return self.detail is Detail.PLACES

    @property
    def head_is_own(self) -> bool:
        """Whether its head is none that its network could have: of other features, or deeper."""
        return self.detail is not Detail.WHOLE or self.hidden_layer


def write_bundle(card: ModelCard, tensors: Tensors) -> bytes:
    """The model file as bytes; the same card and tensors give the same bytes."""
    metadata = {
        "format": FORMAT,
        "name": card.name,
        "class_names": json.dumps(card.class_names, ensure_ascii=False),
        "preprocess": config_to_json(card.preprocess),
        "network": _network_and_more(card),
        "head": card.head,
        "mean": json.dumps(card.mean),
        "std": json.dumps(card.std),
        "origin": json.dumps(card.origin, sort_keys=True, ensure_ascii=False),
        **_rule_fields(card.rule),
    }
    arrays = {k: np.asarray(v, order="C") for k, v in sorted(tensors.items())}
    return _with_sorted_header(save(arrays, metadata))


def read_card(path: Path) -> ModelCard:
    """The metadata of a model file, checked; weights are not read.

    Raises:
        ModelFileError: if it is not a model file of Touchstone.
    """
    metadata = _metadata(path)
    if metadata.get("format") != FORMAT:
        raise ModelFileError(
            f"{path.name} is a safetensors file, but not a Touchstone model.",
            "Upload a file downloaded from the Models page.",
        )
    try:
        network, detail, hidden_layer = _read_network(metadata["network"])
        card = ModelCard(
            name=metadata["name"],
            class_names=tuple(_listed(json.loads(metadata["class_names"]))),
            preprocess=config_from_json(PreprocessConfig, metadata["preprocess"]),
            network=network,
            head=metadata["head"],
            mean=tuple(float(v) for v in _listed(json.loads(metadata["mean"]))),
            std=tuple(float(v) for v in _listed(json.loads(metadata["std"]))),
            origin=dict(json.loads(metadata["origin"])),
            detail=detail,
            rule=_read_rule(metadata),
            hidden_layer=hidden_layer,
        )
        _check(card)
    except (KeyError, ValueError, TypeError, OverflowError, RecursionError, ConfigError) as err:
        raise ModelFileError(
            f"The description inside {path.name} is broken: {err}.",
            "Download the model again from where it was made.",
        ) from err
    return card


def read_tensors(path: Path) -> Tensors:
    """All weights of a model file.

    Raises:
        ModelFileError: if they cannot be read or are not finite.
    """
    return _arrays(path, lambda name: not name.startswith(BESIDE))


def read_beside(path: Path, beginning: str = BESIDE) -> Tensors:
    """The arrays of a model file that are no weights, by names that begin with `BESIDE`.

    Args:
        path: of the model file.
        beginning: of the names of those that are wanted.

    Raises:
        ModelFileError: as `read_tensors`.
    """
    return _arrays(path, lambda name: name.startswith(beginning))


def _arrays(path: Path, wanted: Callable[[str], bool]) -> Tensors:
    try:
        with _weights(path) as file:
            names = [name for name in file.keys() if wanted(name)]  # noqa: SIM118
            tensors: Tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, TypeError) as err:
        raise _not_a_model(path, err) from err
    for name, values in tensors.items():
        if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
            raise ModelFileError(
                f"{path.name} holds values that are not numbers (in {name}).",
                "Its training diverged, or the file is damaged. Use another model.",
            )
    return tensors


def _network_and_more(card: ModelCard) -> str:
    # Why one field: a version that does not know one of them finds no such network or detail, and
    # says so.
    hidden = [HeadKind.MLP.value] if card.hidden_layer else []
    return "+".join([card.network, *([card.detail.value] if card.head_is_own else []), *hidden])


def _read_network(text: str) -> tuple[str, Detail, bool]:
    """Name of the network, the detail of the features, whether the head has a hidden layer."""
    network, *more = text.split("+")
    if not more:
        return network, Detail.WHOLE, False
    detail, *head = more
    if detail not in list(Detail) or head not in ([], [HeadKind.MLP.value]):
        raise ModelFileError(
            f"The detail '{'+'.join(more)}' of this model is not known.",
            "The model may come from a newer version of Touchstone.",
        )
    return network, Detail(detail), bool(head)


def with_rule(content: bytes, rule: str) -> bytes:
    """A model file with another decision rule, empty for none; its weights stay byte for byte.

    The file that was written without a rule and the one whose rule is taken out are the same.
    """
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    fields = header["__metadata__"]
    kept = {key: value for key, value in fields.items() if key not in ("rule", "part_rule")}
    header["__metadata__"] = {**kept, **_rule_fields(rule)}
    return _header_bytes(header) + content[8 + size :]


def shared_ranges(content: bytes) -> list[tuple[int, int]]:
    """Where in a model file lies what other models may have too, byte for byte.

    Arrays are taken together until they are worth a row of their own; a new range begins where a
    network, its last layer or what is beside it ends. So the ranges of an unchanged network do not
    depend on the classes or on anything else of a model.

    Args:
        content: of a model file.

    Returns:
        Start and end in bytes, in order; the header and the last layer are in none of them.
    """
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    head = f"{header.pop('__metadata__')['head']}."
    arrays = sorted((*about["data_offsets"], name) for name, about in header.items())
    ranges: list[tuple[int, int]] = []
    before = None
    for start, end, name in arrays:
        kind = (name.startswith(head), name.startswith(BESIDE))
        if kind == before and ranges and ranges[-1][1] - ranges[-1][0] < _LEAST_RANGE:
            ranges[-1] = (ranges[-1][0], end)
        elif not name.startswith(head):
            ranges.append((start, end))
        before = kind
    return [
        (8 + size + start, 8 + size + min(start + _MOST_RANGE, last))
        for first, last in ranges
        for start in range(first, last, _MOST_RANGE)
    ]


def part_rule_of(rule: str) -> str:
    """How a decision rule, as text, combines the images of a part (`core/domain/parts.py`)."""
    try:
        return str(json.loads(rule)["parts"])
    except (ValueError, KeyError, TypeError):  # of an earlier version, or none at all
        return ANY_IMAGE.text


def _rule_fields(rule: str) -> dict[str, str]:
    # Why beside it: a version that does not know how images are combined refuses the file.
    return {"rule": rule, "part_rule": part_rule_of(rule)} if rule else {}


def _read_rule(metadata: dict[str, str]) -> str:
    try:
        part_rule(metadata.get("part_rule", ANY_IMAGE.text))
    except ConfigError as err:
        raise ModelFileError(
            "This model combines the images of a part in a way that is not known.",
            "The model may come from a newer version of Touchstone.",
        ) from err
    return metadata.get("rule", "")


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of each weight of a model file; no weight is read.

    Raises:
        ModelFileError: if they cannot be read.
    """
    try:
        with _weights(path) as file:
            return {
                name: tuple(file.get_slice(name).get_shape())
                for name in file.keys()  # noqa: SIM118
                if not name.startswith(BESIDE)
            }
    except (SafetensorError, OSError, TypeError) as err:
        raise _not_a_model(path, err) from err


def _listed(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r:.50} is not a list")
    return value


def _with_sorted_header(content: bytes) -> bytes:
    # Why: the library writes the metadata in an order that changes from call to call.
    size = int.from_bytes(content[:8], "little")
    return _header_bytes(json.loads(content[8 : 8 + size])) + content[8 + size :]


def _header_bytes(header: dict[str, Any]) -> bytes:
    """The length of a header and the header, sorted."""
    text = json.dumps(header, sort_keys=True).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _metadata(path: Path) -> dict[str, str]:
    try:
        with _weights(path) as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as err:
        raise _not_a_model(path, err) from err


@contextmanager
def _weights(path: Path) -> Iterator[Any]:
    """The open weights; the library opens the path by itself, once it is known to be a file."""
    open_user_file(path, most_bytes=MAX_MODEL_BYTES).close()
    with safe_open(path, framework="numpy") as file:
        yield file


def _not_a_model(path: Path, err: Exception) -> ModelFileError:
    return ModelFileError(
        f"{path.name} is not a model file, or it is damaged ({err}).",
        "A Touchstone model is a .safetensors file downloaded from the Models page.",
    )


def _check(card: ModelCard) -> None:
    names = card.class_names
    if not 2 <= len(names) <= 100_000 or len(set(names)) != len(names):
        raise ValueError("it needs at least two different classes")
    if not all(isinstance(name, str) and 0 < len(name) <= 500 for name in names):
        raise ValueError("a class name is empty or not text")
    texts = (card.name, card.network, card.head, card.rule, *names)
    for text in (*texts, *card.origin, *card.origin.values()):
        if isinstance(text, str) and not _is_text(text):
            raise ValueError("a name holds characters that are no text")
    if len(card.mean) != 3 or len(card.std) != 3:
        raise ValueError("mean and deviation need three values each")
    if not all(map(math.isfinite, (*card.mean, *card.std))) or min(card.std) <= 0:
        raise ValueError("mean and deviation must be numbers, the deviation above 0")
    if not all(isinstance(text, str) for text in card.origin.values()):
        raise ValueError("a fact about its origin is not text")
    if not 0 < len(card.name) <= 500:
        raise ValueError("its name is empty or too long")


def _is_text(text: str) -> bool:
    """Whether it can be stored and shown; JSON can hold halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
