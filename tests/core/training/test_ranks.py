"""Two processes train one network: they agree on everything, and end where one would."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).with_name("two_ranks.py")
ROOT = SCRIPT.parents[3]


@pytest.mark.skipif(sys.platform == "win32", reason="gloo meets in a file here")
@pytest.mark.soak
def test_two_processes_stop_together_resume_bit_for_bit_and_end_where_one_does(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    both = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(rank), str(tmp_path / "meeting")],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    first, second = (json.loads(p.communicate(timeout=240)[0].splitlines()[-1]) for p in both)
    assert (first.pop("wrote"), second.pop("wrote")) == (True, False)
    assert first == second
    assert first["stopped_at"] == 4  # only the second process asked for it
    assert first["straight"] == first["resumed"]
    assert first["parts"] == first["curve"]
    assert first["distance"] < 1e-5
    np.testing.assert_allclose(*first["curves"], rtol=1e-4)
