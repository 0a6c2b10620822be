"""What a command says of a training that has just ended."""

from core.api.training import trained_as_json
from core.cli.output import say
from core.cli.session import Session
from core.domain.jobs import Job
from core.domain.splits import Subset
from core.domain.training import trained_epochs
from core.errors import TrainingError
from core.words import decimal, duration, percent, shortened_percent
from core.workflows.results import evaluation
from core.workflows.training import last_layers, runs
from core.workflows.training.runs import RunView
from core.workflows.use import alike, models


def answer_training(opened: Session, run_id: str, job: Job) -> None:
    """The model that a run made, and how it does on the validation images."""
    view = runs.find_run(opened.workspace, run_id)
    model_id = str(job.result["model_id"])
    report = evaluation.evaluation_report(opened.workspace, model_id, Subset.VALIDATION)
    epochs = trained_epochs(runs.curve(opened.workspace, run_id))
    path = runs.penalty_path(opened.workspace, run_id)
    result = trained_as_json(
        view,
        job,
        epochs=epochs,
        path=path,
        trials=runs.detail_trials(opened.workspace, run_id),
        heads=last_layers.head_trials(opened.workspace, run_id),
        validation=report,
    )
    model = models.find_model(opened.workspace, model_id)
    took = duration((job.finished_at or 0) - (job.started_at or 0))
    limit = alike.unfamiliar_limit(opened.workspace, model) if model.is_detector else None
    words = (
        f"validation accuracy {percent(report.accuracy, of=report.n)}, macro F1 "
        f"{decimal(report.macro_f1)}"
    )
    if limit is not None:
        words = (
            f"at most {shortened_percent(limit.bound, at_most=True)} of good "
            f"{'parts' if limit.counts_parts else 'images'} are flagged (95% confidence, "
            f"{alike.judged_in_words(limit)})"
        )
    opened.answer(result, lambda: say(f"Model '{model.name}' ({model_id}): {words}, {took}"))


def refuse_finish(opened: Session, view: RunView, finish: bool) -> None:
    """Raise where a model of the best epoch is asked for and no epoch was completed.

    Raises:
        TrainingError: in this case.
    """
    if finish and not runs.can_finish(opened.workspace, view.run):
        raise TrainingError(
            f"The run '{view.run.name}' has no completed epoch to make a model of.",
            "Resume it without --finish.",
        )
