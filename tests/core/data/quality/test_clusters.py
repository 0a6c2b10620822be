"""Groups of look-alikes are bounded: by the mean evidence within them, and by their size."""

import numpy as np

from core.data.quality.clusters import Judged, needed_for, within_clusters
from core.data.quality.similarity import connected


def _judged(pairs, evidence):
    return Judged(np.array(pairs), np.ones(len(pairs), np.float32), np.array(evidence, np.float32))


def _unlike(pairs):
    return Judged(pairs, np.zeros(len(pairs), np.float32), np.zeros(len(pairs), np.float32))


def test_a_chain_falls_into_pieces():
    pairs = [(i, i + 1) for i in range(99)]
    kept = within_clusters(_judged(pairs, [0.9] * 99), _unlike)
    assert np.bincount(connected(100, kept.pairs)).max() <= 3


def test_images_that_are_all_alike_stay_together():
    pairs = [(a, b) for a in range(20) for b in range(a + 1, 20)]
    kept = within_clusters(_judged(pairs, [0.9] * len(pairs)), _unlike)
    assert kept.pairs.tolist() == [list(pair) for pair in pairs]


def test_pairs_that_nobody_proposed_are_asked_for():
    asked = []

    def alike(pairs):
        asked.append(pairs.tolist())
        return Judged(pairs, np.ones(len(pairs), np.float32), np.full(len(pairs), 0.8, np.float32))

    kept = within_clusters(_judged([(0, 1), (1, 2)], [0.8, 0.8]), alike)
    assert asked == [[[0, 2]]]
    assert kept.pairs.tolist() == [[0, 1], [0, 2], [1, 2]]


def test_a_larger_group_needs_more_evidence():
    needed = needed_for(np.array([2, 6, 12, 100]))
    assert needed[0] == needed[1] == 0.5
    assert (np.diff(needed[1:]) > 0).all()
    pairs = [(a, b) for a in range(24) for b in range(a + 1, 24)]
    kept = within_clusters(_judged(pairs, [0.6] * len(pairs)), _unlike)
    assert len(kept.pairs) == 0 or np.bincount(connected(24, kept.pairs)).max() < 24


def test_nothing_is_in_no_group():
    assert within_clusters(_judged(np.empty((0, 2), np.int64), []), _unlike).pairs.shape == (0, 2)
