"""Which pairs of look-alikes are left after people answered."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from core.domain.parts import (
    AnsweredImages,
    PartAnswer,
    groups_of_pairs,
    kept_apart,
    pairs_left,
)

IDS = st.integers(1, 12)
PAIRS = st.lists(st.tuples(IDS, IDS).filter(lambda pair: pair[0] < pair[1]), max_size=25)
SETS = st.lists(st.frozensets(IDS, min_size=2, max_size=4), max_size=6)
CHAIN = ((1, 2), (2, 3), (3, 4))


def _different(*ids):
    return AnsweredImages(PartAnswer.DIFFERENT, ids)


def _same(*ids):
    return AnsweredImages(PartAnswer.SAME, ids)


@given(PAIRS, SETS)
def test_no_group_holds_two_images_that_were_taken_apart(pairs, apart):
    left = pairs_left(pairs, apart)
    assert set(left) <= set(pairs)
    for group in groups_of_pairs(left):
        assert all(len(ids.intersection(group)) < 2 for ids in apart)


@given(PAIRS, SETS)
def test_a_pair_is_dropped_only_where_keeping_it_would_join_what_is_apart(pairs, apart):
    left = pairs_left(pairs, apart)
    for pair in set(pairs) - set(left):
        joined = next(g for g in groups_of_pairs([*left, pair]) if pair[0] in g)
        assert any(len(ids.intersection(joined)) > 1 for ids in apart)


@given(PAIRS)
def test_groups_are_what_pairs_join(pairs):
    groups = groups_of_pairs(pairs)
    assert sorted(i for group in groups for i in group) == sorted({i for p in pairs for i in p})
    assert all(any(set(p) <= set(g) for g in groups) for p in pairs)
    assert pairs_left(pairs, []) == tuple(pairs)


def test_a_chain_is_parted_between_its_ends():
    # 1 and 4 are joined only by way of 2 and 3; taking them apart must part the chain somewhere.
    assert groups_of_pairs(pairs_left(CHAIN, [frozenset({1, 4})])) == [(1, 2, 3)]
    assert groups_of_pairs(pairs_left(CHAIN, [frozenset({2, 3})])) == [(1, 2), (3, 4)]
    assert pairs_left(CHAIN, [frozenset({1, 2, 3, 4})]) == ()


def test_a_later_answer_overrides_an_earlier_one():
    everything = _different(1, 2, 3, 4)
    assert kept_apart([everything, _same(1, 2, 3, 4)]) == []
    assert kept_apart([_same(1, 2), everything]) == [frozenset({1, 2, 3, 4})]
    apart = kept_apart([everything, _same(2, 3)])
    pairs = {p for p in combinations(range(1, 5), 2) if any(ids.issuperset(p) for ids in apart)}
    assert pairs == set(combinations(range(1, 5), 2)) - {(2, 3)}
