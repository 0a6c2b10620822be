"""Commands that edit datasets: labels, classes, versions, exports."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from core.api.datasets import classes_as_json, version_as_json, version_comparison_as_json
from core.api.quality import parts_as_json
from core.cli.output import note, phases, say, table
from core.cli.session import (
    FAILED,
    ChangedOption,
    DatasetArgument,
    JsonOption,
    Session,
    WorkspaceOption,
    answer_for_files,
    follow,
    session,
    with_unchanged_files,
)
from core.domain.datasets import Dataset, DatasetVersion, Verdict
from core.domain.findings import FindingKind, Fix
from core.domain.jobs import Job
from core.domain.parts import PartAnswer
from core.domain.stages.facts import ModelFacts
from core.errors import ConfigError
from core.files import CsvDelimiter
from core.words import count
from core.workflows import files, voided
from core.workflows.data import (
    datasets,
    edits,
    exports,
    fixes,
    quality,
    quick_edits,
    versions,
)

app = typer.Typer()
_MOST_GROUPS = 20
FIX_OF_ANSWER = {PartAnswer.SAME: Fix.GROUP, PartAnswer.DIFFERENT: Fix.DIFFERENT}

PathsArgument = Annotated[
    list[str], typer.Argument(help="Images, as paths relative to the imported folder.")
]


@app.command(name="versions")
def list_versions(
    dataset: DatasetArgument,
    compare: Annotated[
        str | None, typer.Option(help="Show what changed between two versions, for example 1:3.")
    ] = None,
    go_back: Annotated[
        int | None, typer.Option(help="Make a new version equal to this one.")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the versions of a dataset, compare two, or go back to one."""
    with session(workspace, as_json) as opened:
        chosen = datasets.find_dataset(opened.workspace, dataset)
        if go_back is not None:
            _answer(opened, versions.go_back(opened.workspace, chosen.id, go_back))
        elif compare is not None:
            _compare(opened, chosen, compare)
        else:
            listed = versions.list_versions(opened.workspace, chosen.id)
            rows = [[v.number, v.summary, v.sample_count, v.digest[:12]] for v in listed]
            opened.answer(
                {"versions": [version_as_json(version) for version in listed]},
                lambda: table(["version", "what", "images", "content"], rows),
            )


