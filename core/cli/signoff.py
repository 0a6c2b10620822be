"""Commands of the sign-off: plan a test, set criteria, seal, open, write the report."""

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from core.api.signoff import criteria_as_json, release_as_json, sign_off_as_json
from core.api.thresholds import plan_row_as_json
from core.cli.evaluation_table import show_verdict
from core.cli.output import output, phases, table
from core.cli.session import (
    ChangedOption,
    ConfidenceOption,
    DatasetArgument,
    JsonOption,
    ModelArgument,
    Session,
    WorkspaceOption,
    follow,
    note_serious_finding,
    person,
    session,
    with_unchanged_files,
)
from core.errors import ConfigError
from core.evaluation.decisions.planner import plan_automatic, plan_test, proven_rate
from core.evaluation.measures.intervals import CONFIDENCE
from core.evaluation.release.criteria import ReleaseCriteria
from core.evaluation.release.words import REVIEWS_NOT_LIMITED, criteria_in_words
from core.words import count, exact_percent, shortened_percent, whole_percent
from core.workflows.data import datasets
from core.workflows.results.access import accesses_in_words
from core.workflows.signoff import release, report, sealing
from core.workflows.signoff.release import GateReport
from core.workflows.signoff.report import Form
from core.workflows.signoff.seal_changes import SignOff
from core.workflows.use import models

app = typer.Typer()


