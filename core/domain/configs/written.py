"""Settings that are written as text: lists of epochs, and factors of classes."""

import re
from collections.abc import Sequence

from core.errors import ConfigError


def epochs_of_steps(text: str) -> tuple[int, ...]:
    """The epochs of a text like `4 8 12`, in order; empty: none were chosen.

    Raises:
        ConfigError: if they are no whole numbers above 0.
    """
    words = text.replace(",", " ").split()
    if not all(word.isdecimal() and int(word) > 0 for word in words):
        raise ConfigError(
            f"Epochs of the steps is '{text}', but must be whole numbers above 0.",
            "Separate them by spaces, for example 4 8 12.",
        )
    return tuple(sorted(int(word) for word in words))


def penalties_by_class(text: str) -> dict[str, float]:
    """Class name -> factor, of a text like `crack: 3; scratch: 1.5`.

    Raises:
        ConfigError: if a factor is no number above 0.
    """
    penalties = {}
    for part in (part.strip() for part in text.split(";")):
        name, _, factor = part.rpartition(":")
        if not part:
            continue
        if not re.fullmatch(r"\d{1,9}(\.\d+)?|\.\d+", factor.strip()) or float(factor) <= 0:
            raise ConfigError(
                f"Penalty per class has '{part}', but needs a class and a number above 0.",
                "For example crack: 3; scratch: 1.5.",
            )
        penalties[name.strip()] = float(factor)
    return penalties


def class_factors(text: str, class_names: Sequence[str]) -> tuple[float, ...]:
    """The penalty of each class in their order; 1 where none was chosen.

    Args:
        text: as of `penalties_by_class`.
        class_names: of the dataset.

    Raises:
        ConfigError: if a class is named that does not exist.
    """
    penalties = penalties_by_class(text)
    for name in penalties:
        if name not in class_names:
            raise ConfigError(
                f"Penalty per class names '{name}', which is no class of this dataset.",
                f"Its classes are: {', '.join(class_names)}.",
            )
    return tuple(penalties.get(name, 1.0) for name in class_names)
