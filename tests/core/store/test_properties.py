import numpy as np

from core.domain.datasets import Dataset, Sample
from core.store import datasets
from core.store.database import connect, transaction
from core.store.properties import load_properties


def _stored(workspace, samples):
    with connect(workspace) as db, transaction(db):
        dataset = Dataset("ds-1", "parts", ("a", "b"), "/p", "d", len(samples), 1.0)
        datasets.insert_dataset(db, dataset, samples)
        return np.array([s.id for s in datasets.samples_of(db, "ds-1")], np.int64)


def test_properties_come_in_the_order_asked_and_unknown_ones_are_none(workspace):
    samples = [
        Sample(
            0,
            f"/p/{n}",
            f"s{n}",
            0,
            640,
            480,
            "L" if n else "RGB",
            1000 * n,
            name=f"c{n}/x.png",
            format="PNG",
            group="g" if n < 2 else None,
            brightness=None if n == 3 else n / 10,
            attributes={"shift": "late"} if n == 2 else {},
        )
        for n in range(4)
    ]
    ids = _stored(workspace, samples)
    with connect(workspace) as db:
        found = load_properties(db, "ds-1", ids[::-1])
    assert found["folder"] == ["c3", "c2", "c1", "c0"]
    assert found["color"] == ["gray", "gray", "gray", "color"]
    assert found["group"] == [None, None, "g", "g"]
    assert found["table: shift"] == [None, "late", None, None]
    assert found["brightness"][0] is None
    assert found["image size"] == ["640 × 480"] * 4
    assert found["file size"] == [3000, 2000, 1000, 0]


def test_a_image_that_is_gone_has_no_properties(workspace):
    ids = _stored(workspace, [Sample(0, "/p/a", "s", 0, 8, 8, "L", 9, name="a.png")])
    with connect(workspace) as db:
        found = load_properties(db, "ds-1", np.append(ids, 99))
        assert load_properties(db, "ds-1", np.empty(0, np.int64))["folder"] == []
    assert found["folder"] == [".", None]
    assert found["brightness"] == [None, None]
