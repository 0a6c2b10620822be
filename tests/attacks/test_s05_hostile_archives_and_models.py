"""S2, S3, S5: models and archives that lie about their size are refused before they take it."""

import json
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from core.data.importing.archives import open_archive
from core.domain.configs.preprocess import PreprocessConfig
from core.errors import ArchiveError, ModelFileError
from core.inference.service import check_bundle
from core.models.bundle import ModelCard, read_card, write_bundle
from core.workspace import default_root
from tests.made import set_limits

PROJECT = Path(__file__).resolve().parents[2]


def _card(**changes):
    known = {
        "name": "m",
        "class_names": ("a", "b"),
        "preprocess": PreprocessConfig(),
        "network": "vit_giant_patch14_224",  # a billion weights, 4 GB
        "head": "head",
        "mean": (0.5, 0.5, 0.5),
        "std": (0.2, 0.2, 0.2),
        "origin": {},
    }
    return ModelCard(**{**known, **changes})


def test_a_small_file_that_names_a_giant_network_is_refused_before_it_is_built(tmp_path):
    # 3.6 GB were taken for a file of 13 MB.
    path = tmp_path / "giant.safetensors"
    path.write_bytes(write_bundle(_card(), {"head.weight": np.zeros((2, 8), np.float32)}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelFileError, match="do not fit"):
        check_bundle(path, tmp_path)
    taken_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000
    assert taken_mb < 1000  # of 4,000; importing torch is most of it


@pytest.mark.parametrize("where", ["class_names", "origin", "zero"])
def test_half_a_character_in_a_model_file_is_refused(tmp_path, where):
    # It made the Models page unusable: no page could be sent.
    half = "\ud800"
    content = {
        "class_names": _card(class_names=("a", "X")),
        "origin": _card(origin={"dataset": "X"}),
        "zero": _card(name="aXb"),
    }[where]
    path = tmp_path / "half.safetensors"
    raw = write_bundle(content, {"head.weight": np.zeros((2, 8), np.float32)})
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    known = header["__metadata__"]
    put = "\0" if where == "zero" else json.dumps(half)[1:-1]
    known.update(
        {k: v.replace("X", put) for k, v in known.items() if k not in ("network", "format")}
    )
    written = json.dumps(header).encode()
    path.write_bytes(len(written).to_bytes(8, "little") + written + raw[8 + size :])
    with pytest.raises(ModelFileError, match="no text"):
        read_card(path)


_OPEN = """
import resource, sys
from pathlib import Path
from core.data.importing.archives import open_archive
from core.errors import ArchiveError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    with open_archive(Path(sys.argv[1])):
        print("opened")
except ArchiveError as err:
    print(err.message)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000)
"""


def test_a_million_entries_are_counted_before_they_are_kept(tmp_path):
    # 570 MB were taken before anybody counted.
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/0.png", b"")
    content = path.read_bytes()
    at = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    entries = content[at:end] * 1_000_000
    tail = bytearray(content[end:])
    tail[12:16] = len(entries).to_bytes(4, "little")  # and it still says that there is one entry
    path.write_bytes(content[:at] + entries + tail)
    answer = subprocess.run(
        [sys.executable, "-c", _OPEN, str(path)],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=True,
    )
    said, taken_mb = answer.stdout.splitlines()
    assert said == "The ZIP file has more than 500,000 entries; the limit is 500,000."
    assert float(taken_mb) < 50


def test_an_archive_with_many_entries_of_the_long_form_is_still_read(tmp_path):
    path = tmp_path / "long.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(66_000):
            archive.writestr(f"a/{number}.png", b"")
    with open_archive(path) as opened:
        assert len(opened.files) == 66_000
    set_limits(default_root(), archive_files=65_999)
    with pytest.raises(ArchiveError, match="more than 65,999"), open_archive(path):
        pass
