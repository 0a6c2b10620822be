"""Trained models and their predictions."""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from core.domain.configs.preprocess import PreprocessConfig


class HeatmapMethod(StrEnum):
    """How an explanation is made."""

    GRAD_CAM = "grad_cam"
    FINE_GRAD_CAM = "fine_grad_cam"
    LAYER_CAM = "layer_cam"
    GUIDED_GRAD_CAM = "guided_grad_cam"
    INTEGRATED_GRADIENTS = "integrated_gradients"
    OCCLUSION = "occlusion"

    @property
    def by_gradients(self) -> bool:
        """Whether it is computed by PyTorch, which takes seconds to load."""
        match self:
            case (
                HeatmapMethod.LAYER_CAM
                | HeatmapMethod.GUIDED_GRAD_CAM
                | HeatmapMethod.INTEGRATED_GRADIENTS
            ):
                return True
            case HeatmapMethod.GRAD_CAM | HeatmapMethod.FINE_GRAD_CAM | HeatmapMethod.OCCLUSION:
                return False
            case _:
                assert_never(self)


class ColourMap(StrEnum):
    """How heat is coloured; those of research have one order of lightness for every eye."""

    HEAT = "heat"
    CIVIDIS = "cividis"
    VIRIDIS = "viridis"


class ModelFormat(StrEnum):
    """As what a model is handed over."""

    BUNDLE = "bundle"  # one file for another Touchstone
    OPENVINO = "openvino"
    ONNX = "onnx"
    INT8 = "int8"  # OpenVINO, computing in 8 bits


class ModelStage(StrEnum):
    """What a model is for, as somebody decided; one model of a dataset is released at a time."""

    CANDIDATE = "candidate"
    RELEASED = "released"
    RETIRED = "retired"


@dataclass(frozen=True)
class Model:
    """A trained classifier as the list shows it; its weights lie in the same database.

    What models have in common lies there once. `sha256` and `size_bytes` are of the whole file as
    it is handed over, but without a decision rule: header and all arrays, however it is stored.
    Results on test images are not among it: every view of them is recorded, so no list has them.
    Where `validation_cross_validated`, the model was refitted on training and validation images:
    its stored validation confidences come from models that had not seen the image or its group.
    `is_detector`: it knows good images alone, and has two classes: good, and unlike the good ones.
    Their confidences are 1 / (1 + s) and s / (1 + s) for a score s, which is 1 at its limit.
    """

    id: str
    name: str
    run_id: str | None
    dataset_id: str | None
    dataset_name: str
    split_id: str | None
    class_names: tuple[str, ...]
    network: str
    preprocess: PreprocessConfig
    size_bytes: int
    sha256: str
    created_at: float
    val_macro_f1: float | None = None
    version: int | None = None
    fold: int | None = None
    validation_cross_validated: bool = False
    is_detector: bool = False
    stage: ModelStage = ModelStage.CANDIDATE
    note: str = ""


class ModelStanding(StrEnum):
    """How far a model is on its way to a sign-off."""

    ELSEWHERE = "elsewhere"  # it was uploaded: there is no test of it here
    TEST_GONE = "test_gone"  # its dataset was deleted, and no verdict on its test is kept
    NO_RULE = "no_rule"
    NOT_SEALED = "not_sealed"  # it has a threshold; its test was not fixed before it was viewed
    SEALED = "sealed"
    OPENED = "opened"  # and its verdict by what was sealed was not read yet
    VOID = "void"  # something that was sealed has changed
    UNSEALED = "unsealed"  # the results were viewed without a seal
    PASSED = "passed"
    BLOCKED = "blocked"


@dataclass(frozen=True)
class Belongings:
    """What is stored with a model and goes when it is deleted; `results` counts judged images."""

    results: int = 0
    has_rule: bool = False
    is_sealed: bool = False


@dataclass(frozen=True)
class UnfamiliarLimit:
    """How a model tells unfamiliar images, and how often it would flag familiar ones.

    `rate` is the share of familiar images that was asked for, `bound` what it is below with 95 %
    confidence, by `judged` images from which the model had not learned or that were left out. The
    bound counts the `parts` that they show, of which one flagged image flags the whole; None: the
    model does not say them, and it counts images.
    """

    rate: float
    bound: float
    judged: int
    parts: int | None = None

    @property
    def counts_parts(self) -> bool:
        """Whether parts have several images, so that the bound is not one of images.

        A few copies of files, which are counted once, are not told apart from images.
        """
        return self.parts is not None and self.parts < 0.95 * self.judged


class PartDecision(StrEnum):
    """What happens to a part; the values stand in JSON and tables."""

    ACCEPT = "accept"
    REVIEW = "to a person"
    REJECT = "reject"


@dataclass(frozen=True)
class Prediction:
    """Confidences of one image, in decreasing order; `error` instead where it is unreadable.

    `decision` is None where the model has no saved threshold; `part` is the id of the part that
    the image shows, None where that is not known. `unfamiliar` is the distance to the nearest
    training image in units of the model's limit, at least 0; None where the model has no limit.
    """

    path: str
    confidences: tuple[tuple[str, float], ...] = ()
    error: str | None = None
    decision: PartDecision | None = None
    part: str | None = None
    unfamiliar: float | None = None

    @property
    def class_name(self) -> str | None:
        """The most confident class."""
        return self.confidences[0][0] if self.confidences else None

    @property
    def confidence(self) -> float | None:
        """Confidence of the most confident class, in [0, 1]."""
        return self.confidences[0][1] if self.confidences else None

    @property
    def is_unfamiliar(self) -> bool:
        """Whether the image is unlike the training images, so that its class means nothing."""
        return self.unfamiliar is not None and self.unfamiliar > 1


@dataclass(frozen=True)
class PastPrediction:
    """What an image was predicted to be at a time; of the confidences the highest alone is kept."""

    at: float
    model_name: str
    item: Prediction


@dataclass(frozen=True)
class PartResult:
    """What happens to a part of which several images may have been taken.

    `decided_by` is the path of the first image with the strictest decision; `unreadable` counts the
    images among `images` that could not be read. `decision` is None without a saved threshold.
    """

    part: str
    decision: PartDecision | None
    decided_by: str
    images: int
    unreadable: int = 0
