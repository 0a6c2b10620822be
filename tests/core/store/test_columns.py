import random

import numpy as np

from core.domain.datasets import Dataset, EditAction, Sample, SampleState, SampleStatus
from core.store import datasets, versions
from core.store.columns import load_columns
from core.store.database import connect, transaction

FIELDS = ("ids", "labels", "used", "files")


def _sample(n, group=None):
    return Sample(0, f"/p/{n}.png", f"sha{n % 5}", n % 3, 8, 8, "L", 9, group=group)


def _stored(workspace, samples):
    with connect(workspace) as db, transaction(db):
        dataset = Dataset("ds-1", "parts", ("a", "b", "c"), "/p", "d", len(samples), 1.0)
        datasets.insert_dataset(db, dataset, samples)
        return [s.id for s in datasets.samples_of(db, "ds-1")]


def _edit(workspace, states):
    with connect(workspace) as db, transaction(db):
        dataset = datasets.find_dataset(db, "ds-1")
        versions.apply_edit(db, dataset, EditAction.RELABEL, "edited", states)


def _load(workspace, before=None):
    with connect(workspace) as db:
        return load_columns(db, "ds-1", before)


def _same_partition(first, second):
    """Whether two numberings name the same groups, whatever the numbers."""
    pairs = set(zip(first.tolist(), second.tolist(), strict=True))
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def test_columns_say_what_the_table_says(workspace):
    ids = _stored(workspace, [_sample(0, "left"), _sample(1), _sample(5, "left"), _sample(2, "")])
    found = _load(workspace)
    assert found.ids.tolist() == ids
    assert found.labels.tolist() == [0, 1, 2, 2]
    assert found.used.all()
    assert found.groups[0] == found.groups[2] >= 0
    assert found.groups[1] == found.groups[3] == -1  # "" is no group
    assert found.files[0] == found.files[2] != found.files[1]
    assert found.places(np.array([ids[2], 99, ids[0]])).tolist() == [2, -1, 0]


def test_brought_up_to_date_they_equal_those_that_are_read_anew(workspace):
    draw = random.Random(3)
    ids = _stored(workspace, [_sample(n, f"g{n % 4}" if n % 2 else None) for n in range(40)])
    kept = _load(workspace)
    for _ in range(30):
        for _ in range(draw.randint(1, 3)):  # several versions may pass between two looks
            _edit(
                workspace,
                {
                    i: SampleState(
                        draw.choice([None, 0, 1, 2]),
                        draw.choice([None, "g1", "new", "x"]),
                        draw.choice(list(SampleStatus)),
                    )
                    for i in draw.sample(ids, draw.randint(1, 6))
                },
            )
        kept, fresh = _load(workspace, kept), _load(workspace)
        assert kept.version == fresh.version
        assert all((getattr(kept, f) == getattr(fresh, f)).all() for f in FIELDS)
        assert ((kept.groups < 0) == (fresh.groups < 0)).all()
        assert _same_partition(kept.groups, fresh.groups)


def test_an_undo_and_images_that_came_later_are_seen(workspace):
    ids = _stored(workspace, [_sample(0), _sample(1)])
    first = _load(workspace)
    _edit(workspace, {ids[0]: SampleState(2, None, SampleStatus.EXCLUDED)})
    second = _load(workspace, first)
    assert (second.labels[0], second.used[0]) == (2, False)
    assert (first.labels[0], first.used[0]) == (0, True)  # what was given out stays as it was
    with connect(workspace) as db, transaction(db):
        versions.undo(db, datasets.find_dataset(db, "ds-1"))
    third = _load(workspace, second)
    assert (third.labels[0], third.used[0]) == (0, True)
    with connect(workspace) as db, transaction(db):
        dataset = datasets.find_dataset(db, "ds-1")
        versions.add_samples(db, dataset, [_sample(7)], "one more")
    assert len(_load(workspace, third).ids) == 3


def test_a_dataset_without_images_has_empty_columns(workspace):
    _stored(workspace, [])
    found = _load(workspace, _load(workspace))
    assert len(found.ids) == 0
    assert found.places(np.array([1, 2])).tolist() == [-1, -1]
