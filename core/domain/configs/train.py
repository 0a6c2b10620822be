"""What is asked of a training, and what each recipe asks unless told otherwise."""

from dataclasses import dataclass, replace
from typing import assert_never

from core.domain.configs.choices import (
    UNFAMILIAR_RATE,
    ClassWeights,
    DetailChoice,
    HeadChoice,
    KeptEpoch,
    OptimizerName,
    Recipe,
    ScheduleName,
    SelectionMeasure,
)
from core.domain.configs.machine import MachineConfig
from core.domain.configs.written import epochs_of_steps, penalties_by_class
from core.domain.settings import SettingGroup, check_ranges, setting


@dataclass(frozen=True)
class LearningConfig:
    """What a training learns and how, whatever the machine."""

    recipe: Recipe = setting(
        Recipe.QUICK,
        "Recipe",
        "Quick trains the last layer: seconds to minutes. Staged trains the upper layers on stored "
        "outputs of the lower ones. Full trains all layers, slow without a GPU. Good_only learns "
        "what good images look like, without defects.",
        group=SettingGroup.MODEL,
    )
    network: str = setting(
        "tf_efficientnet_lite0",
        "Network",
        "Pretrained network to start from; `touchstone networks` lists them.",
        group=SettingGroup.MODEL,
    )
    start_from_head: bool = setting(
        False,
        "Start from the solved head",
        "First make the model of the quick recipe, on the pretrained network or an own one, then "
        "train on. The model is then never worse on the validation images than at this start.",
        group=SettingGroup.MODEL,
    )
    frozen_stages: int = setting(
        0,
        "Frozen stages",
        "How many stages of the network, counted from the image, keep their pretrained weights. "
        "0: none in the full recipe, two thirds in staged.",
        low=0,
        high=40,
        group=SettingGroup.MODEL,
    )
    frozen_norm: bool = setting(
        False,
        "Freeze batch statistics",
        "Keep the pretrained batch normalization, which small batches estimate badly.",
        group=SettingGroup.MODEL,
    )
    stored_versions: int = setting(
        6,
        "Stored versions",
        "For the staged recipe: how many randomly changed versions of each training image are "
        "computed once and stored. More versions vary more and take more time and disk space.",
        low=1,
        high=64,
        group=SettingGroup.MODEL,
    )
    epochs: int = setting(
        100,
        "Epochs",
        "How often the network sees all training images. The best epoch is kept, so more epochs "
        "only cost time.",
        low=1,
        high=1000,
        group=SettingGroup.LENGTH,
    )
    minutes: float = setting(
        0.0,
        "Time limit",
        "Minutes for training and evaluating. The learning rate falls to its end within this time, "
        "by the speed of this machine. 0: only the epochs count.",
        low=0.0,
        high=100_000.0,
        group=SettingGroup.LENGTH,
    )
    patience: int = setting(
        0,
        "Early stopping",
        "Patience: stop after so many epochs without a better validation measure. 0: train all.",
        low=0,
        high=1000,
        group=SettingGroup.LENGTH,
    )
    batch_size: int = setting(
        32,
        "Batch size",
        "Images per step. Larger batches learn more steadily and need more memory.",
        low=1,
        high=1024,
        group=SettingGroup.STEPS,
    )
    accumulation: int = setting(
        1,
        "Accumulated batches",
        "Batches whose gradients are summed before each step: a larger batch in the same memory.",
        low=1,
        high=256,
        group=SettingGroup.STEPS,
    )
    learning_rate: float = setting(
        0.01,
        "Learning rate",
        "Size of each step. Too large makes training unstable; too small makes it slow.",
        low=1e-7,
        high=10.0,
        group=SettingGroup.STEPS,
    )
    layer_decay: float = setting(
        1.0,
        "Learning rate decay per stage",
        "Each stage below the last layer learns this much more slowly than the one above it. 1: "
        "all learn equally fast.",
        low=0.1,
        high=1.0,
        step=0.05,
        group=SettingGroup.STEPS,
    )
    optimizer: OptimizerName = setting(
        OptimizerName.SGD,
        "Optimizer",
        "AdamW works with most learning rates; tuned SGD with momentum often generalizes better.",
        group=SettingGroup.STEPS,
    )
    momentum: float = setting(
        0.9,
        "Momentum",
        "For SGD only: how much of the previous step carries over.",
        low=0.0,
        high=0.999,
        group=SettingGroup.STEPS,
    )
    nesterov: bool = setting(
        False,
        "Nesterov momentum",
        "For SGD only: compute each step ahead of the momentum, which often converges faster.",
        group=SettingGroup.STEPS,
    )
    schedule: ScheduleName = setting(
        ScheduleName.COSINE,
        "Learning rate schedule",
        "Cosine falls smoothly to zero. Step lowers the rate at chosen epochs. One cycle rises for "
        "30% of the time, then falls. Constant stays.",
        group=SettingGroup.STEPS,
    )
    milestones: str = setting(
        "",
        "Epochs of the steps",
        "For the step schedule: after which epochs the learning rate is lowered, for example "
        "4 8 12. Empty: after one half and three quarters.",
        group=SettingGroup.STEPS,
        reads=epochs_of_steps,
    )
    step_factor: float = setting(
        0.1,
        "Factor of each step",
        "For the step schedule: by what the learning rate is multiplied.",
        low=0.001,
        high=1.0,
        group=SettingGroup.STEPS,
    )
    warm_up: float = setting(
        0.05,
        "Warm-up",
        "Fraction of all steps in which the learning rate rises to its full value.",
        low=0.0,
        high=0.5,
        step=0.01,
        group=SettingGroup.STEPS,
    )
    gradient_clipping: float = setting(
        0.0,
        "Gradient clipping",
        "Gradients are shortened to this norm, which tames unstable training. 0: no limit.",
        low=0.0,
        high=1000.0,
        group=SettingGroup.STEPS,
    )
    weight_decay: float = setting(
        0.001,
        "Weight decay",
        "Pulls the weights toward zero, which reduces overfitting.",
        low=0.0,
        high=1.0,
        group=SettingGroup.REGULARIZATION,
    )
    label_smoothing: float = setting(
        0.0,
        "Label smoothing",
        "Trains toward slightly less than 100% for the true class, which reduces overconfidence.",
        low=0.0,
        high=0.5,
        group=SettingGroup.REGULARIZATION,
    )
    drop_rate: float = setting(
        0.0,
        "Drop rate",
        "Fraction of features before the last layer that each step leaves out at random.",
        low=0.0,
        high=0.9,
        step=0.05,
        group=SettingGroup.REGULARIZATION,
    )
    mixup: float = setting(
        0.0,
        "Mixup",
        "Blends pairs of images and their labels: 0 is off, 0.2 mild, 1 strong. Not for defects "
        "that fade when blended.",
        low=0.0,
        high=5.0,
        group=SettingGroup.REGULARIZATION,
    )
    cutmix: float = setting(
        0.0,
        "Cutmix",
        "Pastes a rectangle of another image, and a share of its label: 0 is off, 1 usual. Not "
        "where a single small defect decides.",
        low=0.0,
        high=5.0,
        group=SettingGroup.REGULARIZATION,
    )
    ema_decay: float = setting(
        0.0,
        "Averaged weights (EMA)",
        "Evaluate and keep a moving average of the weights, steadier than the last step. 0.99 "
        "averages about 100 steps; 0 is off.",
        low=0.0,
        high=0.99999,
        group=SettingGroup.REGULARIZATION,
    )
    class_weights: ClassWeights = setting(
        ClassWeights.NONE,
        "Class weights",
        "Balanced gives every class the same weight, however few images it has: more rare classes "
        "found, more false rejects. Moderate goes half way; none counts every image the same.",
        group=SettingGroup.LOSS,
    )
    class_penalties: str = setting(
        "",
        "Penalty per class",
        "Multiplies the loss of the images of a class, for example crack: 3; scratch: 1.5. Classes "
        "that are not named keep 1.",
        group=SettingGroup.LOSS,
        reads=penalties_by_class,
    )
    balanced_sampling: bool = setting(
        False,
        "Balanced sampling",
        "Each epoch draws as many images of every class, rare ones repeatedly. An alternative to "
        "class weights.",
        group=SettingGroup.LOSS,
    )
    focal_gamma: float = setting(
        0.0,
        "Focal loss",
        "Gamma: how much less well-classified images count. 0: plain cross-entropy, 2 usual.",
        low=0.0,
        high=10.0,
        group=SettingGroup.LOSS,
    )
    selection: SelectionMeasure = setting(
        SelectionMeasure.MACRO_F1,
        "Measure of the best epoch",
        "Validation measure by which the best epoch is kept and early stopping decides.",
        group=SettingGroup.EVALUATION,
    )
    kept_epoch: KeptEpoch = setting(
        KeptEpoch.BEST,
        "Kept epoch",
        "Whether the best or the last evaluated epoch becomes the model.",
        group=SettingGroup.EVALUATION,
    )
    evaluation_interval: int = setting(
        1,
        "Evaluation interval",
        "Epochs between two evaluations on the validation images.",
        low=1,
        high=1000,
        group=SettingGroup.EVALUATION,
    )
    training_measure: bool = setting(
        False,
        "Measure training images",
        "Also measure accuracy on training images, at most as many as there are validation images. "
        "A growing gap shows overfitting.",
        group=SettingGroup.EVALUATION,
    )
    penalty: float = setting(
        0.0,
        "Penalty",
        "How strongly the weights of the solved last layer are pulled toward zero. 0 chooses by "
        "cross-validation the strongest within one standard error of the least log loss.",
        low=0.0,
        high=1e6,
        group=SettingGroup.LAST_LAYER,
    )
    refit: bool = setting(
        True,
        "Refit with validation",
        "Fit what is solved, such as the last layer, on training and validation images together, "
        "also at the end of a training. Validation results are then cross-validated.",
        group=SettingGroup.LAST_LAYER,
    )
    start_model: str = setting(
        "",
        "Start model",
        "Own model whose weights the network starts from, by name or id; empty: the pretrained "
        "network. Without a solved head as the start, classes with equal names keep theirs.",
        group=SettingGroup.MODEL,
    )
    detail: DetailChoice = setting(
        DetailChoice.WHOLE,
        "Detail",
        "Whole: the image as one. Stages: also small spots. Mirrored, turned, tiles: its mirror "
        "image, quarter turns or quarters too; 2, 4 or 5 times as slow. Auto compares by "
        "cross-validation; mirrored and turned only where allowed.",
        group=SettingGroup.LAST_LAYER,
    )
    head: HeadChoice = setting(
        HeadChoice.LINEAR,
        "Last layer",
        "Linear: one weight per feature and class. Means: the nearest class mean. Mlp: one hidden "
        "layer. Auto compares them by cross-validation and takes another than linear only where "
        "that is proven better.",
        group=SettingGroup.LAST_LAYER,
    )
    unfamiliar_rate: float = setting(
        0.0,
        "Unfamiliar images",
        "Share of familiar images that may be called unlike the training images, judged by images "
        "that were not learned. Lower overlooks more unfamiliar ones. 0: no score in the model.",
        low=0.0,
        high=0.2,
        group=SettingGroup.EVALUATION,
    )


