import inspect
import pickle

import pytest

from core import errors

ALL = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.TouchstoneError)
]


@pytest.mark.parametrize("kind", ALL)
def test_every_error_crosses_process_borders_whole(kind):
    arrived = pickle.loads(pickle.dumps(kind("What happened.", "What to do.")))
    assert type(arrived) is kind
    assert (arrived.message, arrived.hint) == ("What happened.", "What to do.")


def test_the_tree_at_the_top_of_the_file_is_the_real_one():
    assert all(kind.__name__ in errors.__doc__ for kind in ALL)
