"""Release criteria of a dataset, and whether a model meets them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlite_utils import Database

from core.domain.datasets import Sample, Verdict
from core.domain.ids import utc_now
from core.domain.models import Model
from core.domain.signoff import MarkKind
from core.domain.splits import Subset
from core.errors import ConfigError, NotFoundError
from core.evaluation.decisions.outcome import Decision, decide, has_both
from core.evaluation.decisions.reviews import ReviewLoad
from core.evaluation.decisions.rule import DecisionRule
from core.evaluation.measures.classification import class_measures, confusion_matrix
from core.evaluation.measures.intervals import rate_of
from core.evaluation.measures.parts import choose
from core.evaluation.release.check import (
    CriterionKind,
    Measured,
    MeasureKey,
    NewEscapes,
    ReleaseVerdict,
    check_criteria,
)
from core.evaluation.release.criteria import (
    KeptCriteria,
    ReleaseCriteria,
    criteria_from_json,
    criteria_to_json,
)
from core.store import datasets, judgement, predictions
from core.store.database import connect, transaction
from core.words import exact, exact_percent
from core.workflows.results.comparison import PREDICTED_CLASS, ModelComparison
from core.workflows.results.judging import JudgedSet, judged_set
from core.workflows.results.thresholds import basis_of, saved_rule
from core.workspace import Workspace


def set_criteria(workspace: Workspace, dataset: str, criteria: ReleaseCriteria) -> KeptCriteria:
    """Set what models of a dataset must reach; earlier criteria stay on record with their time.

    Raises:
        NotFoundError: if there is no such dataset.
        ConfigError: if nothing is required, or one of them can never fail or never be met.
    """
    _refuse_empty_limits(criteria)
    with connect(workspace) as db, transaction(db):
        dataset_id = datasets.find_dataset(db, dataset).id
        has_limit = bool(criteria.limits([None])) or criteria.no_new_escapes
        if not has_limit and not judgement.marked(db, dataset_id, MarkKind.GOLDEN):
            raise ConfigError(
                "These criteria require nothing: no limit is set, and no golden sample is marked.",
                "Set at least one limit, or mark golden samples first.",
            )
        text = judgement.criteria(db, dataset_id)
        now = utc_now()
        kept = (
            criteria_from_json(text).changed_to(criteria, now)
            if text
            else KeptCriteria(criteria, now)
        )
        judgement.save_criteria(db, dataset_id, criteria_to_json(kept))
    return kept


def _refuse_empty_limits(criteria: ReleaseCriteria) -> None:
    if not criteria.requires_anything:
        raise ConfigError(
            "These criteria require nothing, so no model could ever pass or fail.",
            "Set at least one limit, or require that golden samples pass.",
        )
    limits = [
        (criteria.max_escape, 0, 1, "An escape rate", "at most"),
        (criteria.max_overkill, None, 1, "A false reject rate", "at most"),
        (criteria.min_macro_f1, None, 0, "A macro F1", "at least"),
        (criteria.min_recall, None, 0, "A recall", "at least"),
        (criteria.min_automatic, 1, 0, "An automatic share", "at least"),
    ]
    for value, impossible, always, what, how in limits:
        if value is not None and value in (impossible, always):
            fault = "is met by every model" if value == always else "can never be proven"
            raise ConfigError(
                f"{what} of {how} {exact_percent(value)} {fault}.",
                "Choose a value in between, or leave it empty.",
            )
    reviews, parts = criteria.max_reviews, criteria.parts_per_shift
    if reviews is not None and parts is not None and reviews >= parts:
        raise ConfigError(
            f"At most {exact(reviews)} reviews of {exact(parts)} parts per shift is met by every "
            "model.",
            "Choose fewer reviews than parts, or leave it empty.",
        )


def criteria_of(workspace: Workspace, dataset: str) -> KeptCriteria | None:
    """The release criteria of a dataset with their history; None if none were set.

    Raises:
        NotFoundError: if there is no such dataset.
    """
    with connect(workspace) as db:
        text = judgement.criteria(db, datasets.find_dataset(db, dataset).id)
    return criteria_from_json(text) if text else None


@dataclass(frozen=True)
class GateReport:
    """Whether a model may be released, and the criteria it was checked against."""

    kept: KeptCriteria
    gate: ReleaseVerdict
    subset: Subset


def check_release(
    workspace: Workspace, comparison: ModelComparison | None, judged: JudgedSet
) -> GateReport | None:
    """Check a model against the criteria of its dataset; None if there are no criteria.

    Args:
        workspace: where the criteria live.
        comparison: with the current model; None: there is no model to compare with, so a
            criterion on new escapes is not applicable.
        judged: the model's whole subset, usually the test set.
    """
    kept = criteria_of(workspace, judged.dataset.id)
    if kept is None:
        return None
    rule = saved_rule(workspace, judged.model.id)
    criteria = kept.criteria
    verdict = ReleaseVerdict(
        check_criteria(criteria.limits(judged.class_names), _measures(judged, rule, criteria)),
        golden_results(workspace, judged, rule) if criteria.golden_must_pass else {},
        _new_escapes(comparison) if criteria.no_new_escapes else None,
        limits_reviews=limits_reviews(criteria, rule) or not has_both(judged.verdicts),
    )
    return GateReport(kept, verdict, judged.subset)


def limits_reviews(criteria: ReleaseCriteria, rule: DecisionRule | None) -> bool:
    """Whether something keeps parts from inspector review: a criterion, or a rule without it.

    Without both verdicts no rule can be saved, and nothing is reviewed either.
    """
    return criteria.limits_reviews or (rule is not None and not rule.point.has_person_zone)


def _new_escapes(comparison: ModelComparison | None) -> NewEscapes:
    if comparison is None:
        return NewEscapes(None)
    decisions = comparison.decisions
    return NewEscapes(
        count=decisions.escapes.only_first_right if decisions else None,
        unit=comparison.unit,
        compared=len(comparison.sample_ids),
        not_compared=comparison.only_second,
    )


def _measures(
    judged: JudgedSet, rule: DecisionRule | None, criteria: ReleaseCriteria
) -> dict[MeasureKey, Measured]:
    predicted = judged.probabilities.argmax(axis=1)
    names = judged.class_names
    matrix = confusion_matrix(predicted, judged.targets, len(names))
    present = [item.f1 for item in class_measures(matrix, names) if item.has_data]
    measures: dict[MeasureKey, Measured] = {(CriterionKind.MACRO_F1, None): float(np.mean(present))}
    for index, name in enumerate(names):
        of_class = judged.targets == index
        wrong = rate_of(predicted[of_class] != index, choose(judged.parts, of_class))
        measures[CriterionKind.RECALL, name] = wrong.complement
    if has_both(judged.verdicts):
        outcome = basis_of(judged).outcome(rule.point if rule else PREDICTED_CLASS)
        measures[CriterionKind.ESCAPE, None] = outcome.escape
        measures[CriterionKind.FALSE_REJECT, None] = outcome.overkill
        measures[CriterionKind.AUTOMATIC, None] = outcome.automatic
        if criteria.parts_per_shift is not None:
            measures[CriterionKind.REVIEWS, None] = ReviewLoad(
                outcome, criteria.parts_per_shift, criteria.defect_rate
            )
    return measures


def has_golden(workspace: Workspace, model: Model) -> bool:
    """Whether there is a golden sample for a model to be judged on."""
    if model.dataset_id is None:
        return False
    with connect(workspace) as db:
        return bool(_golden_ids(db, model.id, model.dataset_id))


def _golden_ids(db: Database, model_id: str, dataset_id: str) -> list[int]:
    """Those marked; of a model whose test was sealed, those of that day."""
    seal = judgement.find_seal(db, model_id)
    if seal is not None and seal.golden is not None:
        return list(seal.golden)
    return judgement.marked(db, dataset_id, MarkKind.GOLDEN)


def golden_results(
    workspace: Workspace, judged: JudgedSet, rule: DecisionRule | None
) -> dict[str, bool]:
    """File name of every golden sample -> whether the model judges it right.

    For a model whose test was sealed they are those of that day, whatever was marked since.
    Right: a defective one is not accepted, a good one not rejected; without verdicts the predicted
    class is the true one. A golden sample without a stored result of the model is not right. Those
    of a sealed test set are judged when it is opened.
    """
    with connect(workspace) as db:
        ids = _golden_ids(db, judged.model.id, judged.dataset.id)
        samples = datasets.samples_by_id(db, ids)
        subsets = predictions.predicted_subsets(db, judged.model.id)
    right: dict[int, bool] = {}
    for subset in subsets if ids else []:
        if subset is Subset.TEST and judged.subset is not Subset.TEST:
            continue  # Why: this would be a view of the test results that nobody records.
        own = judged if subset is judged.subset else _stored(workspace, judged.model.id, subset)
        if own is not None:
            right.update(_right_ones(own, rule, ids))
    return {_unique(s.name or s.path, s.id, samples): right.get(s.id, False) for s in samples}


def _unique(name: str, sample_id: int, samples: Sequence[Sample]) -> str:
    alike = sum((s.name or s.path) == name for s in samples)
    return name if alike == 1 else f"{name} ({sample_id})"


def _stored(workspace: Workspace, model_id: str, subset: Subset) -> JudgedSet | None:
    try:
        return judged_set(workspace, model_id, subset)
    except NotFoundError:
        return None


def _right_ones(
    judged: JudgedSet, rule: DecisionRule | None, ids: Sequence[int]
) -> dict[int, bool]:
    rows = np.flatnonzero(np.isin(judged.sample_ids, ids))
    probabilities, targets = judged.probabilities[rows], judged.targets[rows]
    right = probabilities.argmax(axis=1) == targets
    if has_both(judged.verdicts):
        point = rule.point if rule else PREDICTED_CLASS
        every = decide(point, judged.probabilities, judged.verdicts, parts=judged.parts)
        decisions = every[rows]
        for i, target in enumerate(targets):
            verdict = judged.verdicts[int(target)]
            if verdict is not None:
                wrong = Decision.ACCEPT if verdict is Verdict.NOK else Decision.REJECT
                right[i] = decisions[i] != wrong
    return {int(i): bool(r) for i, r in zip(judged.sample_ids[rows], right, strict=True)}
