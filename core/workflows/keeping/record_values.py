"""What a row of the record holds, as keys and texts, whatever version of Touchstone wrote it.

Nothing here knows what an action means, and nothing fails: what is no JSON is shown as it is.
"""

import json
import re
from collections.abc import Iterator, Mapping

from core.domain.configs.augment import AugmentConfig
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.stored import FORMER_NAMES
from core.domain.configs.train import TrainConfig
from core.domain.record import RecordRow, in_utc
from core.domain.settings import settings_of
from core.words import NOTHING, exact, listed
from core.workflows.training.run_words import setting_in_words

Names = Mapping[str, str]  # id -> what people call it
_DIGEST = re.compile(r"\b[0-9a-f]{24,}\b")
_ID = re.compile(r"\b[a-z]+-[0-9a-z]+\b")
_DEEPEST = 12  # objects within objects; we write three
_SHOWN = 5  # pairs of a row whose action has no words
_LONGEST = 300  # characters of a sentence; all of it is in `in_full`
_SETTINGS = {
    item.name: item
    for kind in (TrainConfig, AugmentConfig, PreprocessConfig)
    for item in settings_of(kind)
}
_KEYS = {
    "from": "source",
    "sha256": "SHA-256",
    "max_escape": "escape rate at most",
    "max_overkill": "false reject rate at most",
    "min_macro_f1": "macro F1 at least",
    "min_recall": "recall of every class at least",
    "min_automatic": "automatic share at least",
    "max_reviews": "inspector reviews per shift at most",
    "golden_must_pass": "golden samples must pass",
    "accept_below": "accept below",
    "reject_from": "reject from",
    "look": "inspector review",
    "person_escape": "escapes of inspectors",
    "person_overkill": "false rejects of inspectors",
}


def values_of(text: str | None) -> dict[str, object]:
    """The values of a JSON object; empty where the text is none."""
    value = _read(text or "")
    return value if isinstance(value, dict) else {}


def items_of(value: object) -> list[object]:
    """The items of a list, or of a text that holds one as JSON; empty where it is none."""
    items = _read(value) if isinstance(value, str) else value
    return items if isinstance(items, list) else []


def single(text: str | None) -> str | None:
    """A text that is no JSON; None: there is none."""
    return text if text and isinstance(_read(text), str) else None


def in_short(text: str) -> str:
    """The same on one line, with the beginning of each digest, and an end where it is long."""
    line = _DIGEST.sub(lambda match: f"{match[0][:8]}…", " ".join(text.split()))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST].rstrip()}…"


def pairs_in_words(row: RecordRow, names: Names) -> str:
    """The first values of a row, such as "images: 300, digest: 9697…, and 2 more"."""
    return listed([f"{key}: {value}" for key, value in _pairs(row, names)], _SHOWN)


def in_full(row: RecordRow, names: Names) -> list[tuple[str, str]]:
    """Everything that a row holds, nothing shortened: key and text, old and new by an arrow."""
    about = [("id", row.subject)] if row.subject else []
    return [*_pairs(row, names), *about, ("row", str(row.number)), ("chain", row.digest)]


def ids_in(row: RecordRow) -> set[str]:
    """Ids of other things that a row may name."""
    return set(_ID.findall(f"{row.old or ''} {row.new or ''}"))


def _pairs(row: RecordRow, names: Names) -> list[tuple[str, str]]:
    old, new = _written_values(row.old, names), _written_values(row.new, names)
    if not old or not new:
        return list((old or new).items())
    return [(key, _change(old.get(key), new.get(key))) for key in {**old, **new}]


def _change(old: str | None, new: str | None) -> str:
    return str(new) if old == new else f"{old or NOTHING} → {new or NOTHING}"


def _written_values(text: str | None, names: Names) -> dict[str, str]:
    """Key -> text; a text that is no JSON has the key "value"."""
    return {
        _path_in_words(path): _written(path[-1] if path else "", value, names)
        for path, value in (() if text is None else _flat(text, ()))
    }


def _flat(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    """Each value that holds no others; JSON that is nested as a text is opened too."""
    inner = _read(value) if isinstance(value, str) else value
    if isinstance(inner, list) and any(isinstance(item, dict | list) for item in inner):
        inner = {str(number): item for number, item in enumerate(inner, 1)}
    if not isinstance(inner, dict):
        yield path, inner
    elif len(path) == _DEEPEST:
        yield path, "nested too deeply to be shown"
    else:
        for key, item in inner.items():
            yield from _flat(item, (*path, str(key)))


def _path_in_words(path: tuple[str, ...]) -> str:
    return ", ".join(_key_in_words(key) for key in path) or "value"


def _key_in_words(key: str) -> str:
    if item := _SETTINGS.get(FORMER_NAMES.get(key, key)):
        return item.title[:1].lower() + item.title[1:]
    return _KEYS.get(key, key.replace("_", " "))


def _written(key: str, value: object, names: Names) -> str:
    if value is None or value in ("", []):
        return NOTHING
    if isinstance(value, list):
        return ", ".join(_written("", item, names) for item in value)
    if isinstance(value, bool | int | float | str) and key in _SETTINGS:
        return setting_in_words(_SETTINGS[key], value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(key, value)
    return f"{names[value]} ({value})" if isinstance(value, str) and value in names else str(value)


def _number(key: str, value: float) -> str:
    if key.endswith("_at") and 0 < value < 1e11:  # seconds
        return f"{in_utc(value)} UTC"
    return exact(value) if isinstance(value, float) else str(value)


def _read(text: str) -> object:
    """JSON objects and lists as values, everything else as the text that it is."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
