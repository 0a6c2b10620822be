"""Groups of pictures that must stay together, read from their paths."""

import os
import re
from collections.abc import Sequence
from pathlib import PurePath, PurePosixPath

from core.data.labels import normal_name
from core.errors import SplitError

MAX_PATTERN = 300


def groups_by_pattern(paths: Sequence[str], pattern: str) -> list[str | None]:
    """What the named group `group` finds in each path; None where the pattern does not match.

    Args:
        paths: of all pictures; the folder that holds them all is cut off first.
        pattern: a regular expression, searched in the relative path with forward slashes.

    Raises:
        SplitError: if the pattern is broken, has no such group, or matches nothing.
    """
    hint = "For example: regex:(?P<group>part\\d+)"
    try:
        compiled = re.compile(pattern[: MAX_PATTERN + 1])
    except re.error as err:
        raise SplitError(f"The pattern '{pattern}' cannot be read: {err}.", hint) from err
    if len(pattern) > MAX_PATTERN or "group" not in compiled.groupindex:
        raise SplitError("The pattern is too long or has no named group 'group'.", hint)
    found = [compiled.search(path.as_posix()) for path in _relative(paths)]
    groups = [match["group"] if match else None for match in found]
    if not any(groups):
        example = _relative(paths)[0].as_posix() if paths else ""
        raise SplitError(f"The pattern matches no picture, for example not '{example}'.", hint)
    return groups


def groups_by_folder(paths: Sequence[str], labels: Sequence[str]) -> list[str | None]:
    """The folder of each picture; None for those that lie directly in the folder of their class.

    Raises:
        SplitError: if no picture lies in a folder of its own below the class folder.
    """
    groups: list[str | None] = []
    for path, label in zip(_relative(paths), labels, strict=True):
        is_class = not path.parent.parts or normal_name(path.parent.name) == normal_name(label)
        groups.append(None if is_class else path.parent.as_posix())
    if not any(groups):
        raise SplitError(
            "There are no folders below the class folders to group by.",
            "Put the pictures of one part into one folder, or group by a pattern.",
        )
    return groups


def _relative(paths: Sequence[str]) -> list[PurePosixPath]:
    root = os.path.commonpath([str(PurePath(path).parent) for path in paths]) if paths else ""
    return [PurePosixPath(PurePath(path).relative_to(root).as_posix()) for path in paths]
