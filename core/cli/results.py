"""Commands on results: the reject threshold, and two models compared."""

from dataclasses import replace
from functools import partial
from typing import Annotated, assert_never

import typer

from core.api.comparison import comparison_as_json
from core.api.signoff import release_as_json
from core.api.thresholds import choice_as_json
from core.cli.evaluation_table import show_counting, show_verdict
from core.cli.output import output, table
from core.cli.session import (
    ConfidenceOption,
    CountOption,
    JsonOption,
    ModelArgument,
    PurposeOption,
    WorkspaceOption,
    open_test_results,
    person,
    session,
)
from core.domain.parts import ANY_IMAGE, Counting, part_rule
from core.domain.splits import Subset
from core.errors import ConfigError
from core.evaluation.decisions.costs import Costs, Scenario
from core.evaluation.decisions.outcome import OperatingPoint, Outcome, single_threshold
from core.evaluation.decisions.rule import DecisionRule, point_in_words
from core.evaluation.measures.intervals import CONFIDENCE, Rate
from core.evaluation.measures.parts import Unit
from core.evaluation.release.comparison import PairedTable
from core.words import (
    exact_percent,
    joined,
    number,
    percent,
    percent_at_most,
    percent_range,
    significant,
)
from core.workflows.results import comparison, thresholds
from core.workflows.results.comparison import RuleChoice
from core.workflows.results.comparison_verdict import answers, verdict_in_words
from core.workflows.results.thresholds import Basis, Hidden, OnTest, ThresholdChoice, ThresholdGoal
from core.workflows.signoff import release
from core.workspace import Workspace

app = typer.Typer()

_DRAFT = "The test gives the verdict on a saved rule: add --save, or --on-test, which is recorded."
_UNSEEN = (
    "Nobody has viewed the test results yet. --on-test shows them: the view is recorded, and this "
    "model can then no longer have a sealed test."
)


