"""Weights are read with torch once per machine, and then without."""

import subprocess
import sys

import numpy as np

from core.models.backbone import load_backbone
from core.models.catalog import DEFAULT_NETWORK, find_network
from core.models.weights import pretrained_state

NETWORK = find_network(DEFAULT_NETWORK)
READ = """
import sys
from pathlib import Path
from core.models.backbone import load_backbone
from core.models.catalog import DEFAULT_NETWORK, find_network
import core.worker.training.job, core.worker.quality_job
backbone = load_backbone(find_network(DEFAULT_NETWORK), Path("nowhere"), Path(sys.argv[1]))
print(backbone.head, len(backbone.tensors), sorted({"torch", "timm"} & set(sys.modules)))
"""


def test_kept_weights_are_those_of_the_package_and_need_no_torch(tmp_path):
    first = load_backbone(NETWORK, tmp_path, tmp_path)
    state = pretrained_state(NETWORK, tmp_path)
    assert set(first.tensors) == set(state)
    (kept,) = (tmp_path / "networks").iterdir()
    command = [sys.executable, "-c", READ, str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.split(maxsplit=2) == ["classifier", str(len(state)), "[]\n"]
    # One byte of the weights changed on disk: noticed, read again from the package, and kept.
    content = bytearray(kept.read_bytes())
    content[-1] ^= 1
    kept.write_bytes(content)
    again = load_backbone(NETWORK, tmp_path, tmp_path)
    for name, values in again.tensors.items():
        assert np.array_equal(values, state[name].numpy())
    assert kept.read_bytes() != bytes(content)
