"""The command line: the same actions as the app, for scripts.

Every command takes `--workspace DIR` and `--json`. With `--json`, standard output carries exactly
one JSON object; progress goes to standard error. Exit code 0: done; 1: it could not be done; 2: the
call was wrong.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from core.cli.data import app as editing_commands
from core.cli.results import app as judgement_commands
from core.cli.serve import serve
from core.cli.session import DatasetArgument, JsonOption, ModelArgument, Session, WorkspaceOption
from core.cli.session import errors as _errors
from core.cli.session import follow as _follow
from core.cli.session import output as _output
from core.cli.session import session as _session
from core.cli.session import table as _table
from core.cli.signoff import app as signoff_commands
from core.domain.configs import Recipe, TrainConfig, recipe_defaults
from core.domain.datasets import Dataset, LabelSource
from core.domain.findings import FindingKind, Fix, QualityCheck
from core.domain.jobs import Job
from core.domain.models import HeatmapMethod
from core.domain.splits import OrderBy, Split, Subset
from core.errors import ConfigError, NotFoundError
from core.evaluation.decisions.rule import decision_in_words
from core.evaluation.measures.parts import Unit
from core.files import CsvDelimiter
from core.models.catalog import DEFAULT_NETWORK
from core.models.devices import default_recipe
from core.workflows.data import certificates, datasets, demo, fixes, quality, splits
from core.workflows.data.split_words import strategy_text
from core.workflows.results import evaluation, judging, thresholds
from core.workflows.training import folds, runs
from core.workflows.training.runs import RunView
from core.workflows.use import models, prediction
from core.workspace import Workspace

app = typer.Typer(
    name="touchstone",
    help="Train, judge and use an image classifier on your own images.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(editing_commands)
app.add_typer(judgement_commands)
app.add_typer(signoff_commands)


@app.command(name="demo")
def make_demo(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Draw the pill demo and import it."""
    with _session(workspace, as_json) as session:
        with Progress(console=_errors, transient=True) as progress:
            task = progress.add_task("Drawing images", total=None)
            job = demo.start_demo(
                session.workspace,
                on_progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
        _follow(session, job)
        _answer_dataset(session, datasets.find_dataset(session.workspace, job.subject_id))


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
            help="Where the class comes from; else what --table, --pattern or --level imply, else "
            "last_folder.",
        ),
    ] = None,
    pattern: Annotated[
        str, typer.Option(help="Regular expression with (?P<label>…) and perhaps (?P<group>…).")
    ] = "",
    level: Annotated[
        int | None, typer.Option(help="Class folder: 1 is the top one, -1 the one of the file.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--table", "--csv", help="Label table: path, label, …")
    ] = None,
    path_column: Annotated[str | None, typer.Option(help="Name or number, from 1.")] = None,
    label_column: Annotated[
        str | None,
        typer.Option(
            help="Name or number, from 1; to be given where several columns could hold the class."
        ),
    ] = None,
    group_column: Annotated[
        str | None, typer.Option(help="Part, lot or serial: kept on one side of a split.")
    ] = None,
    split_column: Annotated[
        str | None, typer.Option(help="Column of train, val and test; '' for none.")
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="comma, semicolon, tab or blanks; else found.")
    ] = None,
    header: Annotated[
        bool | None, typer.Option("--header/--no-header", help="Of the table; else found.")
    ] = None,
    class_map: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            help="Names of labels: 0=good,1=crack; or given several times, one pair each time. "
            'Names with commas: 0="ok, good",1=bad.',
        ),
    ] = None,
    bins: Annotated[str, typer.Option(help="Edges of numeric labels: 0.3,0.7.")] = "",
    bin_names: Annotated[str, typer.Option(help="Names of the bins, one more than edges.")] = "",
    ready_split: Annotated[
        bool,
        typer.Option("--ready-split/--ignore-split", help="Keep train, val and test as they are."),
    ] = True,
    companions: Annotated[
        bool, typer.Option("--companions", help="Import masks beside images too.")
    ] = False,
    leave_out: Annotated[
        list[str] | None, typer.Option(help="Class to leave out; may be given several times.")
    ] = None,
    ok: Annotated[
        list[str] | None, typer.Option(help="Class that counts as OK; else found by its name.")
    ] = None,
    no_ok: Annotated[bool, typer.Option("--no-ok", help="No class counts as OK.")] = False,
    keep_duplicates: Annotated[
        bool, typer.Option("--keep-duplicates", help="With --into: add what is there already.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import labelled images as a new dataset, or add them to one."""
    if (name is None) == (into is None):
        raise typer.BadParameter("Give --name for a new dataset, or --into to add to one.")
    with _session(workspace, as_json) as session:
        rules = datasets.import_rules(
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
        )
        if into is not None:
            job = datasets.start_adding(
                session.workspace, source, into, rules, keep_duplicates=keep_duplicates
            )
        else:
            job = datasets.start_import(session.workspace, source, str(name), rules)
        _answer_import(session, _follow(session, job))


@app.command(name="quality")
def check_quality(
    dataset: DatasetArgument,
    fix: Annotated[
        list[str] | None,
        typer.Option(
            "--fix",
            "--cure",
            help="Fix all of a kind after the check, KIND:FIX, for example "
            "exact_duplicate:keep_one; may be given several times.",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look for duplicates, look-alikes, wrong labels, unusual images and leaks in a dataset."""
    with _session(workspace, as_json) as session:
        found = datasets.find_dataset(session.workspace, dataset)
        wanted = [_kind_and_fix(text) for text in fix or ()]
        check = _checked(session, found)
        done = [fixes.fix_all(session.workspace, found.id, *each).words for each in wanted]

        def show() -> None:
            counts = quality.finding_counts(session.workspace, found.id)
            _table(["finding", "count"], [[k.replace("_", " "), n] for k, n in counts.items()])
            for kind in counts:
                for item in quality.findings(session.workspace, found.id, kind, limit=3):
                    _output.print(f"{kind.replace('_', ' ')}: {item.message}", markup=False)
            if check.groups:
                _output.print(splits.flattery_warning(check), markup=False)

            for words in done:
                _output.print(words, markup=False)

        report = quality.report_as_dict(session.workspace, check)
        session.answer(report | ({"cured": done} if done else {}), show)


@app.command(name="split")
def make_split(
    dataset: DatasetArgument,
    train: Annotated[float, typer.Option(help="Fraction that trains the model.")] = 0.6,
    validation: Annotated[float, typer.Option(help="Fraction that chooses the best epoch.")] = 0.2,
    test: Annotated[
        float | None,
        typer.Option(help="Fraction that judges the model; 0.2, with --kfold 0 unless given."),
    ] = None,
    counts: Annotated[
        str | None, typer.Option(help="Images instead of fractions: TRAIN,VALIDATION,TEST.")
    ] = None,
    per_class: Annotated[bool, typer.Option(help="--counts holds for every class.")] = False,
    kfold: Annotated[int, typer.Option(help="Number of folds, for example 5; 0: none.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same split.")] = 42,
    name: Annotated[str | None, typer.Option(help="Name of the split.")] = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            help="Never divide: auto (look-alikes), folder, column (the stored group), "
            "attribute:NAME, or regex:(?P<group>…)."
        ),
    ] = None,
    order_by: Annotated[
        OrderBy | None,
        typer.Option(
            help="Within each class the oldest train and the newest test: by the file's date, "
            "where files kept theirs, or the first and the last by name."
        ),
    ] = None,
    seal: Annotated[
        bool, typer.Option(help="Lock the test set: later splits of this version keep it.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Split a dataset into train, validation and test, or into folds."""
    with _session(workspace, as_json) as session:
        found = datasets.find_dataset(session.workspace, dataset)
        if group_by == "auto" and splits.needs_check(session.workspace, found.id):
            _checked(session, found)
        tested = (0.0 if kfold else 0.2) if test is None else test
        split = splits.create_split(
            session.workspace,
            found.id,
            fractions=(train, validation, tested),
            seed=seed,
            name=name,
            group_by=group_by,
            order_by=order_by,
            counts=_three_counts(counts) if counts is not None else None,
            per_class=per_class,
            folds=kfold,
            seal=seal,
        )
        check = quality.last_check(session.workspace, found.id)
        _answer_split(session, found, split, None if group_by else splits.flattery_warning(check))


@app.command()
def train(
    dataset: DatasetArgument,
    split: Annotated[str | None, typer.Option(help="Name or id; else the newest split.")] = None,
    recipe: Annotated[Recipe | None, typer.Option(help="quick or full.")] = None,
    network: Annotated[str, typer.Option(help="See the Train page for the catalog.")] = (
        DEFAULT_NETWORK
    ),
    image_size: Annotated[int | None, typer.Option(help="Side in pixels.")] = None,
    epochs: Annotated[int | None, typer.Option(help="How often all images are shown.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images per step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Size of one step.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same model.")] = 42,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    name: Annotated[str | None, typer.Option(help="Name of the run and its model.")] = None,
    fold: Annotated[
        int | None, typer.Option(help="The fold that validates, from 1; for a split with folds.")
    ] = None,
    all_folds: Annotated[
        bool, typer.Option("--all-folds", help="One training per fold: mean and spread.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a model, or one for each fold."""
    with _session(workspace, as_json) as session:
        found = datasets.find_dataset(session.workspace, dataset)
        usual: TrainConfig = recipe_defaults(recipe or default_recipe(), network)
        config = replace(
            usual,
            seed=seed,
            device=device,
            epochs=usual.epochs if epochs is None else epochs,
            batch_size=usual.batch_size if batch_size is None else batch_size,
            learning_rate=usual.learning_rate if learning_rate is None else learning_rate,
        )
        preprocess = runs.default_preprocess(
            session.workspace, found.id, network, image_size_px=image_size
        )
        if all_folds and fold is not None:
            raise ConfigError("--fold and --all-folds exclude each other.", "Give one of them.")
        if all_folds:
            started = runs.start_cross_validation(
                session.workspace, found.id, config, split=split, preprocess=preprocess, name=name
            )
            _answer_folds(session, started)
            return
        view = runs.start_training(
            session.workspace,
            found.id,
            config,
            split=split,
            preprocess=preprocess,
            name=name,
            fold=None if fold is None else fold - 1,
        )
        assert view.job is not None
        _answer_training(session, view.run.id, _follow(session, view.job))


@app.command()
def resume(
    run: Annotated[str, typer.Argument(help="Name or id of a run.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with a stopped, failed or interrupted run from its last checkpoint."""
    with _session(workspace, as_json) as session:
        view = runs.find_run(session.workspace, run)
        job = runs.resume_training(session.workspace, view.run.id)
        _answer_training(session, view.run.id, _follow(session, job))


@app.command()
def evaluate(
    model: ModelArgument,
    subset: Annotated[Subset, typer.Option(help="Which images.")] = Subset.TEST,
    top_k: Annotated[
        str | None, typer.Option(help="K of the top-K errors, such as 1,2,3,5.")
    ] = None,
    ok: Annotated[
        list[str] | None,
        typer.Option(help="Class to take as OK, all others as NOK; may be given several times."),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measures of a model with their bounds; a look at test results is counted."""
    with _session(workspace, as_json) as session:
        ks = _numbers(top_k or "")
        judged = evaluation.with_verdicts(
            judging.judged_set(session.workspace, model, subset), ok or ()
        )
        rule = None if ok else thresholds.saved_rule(session.workspace, judged.model.id)
        point = rule.point if rule else None
        report = evaluation.report_of(judged, point)
        temperature = evaluation.temperature_of(session.workspace, judged.model.id)
        result = evaluation.report_as_dict(
            report, judged=judged, temperature=temperature, top_k=ks, point=point
        )
        if subset is Subset.TEST:
            judging.count_look(session.workspace, judged.model, "touchstone evaluate")
        session.answer(result, lambda: _show_report(result))


def _numbers(listed: str) -> list[int]:
    """The numbers of `1,2,3`.

    Raises:
        ConfigError: if it is something else.
    """
    try:
        return [int(item) for item in listed.split(",") if item.strip()]
    except ValueError as err:
        raise ConfigError(
            f"'{listed}' is no list of numbers.", "Give for example --top-k 1,2,3,5."
        ) from err


def _show_report(report: dict[str, Any]) -> None:
    """The report for a person; every rate with its bounds."""
    bounds = report["intervals"]
    unit = Unit(report["unit"]).word
    _output.print(
        f"{report['n']:,} images, {report['accuracy']:.2%} right · "
        f"{report['independent']:,} {unit}, {_with_bounds(bounds['accuracy'])} right · "
        f"macro F1 {report['macro_f1']:.3f}"
    )
    _show_ok_nok(report)
    names = (
        "balanced_accuracy",
        "macro_precision",
        "weighted_precision",
        "weighted_f1",
        "kappa",
        "mcc",
        "log_loss",
        "brier",
    )
    rows = [[n.replace("_", " "), _decimal(report[n]), *_range(bounds[n])] for n in names]
    area = report["auc"]["macro"]
    rows += [
        ["ECE", _decimal(report["ece"]), "", ""],
        ["AUC (macro)", _decimal(area), *_range(bounds["auc"]["macro"])],
    ]
    rows += [
        [f"top-{k} error ({Unit(report['unit']).word})", _decimal(e["rate"]), *_range(e)]
        for k, e in bounds["top_k_error"].items()
    ]
    _table(["measure", "value", "low", "high"], rows)
    classes = []
    for name, measures in report["per_class"].items():
        proven = bounds["per_class"][name]
        classes.append(
            [
                name,
                _with_bounds(proven["precision"]),
                _with_bounds(proven["recall"]),
                _decimal(measures["f1"]),
                measures["support"],
            ]
        )
    _table(["class", "precision", "recall", "F1", "images"], classes)
    names, matrix = report["class_names"], report["confusion_matrix"]
    if len(names) <= 20:
        _table(
            ["true \\ predicted", *names], [[n, *row] for n, row in zip(names, matrix, strict=True)]
        )
    if report["notice"]:
        _errors.print(report["notice"], style="yellow", markup=False)


def _show_ok_nok(report: dict[str, Any]) -> None:
    if report["ok_nok"] is None:
        _output.print(report["ok_nok_missing"], markup=False)
        return
    unit = Unit(report["unit"]).word
    for side, of in (("escape", "defective"), ("overkill", "good")):
        found = report["ok_nok"][side]
        words = (
            "no data"
            if found is None
            else (f"{found['k']} of {found['n']} {of} {unit}: {_with_bounds(found)}")
        )
        _output.print(f"{side}: {words}", markup=False)
    _output.print(f"Rule: {report['ok_nok']['rule']}", markup=False)


def _with_bounds(bounds: dict[str, Any] | None) -> str:
    if bounds is None:
        return "no data"
    return f"{bounds['rate']:.1%} ({bounds['low']:.1%} to {bounds['high']:.1%})"


def _decimal(value: float | None) -> str:
    return "no data" if value is None else f"{value:.3f}"


def _range(bounds: dict[str, float] | None) -> list[str]:
    return [f"{bounds['low']:.3f}", f"{bounds['high']:.3f}"] if bounds else ["", ""]


@app.command()
def predict(
    model: ModelArgument,
    paths: Annotated[list[Path], typer.Argument(help="Images, or folders of images.")],
    out: Annotated[Path | None, typer.Option(help="CSV file to write as well.")] = None,
    delimiter: Annotated[
        CsvDelimiter, typer.Option(help="Between the cells of the CSV file.")
    ] = CsvDelimiter.COMMA,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Classify images; an unreadable one does not stop the others."""
    with _session(workspace, as_json) as session:
        found = models.find_model(session.workspace, model)
        files = prediction.image_files(paths)
        results = prediction.predict(session.workspace, found, files, [str(path) for path in files])
        if out is not None:
            prediction.save_csv(results, found.class_names, out, delimiter=delimiter)
        rows = [
            [
                r.path,
                r.class_name or "–",
                f"{r.confidence:.3f}" if r.confidence else r.error,
                decision_in_words(r.decision) if r.decision else "–",
            ]
            for r in results
        ]
        session.answer(
            {"predictions": [prediction.as_dict(item) for item in results]},
            lambda: _table(["image", "class", "confidence", "decision"], rows),
        )


@app.command()
def heatmap(
    model: ModelArgument,
    image: Annotated[Path, typer.Argument(help="The image to explain.")],
    out: Annotated[Path, typer.Option(help="PNG file to write.")],
    class_name: Annotated[
        str | None, typer.Option("--class", help="Class to explain; else the predicted one.")
    ] = None,
    method: Annotated[HeatmapMethod, typer.Option(help="How.")] = HeatmapMethod.GRAD_CAM,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write an image with the heatmap of a class laid over it."""
    with _session(workspace, as_json) as session:
        found = models.find_model(session.workspace, model)
        answer = prediction.predict(session.workspace, found, [image], [str(image)])[0]
        if answer.error is not None:
            raise ConfigError(answer.error, "Give a readable image.")
        chosen = class_name or answer.class_name or ""
        if chosen not in found.class_names:
            raise NotFoundError(
                f"The model has no class '{chosen}'.", f"It has: {', '.join(found.class_names)}."
            )
        content = prediction.heatmaps(session.workspace, found, image, [chosen], method=method)[1]
        try:
            out.write_bytes(content)
        except OSError as err:
            raise ConfigError(
                f"{out} cannot be written: {err.strerror}.", "Choose a folder that exists."
            ) from err
        confidence = dict(answer.confidences)[chosen]
        result = {"path": str(out), "class_name": chosen, "confidence": confidence}
        session.answer(result, lambda: _output.print(f"{out}: {chosen} ({confidence:.3f})"))


@app.command(name="datasets")
def list_datasets(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the datasets."""
    with _session(workspace, as_json) as session:
        found = datasets.list_datasets(session.workspace)
        result = [
            {
                "dataset_id": d.id,
                "name": d.name,
                "samples": d.sample_count,
                "classes": list(d.class_names),
            }
            for d in found
        ]
        rows = [[d.id, d.name, d.sample_count, ", ".join(d.class_names)] for d in found]
        session.answer(
            {"datasets": result}, lambda: _table(["id", "name", "images", "classes"], rows)
        )


@app.command(name="runs")
def list_runs(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the training runs."""
    with _session(workspace, as_json) as session:
        views = runs.list_runs(session.workspace)
        result = [
            {
                "run_id": v.run.id,
                "name": v.run.name,
                "status": v.status.value,
                "model_id": v.model_id,
                "error": v.job.error if v.job else None,
            }
            for v in views
        ]
        rows = [[v.run.id, v.run.name, v.status.value, v.model_id or "–"] for v in views]
        session.answer({"runs": result}, lambda: _table(["id", "name", "status", "model"], rows))


@app.command(name="models")
def list_models(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the models."""
    with _session(workspace, as_json) as session:
        found = models.list_models(session.workspace)
        result = [
            {
                "model_id": m.id,
                "name": m.name,
                "dataset": m.dataset_name,
                "network": m.network,
                "validation_macro_f1": m.val_macro_f1,
                "test_macro_f1": m.test_macro_f1,
                "size_bytes": m.size_bytes,
            }
            for m in found
        ]
        rows = [
            [
                m.id,
                m.name,
                m.dataset_name,
                m.network,
                "–" if m.test_macro_f1 is None else f"{m.test_macro_f1:.3f}",
            ]
            for m in found
        ]
        headings = ["id", "name", "dataset", "network", "test macro F1"]
        session.answer({"models": result}, lambda: _table(headings, rows))


@app.command()
def delete(
    thing: Annotated[str, typer.Argument(help="Id or name of a dataset, run or model.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a dataset, run or model. Images that were imported in place are never touched."""
    with _session(workspace, as_json) as session:
        kind, found_id, name = _find_anything(session.workspace, thing)
        if not yes and not as_json:
            typer.confirm(f"Delete the {kind} '{name}'?", abort=True, err=True)
        {
            "dataset": datasets.delete_dataset,
            "run": runs.delete_run,
            "model": models.delete_model,
        }[kind](session.workspace, found_id)
        session.answer(
            {"deleted": found_id, "kind": kind},
            lambda: _output.print(f"Deleted the {kind} '{name}'."),
        )


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8501,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Name under which browsers reach this machine; with another --host."),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start the app and print its address."""
    with _session(workspace, as_json) as session:
        root = session.workspace.root
    if as_json:
        print(json.dumps({"url": f"http://{host}:{port}", "workspace": str(root)}), flush=True)
    else:
        _errors.print(f"Touchstone: http://{host}:{port}  (workspace {root})")
    serve(session.workspace, host, port, allow_host or ())


def main() -> None:
    """Entry point of the `touchstone` command."""
    app()


def _answer_dataset(session: Session, dataset: Dataset, **more: Any) -> None:
    counts = datasets.class_counts(session.workspace, dataset)
    result = {
        "dataset_id": dataset.id,
        "name": dataset.name,
        "samples": dataset.sample_count,
        "classes": counts,
        "skipped": [{"path": item.path, "reason": item.reason} for item in dataset.skipped],
        **more,
    }

    def show() -> None:
        _table(["class", "images"], [[name, count] for name, count in counts.items()])
        for decision in more.get("decisions", ()):
            _output.print(f"{decision['sentence']}.", markup=False)
        for item in result["skipped"][:20]:
            _errors.print(f"Skipped {item['path']}: {item['reason']}", style="yellow", markup=False)
        if len(result["skipped"]) > 20:
            _errors.print(f"… and {len(result['skipped']) - 20} more", style="yellow")

    session.answer(result, show)


def _answer_import(session: Session, job: Job) -> None:
    dataset = datasets.find_dataset(session.workspace, job.result["dataset_id"])
    told = ("added", "already_there", "new_classes", "decisions")
    more: dict[str, Any] = {key: job.result[key] for key in told if key in job.result}
    if "skipped" in job.result:  # of added images; the dataset keeps those of its first import
        more["skipped"] = [{"path": p, "reason": why} for p, why in job.result["skipped"]]
    verdicts = zip(dataset.class_names, dataset.verdicts, strict=True)
    more["verdicts"] = {name: verdict for name, verdict in verdicts if verdict}
    more["version"] = dataset.version
    if job.warnings:
        more["warnings"] = list(job.warnings)
    if split_id := job.result.get("split_id"):
        split = splits.find_split(session.workspace, dataset.id, split_id)
        more["split"] = _split_as_dict(session, dataset, split)
    _answer_dataset(session, dataset, **more)


def _checked(session: Session, dataset: Dataset) -> QualityCheck:
    _follow(session, quality.start_check(session.workspace, dataset.id))
    check = quality.last_check(session.workspace, dataset.id)
    assert check is not None
    return check


def _kind_and_fix(text: str) -> tuple[FindingKind, Fix]:
    kind, _, how = text.replace("-", "_").partition(":")
    try:
        return FindingKind(kind), Fix(how)
    except ValueError:
        raise ConfigError(
            f"'{text}' is no kind of finding with a fix.",
            f"Kinds: {', '.join(FindingKind)}. Fixes: {', '.join(Fix)}.",
        ) from None


def _three_counts(text: str) -> tuple[int, int, int]:
    try:
        train, validation, test = (int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(
            f"'{text}' are not three counts.", "For example: --counts 600,200,200"
        ) from None
    return train, validation, test


def _split_as_dict(session: Session, dataset: Dataset, split: Split) -> dict[str, Any]:
    certificate = split.certificate
    assert certificate is not None
    across = {
        "groups_across": certificate.groups_across,
        "exact_across": certificate.exact_across,
        "near_across": certificate.near_across,
    }
    return {
        "split_id": split.id,
        "name": split.name,
        "strategy": strategy_text(split),
        "counts": certificates.counts_by_name(
            certificates.side_counts(session.workspace, dataset, split)
        ),
        "certificate": across,
        "folds": split.folds,
        "sealed": split.sealed,
        "kept_out": certificate.kept_out,
        "digest": split.digest,
        "dataset_version": split.version,
    }


def _answer_split(session: Session, dataset: Dataset, split: Split, warning: str | None) -> None:
    result = {**_split_as_dict(session, dataset, split), "warning": warning}
    counts, across = result["counts"], result["certificate"]
    rows = [[label, *(side[label] for side in counts.values())] for label in dataset.class_names]

    def show() -> None:
        _table(["class", *counts], rows)
        for name, count in across.items():
            _output.print(
                f"{name.replace('_', ' ')}: {'not looked for' if count is None else count}"
            )
        if split.sealed:
            _output.print("The test set is sealed: later splits of this version keep it.")
        if result["kept_out"]:
            _output.print(f"kept out, for they are like sealed images: {result['kept_out']}")
        if warning:
            _errors.print(warning, style="yellow", markup=False)

    session.answer(result, show)


def _answer_folds(session: Session, started: Sequence[RunView]) -> None:
    for view in started:
        assert view.job is not None
        _errors.print(view.run.name, markup=False, highlight=False)
        _follow(session, view.job)
    views = [runs.find_run(session.workspace, view.run.id) for view in started]
    found = folds.cross_validation(session.workspace, folds.group_runs(views)[0])
    assert found is not None
    result = folds.cross_validation_as_dict(found)

    def show() -> None:
        _table(
            ["fold", "images", "accuracy", "macro F1"],
            [[s.fold + 1, s.n, f"{s.accuracy:.2%}", f"{s.macro_f1:.3f}"] for s in found.scores],
        )
        _output.print(
            f"Validation over {found.folds} folds: accuracy {found.accuracy.mean:.2%} ± "
            f"{found.accuracy.std:.2%}, macro F1 {found.macro_f1.mean:.3f} ± "
            f"{found.macro_f1.std:.3f}"
        )

    recipe, network = started[0].run.train.recipe.value, started[0].run.train.network
    session.answer({"recipe": recipe, "network": network, "cross_validation": result}, show)


def _answer_training(session: Session, run_id: str, job: Job) -> None:
    view = runs.find_run(session.workspace, run_id)
    model_id = str(job.result["model_id"])
    report = evaluation.evaluation_report(session.workspace, model_id, Subset.VALIDATION)
    result = {
        "run_id": run_id,
        "model_id": model_id,
        "recipe": view.run.train.recipe.value,
        "network": view.run.train.network,
        "epochs": len(runs.curve(session.workspace, run_id)),
        "duration_s": round((job.finished_at or 0) - (job.started_at or 0), 2),
        "validation": {"accuracy": report.accuracy, "macro_f1": report.macro_f1},
    }
    model = models.find_model(session.workspace, model_id)
    session.answer(
        result,
        lambda: _output.print(
            f"Model '{model.name}' ({model_id}): validation accuracy {report.accuracy:.2%}, "
            f"macro F1 {report.macro_f1:.3f}, {result['duration_s']} s",
            markup=False,
        ),
    )


def _find_anything(workspace: Workspace, key: str) -> tuple[str, str, str]:
    for kind, find in (("dataset", datasets.find_dataset), ("model", models.find_model)):
        try:
            found = find(workspace, key)
        except NotFoundError:
            continue
        return kind, found.id, found.name
    try:
        run = runs.find_run(workspace, key).run
    except NotFoundError:
        raise NotFoundError(
            f"There is no dataset, model or run '{key}'.", "See: touchstone datasets, models, runs."
        ) from None
    return "run", run.id, run.name


if __name__ == "__main__":
    main()