@app.command()
def threshold(
    model: ModelArgument,
    max_escape: Annotated[
        float | None, typer.Option(help="Largest escape rate; 0.01 is 1%.")
    ] = None,
    max_overkill: Annotated[
        float | None,
        typer.Option(help="Largest false reject rate; with both limits, a review zone is left."),
    ] = None,
    proven: Annotated[
        bool,
        typer.Option(
            "--proven", help="Require statistical proof: the upper bound keeps the limits."
        ),
    ] = False,
    guarantee: Annotated[
        bool, typer.Option("--guarantee", help="Guarantee the limits for new parts.")
    ] = False,
    cost: Annotated[
        str | None,
        typer.Option(help="Find the least cost: ESCAPE,FALSE_REJECT[,REVIEW], such as 500,5,1."),
    ] = None,
    defect_rate: Annotated[
        float, typer.Option(help="Share of defective parts in production, for PPM and costs.")
    ] = 0.01,
    volume: Annotated[float, typer.Option(help="Parts per shift.")] = 1000,
    class_error: Annotated[
        float | None,
        typer.Option(
            help="Set a threshold per class; at most this share of its predictions is wrong."
        ),
    ] = None,
    at: Annotated[
        float | None, typer.Option(help="Reject from this NOK probability; 0.5 is 50%.")
    ] = None,
    parts: Annotated[
        str | None,
        typer.Option(
            help="How images of one part are combined: any (the strictest decides), mean, or how "
            "many must agree.",
            show_default="as saved, else any",
        ),
    ] = None,
    confidence: ConfidenceOption = CONFIDENCE,
    counting: CountOption = Counting.AUTO,
    save: Annotated[bool, typer.Option("--save", help="Save it with the model.")] = False,
    on_test: Annotated[
        bool,
        typer.Option(
            "--on-test", help="Also show the result on the test images; this is recorded."
        ),
    ] = False,
    purpose: PurposeOption = "touchstone threshold",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose, show or save the reject threshold, on the validation images.

    The result of a saved threshold on the test images follows if these were viewed before.
    """
    with session(workspace, as_json) as opened:
        basis = thresholds.load_basis(opened.workspace, model, counting=counting)
        saved = thresholds.saved_rule(opened.workspace, basis.judged.model.id)
        basis = _combined(basis, saved, parts)
        scenario = _scenario(cost, defect_rate, volume) if cost else None
        goal = ThresholdGoal(
            max_escape=max_escape,
            max_overkill=max_overkill,
            proven=proven,
            guarantee=guarantee,
            scenario=scenario,
            class_error=class_error,
            confidence=confidence,
        )
        choice = _choice(basis, goal, at, saved if parts is None else None)
        if save:
            thresholds.save_rule(
                opened.workspace,
                basis,
                choice,
                confidence=confidence,
                scenario=scenario,
                person=person(),
            )
        kept = thresholds.saved_rule(opened.workspace, basis.judged.model.id)
        is_saved = kept is not None and kept.point == choice.point
        asked = purpose if on_test else ""
        tested = _on_test(opened.workspace, basis, choice.point, is_saved=is_saved, asked=asked)
        result = choice_as_json(basis, choice, goal, tested)
        opened.answer(
            {**result, "saved": save},
            lambda: _show_choice(basis, choice, tested, goal, saved=save),
        )


def _on_test(
    workspace: Workspace, basis: Basis, point: OperatingPoint, *, is_saved: bool, asked: str
) -> OnTest:
    """The test images for the verdict on a rule, or why they are not shown."""
    shown = thresholds.verdict_on_test(
        workspace,
        basis.judged.model,
        point,
        is_saved=is_saved,
        asked=asked,
        person=person(),
        load=partial(thresholds.load_basis, counting=basis.judged.counting),
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
            f"'{cost}' is not a list of costs.",
            "Give two or three numbers, for example --cost 500,5,1.",
        ) from err


def _combined(basis: Basis, saved: DecisionRule | None, parts: str | None) -> Basis:
    """The images combined as it was asked for, else as the saved rule does."""
    if parts is None:
        return basis.combined_by(saved.point.parts) if saved else basis
    how = part_rule(parts)
    if how != ANY_IMAGE and basis.unit is not Unit.PARTS:
        raise ConfigError(
            "No images of this dataset are known to show one part.",
            "Import them with a part, or answer look-alikes: `touchstone parts DATASET`.",
        )
    return basis.combined_by(how)


def _choice(
    basis: Basis, goal: ThresholdGoal, at: float | None, saved: DecisionRule | None
) -> ThresholdChoice:
    """The rule that reaches the goal, the one set with --at, or without both the saved one."""
    if at is not None:
        # Why costs may stand beside it: then they only price the rule.
        if goal != ThresholdGoal(confidence=goal.confidence, scenario=goal.scenario):
            raise ConfigError(
                "--at sets the threshold; it cannot be combined with limits.",
                "Leave out --at, or the limits.",
            )
        return ThresholdChoice(replace(single_threshold(at), parts=basis.combine), "by hand")
    if saved is not None and goal == ThresholdGoal(confidence=goal.confidence):
        return ThresholdChoice(saved.point, saved.chosen_by)
    return thresholds.choose(basis, goal)


def _show_choice(
    basis: Basis,
    choice: ThresholdChoice,
    on_test: OnTest,
    goal: ThresholdGoal,
    *,
    saved: bool,
) -> None:
    output.print(f"{point_in_words(choice.point)} ({choice.chosen_by})", markup=False)
    columns: dict[str, Outcome] = {"validation": basis.outcome(choice.point, goal.confidence)}
    if on_test.basis:
        columns["test"] = on_test.basis.outcome(choice.point, goal.confidence)
    outcomes = list(columns.values())
    rows = [
        ["escapes", *(_at_most(item.escape, goal.confidence) for item in outcomes)],
        ["false rejects", *(_at_most(item.overkill, goal.confidence) for item in outcomes)],
        ["automatic", *(_rate(item.automatic) for item in outcomes)],
    ]
    table([f"rate, with {exact_percent(goal.confidence)} confidence", *columns], rows)
    show_counting(basis.judged, choice.point)
    for remark in (
        _not_proven(outcomes[0], goal),
        *(choice.promise.remarks if choice.promise else ()),
        *outcomes[0].remarks,
        on_test.reason,
        "Saved with the model." if saved else "",
    ):
        if remark:
            output.print(remark, markup=False)


def _not_proven(outcome: Outcome, goal: ThresholdGoal) -> str:
    """What the validation parts prove of limits that they keep; '' where they prove them all.

    Why not of a guarantee: it says itself what it holds for.
    """
    limits = (
        ("escapes", goal.max_escape, outcome.escape.upper(goal.confidence)),
        ("false rejects", goal.max_overkill, outcome.overkill.upper(goal.confidence)),
    )
    proven = [
        f"{what} of at most {percent_at_most(bound)}"
        for what, limit, bound in limits
        if limit is not None and bound is not None and bound > limit
    ]
    if goal.guarantee or not proven:
        return ""
    return (
        "The goal is met on the validation images, but not proven by them: with "
        f"{exact_percent(goal.confidence)} confidence, they prove {joined(proven)}. "
        "`touchstone plan` says how many parts a proof needs."
    )


def _at_most(rate: Rate, confidence: float) -> str:
    """`2% (2 of 100), at most 6.17%`: one-sided and exact, as the page Threshold says it."""
    bound = rate.upper(confidence)
    if rate.value is None or bound is None:
        return "no data"
    counted = f"{number(rate.k)} of {number(rate.n)}"
    return f"{percent(rate.value, of=rate.n)} ({counted}), at most {percent_at_most(bound)}"


def _rate(rate: Rate) -> str:
    if rate.value is None or rate.interval is None:
        return "no data"
    low, high = rate.interval.low, rate.interval.high
    share = percent(rate.value, width=high - low)
    return f"{share} ({percent_range(low, high)}; {number(rate.k)} of {number(rate.n)})"


FirstArgument = Annotated[str, typer.Argument(help="Name or id of the current model.")]
SecondArgument = Annotated[str, typer.Argument(help="Name or id of the new model.")]


@app.command()
def compare(
    first: FirstArgument,
    second: SecondArgument,
    subset: Annotated[Subset, typer.Option(help="Subset whose images are used.")] = Subset.TEST,
    confidence: ConfidenceOption = CONFIDENCE,
    rule: Annotated[
        RuleChoice,
        typer.Option(help="Decide by: own, the current or the new model's threshold; class."),
    ] = RuleChoice.OWN,
    counting: CountOption = Counting.AUTO,
    purpose: PurposeOption = "touchstone compare",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two models on the same images, and check the new one against the release criteria."""
    with session(workspace, as_json) as opened:
        compared = comparison.compare(
            opened.workspace,
            first,
            second,
            subset,
            confidence=confidence,
            counting=counting,
            rule=rule,
        )
        if subset is Subset.TEST:
            sides = [side.model for side in (compared.first, compared.second)]
            open_test_results(opened.workspace, sides, purpose)
            comparison.record(opened.workspace, compared, person=person())
        # Why not as it is counted: a verdict never rests on parts that nobody has confirmed, and
        # new escapes are those of the thresholds that the models are used with.
        plain = comparison.counted_by(compared, Counting.AUTO, RuleChoice.OWN)
        gate = release.check_release(opened.workspace, plain, plain.second.judged)
        other = None
        if plain.has_proposals:
            as_parts = comparison.counted_by(compared, Counting.PARTS, RuleChoice.OWN)
            other = release.check_release(opened.workspace, as_parts, as_parts.second.judged)
        result = {
            **comparison_as_json(opened.workspace, compared),
            "gate": release_as_json(gate) if gate else None,
            "gate_with_look_alikes_as_parts": release_as_json(other) if other else None,
        }

        def show() -> None:
            unit = compared.unit.word
            output.print(
                f"{number(compared.part_count)} {unit} in the {subset} set of both models."
            )
            rows = [["classes", *_table_row(compared.classes.table)]]
            if compared.decisions is not None:
                rows.append(["no escape", *_table_row(compared.decisions.escapes)])
                rows.append(["no false reject", *_table_row(compared.decisions.false_rejects)])
            table(["right", "both", "only first", "only second", "neither", "p"], rows)
            sides = (compared.first.model.name, compared.second.model.name)
            output.print(verdict_in_words(answers(compared), *sides), markup=False)
            output.print(comparison.evidence(compared.classes.table, compared.unit))
            if compared.decisions is not None and not compared.has_same_rule:
                output.print(f"Escapes, false rejects: {comparison.OTHER_RULES} Use --rule.")
            output.print(compared.counted_in_words)
            if gate:
                show_verdict(gate.gate)
            if gate and other and gate.gate.passed is not other.gate.passed:
                output.print("With look-alikes as parts, the verdict would be another one:")
                show_verdict(other.gate)

        opened.answer(result, show)


def _table_row(pairs: PairedTable) -> list[object]:
    return [
        pairs.both_right,
        pairs.only_first_right,
        pairs.only_second_right,
        pairs.neither_right,
        significant(pairs.p_value),
    ]
