"""What is said about stages and next steps, and the page that each step leads to."""

from dataclasses import dataclass
from typing import NamedTuple, assert_never

import streamlit as st

from core.domain.models import ModelStanding
from core.domain.stages.states import (
    MissedCriterion,
    MissedKind,
    NextStep,
    SealChange,
    Stage,
    StageReason,
    StageState,
    StageStatus,
    StepAction,
)
from core.words import count, joined
from core.workflows.data.split_words import leaks_in_words
from core.workflows.signoff.obstacles import obstacle_in_words
from pages.ui.places import Place, to_verdicts
from pages.ui.text import BadgeColour


class StandingWords(NamedTuple):
    """How far a sign-off is: word, shape, colour, and what it means."""

    words: str
    icon: str
    colour: BadgeColour
    tip: str


STANDINGS = {
    ModelStanding.ELSEWHERE: StandingWords(
        "no test here",
        ":material/circle:",
        "gray",
        "It came from elsewhere; whether it was signed off is not known here.",
    ),
    ModelStanding.TEST_GONE: StandingWords(
        "test deleted",
        ":material/circle:",
        "gray",
        "Its test went with its dataset, without a verdict.",
    ),
    ModelStanding.NO_RULE: StandingWords(
        "no threshold yet",
        ":material/circle:",
        "gray",
        "It decides by the highest confidence. Set a threshold on Threshold.",
    ),
    ModelStanding.NOT_SEALED: StandingWords(
        "threshold set",
        ":material/balance:",
        "blue",
        "Not tested yet. Next: seal its test on Sign-off.",
    ),
    ModelStanding.SEALED: StandingWords(
        "test sealed",
        ":material/lock:",
        "orange",
        "Criteria, threshold and test images are fixed. Open the test on Sign-off.",
    ),
    ModelStanding.OPENED: StandingWords(
        "sealed test opened",
        ":material/lock_open:",
        "blue",
        "Read its verdict on Sign-off.",
    ),
    ModelStanding.VOID: StandingWords(
        "seal void",
        ":material/lock_reset:",
        "orange",
        "Something that was sealed has changed, so there is no valid test: see Sign-off.",
    ),
    ModelStanding.UNSEALED: StandingWords(
        "tested without a seal",
        ":material/visibility:",
        "orange",
        "Its test results were viewed before they were sealed, so they are no sign-off.",
    ),
    ModelStanding.PASSED: StandingWords(
        "passed",
        ":material/verified:",
        "green",
        "All release criteria were met on its sealed test.",
    ),
    ModelStanding.BLOCKED: StandingWords(
        "not passed",
        ":material/cancel:",
        "red",
        "Its test missed release criteria.",
    ),
}
# What is to be done, and what it is called once it is.
STAGE_NAMES = {
    Stage.IMPORTED: ("Import", "Imported"),
    Stage.CHECKED: ("Check", "Checked"),
    Stage.SPLIT: ("Split", "Split"),
    Stage.TRAINED: ("Train", "Trained"),
    Stage.SIGNED_OFF: ("Sign off", "Signed off"),
}
STATUS_WORDS = {
    StageStatus.DONE: "done",
    StageStatus.ATTENTION: "needs attention",
    StageStatus.CURRENT: "next",
    StageStatus.BLOCKED: "blocked",
    StageStatus.OPEN: "open",
}
# Shapes that differ, so that a status is never told by colour alone.
STATUS_ICONS = {
    StageStatus.DONE: "check_circle",
    StageStatus.ATTENTION: "error",
    StageStatus.CURRENT: "adjust",
    StageStatus.BLOCKED: "lock",
    StageStatus.OPEN: "radio_button_unchecked",
}
STAGE_PLACES = {
    Stage.IMPORTED: Place.DATASETS,
    Stage.CHECKED: Place.QUALITY,
    Stage.SPLIT: Place.SPLIT,
    Stage.TRAINED: Place.TRAIN,
    Stage.SIGNED_OFF: Place.SIGN_OFF,
}
MISSED_WORDS = {
    MissedKind.ESCAPE: "escapes",
    MissedKind.FALSE_REJECT: "false rejects",
    MissedKind.MACRO_F1: "macro F1",
    MissedKind.RECALL: "recall",
    MissedKind.AUTOMATIC: "automatic share",
    MissedKind.REVIEWS: "inspector reviews",
    MissedKind.GOLDEN: "golden samples",
    MissedKind.NEW_ESCAPES: "new escapes",
    MissedKind.NOTHING_CHECKED: "no criterion could be checked",
}
CHANGE_WORDS = {
    SealChange.SPLIT: "the split",
    SealChange.CRITERIA: "the criteria",
    SealChange.THRESHOLD: "the threshold",
    SealChange.TEST_IMAGES: "test images",
    SealChange.CLASSES: "the classes",
}

# Why: beside a split that will not do, the page would open that one.
_NEW_SPLIT = {"view": "new"}


