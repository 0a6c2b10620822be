"""What to choose instead of rules that make a class of nearly every image, or a single class."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from core.data.importing.labels import folder_at, good_class, path_rule, subset_of_word
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


def level_of_classes(names: Sequence[str], single: str) -> int | None:
    """The level of folders that look like classes; 1 is the top one, -1 the one with the image.

    Of several, one with a folder of good images, else the deepest. A single class that is named as
    good is taken as it was meant, unless there is such a level.

    Args:
        names: of the images, below the source.
        single: the class that the rules give all of them.
    """
    depths = {name.count("/") for name in names}
    depth = min(depths, default=0)
    levels: list[int] = [*range(depth, 0, -1)]
    if len(depths) > 1:  # folders of one kind are then as far from the images more likely
        levels = [*range(-2, -depth - 1, -1), *levels]
    useful: dict[int, list[str]] = {
        level: folders
        for level in levels
        if _is_useful(folders := [folder_at(name, level) or "" for name in names])
        and any(re.search(r"[^\W\d_]", folder) for folder in folders)
        and not all(subset_of_word(folder) for folder in folders)
    }
    for level, folders in useful.items():
        if good_class(set(folders)):
            return level
    return None if good_class([single]) else next(iter(useful), None)


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
