"""Files by the ways in which a table may spell their names."""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from core.data.pixels.images import EXTENSIONS


def name_indexes(names: Sequence[str]) -> list[dict[str, str]]:
    """From what a table may contain to the file, the most exact first; ambiguous ones left out.

    The whole path; in upper or lower case; without extension; the file name with and without it.
    """
    paths = {unicodedata.normalize("NFC", name): name for name in names}
    spellings: list[Callable[[str], str]] = [
        str.casefold,
        lambda path: _without_extension(path.casefold()),
        lambda path: path.casefold().rpartition("/")[2],
        lambda path: _without_extension(path.casefold().rpartition("/")[2]),
    ]
    return [paths, *[_unique(paths, spelling) for spelling in spellings]]


def matching_name(path: str, indexes: Sequence[Mapping[str, str]]) -> tuple[int, str | None]:
    """The file that a path in a table means, and by which of the indexes it was found."""
    base = path.rpartition("/")[2]
    folded = path.casefold()
    bare = _without_extension
    keys = (path, folded, bare(folded), base.casefold(), bare(base.casefold()))
    for rank, (key, index) in enumerate(zip(keys, indexes, strict=True)):
        if key in index:
            return rank, index[key]
    return 0, None


def _unique(paths: Mapping[str, str], spelling: Callable[[str], str]) -> dict[str, str]:
    names_by_key: dict[str, list[str]] = defaultdict(list)
    for path, name in paths.items():
        names_by_key[spelling(path)].append(name)
    return {key: names[0] for key, names in names_by_key.items() if len(names) == 1}


def _without_extension(path: str) -> str:
    folder, slash, base = path.rpartition("/")
    stem, dot, suffix = base.rpartition(".")
    return folder + slash + (stem if dot and stem and f".{suffix}" in EXTENSIONS else base)
