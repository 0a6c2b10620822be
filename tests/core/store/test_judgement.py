import pytest

from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import Dataset, Sample
from core.domain.models import Model
from core.domain.signoff import MarkKind, Seal, TestSetAccess
from core.errors import WorkspaceError
from core.store import datasets, judgement, models
from core.store.database import connect, transaction


@pytest.fixture
def db(workspace):
    dataset = Dataset("ds-1", "parts", ("good", "crack"), "/p", "digest", 1, 1.0)
    sample = Sample(0, "/p/1.png", "sha", 0, 8, 8, "L", 9)
    model = Model(
        "model-1",
        "m",
        None,
        "ds-1",
        "parts",
        None,
        ("good", "crack"),
        "n",
        PreprocessConfig(),
        1,
        "sha",
        1.0,
    )
    with connect(workspace) as db:
        with transaction(db):
            datasets.insert_dataset(db, dataset, [sample])
            models.insert_model(db, model, b"x")
        yield db


def _open(db, at):
    with transaction(db):
        judgement.record_access(db, TestSetAccess("split-1", "model-1", "m", "report", at))


def test_the_first_opening_is_written_into_the_seal_and_all_are_counted(db):
    seal = Seal("model-1", "split-1", 5.0, "{}", "{}", "abc")
    with transaction(db):
        judgement.insert_seal(db, seal)
    _open(db, 7.0)
    _open(db, 8.0)
    stored = judgement.find_seal(db, "model-1")
    assert stored is not None
    assert stored.opened_at == 7.0
    assert [o.opened_at for o in judgement.openings_of(db, "split-1")] == [7.0, 8.0]


def test_a_test_set_that_was_opened_cannot_be_sealed_again(db):
    seal = Seal("model-1", "split-1", 5.0, "{}", "{}", "abc")
    with transaction(db):
        judgement.insert_seal(db, seal)
    _open(db, 7.0)
    with pytest.raises(WorkspaceError, match="opened already"), transaction(db):
        judgement.insert_seal(db, seal)


def test_openings_outlive_the_model(db):
    _open(db, 7.0)
    models.delete_model(db, "model-1")
    assert [o.model_name for o in judgement.openings_of(db, "split-1")] == ["m"]


def test_marks_come_and_go(db):
    sample_id = datasets.samples_of(db, "ds-1")[0].id
    with transaction(db):
        judgement.set_mark(db, [sample_id], MarkKind.GOLDEN, on=True)
        judgement.set_mark(db, [sample_id], MarkKind.GOLDEN, on=True)
        judgement.set_mark(db, [sample_id], MarkKind.LIMIT_SAMPLE, on=True)
    assert judgement.marks_of(db, "ds-1") == {sample_id: {MarkKind.GOLDEN, MarkKind.LIMIT_SAMPLE}}
    with transaction(db):
        judgement.set_mark(db, [sample_id], MarkKind.GOLDEN, on=False)
    assert judgement.marks_of(db, "ds-1") == {sample_id: {MarkKind.LIMIT_SAMPLE}}


def test_rules_and_criteria_are_kept_until_replaced(db):
    judgement.save_operating_point(db, "model-1", "{1}")
    judgement.save_operating_point(db, "model-1", "{2}")
    judgement.save_criteria(db, "ds-1", "{3}")
    assert judgement.operating_point(db, "model-1") == "{2}"
    assert judgement.criteria(db, "ds-1") == "{3}"
    assert judgement.operating_point(db, "model-2") is None
