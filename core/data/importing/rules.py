"""The rules of an import, chosen by the user: one value from the form to the worker."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, TypeVar

from core.domain.datasets import LabelSource
from core.errors import ConfigError

Choice = TypeVar("Choice", bound=StrEnum)
MAX_LEVEL = 30
NO_COLUMN = ""  # the table has none; None means: detect it
FLAG_COLUMNS = "*"  # of 0 and 1, one for each class: the label is the title of the one with 1


class Delimiter(StrEnum):
    """What separates the cells of a label table."""

    COMMA = "comma"
    SEMICOLON = "semicolon"
    TAB = "tab"
    BLANKS = "blanks"

    @property
    def character(self) -> str:
        """As it stands in the file."""
        return {"comma": ",", "semicolon": ";", "tab": "\t", "blanks": " "}[self.value]


class TableKind(StrEnum):
    """What kind of file a label table came in."""

    TEXT = "text"  # CSV and its relatives
    EXCEL = "excel"
    JSON = "json"  # exports of labeling programs


class DecimalMark(StrEnum):
    """Which character divides the whole part of a number from its decimals; the other groups."""

    POINT = "point"  # 1,234.5
    COMMA = "comma"  # 1.234,5


class CombinedLabels(StrEnum):
    """What becomes of a class name that looks like several labels, such as `crack|stain`."""

    KEEP = "keep"  # a class of its own
    FIRST = "first"  # the first of the labels
    LEAVE_OUT = "leave_out"


@dataclass(frozen=True)
class TableRules:
    """A label table and how to read it; None means that it is detected.

    `text` is CSV; of a workbook or a JSON file it was made by `read_table_file`. `encoding`,
    `encoding_guessed` and `sheet` say how that was done. A column is its name in the header or its
    number, from 1. `class_map` gives names to labels, usually numbers. `bins` are edges in
    ascending order; `bin_names` has one more name than edges: a number below the first edge gets
    the first name, a number on an edge the name after it. `label_guessed`: several columns could be
    the label, and nobody has confirmed the chosen one.
    """

    text: str
    delimiter: Delimiter | None = None
    header: bool | None = None
    path_column: str | None = None
    label_column: str | None = None
    group_column: str | None = None
    split_column: str | None = None
    class_map: tuple[tuple[str, str], ...] = ()
    bins: tuple[float, ...] = ()
    bin_names: tuple[str, ...] = ()
    label_guessed: bool = False
    kind: TableKind = TableKind.TEXT
    encoding: str = ""
    encoding_guessed: bool = False
    sheet: str = ""
    decimal: DecimalMark | None = None

    def __post_init__(self) -> None:
        if self.bins and list(self.bins) != sorted(set(self.bins)):
            raise ConfigError("The edges of the bins must ascend.", "For example: 0.3, 0.7")
        if (self.bins or self.bin_names) and len(self.bin_names) != len(self.bins) + 1:
            raise ConfigError(
                f"The number of bin names must be {len(self.bins) + 1}, one more than the edges; "
                f"it is {len(self.bin_names)}.",
                "For example: the edge 0.5 and the names ok, bad.",
            )


@dataclass(frozen=True)
class ImportRules:
    """How names become labels, and what is kept.

    `level` is for `LabelSource.FOLDER_LEVEL`: 1 is the top folder below the source, -1 the folder
    that contains the image. `class_name` is for `LabelSource.ONE_CLASS`. `ok_classes` are the
    classes that count as OK; None: by their names. `combined` None: nobody has decided yet.
    `zip_encoding` is that of file names in a ZIP file not marked as UTF-8; empty: detected.
    """

    labels: LabelSource = LabelSource.LAST_FOLDER
    pattern: str = ""
    level: int = -1
    table: TableRules | None = None
    keep_split: bool = True
    keep_companions: bool = False
    leave_out: tuple[str, ...] = ()
    ok_classes: tuple[str, ...] | None = None
    combined: CombinedLabels | None = None
    zip_encoding: str = ""
    class_name: str = ""

    def __post_init__(self) -> None:
        if self.level == 0 or abs(self.level) > MAX_LEVEL:
            raise ConfigError(
                f"There is no folder level {self.level}.",
                "1 is the top folder below the source, -1 the folder that contains the image.",
            )


def read_class_map(text: str) -> tuple[tuple[str, str], ...]:
    """Class names of labels as typed: `0=good, 1=crack`; names may be in double quotes.

    Raises:
        ConfigError: if a part is not such a pair, or one label has two names.
    """
    return _class_map([part for part in split_quoted(text) if part.strip()])


def read_class_pairs(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Class names of labels from an option that may be given several times.

    Given once, it may contain several pairs, see `read_class_map`. Given several times, each is
    one pair, so that names may contain commas without quotes: `0=ok, good` and `1=bad`.

    Raises:
        ConfigError: see `read_class_map`; also if one of several values looks like several pairs.
    """
    if len(texts) == 1:
        return read_class_map(texts[0])
    for text in texts:
        parts = split_quoted(text)
        if len(parts) > 1 and all("=" in part for part in parts):
            raise ConfigError(
                f"'{text}' looks like {len(parts)} pairs, but the option was given several times.",
                "Give one pair per option, or all pairs in one option. Put a name like this in "
                'double quotes: 0="a, b=c"',
            )
    return _class_map(texts)


