"""Judging with a memory gives what judging anew gives, whatever was edited in between."""

import json
import random

import pytest

from core.domain.splits import Subset
from core.errors import TouchstoneError
from core.evaluation.decisions.outcome import single_threshold
from core.evaluation.decisions.views import headline
from core.evaluation.measures.calibration import reliability, with_temperature
from core.store import columns
from core.store.database import connect
from core.workflows.data import edits
from core.workflows.results import evaluation, judging
from core.workflows.results.memory import Memory
from tests.made import VERDICTS, add_model, make_dataset

ARRAYS = ("predicted", "confidence", "margin", "loss", "matrix")


@pytest.fixture
def made(workspace):
    made = make_dataset(workspace, per_subset=60, groups=True)
    add_model(made, "m", skill=1.5)
    return made


def _edit(workspace, draw, ids):
    chosen = draw.sample(ids, draw.randint(1, 4))
    match draw.randrange(5):
        case 0:
            edits.relabel(workspace, "parts", {i: draw.randrange(3) for i in chosen})
        case 1:
            edits.exclude(workspace, "parts", chosen)
        case 2:
            edits.restore(workspace, "parts", chosen)
        case 3:
            edits.set_group(workspace, "parts", dict.fromkeys(chosen, f"part {draw.randrange(9)}"))
        case _:
            edits.undo(workspace, "parts")


def _same_parts(first, second):
    pairs = set(zip(first.tolist(), second.tolist(), strict=True))
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


@pytest.mark.parametrize("grouping", [None, {"kind": "regex", "value": r"(?P<group>..)\d\.png"}])
def test_a_memory_never_changes_what_is_judged(made, grouping):
    with connect(made.workspace) as db, db.conn:
        db.conn.execute(
            "UPDATE splits SET strategy = json_set(strategy, '$.group_by', json(?))",
            [json.dumps(grouping)],
        )
    memory, draw = Memory(), random.Random(5)
    ids = [int(i) for of in made.ids.values() for i in of]
    done = 0
    for _ in range(40):
        try:
            _edit(made.workspace, draw, ids)
            done += 1
        except TouchstoneError:
            continue  # nothing to change, or to undo
        kept = evaluation.judge(made.workspace, "m", Subset.TEST, memory)
        anew = evaluation.judge(made.workspace, "m", Subset.TEST)
        assert (kept.sample_ids == anew.sample_ids).all()
        assert (kept.targets == anew.targets).all()
        assert (kept.probabilities == anew.probabilities).all()
        assert kept.left_out == anew.left_out
        assert all((getattr(kept, name) == getattr(anew, name)).all() for name in ARRAYS)
        assert _same_parts(kept.parts, anew.parts)
    assert done > 20


def test_answers_and_groups_of_names_are_read_once(made, monkeypatch):
    memory = Memory()
    first = evaluation.judge(made.workspace, "m", Subset.TEST, memory)
    monkeypatch.setattr(columns, "_all", lambda *_: pytest.fail("everything was read again"))
    edits.relabel(made.workspace, "parts", {int(first.sample_ids[0]): 2})
    second = evaluation.judge(made.workspace, "m", Subset.TEST, memory)
    assert second.probabilities is first.probabilities
    assert second.targets[0] == 2


def test_images_that_count_by_an_earlier_version_only_are_parts_of_their_own(made):
    # Their numbers were below zero, which the count of parts on both sides took for positions.
    last = int(made.ids[Subset.TEST][-1])
    edits.merge_classes(made.workspace, "parts", ["hole", "scratch"], "hole")
    edits.exclude(made.workspace, "parts", [last])
    found = evaluation.judge(made.workspace, "m", Subset.TEST)
    assert found.version == 1
    assert found.sample_ids[-1] == last
    assert (found.parts >= 0).all()
    assert (found.parts[:-1] != found.parts[-1]).all()
    shown = headline(found.probabilities, found.targets, parts=found.parts, verdicts=VERDICTS)
    assert shown.ok_nok is not None


def test_known_predictions_change_no_headline(made):
    found = evaluation.judge(made.workspace, "m", Subset.TEST)
    data = found
    for point in (None, single_threshold(0.3)):
        known = headline(
            data.probabilities,
            data.targets,
            parts=data.parts,
            verdicts=VERDICTS,
            point=point,
            predicted=found.predicted,
        )
        anew = headline(
            data.probabilities, data.targets, parts=data.parts, verdicts=VERDICTS, point=point
        )
        assert known == anew


def test_the_honesty_of_confidences_is_that_before_and_after_the_temperature(made):
    judged = judging.judged_set(made.workspace, "m", Subset.TEST)
    found = evaluation.compare_calibration(made.workspace, judged)
    assert found.fit is not None
    assert found.fit.temperature is not None
    assert found.before == reliability(judged.probabilities, judged.targets, parts=judged.parts)
    calibrated = with_temperature(judged.probabilities, found.fit.temperature.value)
    assert found.after == reliability(calibrated, judged.targets, parts=judged.parts)
    add_model(made, "no validation", subsets=(Subset.TEST,))
    judged = judging.judged_set(made.workspace, "no validation", Subset.TEST)
    alone = evaluation.compare_calibration(made.workspace, judged)
    assert (alone.fit, alone.after) == (None, None)
