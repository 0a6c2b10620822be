"""Files found by what a table calls them: the longest common ending of both paths."""

import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from urllib.parse import parse_qs, unquote

from core.data.importing.layout import GENERIC_FOLDERS
from core.data.pixels.images import EXTENSIONS

_DRIVE = re.compile(r"^[A-Za-z]:(?=/|$)|^//[?.]/(?:[A-Za-z]:)?")
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
_UPLOAD = re.compile(r"(?:^|/)upload/(?:.*/)?[0-9a-f]{4,}-([^/]+)$")  # as Label Studio stores them
_SPECIAL = re.compile(r"[%?#]|://|(?i:upload/)")
_LAST = "\U0010ffff"


class PathFit(StrEnum):
    """How a path of a table and a file fit."""

    EXACT = "exact"
    ENDING = "ending"  # other folders above, or none
    WITHOUT_EXTENSION = "without_extension"
    AMBIGUOUS = "ambiguous"
    OTHER_FOLDER = "other_folder"  # the only file of this name is where the table does not say
    MISSING = "missing"


@dataclass(frozen=True)
class FoundFile:
    """The file that a path means; of several or the wrong one, `name` is an example.

    `folders` are those of the file that the path does not mention, in lower case.
    """

    fit: PathFit
    name: str = ""
    folders: tuple[str, ...] = ()
    count: int = 0


def path_spellings(text: str) -> list[tuple[str, ...]]:
    """The parts of what a path in a table may mean, the most literal first.

    Backslashes, drive letters, `./`, URLs, percent-encoded characters, and the names that Label
    Studio gives to uploaded (`/data/upload/1/abc123-name.jpg`) and to local files
    (`/data/local-files/?d=dir/name.jpg`).
    """
    typed = _composed(text.strip().strip('"')).replace("\\", "/")
    if not _SPECIAL.search(typed):
        parts = _parts(typed)
        return [parts] if parts else []
    spellings = [typed]
    if "?" in typed or _SCHEME.match(typed):
        path, _, query = _SCHEME.sub("", typed).partition("#")[0].partition("?")
        spellings += [*parse_qs(query).get("d", ()), path]
    spellings += [decoded for one in tuple(spellings) if (decoded := unquote(one)) != one]
    spellings += [match[1] for one in tuple(spellings) if (match := _UPLOAD.search(one))]
    composed = (_composed(one.replace("\\", "/")) for one in spellings)
    return list(dict.fromkeys(parts for one in composed if (parts := _parts(one))))


def has_image_ending(cell: str) -> bool:
    """Whether a cell of a table names an image by its ending, also in a URL."""
    ends = (parts[-1] for parts in path_spellings(cell))
    return any(f".{base.rpartition('.')[2].lower()}" in EXTENSIONS for base in ends)


def known_spellings(names: Iterable[str]) -> set[str]:
    """Whole paths and file names, with and without extension, in lower case."""
    known: set[str] = set()
    for name in names:
        folded = _folded(name)
        base = folded.rpartition("/")[2]
        known |= {folded, _bare(folded), base, _bare(base)}
    return known


