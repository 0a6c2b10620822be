"""The command that classifies images: decisions of images and of parts, as text, JSON and CSV."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from core.api.models import part_as_json, prediction_as_json
from core.cli.output import note, table
from core.cli.session import FAILED, JsonOption, ModelArgument, WorkspaceOption, session
from core.domain.models import PartDecision, PartResult, Prediction
from core.evaluation.decisions.rule import decision_in_words
from core.files import CsvDelimiter
from core.words import NOTHING, count
from core.words import confidence as confidence_in_words
from core.workflows.use import models, parts, prediction

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
            help="One decision per part, the strictest of its images: folder, regex:(?P<group>…), "
            "or column:NAME of --part-table."
        ),
    ] = None,
    part_table: Annotated[
        Path | None, typer.Option(help="CSV or Excel file with the part of each image.")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Classify images; an unreadable one does not stop the others.

    The exit code is 1 if no image could be classified.
    """
    with session(workspace, as_json) as opened:
        source = parts.told_by(part_by, part_table) if part_by else None
        chosen = models.find_model(opened.workspace, model)
        found = prediction.image_files(paths)
        files = list(found.paths)
        results = prediction.predict(opened.workspace, chosen, files, [str(path) for path in files])
        if source is not None:
            results = parts.with_parts(results, source, parts.names_below(files, paths))
        decided = parts.decisions(results)
        if out is not None:
            prediction.save_csv(results, chosen.class_names, out, delimiter=delimiter)
        opened.answer(
            {
                "predictions": [prediction_as_json(item) for item in results],
                "skipped": [{"path": s.path, "reason": s.reason} for s in found.skipped],
                "hidden": found.hidden,
                **({"parts": [part_as_json(part) for part in decided]} if part_by else {}),
            },
            lambda: _show(results, decided),
        )
        for item in found.skipped[:20]:
            note(f"Left out {item.path}: {item.reason}")
        if len(found.skipped) > 20:
            note(f"… and {len(found.skipped) - 20:,} more")
        if found.hidden:
            note(f"{count(found.hidden, 'hidden or system file')} ignored.")
        _refuse_nothing_classified(results)


def _show(results: Sequence[Prediction], decided: Sequence[PartResult]) -> None:
    rows = [
        [
            item.path,
            item.class_name or NOTHING,
            confidence_in_words(item.confidence) if item.confidence else item.error,
            _in_words(item.decision),
        ]
        for item in results
    ]
    table(["image", "class", "confidence", "decision"], rows)
    if decided:
        table(
            ["part", "images", "decision", "decided by"],
            [[r.part, r.images, _in_words(r.decision), r.decided_by] for r in decided],
        )


def _in_words(decision: PartDecision | None) -> str:
    return decision_in_words(decision) if decision else NOTHING


def _refuse_nothing_classified(results: list[Prediction]) -> None:
    if all(item.error is not None for item in results):
        note("No image could be classified." if results else "There are no images here.")
        raise typer.Exit(FAILED)
