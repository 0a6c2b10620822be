"""What an import would do with each name, decided before any file is opened.

Nothing is guessed silently: each decision is a sentence, with the rule that changes it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from core.data.importing.labels import Labelled, PathRule, folder_at, good_class, path_rule
from core.data.importing.layout import ReadySplit, class_level, count_folders, find_ready_split
from core.data.importing.masks import find_companions
from core.data.importing.rules import ImportRules
from core.data.importing.tables import (
    Table,
    TableMatch,
    match_table,
    not_in_table,
    read_table,
    refuse_unclear_label,
)
from core.data.pixels.images import EXTENSIONS, FORMAT_WORDS
from core.domain.datasets import LabelSource, Skipped
from core.domain.splits import Subset
from core.errors import ConfigError, ImportSourceError

PREVIEW_ROWS = 20


class PlanChoiceKind(StrEnum):
    """What an import decided by itself."""

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
    """One thing that was decided, said to the person; `setting` is the rule that changes it."""

    kind: PlanChoiceKind
    sentence: str
    count: int = 0
    setting: str | None = None


@dataclass(frozen=True)
class SourceNames:
    """The files of a source: paths below it, sorted, with forward slashes; hidden ones counted."""

    names: tuple[str, ...]
    hidden: int = 0


@dataclass(frozen=True)
class Candidate:
    """An image to be: its path below the source, its class, and what else is said of it."""

    path: str
    label: str
    group: str | None = None
    subset: Subset | None = None
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class PreviewRow:
    """What a rule makes of one name; `reason` says why it would be skipped."""

    name: str
    label: str | None = None
    group: str | None = None
    subset: Subset | None = None
    reason: str | None = None


@dataclass(frozen=True)
class ImportPlan:
    """What an import would do, before anything is stored.

    `preview` is what the rule makes of some images, spread evenly over all of them.
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
        """Images per subset of the split that came with the source; empty: none came."""
        found = Counter(item.subset for item in self.candidates)
        return {subset: found[subset] for subset in Subset if found[subset]}


def plan_names(source: SourceNames, rules: ImportRules, *, adding: bool = False) -> ImportPlan:
    """Decide what each name would become; see `plan_import`. Says also what can never work.

    Args:
        source: the names.
        rules: what a person decided.
        adding: the images are added to others: a split that came with them is not kept, and
            verdicts are those of the classes they are added to.

    Raises:
        ImportSourceError: if the label table cannot be used.
        ConfigError: if the rules make no sense.
    """
    planner = _Planner(source, rules, adding=adding)
    return planner.plan()


def refuse_empty_import(source_name: str, plan: ImportPlan, *, adding: bool = False) -> None:
    """Raise where a plan could never become a dataset, or never be added to one.

    Raises:
        ImportSourceError: if there is no labelled image, or only one class.
    """
    if not plan.candidates:
        example = (
            f" For example {plan.skipped[0].path}: {plan.skipped[0].reason}."
            if plan.skipped
            else ""
        )
        raise ImportSourceError(
            f"There is no labelled image in {source_name}.{example}",
            f"Put {FORMAT_WORDS} files into one folder per class, or choose another label source.",
        )
    if not adding:
        refuse_single_class(source_name, tuple(plan.class_counts), list(plan.skipped))


def refuse_single_class(
    source_name: str, class_names: tuple[str, ...], skipped: list[Skipped]
) -> None:
    """Raise where fewer than two classes are left.

    Raises:
        ImportSourceError: with an example of what was skipped.
    """
    if len(class_names) >= 2:
        return
    found = f"Only one class ('{class_names[0]}')" if class_names else "No readable image"
    reason = (
        f" {len(skipped)} files were skipped, for example {skipped[0].path}: {skipped[0].reason}."
        if skipped
        else ""
    )
    raise ImportSourceError(
        f"{found} was found in {source_name}; a classifier needs at least two classes.{reason}",
        "Choose the folder above your class folders, or another label source.",
    )