class PathIndex:
    """The files of a source, to be found by what a table calls them.

    A path means the file with which it shares the longest ending: unambiguous, or none. Never a
    file in another folder of the same kind: where `lot2` is a folder of the source or the table,
    `lot2/1.png` is not `lot1/1.png`.
    """

    def __init__(self, names: Sequence[str], paths: Iterable[str]) -> None:
        """Index files.

        Args:
            names: of the files, below the source.
            paths: all paths of the table; they tell which folders vary.
        """
        composed = [_composed(name) for name in names]
        same = Counter(composed)
        self._exact = {k: name for k, name in zip(composed, names, strict=True) if same[k] == 1}
        folded = [_folded(name) for name in names]
        counts = Counter(folded)
        self._folded = {k: name for k, name in zip(folded, names, strict=True) if counts[k] == 1}
        self._names = names
        self._made: dict[tuple[Callable[[str], str], bool], _Endings] = {}
        self._file_folders = _varying([key.split("/")[:-1] for key in folded])
        self._row_folders = _varying(
            [
                [_folded(part) for part in parts[0][:-1]]
                for p in paths
                if (parts := path_spellings(p))
            ]
        )

    def find(self, path: str) -> FoundFile:
        """The file that a path of the table means."""
        spellings = path_spellings(path)
        for parts in spellings:
            whole = "/".join(parts)
            if name := self._exact.get(whole) or self._folded.get(_folded(whole)):
                return FoundFile(PathFit.EXACT, name)
        failed = FoundFile(PathFit.MISSING)
        for spelling, with_generic in product(_SPELLINGS, (True, False)):
            index = self._endings(spelling, with_generic)
            for parts in spellings:
                found = self._find(index, _folded("/".join(parts)).split("/"))
                if found.fit in (PathFit.ENDING, PathFit.WITHOUT_EXTENSION):
                    return found
                failed = found if failed.fit is PathFit.MISSING else failed
        return failed

    def _find(self, index: "_Endings", parts: Sequence[str]) -> FoundFile:
        row = index.key(parts)
        shared, names = index.longest(row)
        if not names:
            return FoundFile(PathFit.MISSING)
        name = names[0]
        if len(names) > 1:
            return FoundFile(PathFit.AMBIGUOUS, name, count=len(names))
        file = index.key(_folded(name).split("/"))
        if self._contradict(row, file, shared):
            return FoundFile(PathFit.OTHER_FOLDER, name)
        fit = PathFit.ENDING if index.spelling is _literal else PathFit.WITHOUT_EXTENSION
        return FoundFile(fit, name, tuple(file[shared:]))

    def _endings(self, spelling: Callable[[str], str], with_generic: bool) -> "_Endings":
        """Made when it is needed first: most tables need none of them."""
        key = spelling, with_generic
        if key not in self._made:
            self._made[key] = _Endings(self._names, spelling, with_generic=with_generic)
        return self._made[key]

    def _contradict(self, row: Sequence[str], file: Sequence[str], shared: int) -> bool:
        """Whether the first folders that differ are of one kind, and not two names of a root."""
        if len(row) == shared or len(file) == shared:
            return False
        ours, theirs = row[shared], file[shared]
        if ours in self._file_folders or theirs in self._row_folders:
            return True
        varying = self._file_folders | self._row_folders
        return varying.isdisjoint(row[1:shared]) and _shape(ours) == _shape(theirs)


class _Endings:
    """Paths sorted from their end, so that those with the longest common ending are neighbours."""

    def __init__(
        self, names: Sequence[str], spelling: Callable[[str], str], *, with_generic: bool
    ) -> None:
        self.spelling = spelling
        self._with_generic = with_generic
        keyed = [("/".join(self.key(_folded(name).split("/"))) + "/", name) for name in names]
        keyed.sort()
        self._keys = [key for key, _ in keyed]
        self._names = [name for _, name in keyed]

    def key(self, parts: Sequence[str]) -> list[str]:
        """The file name, then its folders from the last one up."""
        folders = [p for p in parts[:-1] if self._with_generic or p not in GENERIC_FOLDERS]
        return [self.spelling(parts[-1]), *reversed(folders)]

    def longest(self, row: Sequence[str]) -> tuple[int, list[str]]:
        """How many parts the files with the longest common ending share, and these files."""
        place = bisect_left(self._keys, "/".join(row) + "/")
        near = self._keys[max(0, place - 1) : place + 1]
        shared = max([_shared(row, key.split("/")) for key in near], default=0)
        if not shared:
            return 0, []
        ending = "/".join(row[:shared]) + "/"
        first, end = bisect_left(self._keys, ending), bisect_left(self._keys, ending + _LAST)
        return shared, self._names[first:end]


def _parts(path: str) -> tuple[str, ...]:
    """The parts of a path without its root, its drive, and steps that say nothing."""
    kept: list[str] = []
    for part in _DRIVE.sub("", path).split("/"):
        if part == "..":
            kept = kept[:-1]
        elif part not in ("", ".") and not part.isspace():
            kept.append(part)
    return tuple(kept)


def _shared(row: Sequence[str], file: Sequence[str]) -> int:
    number = 0
    for one, other in zip(row, file, strict=False):
        if one != other:
            break
        number += 1
    return number


def _varying(folders: Sequence[list[str]]) -> frozenset[str]:
    """The folders below those that all paths have in common at their start."""
    if not folders:
        return frozenset()
    low, high = min(folders), max(folders)
    common = _shared(low, high)
    return frozenset(part for parts in folders for part in parts[common:])


def _shape(folder: str) -> str:
    """Equal for folders that differ in numbers only: `lot 1` and `lot 12`, dates."""
    return re.sub(r"\d+", "0", folder)


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _folded(path: str) -> str:
    return path.lower() if path.isascii() else _composed(_composed(path).casefold())


def _bare(path: str) -> str:
    """A path without the extension of an image."""
    folder, slash, base = path.rpartition("/")
    stem, dot, suffix = base.rpartition(".")
    return folder + slash + (stem if dot and stem and f".{suffix}" in EXTENSIONS else base)


def _loose(base: str) -> str:
    """A file name as programs store it that replace blanks and drop punctuation; no extension."""
    return re.sub(r"[^-\w.]", "", _bare(base).replace(" ", "_"))


def _literal(base: str) -> str:
    return base


_SPELLINGS: tuple[Callable[[str], str], ...] = (_literal, _bare, _loose)
