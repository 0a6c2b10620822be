"""The mistakes of a model on its test images, and what its rule decides on each image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from core.data.pixels.kept import webp_content
from core.data.pixels.thumbnails import thumbnail
from core.domain.models import PartDecision
from core.errors import TouchstoneError
from core.evaluation.decisions.mistakes import NO_MISTAKE, MistakeKind, mistake_kinds
from core.evaluation.decisions.outcome import decide, has_both, truths
from core.evaluation.decisions.rule import decision_in_words, part_decision
from core.reporting.text import confidence, count, webp_uri
from core.reporting.values import MistakeImage, MistakesSection
from core.worker.files.checks import known_file
from core.workflows.results.judging import JudgedSet
from core.workflows.signoff.report_material import ReportMaterial
from core.workspace import Workspace


@dataclass(frozen=True)
class Mistake:
    """An image that was judged wrong; classes by index.

    `decision` is what the rule does with it; None without verdicts.
    """

    sample_id: int
    true: int
    predicted: int
    confidence: float
    kind: MistakeKind
    decision: PartDecision | None


def mistakes(material: ReportMaterial) -> list[Mistake]:
    """Wrongly judged images: escapes, then false rejects, then the rest; most confident first."""
    judged, decided = material.judged, material.results.decisions
    predicted, sure = judged.probabilities.argmax(axis=1), judged.probabilities.max(axis=1)
    truth = truths(judged.targets, judged.verdicts)
    kinds = mistake_kinds(predicted == judged.targets, decided, truth)
    wrong = np.flatnonzero(kinds != NO_MISTAKE)
    order = wrong[np.lexsort((-sure[wrong], kinds[wrong]))]
    decisions = part_decisions(material, judged)
    return [
        Mistake(
            int(judged.sample_ids[i]),
            int(judged.targets[i]),
            int(predicted[i]),
            float(sure[i]),
            MistakeKind(int(kinds[i])),
            decisions[i],
        )
        for i in order
    ]


def part_decisions(material: ReportMaterial, judged: JudgedSet) -> Sequence[PartDecision | None]:
    """What the rule does with every image [N]; None without verdicts."""
    if not has_both(judged.verdicts):
        return [None] * len(judged.targets)
    decisions = decide(material.point, judged.probabilities, judged.verdicts, parts=judged.parts)
    return [part_decision(decision) for decision in decisions]


def other_answers(
    material: ReportMaterial, judged: JudgedSet
) -> list[tuple[str | None, PartDecision | None]]:
    """Predicted class and decision of the compared model, None where it has none; [N]."""
    if material.other is None or judged is not material.judged:
        return [(None, None)] * len(judged.targets)
    side = material.other.first
    names = side.judged.class_names
    decisions: Sequence[PartDecision | None] = [None] * len(side.predicted)
    if side.decisions is not None:
        decisions = [part_decision(decision) for decision in side.decisions]
    answers = {
        int(i): (names[int(p)], decision)
        for i, p, decision in zip(material.other.sample_ids, side.predicted, decisions, strict=True)
    }
    return [answers.get(int(i), (None, None)) for i in judged.sample_ids]


def mistakes_section(
    workspace: Workspace,
    material: ReportMaterial,
    every: Sequence[Mistake],
    shown: Sequence[Mistake],
) -> MistakesSection:
    """The mistakes with the images of those that are shown; heatmaps are added by the worker."""
    images = tuple(_image(workspace, material, item) for item in shown)
    return MistakesSection(len(every), _sentence(every, len(shown)), images)


def _sentence(every: Sequence[Mistake], shown: int) -> str:
    if not every:
        return "No test image was judged wrong."
    escapes, rejects = (
        sum(m.kind is kind for m in every)
        for kind in (MistakeKind.ESCAPE, MistakeKind.FALSE_REJECT)
    )
    was = "was" if len(every) == 1 else "were"
    counted = f"{count(len(every), 'test image')} {was} judged wrong"
    if escapes or rejects:
        counted += f", including {count(escapes, 'escape')} and {count(rejects, 'false reject')}"
    which = "all" if shown == len(every) else f"{shown:,}, the most serious" if shown else "none"
    return f"{counted}. Shown here: {which}."


def _image(workspace: Workspace, material: ReportMaterial, item: Mistake) -> MistakeImage:
    sample = material.samples[item.sample_id]
    names = material.judged.class_names
    try:
        known, levels = known_file(workspace, sample), material.model.preprocess.levels
        image = webp_uri(webp_content(thumbnail(known, workspace.thumbnails, levels=levels)))
    except (TouchstoneError, OSError):
        image = None
    return MistakeImage(
        name=sample.name,
        true=names[item.true],
        predicted=names[item.predicted],
        confidence=confidence(item.confidence),
        tag=_tag(item.kind),
        decision=decision_in_words(item.decision) if item.decision else "",
        image=image,
    )


def _tag(kind: MistakeKind) -> str:
    match kind:
        case MistakeKind.ESCAPE:
            return "escape"
        case MistakeKind.FALSE_REJECT:
            return "false reject"
        case MistakeKind.CONFUSION:
            return ""
        case _:
            assert_never(kind)
