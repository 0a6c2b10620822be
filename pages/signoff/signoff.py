"""Sign-off: plan, set criteria, seal, open once, report; where it stands comes first."""

from dataclasses import replace
from typing import assert_never

import streamlit as st

from core.domain.keeping.people import Right
from core.domain.models import Model
from core.errors import NotFoundError, TouchstoneError
from core.words import joined
from core.workflows.results import access, judging
from core.workflows.signoff import sealing
from core.workflows.signoff.seal_changes import SignOff
from core.workflows.signoff.steps import SignOffStep, StepStatus, steps_of
from core.workspace import Workspace
from pages.signoff import signoff_blocked, signoff_report, signoff_sealed, signoff_verdict
from pages.ui import (
    context,
    errors,
    judged,
    open_findings,
    release_criteria,
    state,
    test_access,
    text,
    widgets,
)
from pages.ui.people import rights
from pages.ui.places import Place

OPENING = (
    "The results become visible, and this is recorded for good. Where too few parts prove it, test "
    "new parts; where it makes too many errors, train another model. Do not change criteria or "
    "thresholds to make it pass."
)
_ICONS = {
    StepStatus.DONE: ":green[:material/check_circle:]",
    StepStatus.CURRENT: ":primary[:material/arrow_circle_right:]",
    StepStatus.BLOCKED: ":red[:material/block:]",
    StepStatus.OPEN: ":material/circle:",
    StepStatus.WAITING: ":gray[:material/lock_clock:]",
    StepStatus.SKIPPED: ":orange[:material/error:]",
    StepStatus.VOID: ":red[:material/lock_reset:]",
}
NEXT = (StepStatus.CURRENT, StepStatus.BLOCKED)


def strip(states: dict[SignOffStep, StepStatus]) -> None:
    """All steps in a line; each with its state, in shape and in words."""
    with st.container(horizontal=True, gap="medium", key="signoff_steps"):
        for number, (step, status) in enumerate(states.items(), start=1):
            title = f"{number} {_title(step)}"
            shown = f"**{title}**" if status in NEXT else title
            st.markdown(
                f"{_ICONS[status]} {shown} :gray[{_status(status)}]",
                width="content",
            )


def _title(step: SignOffStep) -> str:
    match step:
        case SignOffStep.PLAN:
            return "Plan"
        case SignOffStep.CRITERIA:
            return "Criteria"
        case SignOffStep.SEAL:
            return "Seal"
        case SignOffStep.OPEN:
            return "Open"
        case SignOffStep.REPORT:
            return "Report"
        case _:
            assert_never(step)


def _status(status: StepStatus) -> str:
    match status:
        case StepStatus.DONE:
            return "done"
        case StepStatus.CURRENT:
            return "now"
        case StepStatus.BLOCKED:
            return "blocked"
        case StepStatus.OPEN:
            return "optional"
        case StepStatus.WAITING:
            return "later"
        case StepStatus.SKIPPED:
            return "missed"
        case StepStatus.VOID:
            return "void"
        case _:
            assert_never(status)


def current(workspace: Workspace, standing: SignOff, step: SignOffStep | None) -> None:
    """The one thing to do now, or what keeps it from being done."""
    if standing.obstacle is not None and step in (SignOffStep.SEAL, SignOffStep.OPEN):
        signoff_blocked.show(standing, standing.obstacle)
        return
    match step:
        case SignOffStep.CRITERIA:
            st.markdown("**Set what a model must reach**, before anybody views the test results.")
            release_criteria.criteria(workspace, standing.dataset.id, None, expanded=True)
        case SignOffStep.SEAL:
            _seal(workspace, standing)
        case SignOffStep.OPEN:
            _open(workspace, standing)
        case SignOffStep.REPORT | SignOffStep.PLAN | None:
            pass
        case _:
            assert_never(step)


