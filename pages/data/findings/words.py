"""The words for findings and fixes on the page Quality."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.data.quality.similarity import LOOK_ALIKES
from core.domain.datasets import Dataset, Sample
from core.domain.findings import Certainty, Finding, FindingKind, FindingStatus, Fix
from core.workflows.data import fixes

MENU_CLASSES = 30  # more do not fit into a menu; the Images page can relabel to any class


@dataclass(frozen=True)
class FindingWords:
    """Title of a kind of finding, its chip, and why it matters.

    `remedy`: what to do about one, where no button does it; it stands on the card.
    """

    title: str
    chip: str
    why: str
    remedy: str = ""


@dataclass(frozen=True)
class FixWords:
    """Label of a fix for one finding and for all of a kind, its key, and what it does."""

    label: str
    label_for_all: str
    key: str
    help: str


FINDING_WORDS = {
    FindingKind.SUBSET_LEAK: FindingWords(
        "Leaks between subsets",
        "Leaks",
        "The model is tested on what it was trained on, so results look too good. Answer whether "
        "they show the same part, then make a new split.",
    ),
    FindingKind.LABEL_CONFLICT: FindingWords(
        "Contradicting labels",
        "Contradicting labels",
        "One of the labels is wrong, or the defect is not visible. Choose one label or exclude "
        "the images.",
    ),
    FindingKind.FORMAT_LEAK: FindingWords(
        "File properties",
        "File properties",
        "A model may learn how images were stored instead of what they show, and then fails on "
        "images that are stored in another way.",
        "Export all classes in the same format and import them again.",
    ),
    FindingKind.SUSPECT_LABEL: FindingWords(
        "Likely mislabeled",
        "Likely mislabeled",
        "A model trained without the image and its look-alikes predicts another class; the image "
        "beside it is a typical one of that class. Sure: nine of ten such findings are right. "
        "Likely: at least half. Unsure: some images are just hard.",
    ),
    FindingKind.EXACT_DUPLICATE: FindingWords(
        "Groups of identical files",
        "Identical files",
        "Copies add nothing to the training and count twice in the test. Splits keep them "
        "together.",
    ),
    FindingKind.NEAR_DUPLICATE: FindingWords(
        "Groups of look-alikes",
        "Look-alikes",
        "One part photographed several times, or different parts of one design? Until you answer, "
        f"they count as images, and a split by look-alikes keeps them together. {LOOK_ALIKES}",
    ),
    FindingKind.UNREADABLE: FindingWords(
        "Unreadable images",
        "Unreadable images",
        "The files were moved, deleted or damaged.",
        "Restore the file, or import the folder again.",
    ),
    FindingKind.OUTLIER: FindingWords(
        "Unusual images",
        "Unusual images",
        "Much darker, brighter, blurrier, larger, smaller or of another shape than the typical "
        "image beside it. Often a failed shot or a different object.",
    ),
    FindingKind.UNFAMILIAR: FindingWords(
        "Unfamiliar images",
        "Unfamiliar images",
        "Unlike what the model was trained on: added since, and farther from all training images "
        "than familiar ones are. A new kind of part or defect, another camera or light, or an "
        "image that does not belong here.",
    ),
    FindingKind.CLASS_TOO_SMALL: FindingWords(
        "Classes with few images",
        "Small classes",
        "Results for these classes are unreliable.",
        "Add images, or merge the class with another.",
    ),
    FindingKind.CLASS_IMBALANCE: FindingWords(
        "Classes of very different size",
        "Imbalance",
        "Accuracy hides errors in small classes. Judge by macro F1 and the row of the small class.",
    ),
}
_EXCLUDE = (
    "Leaves the images out in a new version. Splits, models and reports made before keep them; no "
    "file is deleted."
)
FIX_WORDS = {
    Fix.EXCLUDE: FixWords("Exclude", "Exclude all", "x", _EXCLUDE),
    Fix.KEEP_ONE: FixWords(
        "Keep one",
        "Keep one of each",
        "k",
        "Keeps the largest and sharpest image and excludes the others. No file is deleted.",
    ),
    Fix.RELABEL: FixWords(
        "Relabel",
        "Relabel the sure ones …",
        "r",
        "Gives the images this class, or the one that they look like.",
    ),
    Fix.GROUP: FixWords(
        "Same part",
        "Each group is one part",
        "s",
        "They show one part: it counts once in every result, and a split by part keeps it "
        "together.",
    ),
    Fix.DIFFERENT: FixWords(
        "Different",
        "All are different parts",
        "d",
        "No two of them show the same part: splits, certificates and results take them apart.",
    ),
    Fix.IGNORE: FixWords(
        "Ignore",
        "Ignore all",
        "i",
        "Accepts the finding; later checks do not show it again. Ignored look-alikes count as "
        "different parts.",
    ),
}
CERTAINTY_LABELS = {
    Certainty.SURE: "sure",
    Certainty.LIKELY: "likely",
    Certainty.UNSURE: "unsure",
}
STATUS_WORDS = {
    FindingStatus.OPEN: "Open",
    FindingStatus.IGNORED: "Ignored",
    FindingStatus.FIXED: "Fixed",
}


@dataclass(frozen=True)
class FixOption:
    """One thing that can be done about a finding."""

    how: Fix
    words: str
    label: int | None = None


def choices_for(finding: Finding, dataset: Dataset, images: Sequence[Sample]) -> list[FixOption]:
    """What can be done, the most advisable first.

    Args:
        finding: an open one.
        dataset: for the names of its classes.
        images: of the finding, in use.
    """
    options: list[FixOption] = []
    for how in fixes.FIXES[finding.kind]:
        if finding.kind is FindingKind.SUSPECT_LABEL and how is Fix.RELABEL:
            options.append(FixOption(how, _relabel(finding.suggested, dataset)))
        elif how is not Fix.RELABEL:
            options.append(FixOption(how, _label(finding.kind, how)))
        else:
            labels = sorted({s.label for s in images if s.label is not None})
            options += [FixOption(how, dataset.class_names[label], label) for label in labels[:3]]
    if finding.kind is FindingKind.SUSPECT_LABEL and len(dataset.class_names) <= MENU_CLASSES:
        own = {s.label for s in images} | {finding.suggested}  # the first button is of that one
        options += [
            FixOption(Fix.RELABEL, _relabel(label, dataset), label)
            for label, name in enumerate(dataset.class_names)
            if label not in own
        ]
    return options


def _relabel(label: int | None, dataset: Dataset) -> str:
    """Names the class, so that two buttons never say the same act in two ways."""
    return "Relabel" if label is None else f"Relabel as {dataset.class_names[label]}"


def _label(kind: FindingKind, how: Fix) -> str:
    if kind is FindingKind.SUSPECT_LABEL and how is Fix.IGNORE:
        return "Keep label"
    return FIX_WORDS[how].label
