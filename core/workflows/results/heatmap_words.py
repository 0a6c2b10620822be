"""Methods of heatmaps and what they are worth, in words, for pages and the command line."""

from typing import assert_never

from core.domain.models import HeatmapMethod
from core.words import percent, points
from core.workflows.results.heatmap_grades import BorderFinding, GradedMethod, Trust

_SIDES = {
    (0, 0): "upper left corner",
    (0, 3): "upper right corner",
    (3, 0): "lower left corner",
    (3, 3): "lower right corner",
}


def method_in_words(method: HeatmapMethod, *, of_detector: bool = False) -> str:
    """What a method is called; of a model that only knows good images, it has no gradients."""
    match method:
        case HeatmapMethod.GRAD_CAM:
            return "Distance map" if of_detector else "Grad-CAM"
        case HeatmapMethod.FINE_GRAD_CAM:
            return "Fine Grad-CAM"
        case HeatmapMethod.LAYER_CAM:
            return "Layer-CAM"
        case HeatmapMethod.GUIDED_GRAD_CAM:
            return "Guided Grad-CAM"
        case HeatmapMethod.INTEGRATED_GRADIENTS:
            return "Integrated gradients"
        case HeatmapMethod.OCCLUSION:
            return "Occlusion"
        case _:
            assert_never(method)


def method_help(method: HeatmapMethod, *, of_detector: bool = False) -> str:
    """What it shows, in a sentence."""
    match method:
        case HeatmapMethod.GRAD_CAM if of_detector:
            return "How far each place is from the good images: what decides."
        case HeatmapMethod.GRAD_CAM:
            return "Which regions the last layer used; quick and coarse."
        case HeatmapMethod.FINE_GRAD_CAM:
            return "Grad-CAM of the image and of its enlarged quarters, or of lower stages; finer."
        case HeatmapMethod.LAYER_CAM:
            return "What several stages of the network used, fused; loads PyTorch first."
        case HeatmapMethod.GUIDED_GRAD_CAM:
            return "Edges and textures inside the warm region; loads PyTorch first."
        case HeatmapMethod.INTEGRATED_GRADIENTS:
            return (
                "What each pixel adds from a blurred image to this one, mean of several noisy "
                "images; takes seconds and loads PyTorch first."
            )
        case HeatmapMethod.OCCLUSION:
            return "How far the class falls back behind all others where a region is covered."
        case _:
            assert_never(method)


def grade_in_words(graded: GradedMethod) -> str:
    """What was measured of a method, in a sentence."""
    grade = graded.grade
    planted = (
        f"found the planted evidence in {grade.hits:,} of {grade.tried:,}; "
        f"chance {round(grade.chance * grade.tried):,}"
    )
    match graded.trust:
        case Trust.TRUSTED:
            if grade.tried:
                return f"{planted}."[0].upper() + f"{planted}."[1:]
            return f"Better than a random order on {grade.wins:,} of {grade.images:,} images."
        case Trust.CHANCE:
            return f"No better than chance for this model: {planted}."
        case Trust.SENSELESS:
            return (
                "Tells little of this model: random weights give almost the same heatmap "
                f"(correlation {grade.likeness:.2f})."
            )
        case Trust.UNTESTED:
            return "Not tested: too little could be planted in the images of this model."
        case Trust.IMPOSSIBLE:
            return grade.problem
        case _:
            assert_never(graded.trust)


def trust_in_words(trust: Trust) -> str:
    """What a method is worth, in a few words."""
    match trust:
        case Trust.TRUSTED:
            return "better than chance"
        case Trust.CHANCE:
            return "no better than chance"
        case Trust.SENSELESS:
            return "the same with random weights"
        case Trust.UNTESTED:
            return "could not be tested"
        case Trust.IMPOSSIBLE:
            return "not possible"
        case _:
            assert_never(trust)


def border_in_words(finding: BorderFinding) -> str:
    """That a class is decided at the border, and how that is known."""
    part = region_in_words(finding.row, finding.column)
    tested = finding.tested
    return (
        f"“{finding.class_name}” is decided at the {part} of the image: {percent(tested.heat)} of "
        f"its heat lies there. Put into images of other classes, this region raises its confidence "
        f"by {points(tested.gain, signed=False)} points, and {tested.won:,} of {tested.planted:,} "
        "become it. Look what is there: a tag, a clamp or a shadow is no defect."
    )


def region_in_words(row: int, column: int) -> str:
    """Where one of 4 x 4 regions at the border lies."""
    corner = _SIDES.get((row, column))
    if corner is not None:
        return corner
    if row in (0, 3):
        return "upper edge" if row == 0 else "lower edge"
    return "left edge" if column == 0 else "right edge"
