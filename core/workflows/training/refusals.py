"""What a split or a network lacks to be trained, said before anything is queued."""

from core.data.small_classes import class_gaps
from core.domain.configs.acting import recipe_is_trained
from core.domain.configs.choices import FEWEST_FAMILIAR, Recipe
from core.domain.configs.train import TrainConfig
from core.domain.datasets import Dataset, good_classes
from core.domain.splits import Split, SplitSide, Subset
from core.errors import ConfigError, SplitError
from core.models.catalog import Network
from core.words import count, listed
from core.workflows.data.certificates import SideCounts, side_counts
from core.workspace import Workspace

_NAMED = 8


def refuse_untrainable(
    workspace: Workspace,
    dataset: Dataset,
    split: Split,
    fold: int | None = None,
    *,
    recipe: Recipe = Recipe.QUICK,
) -> None:
    """Raise where a split cannot train a model of the images and labels of today.

    Args:
        workspace: where the dataset lives.
        dataset: of the split, as it is today.
        split: to train on.
        fold: in [0, k), the fold that validates; None: all of them in turn, or there are none.
        recipe: of the training; one that learns from good images alone needs no other class.

    Raises:
        SplitError: if training or validation has no images, fewer than two classes train, or a
            class is validated or tested that has no training images; for a recipe of good images,
            if too few of them train.
    """
    counts = _of_fold(side_counts(workspace, dataset, split), fold)
    totals = {
        subset: sum(sum(own.values()) for side, own in counts.items() if side.subset is subset)
        for subset in Subset
    }
    if not totals[Subset.TRAIN]:
        raise SplitError(f"The split '{split.name}' has no training images.", "Make another split.")
    if not totals[Subset.VALIDATION]:
        raise SplitError(
            f"The split '{split.name}' has no validation images, which choose settings and "
            "thresholds.",
            _how_to_validate(dataset, split, has_test=bool(totals[Subset.TEST])),
        )
    if recipe is Recipe.GOOD_ONLY:
        _refuse_few_good(dataset, split, counts)
        return
    _refuse_one_class(split, counts)
    _refuse_unlearnable(split, counts)


def refuse_undivided(network: Network, train: TrainConfig) -> None:
    """Raise where a run needs the stages of a network that has none.

    Raises:
        ConfigError: if its upper stages were to be trained, or lower ones frozen.
    """
    if network.has_stages or not recipe_is_trained(train.recipe):
        return
    if train.recipe is Recipe.STAGED:
        raise ConfigError(
            f"The recipe staged trains the upper stages of a network; {network.title} cannot be "
            "divided into stages.",
            "Choose the recipe quick or full, or another network.",
        )
    if train.frozen_stages:
        raise ConfigError(
            f"Frozen stages is {train.frozen_stages}, but {network.title} cannot be divided into "
            "stages.",
            "Set it to 0, or choose the recipe quick.",
        )


def _of_fold(counts: SideCounts, fold: int | None) -> SideCounts:
    """The sides as one run sees them: this fold validates, the others train."""
    if fold is None:
        return counts
    merged: SideCounts = {}
    for side, own in counts.items():
        subset = side.subset
        if side.fold is not None:
            subset = Subset.VALIDATION if side.fold == fold else Subset.TRAIN
        total = merged.setdefault(SplitSide(subset), dict.fromkeys(own, 0))
        for name, n in own.items():
            total[name] += n
    return merged


def _how_to_validate(dataset: Dataset, split: Split, *, has_test: bool) -> str:
    if not has_test:
        return "Make another split: on the Split page, or with `touchstone split`."
    command = f'touchstone split "{dataset.name}" --keep-test "{split.name}"'
    return (
        "Make some from its training images; its test set stays as it is. On the Split page: “Make "
        f"validation images”. On the command line: `{command}`."
    )


def _refuse_one_class(split: Split, counts: SideCounts) -> None:
    training = [own for side, own in counts.items() if side.subset is Subset.TRAIN]
    trained = {name for own in training for name, n in own.items() if n}
    if len(trained) == 1:
        raise SplitError(
            f"All training images of the split '{split.name}' are of the class '{trained.pop()}'.",
            "A classifier needs at least two classes. If they show good parts, choose the recipe "
            f"{Recipe.GOOD_ONLY.value}, which learns from them alone; else add images of another "
            "class.",
        )


def _refuse_few_good(dataset: Dataset, split: Split, counts: SideCounts) -> None:
    good = [dataset.class_names[i] for i in good_classes(dataset.verdicts)]
    if not good:
        raise SplitError(
            f"No class of '{dataset.name}' is marked as good (OK).",
            f'Mark the classes of good parts on Images, or: touchstone classes "{dataset.name}" '
            "--ok NAME.",
        )
    training = (own for side, own in counts.items() if side.subset is not Subset.TEST)
    images = sum(own.get(name, 0) for own in training for name in good)
    if images < FEWEST_FAMILIAR:
        raise SplitError(
            f"Besides its test set, the split '{split.name}' has {count(images, 'good image')}; "
            f"{FEWEST_FAMILIAR} are needed to learn what good images look like.",
            "Add images of good parts, or make a split with a smaller test set.",
        )


def _refuse_unlearnable(split: Split, counts: SideCounts) -> None:
    names = [
        gap.class_name for gap in class_gaps(counts) if gap.images and Subset.TRAIN in gap.missing
    ]
    if names:
        quoted = listed([f"'{name}'" for name in names], _NAMED)
        have = "has" if len(names) == 1 else "have"
        raise SplitError(
            f"{'Class' if len(names) == 1 else 'Classes'} {quoted} {have} no training images in "
            f"the split '{split.name}', so no model can learn "
            f"{'it' if len(names) == 1 else 'them'}.",
            "Make another split, add training images, or exclude the images of "
            f"{'this class' if len(names) == 1 else 'these classes'}.",
        )