class _Planner:
    """One look at the names; each step narrows them down and notes what it decided."""

    def __init__(self, source: SourceNames, rules: ImportRules, *, adding: bool) -> None:
        self.rules = rules
        self.adding = adding
        self.decisions: list[PlanChoice] = []
        self.skipped: list[Skipped] = []
        self.table: Table | None = None
        self.match: TableMatch | None = None
        if source.hidden:
            self._decide(
                PlanChoiceKind.HIDDEN,
                f"{_files(source.hidden)} hidden or made by the system: ignored",
                source.hidden,
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
        without: list[Skipped] = []
        for name in self.names:
            found = self._by_rules(name, rule, split)
            if found.label is None or found.reason:
                without.append(Skipped(name, found.reason or "it has no class"))
            else:
                candidates.append(
                    Candidate(name, found.label, found.group, found.subset, found.attributes)
                )
        if self.match:
            reason = "the table names it, but there is no such file"
            self.skipped.extend(Skipped(path, reason) for path in self.match.missing)
        self._note_split(split, candidates)
        ok_classes = self._ok_classes(sorted({item.label for item in candidates}))
        return ImportPlan(
            tuple(candidates),
            (*without, *self.skipped),
            tuple(self.decisions),
            ok_classes,
            tuple(_preview_row(n, self._by_rules(n, rule, split)) for n in _spread(self.names)),
        )

    def _by_rules(self, name: str, rule: PathRule, split: ReadySplit | None) -> Labelled:
        """What all rules together make of one name."""
        found = rule(name)
        if found.label is not None and found.label in self.rules.leave_out:
            return Labelled(reason=f"class '{found.label}' is left out")
        subset = split.subset_of(name) if split else found.subset
        subset = subset if self.rules.keep_split and not self.adding else None
        return found if found.subset is subset else replace(found, subset=subset)

    def _decide(
        self, kind: PlanChoiceKind, sentence: str, count: int = 0, setting: str | None = None
    ) -> None:
        self.decisions.append(PlanChoice(kind, sentence, count, setting))

    def _is_image(self, name: str) -> bool:
        reason = _not_a_image(name)
        if reason:
            self.skipped.append(Skipped(name, reason))
        return reason is None

    def _without_companions(self, names: tuple[str, ...]) -> Sequence[str]:
        found = find_companions(names)
        listed = self.match.by_name if self.match else {}
        reasons = {name: why for name, why in found.reasons.items() if name not in listed}
        if not reasons:
            return names
        kept = self.rules.keep_companions
        for sentence, count in found.kinds:
            self._decide(
                PlanChoiceKind.COMPANIONS,
                f"{count:,} {sentence}: {'kept' if kept else 'left out'}",
                count,
                "keep_companions",
            )
        if kept:
            return names
        self.skipped.extend(Skipped(name, why) for name, why in reasons.items())
        return [name for name in names if name not in reasons]

    def _read_table(self, names: Sequence[str]) -> None:
        if self.rules.table is None:
            raise ImportSourceError(
                "Labels from a table need the table.",
                "Give a table with the path of an image and its label in every line.",
            )
        self.table = table = read_table(self.rules.table, names)
        refuse_unclear_label(table)
        self.match = match = match_table(table, self.rules.table, names)
        self._decide(PlanChoiceKind.TABLE, _table_sentence(table), len(table.rows), "table")
        if self.rules.table.label_guessed:
            self._decide(
                PlanChoiceKind.LABEL_COLUMN,
                "Several columns of the table could hold the class, and no name says which: "
                f"{table.columns[table.label]} was taken because it comes first; look whether it "
                "is the one",
                setting="table",
            )
        self.skipped.extend(
            Skipped(f"line {number} of the table", f"it has too few columns: {text}")
            for number, text in table.cut_off
        )
        if match.without_extension:
            self._decide(
                PlanChoiceKind.TABLE_MATCH,
                f"{match.without_extension:,} lines of the table name a file without its extension "
                "or with another one: matched by the rest of the path",
                match.without_extension,
            )
        if match.by_base_name:
            self._decide(
                PlanChoiceKind.TABLE_MATCH,
                f"{match.by_base_name:,} lines of the table name another folder: matched "
                "by file names that are there only once",
                match.by_base_name,
            )
        if table.labels_are_numbers and not (self.rules.table.class_map or self.rules.table.bins):
            self._decide(
                PlanChoiceKind.NUMBER_LABELS,
                "The labels in the table are numbers: they become class names as they are, "
                "unless you name them",
                len(table.labels),
                "table",
            )

    def _ready_split(self) -> ReadySplit | None:
        if self.table and self.table.split is not None:
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
            words = ", ".join(split.words)
            self._decide(
                PlanChoiceKind.SUBSET_CLASSES,
                f"The folders {words} are called like the parts of a split, but there are "
                "no class folders in them: they are taken for classes; choose another "
                "rule if the class stands elsewhere",
                setting="labels",
            )
        return None

    def _folder_labels(self, split: ReadySplit) -> set[str]:
        """The classes if the subset folders are no part of them."""
        if self.rules.labels is LabelSource.FOLDER_LEVEL:
            found = {folder_at(name, self.rules.level) for name in self.names}
        else:
            rest = [split.without(name) for name in self.names]
            level = class_level(count_folders(rest))
            found = {folder_at(name, level) for name in rest}
        return {label for label in found if label}

    def _rule(self, split: ReadySplit | None) -> PathRule:
        if self.match is not None:
            listed, missing = self.match.by_name, not_in_table()
            return lambda name: listed.get(name, missing)
        labels = self.rules.labels
        if labels is not LabelSource.LAST_FOLDER:
            return path_rule(labels, pattern=self.rules.pattern, level=self.rules.level)
        strip = split.without if split else str
        level = class_level(count_folders([strip(name) for name in self.names]))
        if level != -1:
            below = sorted({folder_at(strip(name), -1) or "" for name in self.names} - {""})
            self._decide(
                PlanChoiceKind.FOLDER_LEVEL,
                f"The images lie in folders named {', '.join(below[:3])}: the folder "
                f"{'above' if level == -2 else 'further up'} is taken as the class",
                len(self.names),
                "labels",
            )
            raised = path_rule(LabelSource.FOLDER_LEVEL, level=level)
            return lambda name: raised(strip(name))
        last = path_rule(labels)
        return lambda name: last(strip(name))

    def _note_split(self, split: ReadySplit | None, candidates: Sequence[Candidate]) -> None:
        from_table = self.table is not None and self.table.split is not None
        if not split and not from_table:
            return
        where = (
            "The table says which subset an image belongs to"
            if from_table
            else f"The folders {_and(split.words if split else ())} were found"
        )
        counts = Counter(item.subset for item in candidates)
        if self.adding:
            found = "Subsets were found in the table" if from_table else where
            self._decide(
                PlanChoiceKind.READY_SPLIT,
                f"{found}, but not kept: a split covers a whole dataset; make a new split after "
                "adding",
            )
            return
        if not self.rules.keep_split:
            self._decide(
                PlanChoiceKind.READY_SPLIT,
                f"{where}: not kept, the images of all of them form one set",
                setting="keep_split",
            )
            return
        known = sum(counts[subset] for subset in Subset)
        self._decide(
            PlanChoiceKind.READY_SPLIT,
            f"{where}: kept as the split 'as delivered'",
            known,
            "keep_split",
        )
        if counts[None]:
            self._decide(
                PlanChoiceKind.READY_SPLIT,
                f"{_images(counts[None])} in no subset of this split",
                counts[None],
                "keep_split",
            )
        lacking = [subset for subset in Subset if not counts[subset]]
        if Subset.VALIDATION in lacking or Subset.TRAIN in lacking:
            words = _and([subset.value for subset in lacking])
            self._decide(
                PlanChoiceKind.READY_SPLIT,
                f"The delivered split has no {words} images; training needs some: make "
                "a split of your own on the Split page, or add some",
                setting="keep_split",
            )

    def _ok_classes(self, class_names: Sequence[str]) -> tuple[str, ...]:
        if self.adding:
            return ()
        asked = self.rules.ok_classes
        if asked is not None:
            unknown = [name for name in asked if name not in class_names]
            if unknown and class_names:
                raise ConfigError(
                    f"There is no class '{unknown[0]}' that could count as OK.",
                    f"The classes are: {', '.join(class_names[:20])}.",
                )
            return tuple(asked)
        good = good_class(class_names)
        if good is None or len(class_names) < 2:
            return ()
        self._decide(
            PlanChoiceKind.OK_CLASSES,
            f"Class '{good}' counts as OK by its name, the others as not OK",
            1,
            "ok_classes",
        )
        return (good,)


def _preview_row(name: str, found: Labelled) -> PreviewRow:
    if found.label is None or found.reason:
        return PreviewRow(name, reason=found.reason)
    return PreviewRow(name, found.label, found.group, found.subset)


def _spread(names: Sequence[str]) -> list[str]:
    """Some names, evenly spread."""
    step = max(1.0, len(names) / PREVIEW_ROWS)
    return [names[int(i * step)] for i in range(min(PREVIEW_ROWS, len(names)))]


def _not_a_image(name: str) -> str | None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its file name is not valid Unicode; rename it"
    stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    suffix = f".{ending.lower()}" if dot and stem and ending else ""
    if suffix in EXTENSIONS or not suffix:  # a file without extension is judged by its content
        return None
    return f"'{suffix}' is not a supported format ({FORMAT_WORDS})"


def _table_sentence(table: Table) -> str:
    parts = [
        f"separated by {table.delimiter.value}",
        "the first line is a header" if table.has_header else "there is no header",
        f"path: {table.columns[table.path]}",
        f"label: {table.columns[table.label]}",
    ]
    if table.group is not None:
        parts.append(f"group: {table.columns[table.group]}")
    if table.split is not None:
        parts.append(f"split: {table.columns[table.split]}")
    if table.further:
        parts.append(f"kept as attributes: {', '.join(table.columns[i] for i in table.further)}")
    if table.comments:
        parts.append(f"{_count(table.comments, 'line')} above it that begin with # left out")
    if table.cut_off:
        parts.append(
            f"{_count(len(table.cut_off), 'line')} at its end with too few columns left out"
        )
    return f"The table was read as {len(table.rows):,} lines, {'; '.join(parts)}"


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _files(count: int) -> str:
    return f"{count:,} file is" if count == 1 else f"{count:,} files are"


def _images(count: int) -> str:
    return f"{count:,} image is" if count == 1 else f"{count:,} images are"
