"""The JSON of what heatmaps are worth and of how robust a model is."""

from core.api.values import JsonObject, rate_as_json
from core.workflows.results.heatmap_grades import BorderFinding, GradedMethod, HeatmapTest
from core.workflows.results.heatmap_words import region_in_words
from core.workflows.results.robustness import Robustness


def heatmap_test_as_json(test: HeatmapTest) -> JsonObject:
    """All that was measured of the heatmaps of a model; methods are the best ones first."""
    return {
        "images": test.images,
        "tested_at": test.tested_at,
        "methods": [_method(item) for item in test.methods],
        "decided_at_the_border": [_border(item) for item in test.border],
    }


def _method(item: GradedMethod) -> JsonObject:
    grade = item.grade
    if grade.problem:
        return {"method": item.method.value, "trust": item.trust.value, "problem": grade.problem}
    has_curves = grade.images > 0  # not of models that only know good images
    return {
        "method": item.method.value,
        "trust": item.trust.value,
        "found": grade.hits,
        "planted": grade.tried,
        "chance": grade.chance,
        "deletion": grade.deletion if has_curves else None,
        "deletion_random": grade.deletion_random if has_curves else None,
        "insertion": grade.insertion if has_curves else None,
        "insertion_random": grade.insertion_random if has_curves else None,
        "better_than_random": grade.wins,
        "curves": grade.images,
        "likeness_to_random_weights": grade.likeness if has_curves else None,
        "seconds": grade.seconds,
    }


def _border(item: BorderFinding) -> JsonObject:
    tested = item.tested
    return {
        "class_name": item.class_name,
        "region": region_in_words(item.row, item.column),
        "box": list(tested.box),
        "share_of_heat": tested.heat,
        "rise_of_confidence": tested.gain,
        "become_it": tested.won,
        "of_others": tested.planted,
        "lose_it": tested.lost,
        "of_its_own": tested.covered,
    }


def robustness_as_json(robust: Robustness) -> JsonObject:
    """The accuracy with its interval at every strength of every change."""
    return {
        "class_name": robust.class_name,
        "tested_at": robust.tested_at,
        "unchanged": rate_as_json(robust.unchanged, "images"),
        "changes": [
            {
                "change": curve.change.value,
                "levels": [
                    {
                        "level": point.level,
                        "accuracy": rate_as_json(point.accuracy, "images"),
                        "is_worse": point.is_worse,
                    }
                    for point in curve.points
                ],
            }
            for curve in robust.curves
        ],
    }
