"""Commands of the judgement room: thresholds, test plans, comparison, release criteria."""

from dataclasses import replace
from typing import Annotated, Any, assert_never

import typer

from core.api.comparison import comparison_as_json
from core.api.signoff import criteria_as_json, release_as_json
from core.api.thresholds import choice_as_json, plan_row_as_json
from core.cli.output import output, table
from core.cli.session import DatasetArgument, JsonOption, ModelArgument, WorkspaceOption, session
from core.domain.splits import Subset
from core.errors import ConfigError
from core.evaluation.decisions.costs import Costs, Scenario
from core.evaluation.decisions.outcome import OperatingPoint, Outcome, single_threshold
from core.evaluation.decisions.planner import plan_test, proven_rate
from core.evaluation.decisions.rule import point_in_words
from core.evaluation.measures.intervals import CONFIDENCE, Rate
from core.evaluation.release.comparison import PairedTable
from core.evaluation.release.criteria import ReleaseCriteria
from core.evaluation.release.words import criteria_in_words, reasons_in_words
from core.workflows.data import datasets
from core.workflows.results import access, comparison, thresholds
from core.workflows.results.thresholds import Basis, Hidden, OnTest, ThresholdChoice, ThresholdGoal
from core.workflows.signoff import release
from core.workspace import Workspace

app = typer.Typer()

_DRAFT = "The test gives the verdict on a saved rule: add --save, or --on-test, which is recorded."
_UNSEEN = (
    "Nobody has viewed the test results yet. --on-test shows them: the view is recorded, and this "
    "model can then no longer have a sealed test."
)
ConfidenceOption = Annotated[float, typer.Option(help="Of bounds and promises; 0.95 is 95%.")]