@dataclass(frozen=True)
class StepLink:
    """Where a next step is done: the words of its button, the page, and its parameters."""

    label: str
    place: Place
    query: dict[str, str]


def standing_badge(standing: ModelStanding) -> None:
    """How far the sign-off of a model is, the same on every page."""
    words, icon, colour, tip = STANDINGS[standing]
    st.badge(words, icon=icon, color=colour, help=tip)


def is_failed(state: StageState) -> bool:
    """Whether a test was opened and did not pass, which is neither done nor open."""
    return state.reason is StageReason.CRITERIA_MISSED


def stage_in_words(state: StageState) -> str:
    """The name of a stage that reads as done only where it is."""
    if is_failed(state):
        return "Not passed"
    open_name, done_name = STAGE_NAMES[state.stage]
    return done_name if state.status in (StageStatus.DONE, StageStatus.ATTENTION) else open_name


def stage_icon(state: StageState) -> str:
    """The shape of a stage."""
    return f":material/{'cancel' if is_failed(state) else STATUS_ICONS[state.status]}:"


def reason_in_words(state: StageState) -> str:
    """Why a stage is as far as it is: one plain sentence, with names as users typed them."""
    match state.stage:
        case Stage.IMPORTED:
            adding = state.reason is StageReason.ADDING_IMAGES
            return "More images are being added." if adding else "The images are here."
        case Stage.CHECKED:
            return _checked(state)
        case Stage.SPLIT:
            return _split(state)
        case Stage.TRAINED:
            return _trained(state)
        case Stage.SIGNED_OFF:
            return _signed_off(state)
        case _:
            assert_never(state.stage)


def _checked(state: StageState) -> str:
    number = state.count
    return {
        StageReason.NEVER_CHECKED: "Duplicates and wrong labels have not been looked for.",
        StageReason.CHECK_RUNNING: "The quality check is running.",
        StageReason.CHECK_OUTDATED: f"{count(number, 'image')} came after the last check.",
        StageReason.SERIOUS_FINDINGS: f"{count(number, 'serious finding')} open.",
        StageReason.OPEN_FINDINGS: f"{count(number, 'finding')} open.",
        StageReason.NO_OPEN_FINDINGS: "Checked; no finding is open.",
    }[state.reason]


def _split(state: StageState) -> str:
    return {
        StageReason.NO_SPLIT: "Nothing says yet which images train and which test.",
        StageReason.NO_VALIDATION: "The split has no validation images to choose settings with.",
        StageReason.SPLIT_LEAKS: f"The split leaks: {leaks_in_words(state.leaks)}.",
        StageReason.IMAGES_NOT_SPLIT: f"{count(state.count, 'image')} came after the split.",
        StageReason.CLASSES_CHANGED: "Classes were added or merged after the split.",
        StageReason.SPLIT_READY: "Split into training, validation and test.",
    }[state.reason]


def _trained(state: StageState) -> str:
    earlier = f" “{state.model_name}” was trained before." if state.model_id else ""
    return {
        StageReason.NEEDS_SPLIT: "Training needs a split with validation images.",
        StageReason.NEVER_TRAINED: "Ready to train.",
        StageReason.RUN_QUEUED: f"A run is waiting.{earlier}",
        StageReason.RUN_RUNNING: f"A run is training.{earlier}",
        StageReason.RUN_STOPPED: f"The last run was stopped.{earlier}",
        StageReason.RUN_PAUSED: f"The last run is paused.{earlier}",
        StageReason.RUN_FAILED: f"The last run failed.{earlier}",
        StageReason.RUN_INTERRUPTED: f"The last run was interrupted.{earlier}",
        StageReason.MODEL_LEAKS: f"“{state.model_name}” was trained on a split that leaks.",
        StageReason.MODEL_OF_OTHER_CLASSES: "Classes were added or merged since "
        f"“{state.model_name}” was trained.",
        StageReason.MODEL_READY: f"“{state.model_name}” is trained.",
    }[state.reason]


def _signed_off(state: StageState) -> str:
    name, changed = state.model_name, _changed(state)
    is_edited = {SealChange.TEST_IMAGES, SealChange.CLASSES} & set(state.changes)
    way_back = " Undo in History restores it." if is_edited else ""
    return {
        StageReason.NEEDS_MODEL: "Needs a trained model.",
        StageReason.NEEDS_CLEAN_MODEL: "Needs a model from a split without leaks.",
        StageReason.NEEDS_NEW_MODEL: "Needs a model of today's classes.",
        StageReason.NO_THRESHOLD: f"“{name}” has no reject threshold yet.",
        StageReason.NO_CRITERIA: "Nothing says yet what a model must reach.",
        StageReason.NO_TEST_IMAGES: "The split has no test images to prove anything on.",
        StageReason.TEST_BLOCKED: obstacle_in_words(state.obstacle)[0] if state.obstacle else "",
        StageReason.READY_TO_SEAL: f"The test of “{name}” is not sealed yet.",
        StageReason.SEALED: f"The test of “{name}” is sealed and not opened.",
        StageReason.SEAL_VOID: f"The seal of “{name}” is void: {changed} changed.{way_back}",
        StageReason.OPENED_WITHOUT_SEAL: "The test results were viewed without a seal.",
        StageReason.OPENED: "The test was opened; nobody has read the verdict.",
        StageReason.INVALIDATED: f"The sign-off of “{name}” is void: {changed} changed.{way_back}",
        StageReason.CRITERIA_MISSED: f"“{name}” did not pass: {missed_in_words(state.missed)}.",
        StageReason.MET_WITHOUT_SEAL: f"“{name}” meets the criteria, without a sealed test.",
        StageReason.SIGNED_OFF: f"“{name}” passed its sealed test.",
    }[state.reason]