def _seal(workspace: Workspace, standing: SignOff) -> None:
    again = standing.seal is not None
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button(
            "Seal again" if again else "Seal the test",
            icon=":material/lock:",
            key="seal",
            type="primary",
            **rights.only(
                Right.SIGN_OFF,
                help="Fixes criteria, thresholds and test images. The results stay hidden for "
                "every model of this split until the test is opened for it.",
                disabled=not standing.criteria,
            ),
        )
        st.caption(
            "The test set is sealed already; this also fixes criteria and threshold, for this "
            "model."
            if standing.split.sealed and not again
            else "Then the results can prove something: nobody has seen them.",
            width="content",
        )
    if pressed:
        with st.spinner("Checking the files and sealing …"):
            sealing.seal_test(workspace, standing.model.id)
        st.rerun()


@st.dialog("Open the test set?")
@errors.shown()
def confirm_opening(workspace: Workspace, model: Model) -> None:
    outcome = st.session_state.pop("opening", None)
    if outcome is True:  # the form was sent, and this dialog drawn again
        st.rerun()
    if isinstance(outcome, TouchstoneError):
        errors.show(outcome)
    st.markdown(OPENING)

    def opened(purpose: str, person: str) -> None:
        try:
            sealing.open_test(workspace, model.id, purpose, person=person)
        except TouchstoneError as err:
            st.session_state.opening = err
        else:
            st.session_state.opening = True

    test_access.purpose_form("Open it", opened, key="open_now", icon=":material/lock_open:")


def _open(workspace: Workspace, standing: SignOff) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button(
            "Open the test set",
            icon=":material/lock_open:",
            key="open_test",
            type="primary",
            **rights.only(
                Right.SIGN_OFF,
                help="Asks for a purpose; recorded for good.",
                disabled=not standing.is_proof,
            ),
        )
        st.caption("Sealed. The test results of this model have not been viewed.", width="content")
    if pressed:
        confirm_opening(workspace, standing.model)
    if standing.is_proof and st.button(
        "Seal again",
        icon=":material/lock_reset:",
        key="seal",
        type="tertiary",
        **rights.only(
            Right.SIGN_OFF,
            help="Seals criteria, threshold and test images as they are now. Possible until the "
            "results are viewed, and recorded.",
        ),
    ):
        sealing.seal_test(workspace, standing.model.id)
        st.rerun()


def _opened_before(standing: SignOff) -> None:
    """Say for which other models these test images have been opened: what that costs this one."""
    openings = standing.earlier_openings
    if not openings:
        return
    names = joined([f"“{name}”" for name in dict.fromkeys(o.model_name for o in openings)])
    times = "once" if len(openings) == 1 else f"{len(openings):,} times"
    done = "Sealed, and opened" if standing.split.sealed else "These test images were opened"
    st.warning(
        f"**{done} {times} for {text.plain(names)}**: each further model that is chosen by "
        "this test weakens its proof.",
        icon=":material/lock_open:",
    )


def page(workspace: Workspace) -> None:
    model = context.model(workspace)
    if model is None:
        widgets.empty_state(
            "verified",
            "No model to sign off yet",
            "Train a model first.",
            (Place.TRAIN, "Train a model"),
        )
        return
    try:
        standing = sealing.sign_off(workspace, model.id, memory=judged.memory(workspace))
    except NotFoundError as err:
        st.info(text.plain(err.message))
        return
    states = steps_of(standing)
    step = next((item for item, status in states.items() if status in NEXT), None)
    strip(states)
    certificate = judging.certificate_of(workspace, standing.model)
    if certificate is not None and certificate.is_leaking:
        st.warning(judging.leaks_in_words(certificate), icon=":material/report:")
    _opened_before(standing)
    # Why after the opening too: a verdict is read with what may be wrong with its images.
    open_findings.show(
        workspace, standing.dataset, "Wrong labels in a test make its numbers wrong."
    )
    signoff_verdict.show(workspace, standing)
    current(workspace, standing, step)
    if standing.is_opened:
        signoff_report.show(workspace, standing)
        signoff_sealed.show(workspace, standing)
    else:
        signoff_sealed.show(workspace, standing)
        signoff_report.show(workspace, standing)
    # Why read again: the verdict above may have been recorded as a decision just now.
    accesses = access.accesses_of(workspace, standing.split.id)
    signoff_verdict.record(replace(standing, accesses=accesses))


widgets.page_heading(
    Place.SIGN_OFF, "Seal criteria and test images, open the test set once, then read the verdict."
)
page(state.workspace())
