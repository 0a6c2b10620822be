"""Actions on new images of parts: which part each shows, and one decision for it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.data.part_ids import PartSource, part_ids, part_source
from core.domain.models import PartResult, Prediction
from core.evaluation.decisions.part_decisions import part_results
from core.evaluation.decisions.rule import DecisionRule


def told_by(option: str, table: Path | None = None) -> PartSource:
    """What tells the part: `folder`, `regex:PATTERN`, or `column:NAME` of a table.

    Raises:
        ConfigError: if it is none of these, or cannot be used.
    """
    return part_source(option, table)


def with_parts(
    items: Sequence[Prediction], source: PartSource, names: Sequence[str]
) -> list[Prediction]:
    """The predictions with the parts that their images show.

    Args:
        items: of some images.
        source: what tells the part.
        names: of the images: all below one folder, or all absolute.

    Raises:
        ConfigError: if no image has a part by this rule, or a table cannot be read.
    """
    parts = part_ids(source, names)
    return [replace(item, part=part) for item, part in zip(items, parts, strict=True)]


def names_below(paths: Sequence[Path], given: Sequence[Path]) -> list[str]:
    """Names by which parts are told: below the one folder that was given, else absolute."""
    if len(given) == 1 and given[0].is_dir():
        return [path.relative_to(given[0]).as_posix() for path in paths]
    return [path.absolute().as_posix() for path in paths]


def decisions(items: Sequence[Prediction], rule: DecisionRule | None) -> list[PartResult]:
    """One decision per part by the rule of a model; in the order of their first images."""
    return part_results(items, rule)
