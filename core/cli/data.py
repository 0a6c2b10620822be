"""Commands on datasets: import, list, split."""

from pathlib import Path
from typing import Annotated, Any

import typer

from core.api.datasets import dataset_as_json, imported_as_json
from core.api.splits import split_as_json
from core.cli.checks.quality import check_of
from core.cli.output import note, say, table
from core.cli.session import DatasetArgument, JsonOption, Session, WorkspaceOption, follow, session
from core.cli.using.new_images import told_of_new_images
from core.domain.datasets import Dataset, LabelSource
from core.domain.jobs import Job
from core.domain.splits import OrderBy, SmallClasses, Split
from core.errors import ConfigError
from core.workflows.data import datasets, demo, image_facts, quality, splits, uploads
from core.workflows.data.split_words import gap_in_words

app = typer.Typer()


@app.command(name="demo")
def make_demo(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Draw the pill demo and import it."""
    with session(workspace, as_json) as opened:
        job = demo.start_demo(opened.workspace)
        follow(opened, job)
        _answer_dataset(opened, datasets.find_dataset(opened.workspace, job.subject_id))


@app.command(name="import")
def import_source(
    source: Annotated[Path, typer.Argument(help="Folder or ZIP file with images.")],
    name: Annotated[str | None, typer.Option(help="Name of the new dataset.")] = None,
    into: Annotated[
        str | None, typer.Option(help="Add to this dataset, by name or id, as a new version.")
    ] = None,
    labels: Annotated[
        LabelSource | None,
        typer.Option(
            parser=LabelSource,
            metavar="|".join(LabelSource),
            help="Where the class comes from.",
            show_default="what --table, --pattern, --level or --one-class imply, else last_folder",
        ),
    ] = None,
    pattern: Annotated[
        str,
        typer.Option(
            help="Regular expression for the path, with (?P<label>…) and optionally (?P<group>…)."
        ),
    ] = "",
    level: Annotated[
        int | None,
        typer.Option(
            help="Folder that names the class: 1 is the top folder, -1 the folder of the file."
        ),
    ] = None,
    one_class: Annotated[
        str, typer.Option(help="The class of all images, whatever their folders are.")
    ] = "",
    table: Annotated[
        Path | None,
        typer.Option(
            "--table", "--csv", help="Label table with paths and labels: CSV, .xlsx or JSON."
        ),
    ] = None,
    sheet: Annotated[
        str | None, typer.Option(help="Sheet of an .xlsx file, by name or number.")
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            help="Encoding of the table; without --table, as --zip-encoding. Default: detected."
        ),
    ] = None,
    zip_encoding: Annotated[
        str | None,
        typer.Option(
            help="Encoding of old file names in a ZIP file, such as cp932. Default: detected."
        ),
    ] = None,
    path_column: Annotated[
        str | None, typer.Option(help="Name of the column, or its number from 1.")
    ] = None,
    label_column: Annotated[
        str | None,
        typer.Option(help="As --path-column; '*': the class is the title of the column with 1."),
    ] = None,
    group_column: Annotated[
        str | None,
        typer.Option(
            help="Column of the part, lot or serial number, which stays in one subset of a split."
        ),
    ] = None,
    split_column: Annotated[
        str | None, typer.Option(help="Column that holds train, val or test; '' for none.")
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="comma, semicolon, tab or blanks. Default: detected.")
    ] = None,
    header: Annotated[
        bool | None,
        typer.Option(
            "--header/--no-header", help="Whether the table has a header row. Default: detected."
        ),
    ] = None,
    class_map: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            help="Class names of the labels: 0=good,1=crack; may be repeated. Quote names with "
            'commas: 0="ok, good",1=bad.',
        ),
    ] = None,
    decimal: Annotated[
        str | None,
        typer.Option(help="Decimal mark of numeric labels: point or comma. Default: detected."),
    ] = None,
    bins: Annotated[
        str, typer.Option(help="Edges that divide numeric labels into classes: 0.3,0.7.")
    ] = "",
    bin_names: Annotated[
        str, typer.Option(help="Names of these classes, one more than there are edges.")
    ] = "",
    ready_split: Annotated[
        bool,
        typer.Option(
            "--ready-split/--ignore-split",
            help="Keep the train, val and test folders or column as a split.",
        ),
    ] = True,
    companions: Annotated[
        bool, typer.Option("--companions", help="Also import mask images that lie beside images.")
    ] = False,
    combined: Annotated[
        str | None,
        typer.Option(
            help="Names like 'crack|stain': keep (as classes), first (label only) or leave_out."
        ),
    ] = None,
    leave_out: Annotated[
        list[str] | None, typer.Option(help="Class to leave out; may be repeated.")
    ] = None,
    ok: Annotated[
        list[str] | None,
        typer.Option(
            help="Class of good (OK) parts; may be repeated. Default: guessed from its name."
        ),
    ] = None,
    no_ok: Annotated[bool, typer.Option("--no-ok", help="Mark no class as OK.")] = False,
    keep_duplicates: Annotated[
        bool,
        typer.Option(
            "--keep-duplicates", help="With --into: also add images that are already there."
        ),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import labeled images as a new dataset, or add them to one."""
    if (name is None) == (into is None):
        raise typer.BadParameter("Give --name for a new dataset, or --into to add to one.")
    with session(workspace, as_json) as opened:
        rules = uploads.import_rules(
            labels=labels,
            pattern=pattern,
            level=level,
            table=table,
            delimiter=delimiter,
            header=header,
            columns={
                "path": path_column,
                "label": label_column,
                "group": group_column,
                "split": split_column,
            },
            class_map=class_map or (),
            bins=bins,
            bin_names=bin_names,
            keep_split=ready_split,
            keep_companions=companions,
            leave_out=leave_out or (),
            ok_classes=() if no_ok else ok,
            combined=combined,
            encoding=encoding,
            zip_encoding=zip_encoding,
            sheet=sheet,
            decimal=decimal,
            one_class=one_class,
        )
        if into is not None:
            job = datasets.start_adding(
                opened.workspace, source, into, rules, keep_duplicates=keep_duplicates
            )
        else:
            job = datasets.start_import(opened.workspace, source, str(name), rules)
        _answer_import(opened, follow(opened, job))


@app.command(name="datasets")
def list_datasets(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the datasets."""
    with session(workspace, as_json) as opened:
        stored = datasets.list_datasets(opened.workspace)
        result = [dataset_as_json(dataset) for dataset in stored]
        rows = [[d.id, d.name, d.sample_count, ", ".join(d.class_names)] for d in stored]
        opened.answer(
            {"datasets": result}, lambda: table(["id", "name", "images", "classes"], rows)
        )


@app.command(name="split")
def make_split(
    dataset: DatasetArgument,
    train: Annotated[float, typer.Option(help="Fraction used to train the model.")] = 0.6,
    validation: Annotated[
        float, typer.Option(help="Fraction used to choose settings and thresholds.")
    ] = 0.2,
    test: Annotated[
        float | None,
        typer.Option(help="Fraction used to judge the model.", show_default="0.2; 0 with --kfold"),
    ] = None,
    counts: Annotated[
        str | None,
        typer.Option(help="Numbers of images instead of fractions: TRAIN,VALIDATION,TEST."),
    ] = None,
    per_class: Annotated[bool, typer.Option(help="Apply --counts to every class.")] = False,
    kfold: Annotated[int, typer.Option(help="Number of folds, for example 5; 0 for none.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same split.")] = 42,
    name: Annotated[str | None, typer.Option(help="Name of the split.")] = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            help="Keep together: auto (look-alikes), folder, column (the stored group), "
            "attribute:NAME, or regex:(?P<group>…)."
        ),
    ] = None,
    order_by: Annotated[
        OrderBy | None,
        typer.Option(
            help="In each class, train on the oldest images and test on the newest: by file date, "
            "or by name."
        ),
    ] = None,
    seal: Annotated[
        bool, typer.Option(help="Seal the test set: later splits of this version keep it.")
    ] = False,
    keep_test: Annotated[
        str,
        typer.Option(
            metavar="SPLIT",
            help="Keep the test set of this split, such as 'as delivered', and divide only the "
            "other images; --train and --validation are in proportion.",
            show_default="the sealed one, if any",
        ),
    ] = "",
    small_classes: Annotated[
        SmallClasses,
        typer.Option(
            help="What to do with a class that has too few images for every subset: use all of "
            "them to train, or leave the class out."
        ),
    ] = SmallClasses.TRAIN,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Split a dataset into train, validation and test, or into folds."""
    with session(workspace, as_json) as opened:
        divided = datasets.find_dataset(opened.workspace, dataset)
        if group_by in ("auto", "look-alikes") and splits.needs_check(opened.workspace, divided.id):
            check_of(opened, divided)
        tested = test
        if tested is None:
            # Why the rest: beside a kept test set, nothing else is tested.
            tested = max(0.0, 1 - train - validation) if keep_test else 0.2
            tested = 0.0 if kfold else tested
        split = splits.create_split(
            opened.workspace,
            divided.id,
            fractions=(train, validation, tested),
            seed=seed,
            name=name,
            group_by=group_by,
            order_by=order_by,
            counts=_three_counts(counts) if counts is not None else None,
            per_class=per_class,
            folds=kfold,
            seal=seal,
            keep_test=keep_test,
            small_classes=small_classes,
        )
        check = quality.last_check(opened.workspace, divided.id)
        _answer_split(opened, divided, split, None if group_by else splits.flattery_warning(check))


def _answer_dataset(opened: Session, dataset: Dataset, **more: Any) -> None:
    counts = datasets.class_counts(opened.workspace, dataset)
    result: dict[str, Any] = imported_as_json(opened.workspace, dataset) | more

    def show() -> None:
        table(["class", "images"], [[name, count] for name, count in counts.items()])
        for decision in more.get("decisions", ()):
            say(decision["sentence"])
        if scale := image_facts.scale_in_words(dataset):
            say(scale)
        for item in result["skipped"][:20]:
            note(f"Skipped {item['path']}: {item['reason']}")
        if len(result["skipped"]) > 20:
            note(f"… and {len(result['skipped']) - 20} more")

    opened.answer(result, show)


def _answer_import(opened: Session, job: Job) -> None:
    dataset = datasets.find_dataset(opened.workspace, job.result["dataset_id"])
    told = ("added", "already_there", "new_classes", "decisions")
    more: dict[str, Any] = {key: job.result[key] for key in told if key in job.result}
    if "skipped" in job.result:  # of added images; the dataset keeps those of its first import
        more["skipped"] = [{"path": p, "reason": why} for p, why in job.result["skipped"]]
    verdicts = zip(dataset.class_names, dataset.verdicts, strict=True)
    more["verdicts"] = {name: verdict for name, verdict in verdicts if verdict}
    more["version"] = dataset.version
    if job.warnings:
        more["warnings"] = list(job.warnings)
    if (unlike := told_of_new_images(opened, job)) is not None:
        more["unfamiliar"] = unlike
    if split_id := job.result.get("split_id"):
        split = splits.find_split(opened.workspace, dataset.id, split_id)
        more["split"] = split_as_json(opened.workspace, dataset, split)
    _answer_dataset(opened, dataset, **more)


def _three_counts(text: str) -> tuple[int, int, int]:
    try:
        train, validation, test = (int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(
            f"'{text}' are not three counts.", "For example: --counts 600,200,200"
        ) from None
    return train, validation, test


def _answer_split(opened: Session, dataset: Dataset, split: Split, warning: str | None) -> None:
    result: dict[str, Any] = {**split_as_json(opened.workspace, dataset, split), "warning": warning}
    counts, across = result["counts"], result["certificate"]
    rows = [[label, *(side[label] for side in counts.values())] for label in dataset.class_names]

    def show() -> None:
        table(["class", *counts], rows)
        for name, count in across.items():
            say(f"{name.replace('_', ' ')}: {'not checked' if count is None else count}")
        if split.sealed:
            say("The test set is sealed: later splits of this version keep it.")
        if result["kept_out"]:
            say(f"left out, because they resemble test images that are kept: {result['kept_out']}")
        for gap in splits.gaps(opened.workspace, dataset, split):
            note(gap_in_words(gap))
        if warning:
            note(warning)

    opened.answer(result, show)
