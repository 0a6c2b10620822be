"""Reading results: reports, and the pictures behind every number."""

from dataclasses import dataclass

import numpy as np

from core.domain import Model, Sample, Subset
from core.errors import NotFoundError
from core.evaluation.metrics import EvaluationReport, evaluate
from core.store import datasets, models, predictions
from core.store.database import connect
from core.store.predictions import SubsetPredictions
from core.workspace import Workspace


@dataclass(frozen=True)
class JudgedSample:
    """A picture with what the model says of it; probabilities by class index."""

    sample: Sample
    target: int
    predicted: int
    probabilities: tuple[float, ...]

    @property
    def confidence(self) -> float:
        """Of the predicted class, in [0, 1]."""
        return self.probabilities[self.predicted]


def evaluated_subsets(workspace: Workspace, model_id: str) -> list[Subset]:
    """Subsets this model has stored probabilities for."""
    with connect(workspace) as db:
        return predictions.predicted_subsets(db, model_id)


def subset_predictions(workspace: Workspace, model: Model, subset: Subset) -> SubsetPredictions:
    """Stored probabilities of a model.

    Raises:
        NotFoundError: if there are none.
    """
    with connect(workspace) as db:
        stored = predictions.load_predictions(db, model.id, subset)
    if stored is None or len(stored.targets) == 0:
        raise NotFoundError(
            f"There are no {subset} results of model '{model.name}'.",
            "The subset is empty, its dataset was deleted, or the model was uploaded; evaluate "
            "a model that was trained here.",
        )
    return stored


def evaluation_report(workspace: Workspace, model_id: str, subset: Subset) -> EvaluationReport:
    """All numbers of a model on a subset, from stored probabilities.

    Raises:
        NotFoundError: if there is no such model, or nothing stored.
    """
    with connect(workspace) as db:
        model = models.find_model(db, model_id)
    stored = subset_predictions(workspace, model, subset)
    return evaluate(stored.probabilities, stored.targets, model.class_names)


def judged_samples(
    workspace: Workspace,
    model_id: str,
    subset: Subset,
    *,
    true_class: int | None = None,
    predicted_class: int | None = None,
    errors_only: bool = False,
) -> list[JudgedSample]:
    """The pictures of a cell, row, column or of all errors; most confident first.

    Args:
        workspace: where the model lives.
        model_id: the model.
        subset: which pictures.
        true_class: row of the matrix; None for all.
        predicted_class: column of the matrix; None for all.
        errors_only: leave right predictions out.
    """
    with connect(workspace) as db:
        model = models.find_model(db, model_id)
    stored = subset_predictions(workspace, model, subset)
    predicted = stored.probabilities.argmax(axis=1)
    chosen = np.ones(len(predicted), bool)
    if true_class is not None:
        chosen &= stored.targets == true_class
    if predicted_class is not None:
        chosen &= predicted == predicted_class
    if errors_only:
        chosen &= stored.targets != predicted
    positions = np.flatnonzero(chosen)
    positions = positions[np.argsort(-stored.probabilities[positions].max(axis=1), kind="stable")]
    with connect(workspace) as db:
        samples = datasets.samples_by_id(db, [int(stored.sample_ids[i]) for i in positions])
    return [
        JudgedSample(
            sample,
            int(stored.targets[i]),
            int(predicted[i]),
            tuple(float(p) for p in stored.probabilities[i]),
        )
        for sample, i in zip(samples, positions, strict=True)
    ]


def report_as_dict(report: EvaluationReport) -> dict[str, object]:
    """The report as plain values, for JSON."""
    return {
        "n": report.n,
        "accuracy": report.accuracy,
        "top_k_error": {str(k): error for k, error in report.top_k_error.items()},
        "macro_precision": report.macro_precision,
        "macro_recall": report.macro_recall,
        "macro_f1": report.macro_f1,
        "per_class": {
            item.name: {
                "precision": item.precision,
                "recall": item.recall,
                "f1": item.f1,
                "support": item.support,
            }
            for item in report.per_class
        },
        "class_names": list(report.class_names),
        "confusion_matrix": report.confusion_matrix.tolist(),
    }
