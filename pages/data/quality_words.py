"""The words for findings and fixes on the page Quality."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.data.quality.similarity import LOOK_ALIKES
from core.domain.datasets import Dataset, Sample
from core.domain.findings import Certainty, Finding, FindingKind, FindingStatus, Fix
from core.workflows.data import fixes
from pages.ui import text

MENU_CLASSES = 30  # more do not fit into a menu; the Datasets page can relabel to any class


@dataclass(frozen=True)
class FindingWords:
    """Title of a kind of finding, what to do about it, and an explanation."""

    title: str
    advice: str
    help: str | None = None


@dataclass(frozen=True)
class FixWords:
    """Label of a fix for one finding and for all of a kind, its icon, and what it does."""

    label: str
    label_for_all: str
    icon: str
    help: str


FINDING_WORDS = {
    FindingKind.LABEL_CONFLICT: FindingWords(
        "The same image with different labels",
        "One of the labels is wrong, or the defect is not visible. Choose one label or exclude "
        "the images.",
    ),
    FindingKind.FORMAT_LEAK: FindingWords(
        "File properties that reveal the class",
        "A model may learn how images were stored instead of what they show. Export all classes "
        "in the same way.",
    ),
    FindingKind.EXACT_DUPLICATE: FindingWords(
        "Identical files",
        "Copies add nothing to the training and count twice in the test. Splits keep them "
        "together.",
    ),
    FindingKind.NEAR_DUPLICATE: FindingWords(
        "Look-alikes",
        "One part photographed several times, or different parts of one design? Until you answer, "
        "they count as images, and a split by look-alikes keeps them together.",
        LOOK_ALIKES,
    ),
    FindingKind.SUBSET_LEAK: FindingWords(
        "Look-alikes or parts in several subsets",
        "If they show one part, the model is tested on what it was trained on, and results look "
        "too good: mark them as the same part and make a new split.",
    ),
    FindingKind.SUSPECT_LABEL: FindingWords(
        "Likely mislabeled images",
        "A model trained without these images predicts a different class. Some images are "
        "just hard: check each one before relabeling.",
    ),
    FindingKind.OUTLIER: FindingWords(
        "Images unlike the others of their class",
        "Much darker, brighter, blurrier, larger, smaller or of another shape. Often a failed "
        "shot or a different object.",
    ),
    FindingKind.CLASS_TOO_SMALL: FindingWords(
        "Classes with too few images",
        "Results for these classes are unreliable. Add images, or merge the class with another.",
    ),
    FindingKind.CLASS_IMBALANCE: FindingWords(
        "Classes of very different size",
        "Accuracy hides errors in small classes. Check macro F1 and the row of the small class.",
    ),
    FindingKind.UNREADABLE: FindingWords(
        "Unreadable images",
        "Restore the files, or import the folder again.",
    ),
}
FIX_WORDS = {
    Fix.EXCLUDE: FixWords(
        "Exclude",
        "Exclude all",
        "hide_image",
        "Excludes these images from the dataset. No file is deleted.",
    ),
    Fix.KEEP_ONE: FixWords(
        "Keep one",
        "Keep one per finding",
        "filter_1",
        "Keeps the largest and sharpest image and excludes the others. No file is deleted.",
    ),
    Fix.RELABEL: FixWords(
        "Relabel",
        "Relabel the sure ones …",
        "label",
        "Gives the images the class that they look like.",
    ),
    Fix.GROUP: FixWords(
        "Same part",
        "Each group is one part",
        "group_work",
        "Confirms that these images show one part: it counts once in every result, and a split by "
        "part keeps it together.",
    ),
    Fix.DIFFERENT: FixWords(
        "Different parts",
        "All are different parts",
        "call_split",
        "No two of these images show the same part: they are taken apart in groups, splits, "
        "certificates and results.",
    ),
    Fix.IGNORE: FixWords(
        "Ignore",
        "Ignore all",
        "visibility_off",
        "Accepts this finding; later checks will not show it again. Ignored look-alikes no longer "
        "belong together: splits and certificates treat them as different parts.",
    ),
}
CERTAINTY_LABELS = {
    Certainty.SURE: "**Sure**",
    Certainty.LIKELY: "**Likely**",
    Certainty.UNSURE: "**Unsure**",
}
CERTAINTY_WORDS = (
    "Each label is checked by a model trained without the image and its look-alikes. Sure: about "
    "nine of ten such findings are right. Likely: at least half. Classes that the model rarely "
    "confirms have no sure findings."
)
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
    """What can be done, the most advisable first; the last ones are in a menu."""
    options: list[FixOption] = []
    for how in fixes.FIXES[finding.kind]:
        if how is not Fix.RELABEL:
            options.append(FixOption(how, FIX_WORDS[how].label))
        elif finding.kind is FindingKind.SUSPECT_LABEL:
            options.append(FixOption(how, "Relabel"))
        else:
            labels = sorted({s.label for s in images if s.label is not None})
            options += [
                FixOption(how, f"All are {text.plain(dataset.class_names[label])}", label)
                for label in labels[:3]
            ]
    if finding.kind is FindingKind.SUSPECT_LABEL and len(dataset.class_names) <= MENU_CLASSES:
        own = {s.label for s in images}
        options += [
            FixOption(Fix.RELABEL, f"It is {text.plain(name)}", label)
            for label, name in enumerate(dataset.class_names)
            if label not in own
        ]
    return options
