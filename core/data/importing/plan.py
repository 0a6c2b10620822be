"""What an import would do with each file, decided by name before any file is opened.

Nothing is decided silently: each choice has a sentence, and the name of the rule that changes it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from core.data.importing import plan_words
from core.data.importing.labels import Labelled, PathRule, folder_at, good_class, path_rule
from core.data.importing.layout import ReadySplit, class_level, count_folders, find_ready_split
from core.data.importing.masks import find_companions
from core.data.importing.rules import ImportRules
from core.data.importing.table_match import NOT_IN_TABLE, TableMatch, match_table
from core.data.importing.tables import Table, read_table, refuse_unclear_label
from core.data.pixels.images import EXTENSIONS, FORMAT_WORDS
from core.domain.datasets import LabelSource, Skipped
from core.domain.splits import Subset
from core.errors import ConfigError, ImportSourceError
from core.words import count

PREVIEW_ROWS = 20


class PlanChoiceKind(StrEnum):
    """What an import decides by itself."""

    HIDDEN = "hidden"
    COMPANIONS = "companions"
    READY_SPLIT = "ready_split"
    SUBSET_CLASSES = "subset_classes"
    FOLDER_LEVEL = "folder_level"
    TABLE = "table"
    TABLE_MATCH = "table_match"
    LABEL_COLUMN = "label_column"
    NUMBER_LABELS = "number_labels"
    OK_CLASSES = "ok_classes"


@dataclass(frozen=True)
class PlanChoice:
    """One choice of an import, in a sentence; `setting` is the rule that changes it."""

    kind: PlanChoiceKind
    sentence: str
    count: int = 0
    setting: str | None = None


@dataclass(frozen=True)
class SourceNames:
    """Paths of the files below a source, sorted, with forward slashes; hidden ones are counted."""

    names: tuple[str, ...]
    hidden: int = 0


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

    `preview` is what the rules make of some images, spread evenly over all of them.
    """

    candidates: tuple[Candidate, ...]
    skipped: tuple[Skipped, ...]
    decisions: tuple[PlanChoice, ...] = ()
    ok_classes: tuple[str, ...] = ()
    preview: tuple[PreviewRow, ...] = ()

    @property
    def class_counts(self) -> dict[str, int]:
        """Images per class, by name."""
        return dict(sorted(Counter(item.label for item in self.candidates).items()))

    @property
    def subset_counts(self) -> dict[Subset, int]:
        """Images per subset of the split that came with the source; empty if none came."""
        counts = Counter(item.subset for item in self.candidates)
        return {subset: counts[subset] for subset in Subset if counts[subset]}


def plan_names(source: SourceNames, rules: ImportRules, *, adding: bool = False) -> ImportPlan:
    """Decide what each file would become; see `plan_import`.

    Args:
        source: the names.
        rules: the user's choices.
        adding: the images are added to a dataset: a split that came with them is not kept, and
            the classes keep their verdicts.

    Raises:
        ImportSourceError: if the label table cannot be used.
        ConfigError: if the rules are contradictory.
    """
    return _Planner(source, rules, adding=adding).plan()


def refuse_empty_import(source_name: str, plan: ImportPlan, *, adding: bool = False) -> None:
    """Raise if a plan can neither become a dataset nor be added to one.

    Raises:
        ImportSourceError: if there is no labelled image, or only one class.
    """
    if not plan.candidates:
        raise ImportSourceError(
            f"There is no labelled image in {source_name}.{_example(plan.skipped)}",
            f"Put {FORMAT_WORDS} files into one folder per class, or choose another label source.",
        )
    if not adding:
        refuse_single_class(source_name, tuple(plan.class_counts), plan.skipped)


def refuse_single_class(
    source_name: str, class_names: Sequence[str], skipped: Sequence[Skipped]
) -> None:
    """Raise if there are fewer than two classes.

    Raises:
        ImportSourceError: with an example of a skipped file.
    """
    if len(class_names) >= 2:
        return
    have = (
        f"{source_name} has only one class ('{class_names[0]}')"
        if class_names
        else f"{source_name} has no readable image"
    )
    raise ImportSourceError(
        f"{have}; a classifier needs at least two classes.{_example(skipped)}",
        "Choose the folder above your class folders, or another label source.",
    )


def _example(skipped: Sequence[Skipped]) -> str:
    if not skipped:
        return ""
    example = skipped[0]
    return f" {count(len(skipped), 'file')} skipped, for example {example.path}: {example.reason}"


