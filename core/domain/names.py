"""Names that people type: one spelling to store, one key to compare, names that stay distinct."""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache


@lru_cache(maxsize=8192)  # the same few names come for every image
def normal_name(text: str) -> str:
    """One spelling of a name: composed Unicode, no control characters, no outer blanks."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(c for c in composed if unicodedata.category(c)[0] != "C").strip()


@lru_cache(maxsize=8192)
def name_key(text: str) -> str:
    """Equal for names that differ only in upper and lower case or in how accents are stored."""
    return unicodedata.normalize("NFC", normal_name(text).casefold())


def known_name(typed: str, names: Iterable[str]) -> str | None:
    """The name that was meant: as typed, else the only one with the same key; None: there is none.

    >>> known_name("CRACK", ["crack", "stain"])
    'crack'
    """
    candidates = list(names)
    if typed in candidates:
        return typed
    matches = {name for name in candidates if name_key(name) == name_key(typed)}
    return matches.pop() if len(matches) == 1 else None


def usual_spellings(counts: Mapping[str, int]) -> dict[str, str]:
    """Each spelling -> the most frequent one with the same key; of equals, the first given."""
    best: dict[str, str] = {}
    for name in counts:
        key = name_key(name)
        if key not in best or counts[name] > counts[best[key]]:
            best[key] = name
    return {name: best[name_key(name)] for name in counts}


def distinct_names(
    names: Sequence[str], *, key: Callable[[str], str] = name_key, folders: Iterable[str] = ()
) -> list[str]:
    """File names of which no two are equal by `key`: `x.png`, `x (2).png`, `x (3).png`.

    Args:
        names: in order; the first of equal ones keeps its name.
        key: equal for names that are one file on some system.
        folders: names that no file may have either.
    """
    taken = {key(name) for name in names}
    used = {key(folder) for folder in folders}
    result = []
    for name in names:
        free, number = name, 1
        while key(free) in used or (number > 1 and key(free) in taken):
            number += 1
            free = _numbered(name, number)
        used.add(key(free))
        result.append(free)
    return result


def _numbered(name: str, number: int) -> str:
    folder, slash, base = name.rpartition("/")
    stem, dot, suffix = base.rpartition(".")
    numbered = f"{stem} ({number}).{suffix}" if dot and stem else f"{base} ({number})"
    return folder + slash + numbered