def missed_in_words(missed: tuple[MissedCriterion, ...]) -> str:
    """Such as `escapes not proven (300 parts needed), recall of crack too low`."""
    return ", ".join(_missed(item) for item in missed)


def misses_in_words(missed: tuple[MissedCriterion, ...]) -> str:
    """What follows the name of a model: `misses the limit for escapes`, `has recall not proven`."""
    failed = [_named(item) for item in missed if not (item.only_unproven or item.no_data)]
    others = tuple(item for item in missed if item.only_unproven or item.no_data)
    limits = "limit" if len(failed) == 1 else "limits"
    says = [f"misses the {limits} for {joined(failed)}"] if failed else []
    return ", ".join([*says, *([f"has {missed_in_words(others)}"] if others else [])])


def _named(item: MissedCriterion) -> str:
    return MISSED_WORDS[item.kind] + (f" of {item.class_name}" if item.class_name else "")


def _missed(item: MissedCriterion) -> str:
    words = _named(item)
    if item.no_data:
        return f"{words} without data"
    if not item.only_unproven:
        return words
    parts = f" ({count(item.parts_needed, 'part')} needed)" if item.parts_needed else ""
    return f"{words} not proven{parts}"


def _changed(state: StageState) -> str:
    words = dict(CHANGE_WORDS)
    if state.count:
        words[SealChange.TEST_IMAGES] = count(state.count, "test image")
    return joined([words[change] for change in state.changes])


def link_of(step: NextStep) -> StepLink:
    """The button of a next step."""
    dataset, model = {"dataset": step.dataset_id}, {"model": step.model_id}
    split = {**dataset, "split": step.split_id} if step.split_id else dataset
    match step.action:
        case StepAction.WATCH_IMPORT:
            return StepLink("See the import", Place.IMPORT, dataset)
        case StepAction.RUN_CHECK:
            return StepLink("Check the images", Place.QUALITY, dataset)
        case StepAction.WATCH_CHECK:
            return StepLink("See the check", Place.QUALITY, dataset)
        case StepAction.REVIEW_FINDINGS:
            return StepLink("Review the findings", Place.QUALITY, dataset)
        case StepAction.MAKE_SPLIT:
            return StepLink("Split the images", Place.SPLIT, dataset | _NEW_SPLIT)
        case StepAction.MAKE_VALIDATION:
            return StepLink("Make validation images", Place.SPLIT, split)
        case StepAction.MAKE_TEST:
            return StepLink("Make another split", Place.SPLIT, dataset | _NEW_SPLIT)
        case StepAction.TRAIN:
            return StepLink("Train a model", Place.TRAIN, split)
        case StepAction.WATCH_RUN:
            return StepLink("Watch the training", Place.RUNS, {"run": step.run_id})
        case StepAction.RESUME_RUN:
            return StepLink("Open the run", Place.RUNS, {"run": step.run_id})
        case StepAction.SET_THRESHOLD:
            return StepLink("Set the threshold", Place.OPERATING_POINT, model)
        case StepAction.SET_CRITERIA:
            return StepLink("Set release criteria", Place.SIGN_OFF, model)
        case StepAction.SET_VERDICTS:
            return StepLink(
                "Set the verdicts",
                Place.DATASETS,
                {**model, **to_verdicts(step.dataset_id, back=Place.SIGN_OFF)},
            )
        case StepAction.SEAL_TEST:
            return StepLink("Seal the test", Place.SIGN_OFF, model)
        case StepAction.OPEN_TEST:
            return StepLink("Open the test", Place.SIGN_OFF, model)
        case StepAction.READ_VERDICT:
            return StepLink("Read the verdict", Place.SIGN_OFF, model)
        case StepAction.SEE_CHANGES:
            return StepLink("See what changed", Place.SIGN_OFF, model)
        case StepAction.PLAN_TEST:
            return StepLink("Plan a larger test", Place.TEST_PLANNER, model)
        case StepAction.SEE_MISTAKES:
            return StepLink("See the mistakes", Place.EVALUATE, model)
        case StepAction.USE_MODEL:
            return StepLink("Use the model", Place.PREDICT, model)
        case _:
            assert_never(step.action)
