"""Class names read from paths, and the meaning of common names."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import PurePosixPath
from typing import assert_never

from core.data.patterns import PathPattern
from core.domain.datasets import LabelSource
from core.domain.splits import Subset
from core.words import count

MAX_LABEL = 200  # a class name must fit a model file and a chart
_TRAILING_INDEX = re.compile(r"[\d_]+$")
_SUBSET_WORDS = {
    "train": Subset.TRAIN,
    "training": Subset.TRAIN,
    "val": Subset.VALIDATION,
    "valid": Subset.VALIDATION,
    "validation": Subset.VALIDATION,
    "test": Subset.TEST,
    "testing": Subset.TEST,
}
_GOOD_WORDS = {
    "ok",
    "okay",
    "good",
    "gut",
    "io",
    "free",
    "normal",
    "pass",
    "passed",
    "fine",
    "perfect",
    "intact",
    "healthy",
}
_NOT_WORDS = {"no", "not", "non", "kein", "keine", "nicht", "without", "ohne", "un", "ab", "nio"}
_FAULT_WORDS = {
    "defect",
    "defects",
    "defective",
    "fault",
    "faults",
    "anomaly",
    "anomalies",
    "damage",
    "damaged",
    "error",
    "fehler",
    "defekt",
}
_NO_CLASS_NAME = "The file name contains no class name."
_NO_CLASS_FOLDER = "The file is not inside a class folder."
_CAMEL = re.compile(r"(?<=[a-zäöü])(?=[A-ZÄÖÜ])")
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Labelled:
    """What a rule reads from one file name; `reason` is the sentence why there is no label."""

    label: str | None = None
    group: str | None = None
    subset: Subset | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    reason: str | None = None


PathRule = Callable[[str], Labelled]


@lru_cache(maxsize=8192)  # the same few names come for every image
def normal_name(text: str) -> str:
    """One spelling of a name: composed Unicode, no control characters, no outer blanks."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(c for c in composed if unicodedata.category(c)[0] != "C").strip()


def normal_path(text: str) -> str:
    """A relative path as tables and archives write it, with forward slashes."""
    return str(PurePosixPath(unicodedata.normalize("NFC", text.strip().replace("\\", "/"))))


def path_rule(source: LabelSource, *, pattern: str = "", level: int = -1) -> PathRule:
    """The function that reads the class from a path below the source folder.

    `last_folder`: `pills/crack/12.png` -> `crack`. `file_name`: -> `12`.
    `file_name_remove_index`: the base name without all trailing digits and underscores,
    `crack_20180101.png` -> `crack`. `folder_level`: 1 is the top folder, -1 the last one.
    `pattern`: the groups `label` and `group` of a regular expression.

    Raises:
        ConfigError: if the pattern is invalid.
        ValueError: for `table`, which reads no paths.
    """
    match source:
        case LabelSource.PATTERN:
            return _pattern_rule(pattern)
        case LabelSource.FILE_NAME:
            return lambda name: _labelled(_stem(name), _NO_CLASS_NAME)
        case LabelSource.FILE_NAME_REMOVE_INDEX:
            return lambda name: _labelled(_TRAILING_INDEX.sub("", _stem(name)), _NO_CLASS_NAME)
        case LabelSource.LAST_FOLDER:
            return lambda name: _labelled(folder_at(name, -1) or "", _NO_CLASS_FOLDER)
        case LabelSource.FOLDER_LEVEL:
            reason = f"The file is less than {count(abs(level), 'folder')} deep."
            return lambda name: _labelled(folder_at(name, level) or "", reason)
        case LabelSource.TABLE:
            raise ValueError("a table is matched by `match_table`")
        case _:
            assert_never(source)


def folder_at(name: str, level: int) -> str | None:
    """The folder at a level: 1 is the top one, -1 the one with the file; None: there is none."""
    folders = name.split("/")[:-1]
    position = level - 1 if level > 0 else level
    return folders[position] if -len(folders) <= position < len(folders) else None


def subset_of_word(word: str) -> Subset | None:
    """The subset that a folder or a table cell names, in upper or lower case."""
    return _SUBSET_WORDS.get(word.strip().lower())


def good_class(class_names: Iterable[str]) -> str | None:
    """The only class whose name means "good"; None if there is none, or more than one."""
    good = [name for name in class_names if _says_good(name)]
    return good[0] if len(good) == 1 else None


def _says_good(name: str) -> bool:
    words = [word.lower() for word in _WORD.findall(_CAMEL.sub(" ", name))]
    joined = "".join(words)
    if joined in ("io", "ok", "iok"):
        return True
    negated = bool(_NOT_WORDS & set(words)) or joined.startswith(("nio", "non", "nok", "notok"))
    faults = bool(_FAULT_WORDS & set(words))
    if faults or joined in {not_word + fault for not_word in _NOT_WORDS for fault in _FAULT_WORDS}:
        return negated or "free" in words or "frei" in words
    return not negated and bool(_GOOD_WORDS & set(words))


def _pattern_rule(pattern: str) -> PathRule:
    compiled = PathPattern(pattern, needs="label")

    def rule(name: str) -> Labelled:
        match = compiled.find(name)
        if match is None:
            return Labelled(reason="The pattern does not match.")
        labelled = _labelled(match["label"] or "", "The pattern matches, but its label is empty.")
        return replace(labelled, group=normal_name(match.get("group") or "") or None)

    return rule


def _labelled(text: str, reason: str) -> Labelled:
    label = normal_name(text)
    if not label:
        return Labelled(reason=reason)
    if len(label) > MAX_LABEL:
        return Labelled(reason=f"The class name is longer than {MAX_LABEL} characters.")
    return Labelled(label)


def _stem(name: str) -> str:
    return PurePosixPath(name).stem
