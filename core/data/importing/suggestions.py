"""What to choose instead of rules that make a class of nearly every image."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from core.data.importing.labels import folder_at, path_rule
from core.data.importing.tables.numbers import number_of
from core.data.importing.tables.table import Table
from core.domain.datasets import LabelSource
from core.words import count, listed

_FEWEST_IMAGES = 4
_OWN_CLASS = 0.8  # classes per image
_SEPARATORS = ("_", "-", " ")
_MOST_TOKENS = 6


def is_class_per_image(labels: Sequence[str]) -> bool:
    """Whether nearly every image has a class of its own, so that nothing can be learned."""
    return len(labels) >= _FEWEST_IMAGES and len(set(labels)) >= _OWN_CLASS * len(labels)


def better_rule(names: Sequence[str], source: LabelSource, table: Table | None) -> str:
    """The option that makes classes of several images each, in a sentence.

    Args:
        names: of the images, below the source.
        source: the label source that does not.
        table: the label table, if labels come from one.
    """
    if table is not None:
        return _better_column(table)
    for words, option, labels in _alternatives(names, source):
        if _is_useful(labels):
            classes = Counter(labels)
            examples = listed([name for name, _ in classes.most_common()], 4)
            return (
                f"Take the class from {words} (on the command line: {option}): "
                f"{count(len(classes), 'class')}, {examples}."
            )
    return (
        "Choose another source of the classes: folders, a pattern for the part of the path that "
        "names the class (on the command line: --pattern), or a label table (--table)."
    )


def _better_column(table: Table) -> str:
    for position, title in enumerate(table.columns):
        cells = [row[position].strip() for row in table.rows]
        if position not in (table.roles.path, table.roles.label) and _is_useful(cells):
            return (
                f"Choose the column '{title}' for the class (on the command line: --label-column "
                f"'{title}'): {count(len(set(cells)), 'class')}. Divide measured values into "
                "ranges (--bins)."
            )
    return (
        "Choose the column with the class (on the command line: --label-column NAME). Divide "
        "measured values into ranges (--bins)."
    )


def _alternatives(
    names: Sequence[str], source: LabelSource
) -> Iterable[tuple[str, str, list[str]]]:
    """Words, option and labels of the other rules."""
    for other, words in (
        (LabelSource.LAST_FOLDER, "the folder of the image"),
        (LabelSource.FILE_NAME_REMOVE_INDEX, "the file name without its number"),
    ):
        if other is not source:
            rule = path_rule(other)
            yield words, f"--labels {other.value}", [rule(name).label or "" for name in names]
    for level in (1, 2, -2):
        yield (
            f"folder level {level}",
            f"--level {level}",
            [folder_at(name, level) or "" for name in names],
        )
    stems = [PurePosixPath(name).stem for name in names]
    for separator in _SEPARATORS:
        tokens = [stem.split(separator) for stem in stems]
        for place in range(min(_MOST_TOKENS, *map(len, tokens))):
            token = f"[^/{re.escape(separator)}]*{re.escape(separator)}"
            before = f"(?:{token}){{{place}}}" if place else ""
            pattern = f"(?:^|/){before}(?P<label>[^/{re.escape(separator)}.]+)[^/]*$"
            labels = [parts[place] for parts in tokens]
            yield "a part of the file name", f"--pattern '{pattern}'", labels


def _is_useful(labels: Sequence[str]) -> bool:
    """Whether these are at least two classes with two images each on average, and no numbers."""
    names = set(labels)
    if not all(names) or not 2 <= len(names) <= len(labels) / 2:
        return False
    return any(number_of(name) is None for name in names)
