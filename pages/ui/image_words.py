"""What is shown beside an image: rows of name and value, plain text."""

from collections.abc import Sequence
from typing import assert_never

from core.domain.datasets import Sample, SampleStatus
from core.workflows.data.image_facts import ImageFacts
from core.workflows.data.versions import Change, ChangeKind
from pages.ui import text


def class_name(sample: Sample, class_names: Sequence[str]) -> str:
    return "no label" if sample.label is None else class_names[sample.label]


def rows(facts: ImageFacts) -> list[tuple[str, str]]:
    """Name and value of everything that is known about the image."""
    sample = facts.sample
    known = [
        ("Class", facts.class_name or "no label"),
        ("File", sample.name or sample.path),
        ("State", "excluded" if sample.status is SampleStatus.EXCLUDED else ""),
        ("Part", sample.group or ""),
        ("Pixels", f"{sample.width:,} × {sample.height:,}"),
        ("Color", "gray" if sample.mode == "L" else "color"),
        ("Format", sample.format or ""),
        ("File size", text.size(sample.file_size)),
        ("File date", text.when(sample.modified_at) if sample.modified_at else ""),
        ("Brightness", text.percent(sample.brightness) if sample.brightness is not None else ""),
        ("Sharpness", text.significant(sample.sharpness) if sample.sharpness is not None else ""),
        *_insight(facts),
        ("Subset", "\n".join(f"{subset.value} ({split.name})" for split, subset in facts.subsets)),
        ("Findings", "\n".join(finding.message for finding in facts.findings)),
        *sample.attributes.items(),
    ]
    return [(name, value) for name, value in known if value]


def _insight(facts: ImageFacts) -> list[tuple[str, str]]:
    """What the label check says, by its name: the confidences of the open model are others."""
    if facts.insight is None or facts.insight.confidence is None:
        return []
    lines = [f"{text.confidence(facts.insight.confidence)} in its label"]
    if facts.suggested and facts.suggested != facts.class_name:
        lines.append(f"looks more like {facts.suggested}")
    return [("Label check", "\n".join(lines))]


def history(facts: ImageFacts) -> list[str]:
    """What happened to the image, newest first."""
    return [
        f"Version {version.number}, {text.when(version.created_at)}: {change_words(change)}"
        for version, change in facts.history
    ]


def change_words(change: Change) -> str:
    match change.kind:
        case ChangeKind.ADDED:
            return f"added as {change.label_after}"
        case ChangeKind.REMOVED:
            return "excluded"
        case ChangeKind.RELABELLED:
            return f"{change.label_before or 'no label'} → {change.label_after or 'no label'}"
        case ChangeKind.REGROUPED:
            return f"part {change.group_before or '–'} → {change.group_after or '–'}"
        case _:
            assert_never(change.kind)