class _Planner:
    """One pass over the names; each step narrows them down and records its choices."""

    def __init__(self, source: SourceNames, rules: ImportRules, *, adding: bool) -> None:
        self.rules = rules
        self.adding = adding
        self.decisions: list[PlanChoice] = []
        self.skipped: list[Skipped] = []
        self.table: Table | None = None
        self.match: TableMatch | None = None
        if source.hidden:
            self._decide(
                PlanChoiceKind.HIDDEN, plan_words.hidden_files(source.hidden), source.hidden
            )
        if rules.labels is LabelSource.TABLE:
            self._read_table(source.names)
        names = self._without_companions(source.names)
        self.names = [name for name in names if self._is_image(name)]

    def plan(self) -> ImportPlan:
        """The plan for all names."""
        split = self._ready_split()
        rule = self._rule(split)
        candidates: list[Candidate] = []
        unlabelled: list[Skipped] = []
        for name in self.names:
            labelled = self._labelled(name, rule, split)
            if labelled.label is None or labelled.reason:
                reason = labelled.reason or "The file has no class."
                unlabelled.append(Skipped(name, reason))
            else:
                candidates.append(
                    Candidate(
                        name, labelled.label, labelled.group, labelled.subset, labelled.attributes
                    )
                )
        if self.match:
            reason = "The table lists it, but there is no such file."
            self.skipped.extend(Skipped(path, reason) for path in self.match.missing)
        self._note_split(split, candidates)
        ok_classes = self._ok_classes(sorted({item.label for item in candidates}))
        return ImportPlan(
            tuple(candidates),
            (*unlabelled, *self.skipped),
            tuple(self.decisions),
            ok_classes,
            tuple(_preview_row(n, self._labelled(n, rule, split)) for n in _spread(self.names)),
        )

    def _labelled(self, name: str, rule: PathRule, split: ReadySplit | None) -> Labelled:
        """What all rules together make of one name."""
        labelled = rule(name)
        if labelled.label is not None and labelled.label in self.rules.leave_out:
            return Labelled(reason=f"The class '{labelled.label}' is left out.")
        subset = split.subset_of(name) if split else labelled.subset
        subset = subset if self.rules.keep_split and not self.adding else None
        return labelled if labelled.subset is subset else replace(labelled, subset=subset)

    def _decide(
        self, kind: PlanChoiceKind, sentence: str, count: int = 0, setting: str | None = None
    ) -> None:
        self.decisions.append(PlanChoice(kind, sentence, count, setting))

    def _is_image(self, name: str) -> bool:
        reason = _reason_not_an_image(name)
        if reason:
            self.skipped.append(Skipped(name, reason))
        return reason is None

    def _without_companions(self, names: tuple[str, ...]) -> Sequence[str]:
        companions = find_companions(names)
        in_table = self.match.by_name if self.match else {}
        images = {name: of for name, of in companions.images.items() if name not in in_table}
        if not images:
            return names
        kept = self.rules.keep_companions
        for kind, number in companions.kinds:
            sentence = plan_words.companions(kind, number, kept=kept)
            self._decide(PlanChoiceKind.COMPANIONS, sentence, number, "keep_companions")
        if kept:
            return names
        self.skipped.extend(
            Skipped(n, f"It belongs to the image {of}.") for n, of in images.items()
        )
        return [name for name in names if name not in images]

    def _read_table(self, names: Sequence[str]) -> None:
        if self.rules.table is None:
            raise ImportSourceError(
                "Labels from a table need a label table.",
                "Give a table with the path of an image and its label in every line.",
            )
        self.table = table = read_table(self.rules.table, names)
        refuse_unclear_label(table)
        self.match = match_table(table, self.rules.table, names)
        self._decide(PlanChoiceKind.TABLE, plan_words.table_read(table), len(table.rows), "table")
        if self.rules.table.label_guessed:
            sentence = plan_words.label_column_guessed(table)
            self._decide(PlanChoiceKind.LABEL_COLUMN, sentence, setting="table")
        self.skipped.extend(
            Skipped(f"line {number} of the table", f"It has too few columns: {text}")
            for number, text in table.cut_off
        )
        self._note_inexact_matches(self.match)
        if table.labels_are_numbers and not (self.rules.table.class_map or self.rules.table.bins):
            self._decide(
                PlanChoiceKind.NUMBER_LABELS, plan_words.NUMBER_LABELS, len(table.labels), "table"
            )

    def _note_inexact_matches(self, match: TableMatch) -> None:
        if number := match.without_extension:
            sentence = plan_words.matched_without_extension(number)
            self._decide(PlanChoiceKind.TABLE_MATCH, sentence, number)
        if number := match.by_base_name:
            sentence = plan_words.matched_by_file_name(number)
            self._decide(PlanChoiceKind.TABLE_MATCH, sentence, number)

    def _ready_split(self) -> ReadySplit | None:
        if self.table and self.table.roles.split is not None:
            return None
        split = find_ready_split(count_folders(self.names))
        if split is None or self.rules.labels not in (
            LabelSource.LAST_FOLDER,
            LabelSource.FOLDER_LEVEL,
        ):
            return split
        labels = self._folder_labels(split)
        if len(labels) > 1 and not labels <= set(split.words):
            return split
        if self.rules.labels is LabelSource.LAST_FOLDER:
            sentence = plan_words.subsets_taken_as_classes(split.words)
            self._decide(PlanChoiceKind.SUBSET_CLASSES, sentence, setting="labels")
        return None

    def _folder_labels(self, split: ReadySplit) -> set[str]:
        """The classes if the subset folders are not part of them."""
        if self.rules.labels is LabelSource.FOLDER_LEVEL:
            folders = {folder_at(name, self.rules.level) for name in self.names}
        else:
            rest = [split.without(name) for name in self.names]
            level = class_level(count_folders(rest))
            folders = {folder_at(name, level) for name in rest}
        return {label for label in folders if label}

    def _rule(self, split: ReadySplit | None) -> PathRule:
        if self.match is not None:
            by_name = self.match.by_name
            return lambda name: by_name.get(name, NOT_IN_TABLE)
        labels = self.rules.labels
        if labels is not LabelSource.LAST_FOLDER:
            return path_rule(labels, pattern=self.rules.pattern, level=self.rules.level)
        strip = split.without if split else str
        level = class_level(count_folders([strip(name) for name in self.names]))
        if level != -1:
            below = sorted({folder_at(strip(name), -1) or "" for name in self.names} - {""})
            sentence = plan_words.class_from_folder_above(below, level)
            self._decide(PlanChoiceKind.FOLDER_LEVEL, sentence, len(self.names), "labels")
            raised = path_rule(LabelSource.FOLDER_LEVEL, level=level)
            return lambda name: raised(strip(name))
        last = path_rule(labels)
        return lambda name: last(strip(name))

    def _note_split(self, split: ReadySplit | None, candidates: Sequence[Candidate]) -> None:
        from_table = self.table is not None and self.table.roles.split is not None
        if not split and not from_table:
            return
        source = None if from_table or split is None else split.words
        if self.adding:
            self._decide(PlanChoiceKind.READY_SPLIT, plan_words.split_not_added(source))
            return
        if not self.rules.keep_split:
            sentence = plan_words.split_not_kept(source)
            self._decide(PlanChoiceKind.READY_SPLIT, sentence, setting="keep_split")
            return
        counts = Counter(item.subset for item in candidates)
        known = sum(counts[subset] for subset in Subset)
        self._decide(PlanChoiceKind.READY_SPLIT, plan_words.split_kept(source), known, "keep_split")
        if counts[None]:
            sentence = plan_words.outside_split(counts[None])
            self._decide(PlanChoiceKind.READY_SPLIT, sentence, counts[None], "keep_split")
        missing = [subset for subset in Subset if not counts[subset]]
        if Subset.VALIDATION in missing or Subset.TRAIN in missing:
            sentence = plan_words.split_lacks(missing)
            self._decide(PlanChoiceKind.READY_SPLIT, sentence, setting="keep_split")

    def _ok_classes(self, class_names: Sequence[str]) -> tuple[str, ...]:
        if self.adding:
            return ()
        asked = self.rules.ok_classes
        if asked is not None:
            unknown = [name for name in asked if name not in class_names]
            if unknown and class_names:
                raise ConfigError(
                    f"The class '{unknown[0]}' cannot count as OK: there is no such class.",
                    f"The classes are: {', '.join(class_names[:20])}.",
                )
            return tuple(asked)
        good = good_class(class_names)
        if good is None or len(class_names) < 2:
            return ()
        self._decide(PlanChoiceKind.OK_CLASSES, plan_words.ok_class(good), 1, "ok_classes")
        return (good,)


def _preview_row(name: str, labelled: Labelled) -> PreviewRow:
    if labelled.label is None or labelled.reason:
        return PreviewRow(name, reason=labelled.reason)
    return PreviewRow(name, labelled.label, labelled.group, labelled.subset)


def _spread(names: Sequence[str]) -> list[str]:
    """Some names, evenly spread."""
    step = max(1.0, len(names) / PREVIEW_ROWS)
    return [names[int(i * step)] for i in range(min(PREVIEW_ROWS, len(names)))]


def _reason_not_an_image(name: str) -> str | None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return "The file name is not valid Unicode. Rename the file."
    stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    suffix = f".{ending.lower()}" if dot and stem and ending else ""
    if suffix in EXTENSIONS or not suffix:  # a file without extension is judged by its content
        return None
    return f"'{suffix}' is not a supported format ({FORMAT_WORDS})."