@app.command()
def plan(
    rate: Annotated[float, typer.Option(help="Claim: the rate is below this; 0.01 is 1%.")],
    confidence: ConfidenceOption = CONFIDENCE,
    errors: Annotated[
        int | None, typer.Option(min=0, help="Errors allowed in the test; else a table of 0 to 3.")
    ] = None,
    overkill: Annotated[
        float | None, typer.Option(help="Also claim that the false reject rate is below this.")
    ] = None,
    expected: Annotated[
        float | None, typer.Option(help="Expected true rate: adds the chance to pass.")
    ] = None,
    parts: Annotated[
        int | None, typer.Option(min=1, help="Also show what this number of parts proves.")
    ] = None,
    automatic: Annotated[
        float | None,
        typer.Option(help="Also claim that at least this share is decided without a person."),
    ] = None,
    reviews: Annotated[
        float | None,
        typer.Option(help="Also claim at most this many inspector reviews per shift; see --volume"),
    ] = None,
    volume: Annotated[float | None, typer.Option(help="Parts per shift, for --reviews.")] = None,
    expected_automatic: Annotated[
        float | None,
        typer.Option(help="Expected true automatic share: adds the chance to pass."),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Calculate how many test parts prove a claim."""
    with session(workspace, as_json) as opened:
        made = plan_test(
            rate,
            rate if overkill is None else overkill,
            confidence=confidence,
            expected_escape=expected,
            most_errors=3 if errors is None else errors,
        )
        kept = [row for row in made.defective if errors is None or row.errors == errors]
        good = [row for row in made.good if errors is None or row.errors == errors]
        result: dict[str, Any] = {
            "rate": rate,
            "confidence": confidence,
            "rows": [plan_row_as_json(row) for row in kept],
            "needed": kept[0].parts,
        }
        if overkill is not None:
            result["overkill"] = {"rate": overkill, "rows": [plan_row_as_json(row) for row in good]}
        claims = {
            key: (
                share,
                plan_automatic(share, confidence=confidence, expected_share=expected_automatic),
            )
            for key, share in _shares(automatic, reviews, volume).items()
        }
        result |= {
            key: {"share": share, "rows": [plan_row_as_json(row) for row in rows]}
            for key, (share, rows) in claims.items()
        }
        if parts is not None:
            proven = proven_rate(errors or 0, parts, confidence=confidence)
            result["proven"] = {"parts": parts, "errors": errors or 0, "rate": proven}

        def show() -> None:
            table(
                ["errors allowed", "defective parts", "chance to pass"],
                [[row.errors, f"{row.parts:,}", _chance(row.chance_to_pass)] for row in kept],
            )
            if overkill is not None:
                table(
                    ["errors allowed", "good parts"],
                    [[row.errors, f"{row.parts:,}"] for row in good],
                )
            for share, rows in claims.values():
                output.print(f"At least {exact_percent(share)} decided without a person:")
                table(
                    ["reviews allowed", "parts", "chance to pass"],
                    [[row.errors, f"{row.parts:,}", _chance(row.chance_to_pass)] for row in rows],
                )
            if parts is not None:
                reached = shortened_percent(result["proven"]["rate"], at_most=True)
                output.print(
                    f"{count(parts, 'part')} with {count(errors or 0, 'error')} prove a rate below "
                    f"{reached}."
                )

        opened.answer(result, show)


def _shares(
    automatic: float | None, reviews: float | None, volume: float | None
) -> dict[str, float]:
    """The automatic shares to plan for, by what they stand for.

    Raises:
        ConfigError: if reviews are given without parts per shift, or are not fewer than these.
    """
    shares = {} if automatic is None else {"automatic": automatic}
    if reviews is None:
        return shares
    if volume is None or not 0 < reviews < volume:
        raise ConfigError(
            "A limit on inspector reviews needs the parts per shift, and must be below them.",
            "Give for example --reviews 20 --volume 1000.",
        )
    return {**shares, "reviews": 1 - reviews / volume}


def _chance(value: float | None) -> str:
    return whole_percent(value)


@app.command()
def criteria(
    dataset: DatasetArgument,
    max_escape: Annotated[
        float | None, typer.Option(help="Largest escape rate; must be proven.")
    ] = None,
    max_overkill: Annotated[
        float | None, typer.Option(help="Largest false reject rate in the test.")
    ] = None,
    min_macro_f1: Annotated[
        float | None, typer.Option(help="Smallest macro F1 in the test.")
    ] = None,
    min_recall: Annotated[
        float | None, typer.Option(help="Smallest recall of every class in the test.")
    ] = None,
    min_automatic: Annotated[
        float | None,
        typer.Option(help="Smallest share decided without a person; must be proven."),
    ] = None,
    max_reviews: Annotated[
        float | None,
        typer.Option(help="Most inspector reviews per shift; must be proven; needs --volume."),
    ] = None,
    volume: Annotated[float | None, typer.Option(help="Parts per shift.")] = None,
    defect_rate: Annotated[
        float | None,
        typer.Option(
            help="Share of defective parts on the line, for --max-reviews; else the test's mix."
        ),
    ] = None,
    no_new_escapes: Annotated[
        bool,
        typer.Option("--no-new-escapes", help="No escape that the current model does not have."),
    ] = False,
    golden: Annotated[bool, typer.Option(help="Every golden sample must be judged right.")] = True,
    confidence: ConfidenceOption = CONFIDENCE,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set or show the release criteria of a dataset."""
    with session(workspace, as_json) as opened:
        of_dataset = datasets.find_dataset(opened.workspace, dataset)
        wanted = ReleaseCriteria(
            max_escape,
            max_overkill,
            min_macro_f1,
            min_recall,
            no_new_escapes,
            golden,
            confidence,
            min_automatic,
            max_reviews,
            volume,
            defect_rate,
        )
        if wanted == ReleaseCriteria():
            kept = release.criteria_of(opened.workspace, of_dataset.id)
        else:
            kept = release.set_criteria(opened.workspace, of_dataset.id, wanted)

        def show() -> None:
            if kept is None:
                output.print("No release criteria are set for this dataset.")
                return
            for line in criteria_in_words(kept.criteria):
                output.print(line, markup=False)
            if not kept.criteria.limits_reviews:
                output.print(REVIEWS_NOT_LIMITED)
            if kept.earlier:
                output.print(f"Earlier criteria: {len(kept.earlier)}; --json shows them.")

        opened.answer(
            {"dataset_id": of_dataset.id, "criteria": criteria_as_json(kept) if kept else None},
            show,
        )


@app.command(name="seal")
def seal_test(
    model: ModelArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """Seal the test of a model: fix criteria, thresholds and test images before it is viewed."""
    with session(workspace, as_json) as opened, phases() as show:
        standing = sealing.seal_test(opened.workspace, model, on_progress=show)
        note_serious_finding(opened, standing.split.dataset_id)
        opened.answer(
            sign_off_as_json(standing),
            lambda: output.print(
                f"Sealed: {standing.images:,} test images, digest {standing.digest[:16]}…. Open "
                "the test with `touchstone open-test`.",
                markup=False,
            ),
        )


@app.command(name="open-test")
def open_test(
    model: ModelArgument,
    purpose: Annotated[str, typer.Option(help="Why the test is opened; recorded permanently.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open the sealed test of a model; the view is recorded permanently."""
    with session(workspace, as_json) as opened, phases() as show:
        standing = sealing.open_test(
            opened.workspace, model, purpose, person=person(), on_progress=show
        )
        gate = report.gate_of(opened.workspace, standing)
        result = {
            **sign_off_as_json(standing),
            "gate": release_as_json(gate) if gate else None,
        }
        opened.answer(result, lambda: _show_opened(standing, gate))


@app.command(name="report")
def write_report(
    model: ModelArgument,
    out: Annotated[Path, typer.Option(help="HTML file to write.")],
    csv: Annotated[
        Path | None, typer.Option(help="CSV file to write with all probabilities.")
    ] = None,
    short: Annotated[bool, typer.Option("--short/--full", help="Two pages, or everything.")] = (
        False
    ),
    against: Annotated[
        str | None, typer.Option(help="Name or id of a model to compare with.")
    ] = None,
    max_images: Annotated[
        int,
        typer.Option(
            "--max-images",
            "--max-pictures",
            min=0,
            help="Largest number of mistakes shown with heatmaps in the full form.",
        ),
    ] = report.MAX_IMAGES,
    language: Annotated[str, typer.Option(help="Language of the report.")] = "en",
    changed: ChangedOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the test report of a model: one self-contained HTML file, ready to print."""
    form = Form.SHORT if short else Form.FULL
    with session(workspace, as_json) as opened:
        for target in (out, csv):
            _refuse_bad_target(target)

        def made() -> report.ReportRequest:
            with phases() as show:
                return report.make_report(
                    opened.workspace,
                    model,
                    form,
                    against=against,
                    language=language,
                    max_images=max_images,
                    person=person(),
                    on_progress=show,
                )

        dataset_id = models.find_model(opened.workspace, model).dataset_id or ""
        request = with_unchanged_files(opened, dataset_id, changed, made)
        if request.job is not None:
            follow(opened, request.job)
        _answer_report(opened, request.id, form, out, csv)


def _answer_report(
    opened: Session, report_id: str, form: Form, out: Path, csv: Path | None
) -> None:
    result: dict[str, Any] = {"report": str(out), "form": form.value, "csv": csv and str(csv)}
    shutil.copyfile(report.report_file(opened.workspace, report_id), out)
    if csv is not None:
        shutil.copyfile(report.report_file(opened.workspace, report_id, "csv"), csv)
    opened.answer(result, lambda: output.print(f"{out}", markup=False))


def _refuse_bad_target(target: Path | None) -> None:
    if target is not None and (target.is_dir() or not target.parent.is_dir()):
        raise ConfigError(f"{target} cannot be written.", "Name a file in an existing folder.")


def _show_opened(standing: SignOff, gate: GateReport | None) -> None:
    output.print(f"Opened. Recorded: {accesses_in_words(standing.accesses)}.", markup=False)
    for change in standing.changes:
        output.print(f"Seal void: {change}", style="red", markup=False)
    if gate is not None:
        show_verdict(gate.gate)