@app.command()
def undo(
    dataset: DatasetArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """Undo the newest edit that still holds."""
    with session(workspace, as_json) as opened:
        edited = datasets.find_dataset(opened.workspace, dataset)
        sealed = voided.valid_seals(opened.workspace, edited.id)
        version = edits.undo(opened.workspace, edited.id)
        restored = voided.restored_since(opened.workspace, edited.id, sealed)
        _answer(opened, version, restores=restored)


@app.command()
def relabel(
    dataset: DatasetArgument,
    moves: Annotated[list[str], typer.Argument(help="PATH=CLASS; may be repeated.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give images another class."""
    with session(workspace, as_json) as opened:
        edited = datasets.find_dataset(opened.workspace, dataset)
        wanted = dict(quick_edits.read_move(move, edited.class_names) for move in moves)
        ids = datasets.ids_of_names(opened.workspace, edited.id, wanted)
        labels = {ids[name]: edits.class_index(edited, label) for name, label in wanted.items()}
        sealed = voided.valid_seals(opened.workspace, edited.id)
        version = edits.relabel(opened.workspace, edited.id, labels)
        _answer(opened, version, voids=voided.voided_since(opened.workspace, edited.id, sealed))


@app.command()
def exclude(
    dataset: DatasetArgument,
    paths: PathsArgument,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Leave images out; they stay stored and can be restored."""
    with session(workspace, as_json) as opened:
        edited = datasets.find_dataset(opened.workspace, dataset)
        ids = datasets.ids_of_names(opened.workspace, edited.id, paths)
        sealed = voided.valid_seals(opened.workspace, edited.id)
        version = edits.exclude(opened.workspace, edited.id, ids.values())
        _answer(opened, version, voids=voided.voided_since(opened.workspace, edited.id, sealed))


@app.command(name="restore")
def bring_back(
    dataset: DatasetArgument,
    paths: PathsArgument,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring excluded images back."""
    with session(workspace, as_json) as opened:
        ids = datasets.ids_of_names(opened.workspace, dataset, paths)
        _answer(opened, edits.restore(opened.workspace, dataset, ids.values()))


@app.command()
def parts(
    dataset: DatasetArgument,
    images: Annotated[
        list[str] | None,
        typer.Argument(help="Images to answer for, as paths relative to the imported folder."),
    ] = None,
    answer: Annotated[
        PartAnswer | None, typer.Option("--as", help="Whether these images show one part.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Answer for all open look-alikes, group by group.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List look-alikes that may show one part, or say whether they do.

    Look-alikes are a proposal of the quality check. "same-part" makes them a part, which every
    number counts once; "different-parts" takes them apart everywhere. Both can be undone.
    """
    with session(workspace, as_json) as opened:
        chosen = datasets.find_dataset(opened.workspace, dataset)
        if answer is None:
            if images or every:
                raise ConfigError(
                    "There is no answer.", "Add --as same-part or --as different-parts."
                )
            _answer_parts(opened, chosen)
        elif bool(images) == every:
            raise ConfigError(
                "It is not clear which images are meant.", "Name at least two images, or add --all."
            )
        else:
            _answered(opened, chosen, answer, images or [])


@app.command()
def classes(
    dataset: DatasetArgument,
    add: Annotated[
        list[str] | None, typer.Option(help="Name of a new class; may be repeated.")
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(help="OLD=NEW; put names that contain an equal sign in double quotes."),
    ] = None,
    merge: Annotated[
        list[str] | None,
        typer.Option(
            help="A,B=C: merge A and B into C; put names that contain a comma or an equal sign in "
            'double quotes: "a, b",c=d.'
        ),
    ] = None,
    ok: Annotated[
        list[str] | None, typer.Option(help="Class of good (OK) parts; may be repeated.")
    ] = None,
    nok: Annotated[
        list[str] | None, typer.Option(help="Class of defective (NOK) parts; may be repeated.")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the classes; add, rename, merge and mark them as OK or NOK, in this order."""
    with session(workspace, as_json) as opened:
        place = opened.workspace
        renamed = [quick_edits.read_rename(item) for item in rename or ()]
        merged = [quick_edits.read_merge(item) for item in merge or ()]
        for name in add or ():
            edits.add_class(place, dataset, name)
        for old, new in renamed:
            edits.rename_class(place, dataset, old, new)
        for names, into in merged:
            edits.merge_classes(place, dataset, names, into)
        verdicts = dict.fromkeys(ok or (), Verdict.OK) | dict.fromkeys(nok or (), Verdict.NOK)
        edited = datasets.find_dataset(place, dataset)
        # Why: a script may repeat what holds already; that is no edit.
        if any(
            edited.verdicts[edits.class_index(edited, name)] is not verdict
            for name, verdict in verdicts.items()
        ):
            edits.set_verdicts(place, dataset, verdicts)
        _answer_classes(opened, datasets.find_dataset(place, dataset))


@app.command()
def export(
    dataset: DatasetArgument,
    to: Annotated[
        Path, typer.Option(help="New folder, or a file whose name ends in .zip or .csv.")
    ],
    split: Annotated[
        str | None,
        typer.Option(
            help="Name or id of a split, whose subsets become folders, or columns of a table."
        ),
    ] = None,
    version: Annotated[
        int | None, typer.Option(help="Number of the version.", show_default="the current one")
    ] = None,
    delimiter: Annotated[
        CsvDelimiter, typer.Option(help="Separates the cells of a table.")
    ] = CsvDelimiter.COMMA,
    changed: ChangedOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a dataset as class folders, a ZIP of them, or a table."""
    with session(workspace, as_json) as opened:

        def planned() -> exports.Export:
            plan = exports.plan_export(opened.workspace, dataset, version=version, split=split)
            if exports.is_with_images(to):
                with phases() as report:
                    exports.refuse_changed(opened.workspace, plan, report)
            return plan

        plan = with_unchanged_files(opened, dataset, changed, planned)
        missing = exports.write_export(plan, to, delimiter=delimiter)
        exports.note_export(opened.workspace, plan, to.suffix.lstrip(".").lower() or "folder")
        for name in missing[:20]:
            note(f"The file of {name} no longer exists.")
        result = {
            "path": str(to),
            "version": plan.version.number,
            "digest": plan.version.digest,
            "pictures": len(plan.items) - len(missing),
            "missing": missing,
        }
        opened.answer(result, lambda: say(f"{result['pictures']} images in {to}"))
        if missing and not result["pictures"]:
            raise typer.Exit(FAILED)


@app.command(name="files")
def check_files(
    dataset: DatasetArgument,
    changed: ChangedOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the files of a dataset with what was imported: size and time, then content."""
    with session(workspace, as_json) as opened:
        checked = datasets.find_dataset(opened.workspace, dataset)
        job = (
            follow(opened, files.start_check(opened.workspace, checked.id))
            if changed is None
            else answer_for_files(opened, checked.id, changed)
        )
        result = {**job.result, "dataset_version": _version_of(opened, checked)}
        opened.answer(result, lambda: say(_files_in_words(job)))
        if changed is None and (job.result["changed"] or job.result["missing"]):
            note("--changed new-version takes the new content, --changed leave-out leaves it out.")
            raise typer.Exit(FAILED)


@app.command()
def relocate(
    dataset: DatasetArgument,
    folder: Annotated[Path, typer.Argument(help="Folder that holds the images now.")],
    root: Annotated[
        str | None,
        typer.Option(
            "--from", help="Folder that held them, if they come from several.", show_default="found"
        ),
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also if some images are missing or changed there.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say where the folder of a dataset is now; names, sizes and contents are compared."""
    with session(workspace, as_json) as opened:
        job = follow(
            opened,
            files.start_relocation(opened.workspace, dataset, folder, root=root, anyway=anyway),
        )
        result = job.result
        opened.answer(
            result,
            lambda: say(
                f"{result['images']:,} images are now read from {result['to']}. Names and sizes of "
                f"all were compared, and the contents of {result['contents_compared']:,} (SHA-256)."
            ),
        )


def _version_of(opened: Session, dataset: Dataset) -> int:
    return datasets.find_dataset(opened.workspace, dataset.id).version


def _files_in_words(job: Job) -> str:
    changed, missing = job.result["changed"], job.result["missing"]
    words = f"{job.result['images']:,} files: {len(changed):,} changed, {len(missing):,} missing."
    for kind, names in (("changed", changed), ("missing", missing)):
        words += "".join(f"\n{kind}: {name}" for name in names[:20])
        words += f"\n… and {len(names) - 20:,} more" if len(names) > 20 else ""
    return words


def _compare(opened: Session, dataset: Dataset, numbers: str) -> None:
    first, _, second = numbers.partition(":")
    if not (first.isdecimal() and second.isdecimal()):
        raise ConfigError(f"'{numbers}' does not name two versions.", "For example: --compare 1:3.")
    comparison = versions.compare(opened.workspace, dataset.id, int(first), int(second))
    counts = {kind.value: count for kind, count in comparison.counts.items()}
    opened.answer(
        version_comparison_as_json(comparison),
        lambda: table(list(counts), [list(counts.values())]),
    )


def _answered(opened: Session, dataset: Dataset, answer: PartAnswer, images: Sequence[str]) -> None:
    """Record an answer for these images; without any, for all open look-alikes."""
    if images:
        ids = list(datasets.ids_of_names(opened.workspace, dataset.id, images).values())
        done = fixes.answer(opened.workspace, dataset.id, ids, answer)
    else:
        how = FIX_OF_ANSWER[answer]
        done = fixes.fix_all(opened.workspace, dataset.id, FindingKind.NEAR_DUPLICATE, how)
    result = {"version": done.version, "summary": done.words}
    opened.answer(
        {**result, **parts_as_json(opened.workspace, dataset.id)},
        lambda: say(f"Version {done.version}: {done.words}"),
    )


def _answer_parts(opened: Session, dataset: Dataset) -> None:
    listed = quality.findings(opened.workspace, dataset.id, FindingKind.NEAR_DUPLICATE)
    names = quality.names_of(opened.workspace, [i for f in listed for i in f.sample_ids])
    answers = quality.part_answers(opened.workspace, dataset.id)

    def show() -> None:
        for finding in listed[:_MOST_GROUPS]:
            say(f"{finding.message} {', '.join(names[i] for i in finding.sample_ids)}")
        if len(listed) > _MOST_GROUPS:
            say(f"… and {len(listed) - _MOST_GROUPS:,} more")
        if not listed:
            say("There are no look-alikes without an answer.")
        if answers:
            say(f"Answered so far: {count(len(answers), 'time')}.")

    opened.answer(parts_as_json(opened.workspace, dataset.id), show)


def _answer(opened: Session, version: DatasetVersion, **seals: Sequence[ModelFacts]) -> None:
    """Tell the new version, and whose seal it `voids` or `restores`, where that was asked."""

    def show() -> None:
        say(f"Version {version.number}: {version.summary}")
        if voids := seals.get("voids"):
            say(f"This voids {voided.seals_in_words(voids)}; touchstone undo restores it.")
        if restores := seals.get("restores"):
            say(voided.restored_in_words(restores))

    names = {key: [model.name for model in models] for key, models in seals.items()}
    opened.answer({**version_as_json(version), **names}, show)


def _answer_classes(opened: Session, dataset: Dataset) -> None:
    counts = datasets.class_counts(opened.workspace, dataset)
    verdicts = dict(zip(dataset.class_names, dataset.verdicts, strict=True))
    rows = [[name, counts[name], verdicts[name] or "–"] for name in dataset.class_names]
    opened.answer(
        classes_as_json(opened.workspace, dataset),
        lambda: table(["class", "images", "verdict"], rows),
    )
