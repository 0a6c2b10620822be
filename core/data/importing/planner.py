"""One pass over the names of a source: what an import would do with each file."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from core.data.importing import plan_words
from core.data.importing.labels import (
    Labelled,
    PathRule,
    folder_at,
    good_class,
    labels_in,
    path_rule,
)
from core.data.importing.layout import ReadySplit, class_level, count_folders, find_ready_split
from core.data.importing.masks import find_companions
from core.data.importing.plan import Candidate, ImportPlan, PlanChoice, PlanChoiceKind, PreviewRow
from core.data.importing.rules import CombinedLabels, ImportRules
from core.data.importing.suggestions import better_rule, is_class_per_image, level_of_classes
from core.data.importing.tables.match import NO_FILE, NOT_IN_TABLE, TableMatch, match_table
from core.data.importing.tables.table import Table, read_table, refuse_unclear_label
from core.data.importing.walk import SourceNames, why_not_an_image
from core.domain.datasets import LabelSource, Skipped
from core.domain.names import known_name, name_key
from core.domain.splits import Subset
from core.errors import ConfigError, ImportSourceError

PREVIEW_ROWS = 20
_FOLDERS = (LabelSource.LAST_FOLDER, LabelSource.FOLDER_LEVEL)


def plan_names(
    source: SourceNames,
    rules: ImportRules,
    *,
    adding: bool = False,
    known_classes: Sequence[str] = (),
) -> ImportPlan:
    """Decide what each file would become; see `plan_import`.

    Args:
        source: the names.
        rules: the user's choices.
        adding: the images are added to a dataset: a split that came with them is not kept, and
            the classes keep their verdicts.
        known_classes: of this dataset; a label that differs only in case is one of them.

    Raises:
        ImportSourceError: if the label table cannot be used.
        ConfigError: if the rules are contradictory.
    """
    return _Planner(source, rules, adding=adding, known_classes=known_classes).plan()


class _Planner:
    """One pass over the names; each step narrows them down and records its choices."""

    def __init__(
        self,
        source: SourceNames,
        rules: ImportRules,
        *,
        adding: bool,
        known_classes: Sequence[str],
    ) -> None:
        self.rules = rules
        self.adding = adding
        self.known_classes = known_classes
        self.decisions: list[PlanChoice] = []
        self.skipped: list[Skipped] = list(source.left_out)
        self.table: Table | None = None
        self.match: TableMatch | None = None
        self._note_source(source)
        if rules.labels is LabelSource.TABLE:
            self._read_table(source.names)
        names = self._without_companions(source.names)
        self.names = [name for name in names if self._is_image(name)]

    def plan(self) -> ImportPlan:
        """The plan for all names."""
        split = self._ready_split()
        rule = self._rule(split)
        read = {name: rule(name) for name in self.names}
        counts = Counter(item.label for item in read.values() if item.label and not item.reason)
        combined = {c: parts for c in counts if len(parts := labels_in(c, counts)) > 1}
        classes = self._classes(counts, combined)
        labelled = {name: self._labelled(name, item, classes, split) for name, item in read.items()}
        candidates = [
            Candidate(name, item.label, item.group, item.subset, item.attributes)
            for name, item in labelled.items()
            if item.label is not None and not item.reason
        ]
        unlabelled = [
            Skipped(name, item.reason or "The file has no class.")
            for name, item in labelled.items()
            if item.label is None or item.reason
        ]
        if self.match:
            self.skipped.extend(self.match.unclear)
            self.skipped.extend(Skipped(path, NO_FILE) for path in self.match.missing)
        self._note_split(split, candidates)
        self._note_spellings(Counter(item.label for item in candidates))
        class_names = sorted({item.label for item in candidates})
        class_level = self._class_level(class_names)
        ok_classes = self._ok_classes(class_names, level_known=class_level is not None)
        is_per_image = is_class_per_image([item.label for item in candidates])
        return ImportPlan(
            tuple(candidates),
            (*unlabelled, *self.skipped),
            tuple(self.decisions),
            ok_classes,
            tuple(_preview_row(name, labelled[name]) for name in _spread(self.names)),
            tuple(combined) if self.rules.combined is None else (),
            better_rule(self.names, self.rules.labels, self.table) if is_per_image else None,
            class_level,
            flat=0 if candidates else self._flat(),
        )

    def _classes(
        self, counts: Mapping[str, int], combined: Mapping[str, tuple[str, ...]]
    ) -> dict[str, Labelled]:
        """The class that each label becomes, or the reason why it becomes none."""
        chosen = self.rules.combined
        if combined:
            number = sum(counts[name] for name in combined)
            sentence = plan_words.combined_labels(list(combined), number, chosen)
            self._decide(PlanChoiceKind.COMBINED_LABELS, sentence, number, "combined")
        classes: dict[str, Labelled] = {}
        for label in counts:
            name = label
            if label in combined and chosen is CombinedLabels.FIRST:
                name = known_name(combined[label][0], counts) or combined[label][0]
            known = known_name(name, self.known_classes)
            classes[label] = Labelled(known or name)
            if label in combined and chosen is CombinedLabels.LEAVE_OUT:
                classes[label] = Labelled(reason=f"'{label}' are several labels.")
        self._leave_out(classes)
        return classes

    def _leave_out(self, classes: dict[str, Labelled]) -> None:
        names = {item.label for item in classes.values() if item.label}
        for typed in self.rules.leave_out:
            name = known_name(typed, names)
            if name is None and names:
                raise ConfigError(
                    f"The class '{typed}' cannot be left out: there is no such class.",
                    f"The classes are: {', '.join(sorted(names)[:20])}.",
                )
            for label, item in classes.items():
                if item.label == name:
                    classes[label] = Labelled(reason=f"The class '{name}' is left out.")

    def _labelled(
        self, name: str, read: Labelled, classes: Mapping[str, Labelled], split: ReadySplit | None
    ) -> Labelled:
        """What all rules together make of one name."""
        if read.label is None or read.reason:
            return read
        final = classes[read.label]
        if final.label is None:
            return final
        subset = split.subset_of(name) if split else read.subset
        subset = subset if self.rules.keep_split and not self.adding else None
        if (final.label, subset) == (read.label, read.subset):
            return read
        return replace(read, label=final.label, subset=subset)

    def _decide(
        self, kind: PlanChoiceKind, sentence: str, count: int = 0, setting: str | None = None
    ) -> None:
        self.decisions.append(PlanChoice(kind, sentence, count, setting))

    def _note_source(self, source: SourceNames) -> None:
        if source.hidden:
            sentence = plan_words.hidden_files(source.hidden)
            self._decide(PlanChoiceKind.HIDDEN, sentence, source.hidden)
        if number := len(source.left_out):
            sentence = plan_words.left_out(source.left_out)
            self._decide(PlanChoiceKind.LEFT_OUT, sentence, number)
        if source.zip_encoding not in ("", "utf-8"):
            guessed = source.zip_encoding_guessed
            sentence = plan_words.zip_names(source.zip_encoding, guessed=guessed)
            self._decide(PlanChoiceKind.ZIP_NAMES, sentence, setting="zip_encoding")
        if source.renamed:
            sentence = plan_words.renamed_in_zip(source.renamed)
            self._decide(PlanChoiceKind.ZIP_NAMES, sentence, source.renamed)

    def _is_image(self, name: str) -> bool:
        reason = why_not_an_image(name)
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
        rules = self.rules.table
        if rules is None:
            raise ImportSourceError(
                "Labels from a table need a label table.",
                "Give a table with the path of an image and its label in every line.",
            )
        self.table = table = read_table(rules, names)
        refuse_unclear_label(table)
        self.match = match = match_table(table, rules, names)
        sentence = plan_words.table_read(table, rules)
        self._decide(PlanChoiceKind.TABLE, sentence, len(table.rows), "table")
        if rules.encoding_guessed:
            sentence = plan_words.encoding_guessed(rules.encoding)
            self._decide(PlanChoiceKind.ENCODING, sentence, setting="table")
        if rules.label_guessed:
            sentence = plan_words.label_column_guessed(table)
            self._decide(PlanChoiceKind.LABEL_COLUMN, sentence, setting="table")
        self.skipped.extend(
            Skipped(f"line {number} of the table", f"It has too few columns: {text}")
            for number, text in table.cut_off
        )
        self._note_matches(match)
        if table.labels_are_numbers and table.decimal is not None:
            sentence = plan_words.decimal_mark(table.decimal, guessed=table.decimal_guessed)
            self._decide(PlanChoiceKind.DECIMAL, sentence, setting="table")
        if table.labels_are_numbers and not (rules.class_map or rules.bins):
            self._decide(
                PlanChoiceKind.NUMBER_LABELS, plan_words.NUMBER_LABELS, len(table.labels), "table"
            )

    def _note_matches(self, match: TableMatch) -> None:
        kind = PlanChoiceKind.TABLE_MATCH
        if number := match.without_extension:
            self._decide(kind, plan_words.matched_without_extension(number), number)
        if number := match.by_ending:
            self._decide(kind, plan_words.matched_by_ending(number), number)
        kind = PlanChoiceKind.TABLE_UNCLEAR
        if number := len(match.unclear):
            self._decide(kind, plan_words.unclear_lines(number), number)
        if number := len(match.conflicts):
            self._decide(kind, plan_words.conflicts(number), number)
        if number := len(match.missing):
            self._decide(kind, plan_words.missing_files(number), number)
        if match.merged:
            sentence = plan_words.merged_spellings(match.merged)
            self._decide(PlanChoiceKind.CLASS_SPELLINGS, sentence, len(match.merged))

    def _ready_split(self) -> ReadySplit | None:
        if self.table and self.table.roles.split is not None:
            return None
        split = find_ready_split(count_folders(self.names))
        if split is None or self.rules.labels not in _FOLDERS:
            return split
        labels = self._folder_labels(split)
        if len(labels) > 1 and not labels <= set(split.words):
            return split
        if self.rules.labels is LabelSource.LAST_FOLDER and labels <= set(split.words):
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
        own, labels = self.rules, self.rules.labels
        if labels is not LabelSource.LAST_FOLDER:
            return path_rule(
                labels, pattern=own.pattern, level=own.level, class_name=own.class_name
            )
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
        kind = PlanChoiceKind.READY_SPLIT
        source = None if from_table or split is None else split.words
        if self.adding:
            self._decide(kind, plan_words.split_not_added(source))
            return
        if not self.rules.keep_split:
            self._decide(kind, plan_words.split_not_kept(source), setting="keep_split")
            return
        counts = Counter(item.subset for item in candidates)
        known = sum(counts[subset] for subset in Subset)
        self._decide(kind, plan_words.split_kept(source), known, "keep_split")
        if counts[None]:
            sentence = plan_words.outside_split(counts[None])
            self._decide(kind, sentence, counts[None], "keep_split")
        for sentence in _lacks_of_split(candidates):
            self._decide(kind, sentence, setting="keep_split")

    def _note_spellings(self, counts: Mapping[str, int]) -> None:
        """Classes that differ only in upper and lower case, and labels of the dataset's classes."""
        by_key: dict[str, list[str]] = defaultdict(list)
        for name in sorted(counts):
            by_key[name_key(name)].append(name)
        alike = [names for names in by_key.values() if len(names) > 1]
        if alike:
            sentence = plan_words.alike_classes(alike[0])
            self._decide(PlanChoiceKind.CLASS_SPELLINGS, sentence, len(alike))

    def _flat(self) -> int:
        in_folders = any("/" in name for name in self.names)
        return 0 if in_folders or self.rules.labels not in _FOLDERS else len(self.names)

    def _class_level(self, class_names: Sequence[str]) -> int | None:
        """The level of folders that look like classes, where the chosen one gives one class."""
        if len(class_names) != 1 or self.rules.labels not in _FOLDERS:
            return None
        if class_names[0] in self.known_classes:  # more images of one class are nothing odd
            return None
        level = level_of_classes(self.names, class_names[0])
        if level is not None:
            folders = sorted({folder_at(name, level) or "" for name in self.names})
            sentence = plan_words.class_level(folders, level)
            self._decide(PlanChoiceKind.CLASS_LEVEL, sentence, len(folders), "labels")
        return level

    def _ok_classes(self, class_names: Sequence[str], *, level_known: bool) -> tuple[str, ...]:
        if self.adding:
            return ()
        asked = self.rules.ok_classes
        if asked is not None:
            names = {typed: known_name(typed, class_names) for typed in asked}
            unknown = [typed for typed, name in names.items() if name is None]
            if unknown and class_names:
                raise ConfigError(
                    f"The class '{unknown[0]}' cannot count as OK: there is no such class.",
                    f"The classes are: {', '.join(class_names[:20])}.",
                )
            return tuple(name for name in names.values() if name is not None)
        if len(class_names) == 1:
            is_meant = level_known or self.rules.class_name != ""
            sentence = plan_words.one_class(class_names[0], is_meant=is_meant)
            self._decide(PlanChoiceKind.ONE_CLASS, sentence, 1, "ok_classes")
            return tuple(class_names)
        good = good_class(class_names)
        if good is None:
            return ()
        self._decide(PlanChoiceKind.OK_CLASSES, plan_words.ok_class(good), 1, "ok_classes")
        return (good,)