def _class_map(parts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The pairs of label and name, each divided at its first equals sign outside quotes."""
    sides = [split_quoted(part, "=") for part in parts]
    pairs = tuple((unquoted(label), unquoted("=".join(name))) for label, *name in sides)
    typed = ", ".join(parts)
    if not all(label and name for label, name in pairs):
        raise ConfigError(
            f"'{typed}' does not give names to labels.", "For example: 0=good, 1=crack"
        )
    if len({label for label, _ in pairs}) < len(pairs):
        raise ConfigError(f"'{typed}' gives two names to one label.", "Give each label one name.")
    return pairs


def read_edges(text: str) -> tuple[float, ...]:
    """Edges of bins as typed: `0.3, 0.7`.

    Raises:
        ConfigError: if a part is not a number.
    """
    try:
        return tuple(float(part) for part in read_names(text))
    except ValueError as err:
        raise ConfigError(f"An edge in '{text}' is not a number.", "For example: 0.3, 0.7") from err


def read_names(text: str, separators: str = ",;") -> tuple[str, ...]:
    """Names as typed: `ok, "bad, really"`.

    Raises:
        ConfigError: if a closing quotation mark is missing.
    """
    names = (unquoted(part) for part in split_quoted(text, separators))
    return tuple(name for name in names if name)


def split_quoted(text: str, separators: str = ",;") -> list[str]:
    """The parts between separators outside double quotes; the quotes are kept.

    Raises:
        ConfigError: if a closing quotation mark is missing.
    """
    if text.count('"') % 2:
        raise ConfigError(
            f"A closing quotation mark is missing in '{text}'.",
            'Put names with a comma in double quotes: 0="good, clean", 1=crack',
        )
    # A separator counts where an even number of quotation marks follows.
    return re.split(rf'[{separators}](?=(?:[^"]*"[^"]*")*[^"]*$)', text)


def unquoted(text: str) -> str:
    """A name without double quotes and without blanks around it."""
    return text.replace('"', "").strip()


def rules_as_dict(rules: ImportRules) -> dict[str, Any]:
    """The rules as JSON understands them."""
    return asdict(rules)


def rules_from_dict(values: dict[str, Any]) -> ImportRules:
    """The rules that `rules_as_dict` wrote.

    Raises:
        ConfigError: if they are not such rules.
    """
    try:
        table = values.get("table")
        return ImportRules(
            **{
                **_known(ImportRules, values),
                "labels": LabelSource(values["labels"]),
                "table": _table_rules(table) if table is not None else None,
                "combined": _choice(CombinedLabels, values.get("combined")),
            }
        )
    except (TypeError, ValueError, KeyError) as err:
        raise ConfigError(
            f"These import rules cannot be read: {err}.",
            "They may come from a newer version of Touchstone.",
        ) from err


def _table_rules(values: dict[str, Any]) -> TableRules:
    known = _known(TableRules, values)
    return TableRules(
        **{
            **known,
            "delimiter": _choice(Delimiter, known.get("delimiter")),
            "decimal": _choice(DecimalMark, known.get("decimal")),
            "kind": TableKind(known.get("kind", TableKind.TEXT)),
            "class_map": tuple((str(a), str(b)) for a, b in known.get("class_map", ())),
        }
    )


def _choice(kind: type[Choice], value: str | None) -> Choice | None:
    return kind(value) if value else None


def _known(kind: type[ImportRules] | type[TableRules], values: dict[str, Any]) -> dict[str, Any]:
    unknown = set(values) - {item.name for item in fields(kind)}
    if unknown:
        raise ValueError(f"unknown settings {', '.join(sorted(unknown))}")
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
