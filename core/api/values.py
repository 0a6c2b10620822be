"""The JSON of single values: a rate, an estimate, an interval. What has no data is null."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from core.evaluation.measures.intervals import Estimate, Interval, Rate

JsonValue: TypeAlias = (
    bool | int | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"] | None
)
JsonObject: TypeAlias = dict[str, JsonValue]


def interval_as_json(interval: Interval | None) -> JsonObject | None:
    """Both bounds; null where there is no interval."""
    return {"low": interval.low, "high": interval.high} if interval else None


def rate_as_json(rate: Rate, unit: str | None = None) -> JsonObject | None:
    """Value, bounds and counts; null where nothing was counted.

    Args:
        rate: k of n.
        unit: what n counts, where the reader cannot know it otherwise.
    """
    if rate.value is None or rate.interval is None:
        return None
    values: JsonObject = {
        "rate": rate.value,
        "low": rate.interval.low,
        "high": rate.interval.high,
        "k": rate.k,
        "n": rate.n,
    }
    return {**values, "unit": unit} if unit else values


def estimate_as_json(estimate: Estimate) -> JsonObject | None:
    """Value and bounds; null where nothing is known at all.

    A value that could not be seen may still be bounded by what was: then it alone is null.
    """
    bounds = estimate.interval
    if estimate.value is None and bounds is None:
        return None
    return {
        "value": estimate.value,
        "low": bounds.low if bounds else None,
        "high": bounds.high if bounds else None,
    }
