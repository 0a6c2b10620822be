"""The command that checks the quality of a dataset: findings with their images, and their fixes."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Annotated

import typer

from core.api.quality import quality_as_json
from core.cli.output import say, table
from core.cli.session import DatasetArgument, JsonOption, Session, WorkspaceOption, follow, session
from core.domain.datasets import Dataset
from core.domain.findings import NAMED_IMAGES, Finding, FindingKind, QualityCheck, first_images
from core.workflows.data import datasets, fixes, quality, splits
from core.workflows.data.quick_edits import read_fix

app = typer.Typer()

_SHOWN = 3  # findings of a kind


@app.command(name="quality")
def check_quality(
    dataset: DatasetArgument,
    fix: Annotated[
        list[str] | None,
        typer.Option(
            "--fix",
            "--cure",
            help="After the check, fix all findings of a kind: KIND:FIX, for example "
            "exact_duplicate:keep_one or near_duplicate:different_parts; may be repeated.",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look for duplicates, look-alikes, wrong labels, unusual images and leaks in a dataset."""
    with session(workspace, as_json) as opened:
        checked = datasets.find_dataset(opened.workspace, dataset)
        wanted = [read_fix(text) for text in fix or ()]
        check = check_of(opened, checked)
        done = [fixes.fix_all(opened.workspace, checked.id, *each).words for each in wanted]

        def show() -> None:
            counts = quality.finding_counts(opened.workspace, checked.id)
            _show_findings(opened, checked, counts)
            if check.groups and (warning := splits.flattery_warning(check)):
                say(warning)
            for words in done:
                say(words)
            for sentence in _next_steps(checked, counts):
                say(sentence)

        report = quality_as_json(opened.workspace, check)
        opened.answer(report | ({"cured": done} if done else {}), show)


def check_of(opened: Session, dataset: Dataset) -> QualityCheck:
    """Check a dataset now, and give the result."""
    follow(opened, quality.start_check(opened.workspace, dataset.id))
    check = quality.last_check(opened.workspace, dataset.id)
    assert check is not None
    return check


def _show_findings(opened: Session, dataset: Dataset, counts: Mapping[FindingKind, int]) -> None:
    """How many findings of each kind are open, with their fixes; then the first of each kind."""
    if not counts:
        say("There are no open findings.")
        return
    table(
        ["finding", "count", "--fix"],
        [[_called(kind), n, _fixes_of(kind)] for kind, n in counts.items()],
    )
    for kind, n in counts.items():
        listed = quality.findings(opened.workspace, dataset.id, kind, limit=_SHOWN)
        shown = [i for finding in listed for i in finding.sample_ids[:NAMED_IMAGES]]
        names = quality.names_of(opened.workspace, shown)
        for finding in listed:
            say(" ".join([f"{_called(kind)}: {finding.message}", *_images(finding, names)]))
        if n > len(listed):
            say(f"… and {n - len(listed):,} more of this kind")


def _called(kind: FindingKind) -> str:
    return kind.replace("_", " ")


def _fixes_of(kind: FindingKind) -> str:
    """What may stand behind --fix, such as `exact_duplicate:keep_one|ignore`."""
    return f"{kind}:{'|'.join(fixes.FIXES_FOR_ALL[kind])}"


def _images(finding: Finding, names: Mapping[int, str]) -> Iterator[str]:
    """The first images of a finding; none where it is about whole classes, which it names."""
    if not finding.kind.is_statistic and finding.sample_ids:
        own = [names[i] for i in finding.sample_ids[:NAMED_IMAGES]]
        yield first_images(own, len(finding.sample_ids))


def _next_steps(dataset: Dataset, counts: Mapping[FindingKind, int]) -> Iterator[str]:
    """The commands that settle what is open, and where all of it can be seen."""
    if not counts:
        return
    name = shlex.quote(dataset.name)
    yield f"`touchstone quality {name} --fix KIND:FIX` settles all findings of a kind."
    if not all(kind.is_statistic for kind in counts):
        yield f"`touchstone relabel {name}` and `touchstone exclude {name}` settle single images."
    if FindingKind.NEAR_DUPLICATE in counts:
        yield f"`touchstone parts {name}` lists all look-alikes and answers for single groups."
    yield "The Quality page (`touchstone ui`) shows every finding with its images."
