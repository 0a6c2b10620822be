"""What an import would do with each file, before any file is opened; `planner` decides it.

Nothing is decided silently: each choice has a sentence, and the name of the rule that changes it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from core.data.pixels.images import FORMAT_WORDS
from core.domain.datasets import Skipped
from core.domain.splits import Subset
from core.errors import ImportSourceError
from core.words import count, listed


class PlanChoiceKind(StrEnum):
    """What an import decides by itself."""

    HIDDEN = "hidden"
    LEFT_OUT = "left_out"
    ZIP_NAMES = "zip_names"
    COMPANIONS = "companions"
    READY_SPLIT = "ready_split"
    SUBSET_CLASSES = "subset_classes"
    FOLDER_LEVEL = "folder_level"
    TABLE = "table"
    TABLE_MATCH = "table_match"
    TABLE_UNCLEAR = "table_unclear"
    ENCODING = "encoding"
    DECIMAL = "decimal"
    LABEL_COLUMN = "label_column"
    NUMBER_LABELS = "number_labels"
    COMBINED_LABELS = "combined_labels"
    CLASS_SPELLINGS = "class_spellings"
    OK_CLASSES = "ok_classes"
    ONE_CLASS = "one_class"
    CLASS_LEVEL = "class_level"


@dataclass(frozen=True)
class PlanChoice:
    """One choice of an import, in a sentence; `setting` is the rule that changes it."""

    kind: PlanChoiceKind
    sentence: str
    count: int = 0
    setting: str | None = None


@dataclass(frozen=True)
class Candidate:
    """An image to import: its path below the source, its class, and what else is known of it."""

    path: str
    label: str
    group: str | None = None
    subset: Subset | None = None
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class PreviewRow:
    """What the rules make of one name; `reason` says why it would be skipped."""

    name: str
    label: str | None = None
    group: str | None = None
    subset: Subset | None = None
    reason: str | None = None


@dataclass(frozen=True)
class ImportPlan:
    """What an import would do, before anything is stored.

    `preview` is what the rules make of some images, spread evenly over all of them. `combined` are
    class names that look like several labels, of which nobody has said yet what they are.
    `suggestion`: the rules make a class of every image or nearly so, and which rule would not.
    `class_level`: the rules make one class, and the folders at this level look like classes.
    `flat`: how many images lie directly in the source, where only a folder would be their class.
    """

    candidates: tuple[Candidate, ...]
    skipped: tuple[Skipped, ...]
    decisions: tuple[PlanChoice, ...] = ()
    ok_classes: tuple[str, ...] = ()
    preview: tuple[PreviewRow, ...] = ()
    combined: tuple[str, ...] = ()
    suggestion: str | None = None
    class_level: int | None = None
    flat: int = 0

    @property
    def class_counts(self) -> dict[str, int]:
        """Images per class, by name."""
        return dict(sorted(Counter(item.label for item in self.candidates).items()))

    @property
    def subset_counts(self) -> dict[Subset, int]:
        """Images per subset of the split that came with the source; empty if none came."""
        counts = Counter(item.subset for item in self.candidates)
        return {subset: counts[subset] for subset in Subset if counts[subset]}


def refuse_empty_import(source_name: str, plan: ImportPlan) -> None:
    """Raise if a plan can neither become a dataset nor be added to one.

    Raises:
        ImportSourceError: if there is no labeled image, or nearly every one has its own class.
    """
    if not plan.candidates:
        if plan.flat:
            raise ImportSourceError(
                f"The images lie directly in {source_name}, not in class folders.",
                "Choose the folder above it if that has a folder for each class, or import all "
                "images as one class (on the command line: --one-class NAME).",
            )
        has_table = any(item.kind is PlanChoiceKind.TABLE for item in plan.decisions)
        raise ImportSourceError(
            f"There is no labeled image in {source_name}.{_example(plan.skipped)}",
            "The paths in the table must end like the paths below this folder. Check the columns, "
            "or choose another folder."
            if has_table
            else f"Put {FORMAT_WORDS} files into one folder per class, or choose another label "
            "source.",
        )
    if plan.suggestion is not None:
        raise ImportSourceError(
            f"These rules make {count(len(plan.class_counts), 'class')} of "
            f"{count(len(plan.candidates), 'image')}: nearly every image would be a class of its "
            "own.",
            plan.suggestion,
        )


def refuse_open_questions(plan: ImportPlan) -> None:
    """Raise if a person must decide first what class names like `crack|stain` are.

    Raises:
        ImportSourceError: with the names and the option that decides.
    """
    if plan.combined:
        names = listed([f"'{name}'" for name in plan.combined], 5)
        raise ImportSourceError(
            f"Class names that look like several labels of one image: {names}.",
            "Decide what they are. On the command line: --combined keep (classes of their own), "
            "first (only the first label) or leave_out (without these images).",
        )


def refuse_lost_classes(
    source_name: str, planned: int, class_names: Sequence[str], skipped: Sequence[Skipped]
) -> None:
    """Raise if nothing could be read, or of several classes only one.

    Raises:
        ImportSourceError: with an example of a skipped file.
    """
    if class_names and (planned == 1 or len(class_names) > 1):
        return
    have = (
        f"Of {source_name}, only one class ('{class_names[0]}') can be read"
        if class_names
        else f"{source_name} has no readable image"
    )
    raise ImportSourceError(
        f"{have}.{_example(skipped)}",
        "Choose the folder above your class folders, or another label source.",
    )


def _example(skipped: Sequence[Skipped]) -> str:
    if not skipped:
        return ""
    first, last = skipped[0], skipped[-1]
    examples = f"{first.path}: {first.reason}"
    if last.reason != first.reason:  # of a table: a file without a line, and a line without a file
        examples += f" {last.path}: {last.reason}"
    return f" {count(len(skipped), 'file')} skipped, for example {examples}"
