import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.evaluation.decisions.cells import images_in_cell
from core.evaluation.decisions.outcome import NOK, OK, Decision, outcome
from core.evaluation.measures.parts import choose, units

IMAGES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(-1, 1), st.integers(0, 4)), min_size=0, max_size=30
)


@given(IMAGES, st.booleans())
def test_every_part_of_a_cell_shows_at_least_one_image_and_no_other_part_does(rows, grouped):
    columns = np.array(rows, int).reshape(-1, 3)
    decisions, truth = columns[:, 0].astype(np.int8), columns[:, 1].astype(np.int8)
    parts = columns[:, 2].astype(np.int64) if grouped else None
    counted = outcome(decisions, truth, parts).matrix
    for row, true in enumerate((OK, NOK)):
        for decision in Decision:
            found = images_in_cell(decisions, truth, parts, true=true, decision=decision)
            assert len(units(len(found), choose(parts, found))) == counted[row, decision]
            assert (decisions[found] == decision).all()
            assert (truth[found] == true).all()