@dataclass(frozen=True)
class TrainConfig(MachineConfig, LearningConfig):
    """What was asked of a training, except the pixels."""

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def is_held_against_quick(self) -> bool:
        """Whether a run of epochs starts from what quick makes, and ends with the better one."""
        return self.start_from_head and self.kept_epoch is KeptEpoch.BEST

    @property
    def ends_refitted(self) -> bool:
        """Whether a run of epochs may end with a last layer that learned from validation images.

        For this it must minimize what a last layer is solved for.
        """
        is_solved_alike = not (self.focal_gamma or self.balanced_sampling)
        return self.refit and self.is_held_against_quick and is_solved_alike


def recipe_defaults(recipe: Recipe, network: str) -> TrainConfig:
    """Settings of one recipe that work for most datasets."""
    # Why balanced: with the penalty chosen by plain log loss it raises accuracy and macro recall at
    # once (benchmarks/quick_recipe.py).
    usual = TrainConfig(
        recipe, network, class_weights=ClassWeights.BALANCED, unfamiliar_rate=UNFAMILIAR_RATE
    )
    match recipe:
        case Recipe.QUICK:
            return replace(usual, detail=DetailChoice.AUTO)
        case Recipe.STAGED:
            return _fine_tuning(usual, epochs=30)
        case Recipe.FULL:
            return _fine_tuning(usual, epochs=12)
        case Recipe.GOOD_ONLY:
            return usual
        case _:
            assert_never(recipe)


def _fine_tuning(usual: TrainConfig, *, epochs: int) -> TrainConfig:
    """From the solved head on, gently: it is right already (Kumar et al. 2022, LP-FT)."""
    return replace(
        usual,
        detail=DetailChoice.AUTO,
        start_from_head=True,
        frozen_norm=True,
        epochs=epochs,
        learning_rate=0.0002,
        layer_decay=0.8,
        mixup=0.4,
        optimizer=OptimizerName.ADAMW,
        weight_decay=0.02,
        warm_up=0.1,
        ema_decay=0.98,
        training_measure=True,
        checkpoint_ends=True,
    )