def _lacks_of_split(candidates: Sequence[Candidate]) -> list[str]:
    """What a split that came with the source lacks, so that it cannot be trained or judged on."""
    classes = {subset: Counter[str]() for subset in Subset}
    for item in candidates:
        if item.subset is not None:
            classes[item.subset][item.label] += 1
    missing = [subset for subset in Subset if not classes[subset]]
    said = []
    if Subset.VALIDATION in missing or Subset.TRAIN in missing:
        said.append(plan_words.split_lacks(missing))
    trained = classes[Subset.TRAIN]
    untrained = classes[Subset.VALIDATION] + classes[Subset.TEST]
    if trained and (names := sorted(untrained.keys() - trained.keys())):
        said.append(plan_words.untrained_classes(names))
    several = len({item.label for item in candidates}) > 1
    for subset in Subset:
        if several and len(classes[subset]) == 1:
            said.append(plan_words.single_class_subset(subset, next(iter(classes[subset]))))
    return said


def _preview_row(name: str, labelled: Labelled) -> PreviewRow:
    if labelled.label is None or labelled.reason:
        return PreviewRow(name, reason=labelled.reason)
    return PreviewRow(name, labelled.label, labelled.group, labelled.subset)


def _spread(names: Sequence[str]) -> list[str]:
    """Some names, evenly spread."""
    step = max(1.0, len(names) / PREVIEW_ROWS)
    return [names[int(i * step)] for i in range(min(PREVIEW_ROWS, len(names)))]
