"""What keeps a test from being sealed: the same on Home as on Sign-off."""

from core.domain.signoff import MarkKind, Obstacle
from core.domain.splits import Subset
from core.domain.stages.states import Stage, StageReason
from core.evaluation.release.criteria import ReleaseCriteria
from core.store import judgement
from core.store.database import connect, transaction
from core.workflows import stages
from core.workflows.data import edits
from core.workflows.signoff import release, sealing
from core.workflows.signoff.obstacles import obstacle_in_words
from pages.ui import stage_words
from tests.core.workflows.signoff.test_sealing import _rule
from tests.made import NAMES, VERDICTS, add_model, make_dataset


def signed_off(workspace):
    return stages.stages_of_all(workspace)["ds-1"].states[Stage.SIGNED_OFF]


def test_home_says_what_keeps_a_test_from_being_sealed_as_sign_off_does(workspace, tmp_path):
    # Home said "not sealed yet" and led to a page where nothing could be sealed.
    made = make_dataset(workspace, per_subset=8, images=tmp_path / "images")
    add_model(made, "a")
    _rule(made, "a", 0.5)
    release.set_criteria(workspace, "parts", ReleaseCriteria(max_escape=0.5))

    def obstacle():
        state = signed_off(workspace)
        assert state.obstacle is sealing.sign_off(workspace, "a").obstacle
        if state.obstacle:
            message, _ = obstacle_in_words(state.obstacle)
            assert stage_words.reason_in_words(state) == message
        return state.obstacle

    assert obstacle() is None
    edits.set_verdicts(workspace, "parts", dict.fromkeys(NAMES))
    assert obstacle() is Obstacle.NO_VERDICTS
    edits.set_verdicts(workspace, "parts", dict(zip(NAMES, VERDICTS, strict=True)))
    test = zip(made.ids[Subset.TEST], made.targets[Subset.TEST], strict=True)
    defective = [int(sample_id) for sample_id, label in test if label]
    edits.exclude(workspace, "ds-1", defective)
    assert obstacle() is Obstacle.NO_DEFECTIVE
    release.set_criteria(workspace, "parts", ReleaseCriteria(no_new_escapes=True))
    assert obstacle() is Obstacle.NOTHING_REQUIRED
    with connect(workspace) as db, transaction(db):
        judgement.set_mark(db, made.ids[Subset.TRAIN][:1].tolist(), MarkKind.GOLDEN, on=True)
    assert obstacle() is None
    release.set_criteria(workspace, "parts", ReleaseCriteria(min_recall=0.5))
    assert obstacle() is Obstacle.EMPTY_CLASS
    with connect(workspace) as db, transaction(db):
        access = judgement.TestSetAccess("split-1", "model-a", "a", "a view", 2.0)
        judgement.record_access(db, access)
    # Once it was viewed, nothing is sealed any more: the verdict says what lacks data.
    assert signed_off(workspace).reason is StageReason.OPENED_WITHOUT_SEAL
