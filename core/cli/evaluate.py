"""The command that shows the measures of a model."""

from typing import Annotated, Any

import typer

from core.cli.output import note, say, table
from core.cli.session import JsonOption, ModelArgument, WorkspaceOption, session
from core.domain.splits import Subset
from core.errors import ConfigError
from core.evaluation.measures.parts import Unit
from core.workflows.results import evaluation, judging, thresholds

app = typer.Typer()


@app.command()
def evaluate(
    model: ModelArgument,
    subset: Annotated[Subset, typer.Option(help="Subset whose images are used.")] = Subset.TEST,
    top_k: Annotated[
        str | None, typer.Option(help="Values of K for the top-K errors, for example 1,2,5.")
    ] = None,
    ok: Annotated[
        list[str] | None,
        typer.Option(help="Treat this class as OK and all others as NOK; may be repeated."),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the measures of a model with their bounds. Viewing test results is recorded."""
    with session(workspace, as_json) as opened:
        ks = _numbers(top_k or "")
        judged = evaluation.with_verdicts(
            judging.judged_set(opened.workspace, model, subset), ok or ()
        )
        rule = None if ok else thresholds.saved_rule(opened.workspace, judged.model.id)
        point = rule.point if rule else None
        report = evaluation.report_of(judged, point)
        temperature = evaluation.temperature_of(opened.workspace, judged.model.id)
        result = evaluation.report_as_dict(
            report, judged=judged, temperature=temperature, top_k=ks, point=point
        )
        if subset is Subset.TEST:
            judging.count_look(opened.workspace, judged.model, "touchstone evaluate")
        opened.answer(result, lambda: _show_report(result))


def _numbers(listed: str) -> list[int]:
    """The numbers of `1,2,3`.

    Raises:
        ConfigError: if it is something else.
    """
    try:
        return [int(item) for item in listed.split(",") if item.strip()]
    except ValueError as err:
        raise ConfigError(
            f"'{listed}' is not a list of numbers.", "Give for example --top-k 1,2,3,5."
        ) from err


def _show_report(report: dict[str, Any]) -> None:
    """The report for a person; every rate with its bounds."""
    bounds = report["intervals"]
    unit = Unit(report["unit"]).word
    say(
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
    table(["measure", "value", "low", "high"], rows)
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
    table(["class", "precision", "recall", "F1", "images"], classes)
    names, matrix = report["class_names"], report["confusion_matrix"]
    if len(names) <= 20:
        table(
            ["true \\ predicted", *names], [[n, *row] for n, row in zip(names, matrix, strict=True)]
        )
    if report["notice"]:
        note(report["notice"])


def _show_ok_nok(report: dict[str, Any]) -> None:
    if report["ok_nok"] is None:
        say(report["ok_nok_missing"])
        return
    unit = Unit(report["unit"]).word
    for side, of in (("escape", "defective"), ("overkill", "good")):
        rate = report["ok_nok"][side]
        words = (
            "no data"
            if rate is None
            else f"{rate['k']} of {rate['n']} {of} {unit}: {_with_bounds(rate)}"
        )
        say(f"{side}: {words}")
    say(f"Rule: {report['ok_nok']['rule']}")


def _with_bounds(bounds: dict[str, Any] | None) -> str:
    if bounds is None:
        return "no data"
    return f"{bounds['rate']:.1%} ({bounds['low']:.1%} to {bounds['high']:.1%})"


def _decimal(value: float | None) -> str:
    return "no data" if value is None else f"{value:.3f}"


def _range(bounds: dict[str, float] | None) -> list[str]:
    return [f"{bounds['low']:.3f}", f"{bounds['high']:.3f}"] if bounds else ["", ""]
