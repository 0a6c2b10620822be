"""The converted network of the fast runtime: damaged on disk, it is converted again."""

import shutil

import numpy as np
import pytest
import torch

from core.inference.runtime import open_runtime

SIDE = 16
PIXELS = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3)).astype(np.uint8)


class _Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Conv2d(3, 64, 3)

    def forward(self, pixels):
        return self.layer(pixels.permute(0, 3, 1, 2).float()).mean((2, 3))


@pytest.fixture
def opened(tmp_path):
    """Opens the network in a folder, and counts the conversions."""
    built = []

    def build():
        built.append(1)
        return _Network()

    def open_in(folder=tmp_path / "runtimes"):
        features = open_runtime("key-of-a-test", build, folder, SIDE).features(PIXELS)
        return features, len(built)

    return open_in


def _zeroed(path):
    content = bytearray(path.read_bytes())
    third = len(content) // 3
    content[third : 2 * third] = bytes(third)
    path.write_bytes(content)


@pytest.mark.parametrize("damage", ["network.bin", "network.xml", "digests.txt", "older version"])
def test_a_damaged_network_is_converted_again_once(opened, tmp_path, damage):
    # Zeros in the weights made "Break 54 %" of "Blowhole 40 %".
    before, _ = opened()
    folder = tmp_path / "runtimes" / "key-of-a-test"
    if damage == "older version":
        (folder / "digests.txt").unlink()
    else:
        _zeroed(folder / damage)
    for _ in range(2):
        after, conversions = opened()
        assert np.array_equal(after, before)
        assert conversions == 2


def test_a_damaged_network_that_cannot_be_replaced_is_not_used(opened, tmp_path):
    before, _ = opened()
    # A link stays where it is, like a folder of another account.
    folder, elsewhere = tmp_path / "runtimes" / "key-of-a-test", tmp_path / "elsewhere"
    shutil.move(folder, elsewhere)
    folder.symlink_to(elsewhere)
    _zeroed(elsewhere / "network.bin")
    after, conversions = opened()
    assert np.array_equal(after, before)
    assert conversions == 2


def test_where_nothing_can_be_written_a_network_is_converted_for_this_process(opened, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    features, _ = opened(tmp_path / "file" / "runtimes")
    assert np.array_equal(features, opened()[0])