@app.command()
def threshold(
    model: ModelArgument,
    max_escape: Annotated[
        float | None, typer.Option(help="Escape at most this; 0.01 is 1%.")
    ] = None,
    max_overkill: Annotated[
        float | None,
        typer.Option(help="Overkill at most this; with both, a person takes the rest."),
    ] = None,
    proven: Annotated[
        bool, typer.Option("--proven", help="The exact upper bound keeps the limits.")
    ] = False,
    guarantee: Annotated[
        bool, typer.Option("--guarantee", help="Promise the limits for parts not seen yet.")
    ] = False,
    cost: Annotated[
        str | None,
        typer.Option(help="Choose the least cost: ESCAPE,FALSE_REJECT[,LOOK], such as 500,5,1."),
    ] = None,
    defect_rate: Annotated[
        float, typer.Option(help="Share of defective parts on the real line, for PPM and costs.")
    ] = 0.01,
    volume: Annotated[float, typer.Option(help="Parts per shift.")] = 1000,
    class_error: Annotated[
        float | None,
        typer.Option(help="A threshold per class: of its predictions at most this share is wrong."),
    ] = None,
    at: Annotated[
        float | None, typer.Option(help="Reject from this NOK probability on, by hand.")
    ] = None,
    confidence: ConfidenceOption = CONFIDENCE,
    save: Annotated[bool, typer.Option("--save", help="Keep it with the model.")] = False,
    on_test: Annotated[
        bool,
        typer.Option(
            "--on-test", help="Show test even if nobody has looked yet, or without --save. Counted."
        ),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose the operating point on validation; without options the saved one.

    What a kept rule does on test follows where somebody has looked at the test results before.
    """
    with session(workspace, as_json) as opened:
        basis = thresholds.load_basis(opened.workspace, model)
        scenario = _scenario(cost, defect_rate, volume) if cost else None
        wish = ThresholdGoal(
            max_escape=max_escape,
            max_overkill=max_overkill,
            proven=proven,
            guarantee=guarantee,
            scenario=scenario,
            class_error=class_error,
            confidence=confidence,
        )
        choice = _choice(opened.workspace, basis, wish, at)
        if save:
            thresholds.save_rule(
                opened.workspace, basis, choice, confidence=confidence, scenario=scenario
            )
        kept = thresholds.saved_rule(opened.workspace, basis.judged.model.id)
        saved = kept.point if kept and kept.point == choice.point else None
        tested = _on_test(opened.workspace, basis, saved, asked=on_test)
        result = choice_as_json(basis, choice, wish, tested)
        opened.answer(
            {**result, "saved": save},
            lambda: _show_choice(basis, choice, tested, confidence, saved=save),
        )


def _on_test(
    workspace: Workspace, basis: Basis, saved: OperatingPoint | None, *, asked: bool
) -> OnTest:
    """The test images for the verdict on a saved rule, or why they are not shown."""
    shown = thresholds.verdict_on_test(
        workspace, basis.judged.model, "touchstone threshold", saved, recorded=set(), asked=asked
    )
    match shown.hidden:
        case Hidden.DRAFT:
            return replace(shown, reason=_DRAFT)
        case Hidden.UNSEEN:
            return replace(shown, reason=_UNSEEN)
        case Hidden.SEALED | Hidden.MISSING | None:
            return shown
        case _:
            assert_never(shown.hidden)


def _scenario(cost: str, defect_rate: float, volume: float) -> Scenario:
    try:
        values = [float(part) for part in cost.split(",")]
        return Scenario(defect_rate, volume, Costs(*values))
    except (ValueError, TypeError) as err:
        raise ConfigError(
            f"'{cost}' are no costs.", "Give two or three numbers, such as --cost 500,5,1."
        ) from err


def _choice(
    workspace: Workspace, basis: Basis, wish: ThresholdGoal, at: float | None
) -> ThresholdChoice:
    """What is wished; by hand; without a wish the rule that is saved."""
    if at is not None:
        # Why costs may stand beside it: then they only price the rule.
        if wish != ThresholdGoal(confidence=wish.confidence, scenario=wish.scenario):
            raise ConfigError(
                "A threshold by hand leaves nothing to choose.", "Leave --at out, or the wishes."
            )
        return ThresholdChoice(single_threshold(at), "by hand")
    if wish == ThresholdGoal(confidence=wish.confidence):
        saved = thresholds.saved_rule(workspace, basis.judged.model.id)
        if saved is not None:
            return ThresholdChoice(saved.point, saved.chosen_by)
    return thresholds.choose(basis, wish)


def _show_choice(
    basis: Basis,
    choice: ThresholdChoice,
    on_test: OnTest,
    confidence: float,
    *,
    saved: bool,
) -> None:
    output.print(f"{point_in_words(choice.point)} ({choice.chosen_by})", markup=False)
    columns: dict[str, Outcome] = {"validation": basis.outcome(choice.point, confidence)}
    if on_test.basis:
        columns["test"] = on_test.basis.outcome(choice.point, confidence)
    found = list(columns.values())
    rows = [
        ["escape", *(_rate(item.escape) for item in found)],
        ["overkill", *(_rate(item.overkill) for item in found)],
        ["automatic", *(_rate(item.automatic) for item in found)],
    ]
    table(["rate", *columns], rows)
    for remark in (
        *(choice.promise.remarks if choice.promise else ()),
        *found[0].remarks,
        on_test.reason,
        "Saved with the model." if saved else "",
    ):
        if remark:
            output.print(remark, markup=False)


def _rate(found: Rate) -> str:
    if found.value is None or found.interval is None:
        return "no data"
    low, high = found.interval.low, found.interval.high
    return f"{found.value:.2%} ({low:.2%} to {high:.2%}; {found.k} of {found.n})"


@app.command()
def plan(
    rate: Annotated[float, typer.Option(help="The claim: the rate is below this; 0.01 is 1%.")],
    confidence: ConfidenceOption = CONFIDENCE,
    errors: Annotated[
        int | None, typer.Option(min=0, help="Errors the test may have; else a table of 0 to 3.")
    ] = None,
    overkill: Annotated[
        float | None, typer.Option(help="Also claim that overkill is below this.")
    ] = None,
    expected: Annotated[
        float | None, typer.Option(help="The true rate you expect: adds the chance to pass.")
    ] = None,
    parts: Annotated[
        int | None, typer.Option(min=1, help="What so many parts prove at best instead.")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """How many parts prove a claim, before anybody collects them."""
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
            if parts is not None:
                output.print(
                    f"{parts:,} parts with {errors or 0} errors still allow a rate of "
                    f"{result['proven']['rate']:.3%}."
                )

        opened.answer(result, show)


def _chance(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


FirstArgument = Annotated[str, typer.Argument(help="Name or id of the model so far.")]
SecondArgument = Annotated[str, typer.Argument(help="Name or id of the new model.")]


@app.command()
def compare(
    first: FirstArgument,
    second: SecondArgument,
    subset: Annotated[Subset, typer.Option(help="Which images.")] = Subset.TEST,
    confidence: ConfidenceOption = CONFIDENCE,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold two models against each other on the same images, and the new one against the gate."""
    with session(workspace, as_json) as opened:
        found = comparison.compare(opened.workspace, first, second, subset, confidence=confidence)
        if subset is Subset.TEST:
            for side in (found.first, found.second):
                access.record_view(opened.workspace, side.model, "touchstone compare")
        gate = release.check_release(opened.workspace, found, found.second.judged)
        result = {
            **comparison_as_json(opened.workspace, found),
            "gate": release_as_json(gate) if gate else None,
        }

        def show() -> None:
            unit = found.unit.word
            output.print(f"{found.part_count:,} {unit} that both models judged ({subset}).")
            rows = [["classes", *_table_row(found.classes.table)]]
            if found.decisions is not None:
                rows.append(["no escape", *_table_row(found.decisions.escapes)])
                rows.append(["no false reject", *_table_row(found.decisions.false_rejects)])
            table(["right", "both", "only first", "only second", "neither", "p"], rows)
            output.print(comparison.evidence(found.classes.table))
            if gate:
                output.print("PASS" if gate.gate.passed else "BLOCK")
                for reason in reasons_in_words(gate.gate):
                    output.print(f"  {reason}", markup=False)

        opened.answer(result, show)


def _table_row(found: PairedTable) -> list[object]:
    return [
        found.both_right,
        found.only_first_right,
        found.only_second_right,
        found.neither_right,
        f"{found.p_value:.3g}",
    ]


@app.command()
def criteria(
    dataset: DatasetArgument,
    max_escape: Annotated[
        float | None, typer.Option(help="The proven escape rate must be at most this.")
    ] = None,
    max_overkill: Annotated[
        float | None, typer.Option(help="The overkill seen must be at most this.")
    ] = None,
    min_macro_f1: Annotated[
        float | None, typer.Option(help="The macro F1 seen must be at least this.")
    ] = None,
    min_recall: Annotated[
        float | None, typer.Option(help="The recall seen of every class must be at least this.")
    ] = None,
    no_new_escapes: Annotated[
        bool, typer.Option("--no-new-escapes", help="No escape that the model so far had not.")
    ] = False,
    golden: Annotated[bool, typer.Option(help="Every golden sample must be judged right.")] = True,
    confidence: ConfidenceOption = CONFIDENCE,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set what models of a dataset must reach before a release; without options: show it."""
    with session(workspace, as_json) as opened:
        found = datasets.find_dataset(opened.workspace, dataset)
        wanted = ReleaseCriteria(
            max_escape, max_overkill, min_macro_f1, min_recall, no_new_escapes, golden, confidence
        )
        if wanted == ReleaseCriteria():
            kept = release.criteria_of(opened.workspace, found.id)
        else:
            kept = release.set_criteria(opened.workspace, found.id, wanted)

        def show() -> None:
            if kept is None:
                output.print("No criteria are set for this dataset.")
                return
            for line in criteria_in_words(kept.criteria):
                output.print(line, markup=False)
            if kept.earlier:
                output.print(f"Changes so far: {len(kept.earlier)}; --json shows them.")

        opened.answer(
            {"dataset_id": found.id, "criteria": criteria_as_json(kept) if kept else None},
            show,
        )
