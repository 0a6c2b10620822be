"""F11: want of memory is named as such, with advice that helps, on a CPU too."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from core.domain.jobs import JobKind
from core.worker.__main__ import _advice, _in_words

TOO_MANY = 1 << 50


@pytest.mark.parametrize("ask", [torch.empty, np.empty, bytearray])
def test_want_of_memory_is_said_with_advice_for_the_kind_of_job(ask, workspace):
    # What torch says on a CPU was taken for an unexpected error of the program.
    with pytest.raises((RuntimeError, MemoryError)) as raised:
        ask(TOO_MANY)
    assert _in_words(raised.value) == "There was not enough memory."
    advice = {
        kind: _advice(
            raised.value, SimpleNamespace(workspace=workspace, job=SimpleNamespace(kind=kind))
        )
        for kind in JobKind
    }
    assert "batch size" in advice[JobKind.TRAIN]
    assert all(("batch size" in words) is (kind is JobKind.TRAIN) for kind, words in advice.items())


def test_only_what_resumes_is_said_to_resume():
    # Every killed import said "Resume continues", which it cannot.
    resumed = {kind for kind in JobKind if "Resume" in kind.how_to_go_on}
    assert resumed == {JobKind.TRAIN, JobKind.SEARCH, JobKind.PREDICT}
