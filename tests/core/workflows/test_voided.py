"""What voids a sealed test is said with the edit that does it."""

import pytest

from core.domain.models import ModelStanding
from core.domain.splits import Subset
from core.domain.stages.states import Stage, StageReason, StepAction
from core.evaluation.release.criteria import ReleaseCriteria
from core.workflows import stages, voided
from core.workflows.data import datasets, edits, quick_edits
from core.workflows.data.quick_edits import QuickAction, QuickEdit
from core.workflows.signoff import release, report, sealing
from pages.data.findings.actions import Diary, Do, Request, carry_out
from pages.ui import stage_words
from tests.made import add_model, make_dataset


@pytest.fixture
def made(workspace, tmp_path):
    """Model "a" passed its sealed test, that of "b" is sealed."""
    made = make_dataset(workspace, per_subset=24, images=tmp_path / "pictures")
    release.set_criteria(workspace, "parts", ReleaseCriteria(max_overkill=0.9))
    for name in "ab":
        add_model(made, name)
        sealing.seal_test(workspace, name)
    report.gate_of(workspace, sealing.open_test(workspace, "a", "release"))
    assert stages.standings(workspace)["model-a"] is ModelStanding.PASSED
    return made


def _press(made, action, *ids):
    edit = QuickEdit(action, tuple(int(i) for i in ids), class_name="hole")
    return quick_edits.quick_edits(made.workspace, "ds-1", [edit])


def test_one_key_that_voids_a_sign_off_says_so_and_undo_restores_it(made):
    # A single press of "2" in the image dialog voided a passed sign-off, and nothing said so.
    good = [
        i for i, t in zip(made.ids[Subset.TEST], made.targets[Subset.TEST], strict=True) if not t
    ]
    answer = _press(made, QuickAction.RELABEL, good[0])
    assert answer.voided
    assert answer.messages[-1] == (
        "This voids the sign-off of 'a' and the sealed test of 'b'; Undo restores it."
    )
    again = _press(made, QuickAction.EXCLUDE, good[1])
    assert (again.voided, len(again.messages)) == (False, 1)  # they were void already
    # Undoing the second of two edits restores nothing yet; what restores it was not said.
    assert len(_press(made, QuickAction.UNDO).messages) == 1
    restored = _press(made, QuickAction.UNDO)
    assert not restored.voided
    assert restored.messages[-1] == (
        "This restores the sign-off of 'a' and the sealed test of 'b'."
    )
    assert stages.standings(made.workspace)["model-a"] is ModelStanding.PASSED
    train = _press(made, QuickAction.EXCLUDE, made.ids[Subset.TRAIN][0])
    assert (train.voided, len(train.messages)) == (False, 1)


def test_a_fix_on_quality_says_whose_sign_off_it_voids(made):
    kept, image = Diary(), int(made.ids[Subset.TEST][0])
    asked = Request("1", Do.EXCLUDE, images=(image,))
    carry_out(made.workspace, "ds-1", [asked], kept)
    assert kept.text == (
        "Excluded 1 image. This voids the sign-off of 'a' and the sealed test of 'b'; "
        "Undo restores it."
    )
    carry_out(made.workspace, "ds-1", [Request("2", Do.UNDO)], kept)
    assert kept.text == (
        "Undone: excluded 1 image. This restores the sign-off of 'a' and the sealed test of 'b'."
    )
    assert len(voided.valid_seals(made.workspace, "ds-1")) == 2


def test_home_says_why_a_sign_off_is_void(made):
    edits.exclude(made.workspace, "ds-1", [int(made.ids[Subset.TEST][0])])
    given = stages.stages_of(made.workspace, datasets.find_dataset(made.workspace, "ds-1"))
    state = given.states[Stage.SIGNED_OFF]
    for model in stages.models_of(made.workspace, "ds-1"):
        assert model.seal.sealed_at < model.seal.voided_at
        assert model.seal.images == 1
    assert (state.reason, given.next_step.action) == (
        StageReason.INVALIDATED,
        StepAction.SEE_CHANGES,
    )
    assert stage_words.reason_in_words(state) == (
        "The sign-off of “a” is void: 1 test image changed. Undo in History restores it."
    )
