"""The command that shows the measures of a model."""

from typing import Annotated

import typer

from core.api.evaluation import evaluation_as_json
from core.cli.evaluation_table import show_calibration, show_evaluation
from core.cli.session import (
    CountOption,
    JsonOption,
    ModelArgument,
    PurposeOption,
    WorkspaceOption,
    open_test_results,
    session,
)
from core.domain.parts import Counting
from core.domain.splits import Subset
from core.errors import ConfigError
from core.workflows.results import evaluation, judging, thresholds
from core.workflows.training.record import validation_in_words

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
    counting: CountOption = Counting.AUTO,
    purpose: PurposeOption = "touchstone evaluate",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the measures of a model with bounds. The first view of test results is recorded."""
    with session(workspace, as_json) as opened:
        ks = _numbers(top_k or "")
        stored = judging.judged_set(opened.workspace, model, subset)
        judged = evaluation.with_verdicts(stored.counted_by(counting), ok or ())
        rule = None if ok else thresholds.saved_rule(opened.workspace, judged.model.id)
        point = rule.point if rule else None
        report = evaluation.report_of(judged, point, top_k=ks)
        calibration = evaluation.compare_calibration(opened.workspace, judged)
        result = evaluation_as_json(report, judged, calibration, point)
        if subset is Subset.TEST:
            open_test_results(opened.workspace, [judged.model], purpose)

        def show() -> None:
            show_evaluation(report, judged, point, evaluation.cautions(opened.workspace, judged))
            about = validation_in_words(opened.workspace, judged.model)
            show_calibration(calibration, judged, about)

        opened.answer(result, show)


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
