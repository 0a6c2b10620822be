"""How a split was made, in words: for JSON, for people and as a name. Nobody reads them back."""

from typing import assert_never

from core.data.small_classes import ClassGap
from core.data.split_request import SplitRequest
from core.domain.splits import (
    CountedGroups,
    Grouping,
    GroupKind,
    Leaks,
    SmallClasses,
    Split,
    SplitMethod,
    SplitStrategy,
    Subset,
)
from core.words import count, joined


def strategy_text(split: Split) -> str:
    """The value of `strategy` in JSON, such as "3 folds, ordered by name, grouped by auto"."""
    strategy = split.strategy
    match strategy.method:
        case SplitMethod.PROVIDED:
            return "as delivered"
        case SplitMethod.FRACTIONS:
            first = []
        case SplitMethod.COUNTS:
            first = [f"counts {_counts(strategy)}"]
        case SplitMethod.FOLDS:
            first = [f"{split.folds} folds"]
        case _:
            assert_never(strategy.method)
    order = [f"ordered by {strategy.order_by}"] if strategy.order_by else []
    groups = [f"grouped by {strategy.grouping.option}"] if strategy.grouping else []
    kept = [f"test set of '{strategy.keep_test}' kept"] if strategy.keep_test else []
    return ", ".join([*first, *order, *groups, *kept, *_left_out(strategy)]) or "stratified"


def strategy_in_words(split: Split) -> str:
    """How a split was made, for people; starts with a small letter."""
    strategy = split.strategy
    match strategy.method:
        case SplitMethod.PROVIDED:
            return "as it came with the images"
        case SplitMethod.FRACTIONS:
            first = "stratified by class"
        case SplitMethod.COUNTS:
            first = f"{_counts(strategy)} images"
        case SplitMethod.FOLDS:
            first = f"{split.folds} folds"
        case _:
            assert_never(strategy.method)
    order = [f"ordered by {strategy.order_by}"] if strategy.order_by else []
    groups = [f"{grouping_in_words(strategy.grouping)} kept together"] if strategy.grouping else []
    kept = [f"with the test set of “{strategy.keep_test}”"] if strategy.keep_test else []
    return ", ".join([first, *order, *groups, *kept, *_left_out(strategy)])


def _left_out(strategy: SplitStrategy) -> list[str]:
    match strategy.small_classes:
        case SmallClasses.TRAIN:
            return []
        case SmallClasses.LEAVE_OUT:
            return ["classes with too few images left out"]
        case _:
            assert_never(strategy.small_classes)


def gap_in_words(gap: ClassGap) -> str:
    """What it means that subsets of a split lack a class."""
    name = f"Class '{gap.class_name}'"
    if not gap.images:
        return f"{name} has no images in this split."
    if Subset.TRAIN in gap.missing:
        return f"{name} has no training images in this split."
    images = count(gap.images, "image")
    if Subset.VALIDATION in gap.missing:
        missing = " or ".join(_DOING[subset] for subset in gap.missing)
        return f"{name} has {images} in this split, and none to {missing} it."
    return f"{name} has no test images in this split: how well it is recognized stays unknown."


_DOING = {Subset.TRAIN: "train", Subset.VALIDATION: "validate", Subset.TEST: "test"}


def grouping_in_words(grouping: Grouping) -> str:
    """What is kept together."""
    match grouping.kind:
        case GroupKind.LOOK_ALIKES:
            return "look-alikes"
        case GroupKind.FOLDER:
            return "images of one folder"
        case GroupKind.COLUMN:
            return "images of one part"
        case GroupKind.ATTRIBUTE:
            return f"images with the same value in column “{grouping.value}”"
        case GroupKind.PATTERN:
            return f"images whose names match “{grouping.value}” alike"
        case _:
            assert_never(grouping.kind)


def groups_in_words(counted: CountedGroups) -> str:
    """What the groups of a certificate are, as a plural."""
    match counted:
        case CountedGroups.PARTS:
            return "parts"
        case CountedGroups.LOOK_ALIKES:
            return "groups of look-alikes"
        case CountedGroups.BOTH:
            return "parts or groups of look-alikes"
        case _:
            assert_never(counted)


def leaks_in_words(leaks: Leaks) -> str:
    """What a split shares, such as `1 group of look-alikes is in more than one subset`.

    Look-alikes and equal files are in the groups, unless these are declared parts.
    """
    kinds = [
        (leaks.groups, _group_in_words(leaks.counted), groups_in_words(leaks.counted)),
        (
            0 if leaks.groups and leaks.counted is not CountedGroups.PARTS else leaks.pairs,
            "pair of look-alikes",
            "pairs of look-alikes",
        ),
        (0 if leaks.groups else leaks.files, "set of identical files", "sets of identical files"),
    ]
    shared = [f"{n:,} {one if n == 1 else many}" for n, one, many in kinds if n]
    total = sum(n for n, _, _ in kinds)
    return f"{joined(shared)} {'is' if total == 1 else 'are'} in more than one subset"


def _group_in_words(counted: CountedGroups) -> str:
    """What one group of a certificate is."""
    match counted:
        case CountedGroups.PARTS:
            return "part"
        case CountedGroups.LOOK_ALIKES:
            return "group of look-alikes"
        case CountedGroups.BOTH:
            return "part or group of look-alikes"
        case _:
            assert_never(counted)


def usual_name(request: SplitRequest) -> str:
    """The name of a split that was given none."""
    if request.folds:
        base = f"{request.folds} folds"
        base += f" + {request.fractions[2] * 100:g}% test" if request.fractions[2] else ""
    elif request.counts:
        base = f"{'/'.join(map(str, request.counts))} {'per class' * request.per_class}".strip()
    else:
        base = "/".join(f"{f * 100:g}" for f in request.fractions)
    if request.keep_test:
        base = f"{request.keep_test} + {_added(request)}"
    base += f" by {request.order_by}" if request.order_by else f" seed {request.seed}"
    return f"{base} by {_kind_in_a_name(request.group_by.kind)}" if request.group_by else base


def _added(request: SplitRequest) -> str:
    """What is made beside a test set that is kept."""
    if request.folds:
        return f"{request.folds} folds"
    if request.counts:
        return f"{request.counts[0]}/{request.counts[1]} {'per class' * request.per_class}".strip()
    train, validation, _ = request.fractions
    return f"{100 * validation / (train + validation):g}% validation"


def _kind_in_a_name(kind: GroupKind) -> str:
    match kind:
        case GroupKind.LOOK_ALIKES:
            return "look-alikes"
        case GroupKind.FOLDER:
            return "folder"
        case GroupKind.COLUMN:
            return "stored group"
        case GroupKind.ATTRIBUTE:
            return "column"
        case GroupKind.PATTERN:
            return "name pattern"
        case _:
            assert_never(kind)


def _counts(strategy: SplitStrategy) -> str:
    counts = "/".join(map(str, strategy.counts or ()))
    return f"{counts} per class" if strategy.per_class else counts
