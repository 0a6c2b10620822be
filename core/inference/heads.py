"""The last layer of a model: features to logits, linear or with one hidden layer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.errors import ModelFileError
from core.models.bundle import ModelCard, Tensors

if TYPE_CHECKING:
    from torch import nn

Values = NDArray[np.float32]
_HIDDEN = "hidden."


@dataclass(frozen=True)
class HiddenLayer:
    """A layer of rectifiers between the features and the scores: weight [H, D] and bias [H]."""

    weight: Values
    bias: Values


@dataclass(frozen=True)
class Head:
    """Weight [C, D] and bias [C]; behind a hidden layer, weight [C, H] of its H outputs."""

    weight: Values
    bias: Values
    hidden: HiddenLayer | None = None

    @property
    def width(self) -> int:
        """Number of features D."""
        first = self if self.hidden is None else self.hidden
        return int(first.weight.shape[1])

    def logits(self, features: Values) -> Values:
        """Features [N, D] to logits [N, C]."""
        if self.hidden is not None:
            features = np.maximum(features @ self.hidden.weight.T + self.hidden.bias, 0)
        logits: Values = features @ self.weight.T + self.bias
        return logits

    def slope(self, class_index: int, features: Values) -> Values:
        """How much each feature speaks for a class, at features [D]: [D].

        The exact derivative of the logit. Rectifiers are linear by pieces, so that the logit is
        this times the features and a bias, at these features and near them.
        """
        weight: Values = self.weight[class_index]
        if self.hidden is None:
            return weight
        is_on = self.hidden.weight @ features + self.hidden.bias > 0  # [H]
        through: Values = (weight * is_on) @ self.hidden.weight
        return through

    def shuffled(self, generator: np.random.Generator) -> "Head":
        """A head that means nothing, with the same values in each row of its weights."""
        hidden = self.hidden
        if hidden is not None:
            hidden = replace(hidden, weight=generator.permuted(hidden.weight, axis=1))
        return replace(self, weight=generator.permuted(self.weight, axis=1), hidden=hidden)

    def as_tensors(self, name: str) -> Tensors:
        """The arrays of a model file; `name` is that of the last layer there."""
        tensors: Tensors = {f"{name}.weight": self.weight, f"{name}.bias": self.bias}
        if self.hidden is not None:
            tensors[f"{name}.{_HIDDEN}weight"] = self.hidden.weight
            tensors[f"{name}.{_HIDDEN}bias"] = self.hidden.bias
        return tensors


def read_head(card: ModelCard, tensors: Mapping[str, NDArray[np.generic]]) -> Head:
    """The last layer of a model; not of detectors.

    Raises:
        ModelFileError: if it is missing, does not fit the classes, or is not as the card says.
    """
    classes = len(card.class_names)
    weight, bias = _layer(card, tensors, "")
    hidden = None
    if card.hidden_layer:
        hidden = HiddenLayer(*_layer(card, tensors, _HIDDEN))
        is_fit = weight.shape[1] == len(hidden.weight)
    else:
        is_fit = not any(name.startswith(f"{card.head}.{_HIDDEN}") for name in tensors)
    if len(weight) != classes or not is_fit:
        raise _unfit(card)
    return Head(weight, bias, hidden)


def head_module(head: Head) -> "nn.Module":
    """The same in torch: features [B, D] to logits [B, C]."""
    import torch
    from torch import nn

    def linear(weight: Values, bias: Values) -> nn.Linear:
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        layer.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
        return layer

    last = linear(head.weight, head.bias)
    if head.hidden is None:
        return last
    return nn.Sequential(linear(head.hidden.weight, head.hidden.bias), nn.ReLU(), last)


def _layer(
    card: ModelCard, tensors: Mapping[str, NDArray[np.generic]], part: str
) -> tuple[Values, Values]:
    names = (f"{card.head}.{part}weight", f"{card.head}.{part}bias")
    weight, bias = (tensors.get(name) for name in names)
    if weight is None or bias is None or weight.ndim != 2 or bias.shape != weight.shape[:1]:
        raise _unfit(card)
    return weight.astype(np.float32), bias.astype(np.float32)


def _unfit(card: ModelCard) -> ModelFileError:
    return ModelFileError(
        f"The weights of model '{card.name}' do not fit its {len(card.class_names)} classes.",
        "Download the model again from where it was made.",
    )
