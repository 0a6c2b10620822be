"""Class names read from paths, and the meaning of common names."""

import json
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import assert_never

from core.data.patterns import PathPattern
from core.domain.datasets import LabelSource
from core.domain.names import name_key, normal_name
from core.domain.splits import Subset
from core.words import count

MAX_LABEL = 200  # a class name must fit a model file and a chart
_TRAILING_INDEX = re.compile(r"(?:[\d_]|\s*\(\d+\))+$")  # `_0012`, and `_3 (2)` of copies
_SUBSET_WORDS = {
    "train": Subset.TRAIN,
    "training": Subset.TRAIN,
    "val": Subset.VALIDATION,
    "valid": Subset.VALIDATION,
    "validation": Subset.VALIDATION,
    "validate": Subset.VALIDATION,
    "dev": Subset.VALIDATION,
    "development": Subset.VALIDATION,
    "test": Subset.TEST,
    "testing": Subset.TEST,
    "holdout": Subset.TEST,
}
# What stands beside these words in `training_set`, `train-images`, `testset` and `val2017`.
_BESIDE_SUBSET = "|".join(
    [
        *(
            "sets?",
            "data",
            "datasets?",
            "images?",
            "imgs?",
            "pictures?",
            "pics",
            "photos?",
            "files",
        ),
        *("samples?", "examples?", "splits?", "subsets?", "folder", "new", "final", r"\d++"),
    ]
)
_SUBSET_NAME = re.compile(
    rf"(?:(?:{_BESIDE_SUBSET})[\W_]*+)*({'|'.join(sorted(_SUBSET_WORDS, key=len, reverse=True))})"
    rf"(?:[\W_]*+(?:{_BESIDE_SUBSET}))*"
)
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
_ALWAYS_DIVIDE = "|;"  # separators that stand in hardly any name
_DIVIDE_CLASSES = (",", "+", "/", "&", " and ", " und ")  # only between names that are classes too
_ANSWER_KEYS = ("choices", "classifications", "answer", "answers", "title", "name", "value")
_NO_CLASS_NAME = "The file name contains no class name."
_NO_CLASS_FOLDER = "The file is not inside a class folder."
_NO_NAME_TYPED = "The class has no name yet."
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


def path_rule(
    source: LabelSource, *, pattern: str = "", level: int = -1, class_name: str = ""
) -> PathRule:
    """The function that reads the class from a path below the source folder.

    `last_folder`: `pills/crack/12.png` -> `crack`. `file_name`: -> `12`.
    `file_name_remove_index`: the base name without all trailing digits, underscores and numbers of
    copies, `crack_20180101 (2).png` -> `crack`. `folder_level`: 1 is the top folder, -1 the last
    one. `pattern`: the groups `label` and `group` of a regular expression. `one_class`: the class
    name for every path.

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
        case LabelSource.ONE_CLASS:
            return lambda _: _labelled(class_name, _NO_NAME_TYPED)
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
    """The subset that a folder or a table cell names, in upper or lower case.

    Words that say nothing may stand beside it: `training_set`, `Train-Images`, `val2017`, `dev`.
    """
    match = _SUBSET_NAME.fullmatch(word.strip().lower())
    return _SUBSET_WORDS[match[1]] if match else None


def labels_in(name: str, class_names: Collection[str]) -> tuple[str, ...]:
    """The labels in a class name: itself, or the parts if it looks like several labels.

    `crack|stain` and `a;b` always do; `crack, stain` does where crack or stain is a class of its
    own.

    Args:
        name: as it was read.
        class_names: all names that were read.
    """
    for separator in _ALWAYS_DIVIDE:
        parts = _divided(name, separator)
        if len(parts) > 1:
            return parts
    known = {name_key(other) for other in class_names if other != name}
    for separator in _DIVIDE_CLASSES:
        parts = _divided(name, separator)
        if len(parts) > 1 and not known.isdisjoint(map(name_key, parts)):
            return parts
    return (name,)


def choices_in(cell: str) -> list[str] | None:
    """The labels in a cell of JSON, as labeling programs write them; None: it is something else.

    For example `{"choices": ["crack", "stain"]}` (Label Studio), `{"class": "crack"}` (VIA), or
    `{"classifications": [{"answer": {"title": "crack"}}]}` (Labelbox).
    """
    if cell[:1] not in ("{", "["):
        return None
    try:
        return _answers(json.loads(cell))
    except (ValueError, RecursionError):
        return None


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


def _divided(name: str, separator: str) -> tuple[str, ...]:
    return tuple(part for part in (p.strip() for p in name.split(separator)) if part)


def _answers(value: object) -> list[str] | None:
    match value:
        case str():
            return [value]
        case list():
            parts = [_answers(item) for item in value]
            return None if None in parts else [name for part in parts for name in part or ()]
        case dict():
            key = next((key for key in _ANSWER_KEYS if key in value), None)
            if key is None and len(value) == 1:
                key = next(iter(value))
            return None if key is None else _answers(value[key])
        case _:
            return None
