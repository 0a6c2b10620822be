"""The values of a report as a file between the one who gathers them and the worker who draws."""

import json
from dataclasses import asdict, fields, is_dataclass
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from core.reporting.values import ReportValues


def to_json(report: ReportValues) -> str:
    """The values as text."""
    return json.dumps(asdict(report))


def from_json(text: str) -> ReportValues:
    """What `to_json` wrote.

    Raises:
        ValueError, KeyError: if it is something else.
    """
    report = _read(ReportValues, json.loads(text))
    assert isinstance(report, ReportValues)
    return report


def _read(kind: Any, value: Any) -> Any:
    """A JSON value as the type of its field."""
    origin, inner = get_origin(kind), get_args(kind)
    if value is None:
        return None
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(
            **{item.name: _read(hints[item.name], value[item.name]) for item in fields(kind)}
        )
    if origin is tuple:
        kinds = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(_read(one, item) for one, item in zip(kinds, value, strict=True))
    if origin in (Union, UnionType):
        members = [one for one in inner if one is not NoneType]
        return _read(members[0], value) if len(members) == 1 else value
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind(value)
    return value
