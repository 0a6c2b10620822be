"""The JSON of models and predictions."""

from core.api.values import JsonObject
from core.domain.models import Model, PartResult, PastPrediction, Prediction, UnfamiliarLimit
from core.domain.record import in_utc


def model_as_json(model: Model) -> JsonObject:
    """A model as the list shows it."""
    return {
        "model_id": model.id,
        "name": model.name,
        "dataset": model.dataset_name,
        "network": model.network,
        "validation_macro_f1": model.val_macro_f1,
        "test_macro_f1": None,  # views of test results are recorded: `evaluate` shows them
        "size_bytes": model.size_bytes,
        "stage": model.stage.value,
        "note": model.note,
        "is_detector": model.is_detector,
    }


def prediction_as_json(item: Prediction) -> JsonObject:
    """Confidences in decreasing order, or why the image was not read."""
    part: JsonObject = {"part": item.part} if item.part is not None else {}
    if item.error is not None:
        return {"path": item.path, **part, "error": item.error}
    return {
        "path": item.path,
        **part,
        "class_name": item.class_name,
        "confidence": item.confidence,
        **({"decision": item.decision.value} if item.decision is not None else {}),
        **_unfamiliar_as_json(item),
        "confidences": [list(pair) for pair in item.confidences],
    }


def past_as_json(past: PastPrediction) -> JsonObject:
    """A prediction of the history: when, by which model, and what."""
    return {"at": in_utc(past.at), "model": past.model_name, **prediction_as_json(past.item)}


def _unfamiliar_as_json(item: Prediction) -> JsonObject:
    """The score in units of the limit; nothing where the model has none."""
    if item.unfamiliar is None:
        return {}
    return {"unfamiliar_score": round(item.unfamiliar, 4), "is_unfamiliar": item.is_unfamiliar}


def limit_as_json(limit: UnfamiliarLimit) -> JsonObject:
    """How often familiar images are flagged: asked for, and at most with 95 % confidence.

    The bound counts parts where the model knows them, of which one flagged image flags the whole.
    """
    return {
        "rate": limit.rate,
        "false_alarm_bound": limit.bound,
        "judged_images": limit.judged,
        "judged_parts": limit.parts,
    }


def part_as_json(result: PartResult) -> JsonObject:
    """The one decision on a part, and the image that decided it."""
    return {
        "part": result.part,
        "decision": result.decision.value if result.decision is not None else None,
        "decided_by": result.decided_by,
        "images": result.images,
        "unreadable": result.unreadable,
    }
