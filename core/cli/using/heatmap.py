"""The command that explains: the heatmap of an image, and what heatmaps of a model are worth."""

from pathlib import Path
from typing import Annotated

import typer

from core.api.explanations import heatmap_test_as_json, robustness_as_json
from core.cli.output import note, say, table
from core.cli.session import JsonOption, ModelArgument, Session, WorkspaceOption, follow, session
from core.domain.models import ColourMap, HeatmapMethod, Model
from core.domain.names import known_name
from core.errors import ConfigError, NotFoundError
from core.evaluation.measures.intervals import Rate
from core.words import NOTHING, count, decimal, percent_with_range
from core.words import confidence as confidence_in_words
from core.workflows.results import heatmap_grades, heatmap_words, robustness
from core.workflows.results.heatmap_grades import GradedMethod, HeatmapTest
from core.workflows.results.robustness import Robustness
from core.workflows.use import models, prediction

app = typer.Typer()


@app.command()
def heatmap(
    model: ModelArgument,
    image: Annotated[Path | None, typer.Argument(help="The image to explain.")] = None,
    out: Annotated[Path | None, typer.Option(help="PNG file to write.")] = None,
    class_name: Annotated[
        str | None, typer.Option("--class", help="Class to explain; else the predicted one.")
    ] = None,
    method: Annotated[
        HeatmapMethod | None,
        typer.Option(
            help="How it is computed.", show_default="the best by --grade, else fine_grad_cam"
        ),
    ] = None,
    colours: Annotated[
        ColourMap,
        typer.Option(
            "--colors", "--colours", help="Of the heat; cividis and viridis suit every eye."
        ),
    ] = ColourMap.HEAT,
    grade: Annotated[
        bool,
        typer.Option(
            "--grade",
            help="Instead test all methods on this model: planted evidence, deletion, random "
            "weights, and what decides at the border. Takes some minutes once and is kept.",
        ),
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="With --grade: test again.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write an image with the heatmap of a class laid over it, or test the heatmaps of a model."""
    with session(workspace, as_json) as opened:
        chosen = models.find_model(opened.workspace, model)
        if grade:
            _grade(opened, chosen, again=again)
            return
        if image is None or out is None:
            raise ConfigError(
                "An image and --out are needed.",
                "touchstone heatmap MODEL IMAGE --out FILE.png; or --grade to test the heatmaps.",
            )
        _write(opened, chosen, image, out, class_name, method, colours)


@app.command(name="robustness")
def sweep(
    model: ModelArgument,
    class_name: Annotated[
        str | None, typer.Option("--class", help="Only images of this class.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Measure again; else what was measured is shown.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the accuracy of a model against brightness, blur, noise, rotation and JPEG quality."""
    with session(workspace, as_json) as opened:
        chosen = models.find_model(opened.workspace, model)
        index = None if class_name is None else _class_index(chosen, class_name)
        robust = robustness.robustness_of(opened.workspace, chosen, index)
        if robust is None or again:
            follow(opened, robustness.start_sweep(opened.workspace, chosen))
            robust = robustness.robustness_of(opened.workspace, chosen, index)
        assert robust is not None  # the job has stored it
        opened.answer(robustness_as_json(robust), lambda: _show_sweep(robust))


def _show_sweep(robust: Robustness) -> None:
    rows = [
        [
            robustness.level_in_words(curve.change, point.level),
            _rate(point.accuracy),
            "worse" if point.is_worse else "",
        ]
        for curve in robust.curves
        for point in curve.points
    ]
    table(["images", "accuracy", ""], rows)
    say("Validation images: the fall counts, not the height. worse: the intervals lie apart.")


def _rate(rate: Rate) -> str:
    if rate.value is None or rate.interval is None:
        return NOTHING
    return percent_with_range(rate.value, rate.interval.low, rate.interval.high)


def _class_index(model: Model, name: str) -> int:
    chosen = known_name(name, model.class_names)
    if chosen is None:
        raise NotFoundError(
            f"The model has no class '{name}'.", f"It has: {', '.join(model.class_names)}."
        )
    return model.class_names.index(chosen)


def _grade(opened: Session, model: Model, *, again: bool) -> None:
    tested = heatmap_grades.heatmap_test(opened.workspace, model)
    if tested is None or again:
        follow(opened, heatmap_grades.start_test(opened.workspace, model))
        tested = heatmap_grades.heatmap_test(opened.workspace, model)
    assert tested is not None  # the job has stored it
    opened.answer(heatmap_test_as_json(tested), lambda: _show(tested))


def _show(tested: HeatmapTest) -> None:
    headings = ["method", "found", "chance", "deletion", "random order", "random weights", "worth"]
    table(headings, [_row(item) for item in tested.methods])
    say(f"{count(tested.images, 'image')}. found: what was planted is under the hottest place.")
    if any(item.grade.images for item in tested.methods):
        say(
            "deletion: confidence left as the hottest regions go (lower is better); random "
            "weights: correlation with the heatmap of a model that means nothing (lower is better)."
        )
    for finding in tested.border:
        note(heatmap_words.border_in_words(finding))
    if tested.mean and not tested.border:
        say("No class is decided at the border of its images.")


def _row(item: GradedMethod) -> list[str]:
    grade = item.grade
    worth = heatmap_words.trust_in_words(item.trust)
    if grade.problem:
        return [grade.method.value, *[NOTHING] * 5, grade.problem]
    return [
        grade.method.value,
        f"{grade.hits} of {grade.tried}",
        f"{round(grade.chance * grade.tried)}",
        *(
            decimal(value if grade.images else None, 2)
            for value in (grade.deletion, grade.deletion_random, grade.likeness)
        ),
        worth,
    ]


def _write(
    opened: Session,
    model: Model,
    image: Path,
    out: Path,
    class_name: str | None,
    method: HeatmapMethod | None,
    colours: ColourMap,
) -> None:
    wanted = None if class_name is None else model.class_names[_class_index(model, class_name)]
    tested = heatmap_grades.heatmap_test(opened.workspace, model)
    used = method or heatmap_grades.recommended(tested, model)
    answer, content = prediction.explained(
        opened.workspace, model, image, wanted, method=used, colours=colours
    )
    try:
        out.write_bytes(content)
    except OSError as err:
        raise ConfigError(
            f"{out} cannot be written: {err.strerror}.", "Choose a folder that exists."
        ) from err
    chosen = wanted or answer.confidences[0][0]
    graded = tested.of(used) if tested else None
    confidence = dict(answer.confidences)[chosen]
    result = {
        "path": str(out),
        "class_name": chosen,
        "confidence": confidence,
        "method": used.value,
        "trust": graded.trust.value if graded else None,
    }
    opened.answer(result, lambda: say(f"{out}: {chosen} ({confidence_in_words(confidence)})"))
    if graded is not None and graded.trust.is_weak:
        note(heatmap_words.grade_in_words(graded))
