"""Groups of images that must stay together, read from their names and what is known of them."""

import os
from collections.abc import Iterable, Sequence
from pathlib import PurePath, PurePosixPath
from typing import assert_never

from core.data.patterns import PathPattern
from core.domain.datasets import Sample
from core.domain.names import known_name, name_key
from core.domain.splits import Grouping, GroupKind
from core.errors import ConfigError, SplitError

Names = list[str | None]


def group_names(
    samples: Sequence[Sample], grouping: Grouping, class_folders: Iterable[str]
) -> Names:
    """The group of each sample; None for those that stand alone.

    Args:
        samples: of one dataset.
        grouping: by names or columns; look-alikes are not known from them.
        class_folders: names of folders that stand for a class, present and former.

    Raises:
        SplitError: if no image has a group by this rule.
        ValueError: for look-alikes.
    """
    names = [s.name or s.path for s in samples]
    match grouping.kind:
        case GroupKind.PATTERN:
            return groups_by_pattern(names, grouping.value)
        case GroupKind.FOLDER:
            return groups_by_folder(names, class_folders)
        case GroupKind.COLUMN:
            return groups_by_column(samples)
        case GroupKind.ATTRIBUTE:
            return groups_by_attribute(samples, grouping.value)
        case GroupKind.LOOK_ALIKES:
            raise ValueError("look-alikes come from a quality check")
        case _:
            assert_never(grouping.kind)


def groups_by_pattern(names: Sequence[str], pattern: str) -> Names:
    """What the named group `group` finds in each name; None where the pattern does not match.

    Args:
        names: paths below the source, with forward slashes. Of absolute ones, the folder that
            holds them all is cut off first.
        pattern: a regular expression, searched in the name.

    Raises:
        SplitError: if the pattern is broken, has no such group, or matches nothing.
    """
    hint = "For example: (?P<group>part\\d+)"
    try:
        compiled = PathPattern(pattern, needs="group")
    except ConfigError as err:
        raise SplitError(err.message, f"{err.hint} {hint}") from err
    below = _below(names)
    found = [compiled.find(path.as_posix()) for path in below]
    groups = [(match["group"] or None) if match else None for match in found]
    if not any(groups):
        example = below[0].as_posix() if below else ""
        raise SplitError(f"The pattern matches no image, for example not '{example}'.", hint)
    return groups


def groups_by_folder(names: Sequence[str], class_folders: Iterable[str]) -> Names:
    """The folder of each image; None for those that lie directly in the folder of a class.

    Raises:
        SplitError: if no image lies in a folder of its own below the class folder.
    """
    known = {name_key(name) for name in class_folders}
    groups: Names = []
    for path in _below(names):
        is_class = not path.parent.parts or name_key(path.parent.name) in known
        groups.append(None if is_class else path.parent.as_posix())
    if not any(groups):
        raise SplitError(
            "There are no folders below the class folders to group by.",
            "Put the images of one part into one folder, or group by a pattern.",
        )
    return groups


def groups_by_column(samples: Sequence[Sample]) -> Names:
    """The stored group of each sample: from a table, a pattern at import, or edits.

    Raises:
        SplitError: if no sample has one.
    """
    groups = [s.group or None for s in samples]
    if not any(groups):
        raise SplitError(
            "No image of this dataset has a group.",
            "Import with a table that has a group column, or group images in the gallery.",
        )
    return groups


def groups_by_attribute(samples: Sequence[Sample], name: str) -> Names:
    """The value of a further table column of each sample.

    Raises:
        SplitError: if no sample has this column.
    """
    known = sorted({key for s in samples for key in s.attributes})
    column = known_name(name, known) or name
    groups = [s.attributes.get(column) or None for s in samples]
    if not any(groups):
        raise SplitError(
            f"No image has a value in the column '{name}'.",
            f"The columns are: {', '.join(known)}."
            if known
            else "This dataset was imported without a table of further columns.",
        )
    return groups


def _below(names: Sequence[str]) -> list[PurePosixPath]:
    # Why: datasets of the first schema know only absolute paths.
    absolute = [name for name in names if PurePath(name).is_absolute()]
    root = os.path.commonpath([str(PurePath(name).parent) for name in absolute]) if absolute else ""
    return [
        PurePosixPath(PurePath(name).relative_to(root).as_posix())
        if PurePath(name).is_absolute()
        else PurePosixPath(name)
        for name in names
    ]
