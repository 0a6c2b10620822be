"""The command that classifies images: decisions of images and of parts, as text, JSON and CSV."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from core.api.models import limit_as_json, part_as_json, prediction_as_json
from core.api.values import JsonObject
from core.cli.output import note, say, table
from core.cli.session import (
    FAILED,
    JsonOption,
    ModelArgument,
    Session,
    WorkspaceOption,
    follow,
    session,
)
from core.domain.configs.choices import FEWEST_FAMILIAR
from core.domain.datasets import Skipped
from core.domain.models import Model, PartDecision, PartResult, Prediction
from core.evaluation.decisions.rule import decision_in_words
from core.files import CsvDelimiter
from core.words import NOTHING, count
from core.words import confidence as confidence_in_words
from core.workflows import job_words
from core.workflows.results.thresholds import saved_rule
from core.workflows.use import alike, history, models, parts, prediction

app = typer.Typer()


@app.command()
def predict(
    model: ModelArgument,
    paths: Annotated[list[Path], typer.Argument(help="Images, or folders of images.")],
    out: Annotated[Path | None, typer.Option(help="Also write a CSV file.")] = None,
    delimiter: Annotated[
        CsvDelimiter, typer.Option(help="Separates the cells of the CSV file.")
    ] = CsvDelimiter.COMMA,
    part_by: Annotated[
        str | None,
        typer.Option(
            help="One decision per part, by the rule of the model: folder, regex:(?P<group>…), or "
            "column:NAME of --part-table."
        ),
    ] = None,
    part_table: Annotated[
        Path | None, typer.Option(help="CSV or Excel file with the part of each image.")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Classify images; an unreadable one does not stop the others.

    One folder with --out is a job: stopped or killed, the same command goes on where it was.

    The exit code is 1 if no image could be classified.
    """
    with session(workspace, as_json) as opened:
        source = parts.told_by(part_by, part_table) if part_by else None
        chosen = models.find_model(opened.workspace, model)
        if out is not None and len(paths) == 1 and paths[0].is_dir():
            _whole_folder(opened, chosen, paths[0], out, delimiter, part_by, part_table)
            return
        found = prediction.image_files(paths)
        files = list(found.paths)
        results = prediction.predict(opened.workspace, chosen, files, [str(path) for path in files])
        if source is not None:
            results = parts.with_parts(results, source, parts.names_below(files, paths))
        rule = saved_rule(opened.workspace, chosen.id)
        history.remember(opened.workspace, chosen, results)
        decided = parts.decisions(results, rule)
        if out is not None:
            prediction.save_csv(results, chosen.class_names, out, rule=rule, delimiter=delimiter)
        opened.answer(
            _as_json(results, found.skipped, found.hidden, decided if part_by else None)
            | _limit_as_json(opened, chosen),
            lambda: show_predictions(results, decided),
        )
        known = [r for r in results if r.error is None]
        tells = bool(known) and known[0].unfamiliar is not None
        _note_unfamiliar(sum(r.is_unfamiliar for r in known) if tells or not known else None)
        _note_left_out(found.skipped, len(found.skipped), found.hidden)
        _refuse_nothing_classified(len(results), sum(r.error is not None for r in results))


def _whole_folder(
    opened: Session,
    model: Model,
    folder: Path,
    out: Path,
    delimiter: CsvDelimiter,
    part_by: str | None,
    part_table: Path | None,
) -> None:
    """Classify a folder of any size as a job, which the same command resumes."""
    job = prediction.start_batch(
        opened.workspace,
        model,
        folder,
        delimiter=delimiter,
        part_by=part_by,
        part_table=part_table,
    )
    prediction.refuse_unwritable(out)
    job = follow(opened, job)
    prediction.copy_table(opened.workspace, job, out)
    skipped = [Skipped(path, reason) for path, reason in job.result["skipped"]]
    hidden = int(job.result["hidden"])
    if opened.as_json:
        results = list(prediction.batch_predictions(opened.workspace, job, model))
        rule = saved_rule(opened.workspace, model.id)
        decided = parts.decisions(results, rule) if part_by else None
        answer = _as_json(results, skipped, hidden, decided) | _limit_as_json(opened, model)
        opened.answer(answer, lambda: None)
    else:
        say(f"{out}: {job_words.batch_in_words(job)}")
    _note_unfamiliar(job.result.get("unfamiliar"))
    _note_left_out(skipped, int(job.result["skipped_count"]), hidden)
    _refuse_nothing_classified(int(job.result["n"]), int(job.result["failed"]))


def _as_json(
    results: Sequence[Prediction],
    skipped: Sequence[Skipped],
    hidden: int,
    decided: Sequence[PartResult] | None,
) -> JsonObject:
    return {
        "predictions": [prediction_as_json(item) for item in results],
        "skipped": [{"path": s.path, "reason": s.reason} for s in skipped],
        "hidden": hidden,
        **({} if decided is None else {"parts": [part_as_json(part) for part in decided]}),
    }


def _limit_as_json(opened: Session, model: Model) -> JsonObject:
    limit = alike.unfamiliar_limit(opened.workspace, model)
    return {} if limit is None else {"unfamiliar_limit": limit_as_json(limit)}


def _note_unfamiliar(images: int | None) -> None:
    """How many images are unfamiliar; None: the model cannot tell."""
    if images is None:
        note(
            "This model does not tell unfamiliar images. One that does needs to be trained again, "
            f"on {FEWEST_FAMILIAR} images or more."
        )
    elif images:
        note(f"{count(images, 'image')} unlike the training images: do not rely on the class.")


def _note_left_out(skipped: Sequence[Skipped], count_skipped: int, hidden: int) -> None:
    for item in skipped[:20]:
        note(f"Left out {item.path}: {item.reason}")
    if count_skipped > 20:
        note(f"… and {count_skipped - 20:,} more")
    if hidden:
        note(f"{count(hidden, 'hidden or system file')} ignored.")


def show_predictions(results: Sequence[Prediction], decided: Sequence[PartResult]) -> None:
    """Print what the images and the parts are; nothing where there are no images."""
    if not results:
        return
    tells = any(item.unfamiliar is not None for item in results)
    rows = [
        [
            item.path,
            item.class_name or NOTHING,
            confidence_in_words(item.confidence) if item.confidence else item.error,
            _in_words(item.decision),
            *([_is_unfamiliar(item)] if tells else []),
        ]
        for item in results
    ]
    headings = ["image", "class", "confidence", "decision", *(["unfamiliar"] if tells else [])]
    table(headings, rows)
    if decided:
        table(
            ["part", "images", "decision", "decided by"],
            [[r.part, r.images, _in_words(r.decision), r.decided_by] for r in decided],
        )


def _is_unfamiliar(item: Prediction) -> str:
    if item.unfamiliar is None:  # it could not be read
        return NOTHING
    return "yes" if item.is_unfamiliar else "no"


def _in_words(decision: PartDecision | None) -> str:
    return decision_in_words(decision) if decision else NOTHING


def _refuse_nothing_classified(images: int, failed: int) -> None:
    if failed == images:
        note("No image could be classified." if images else "There are no images here.")
        raise typer.Exit(FAILED)
