"""Pipes, sockets and devices: opening one may wait for ever, so nothing that a person names is."""

import os
import socket

import numpy as np
import pytest

from core.cli.settings import chosen_settings
from core.data.importing.inspection import inspect_file
from core.data.importing.listing import plan_import
from core.data.importing.rules import ImportRules
from core.data.pixels.images import image_properties, read_image
from core.data.pixels.isolated_pool import run_isolated
from core.data.pixels.preprocess import load_pixels
from core.data.pixels.thumbnails import thumbnail, view
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.files import KnownFile
from core.errors import TouchstoneError, UnreadableImageError
from core.files import regular_file
from core.models.bundle import read_card, read_tensors
from core.workflows.data.uploads import read_label_table
from tests.conftest import save_image

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


def _known(path):
    return KnownFile(str(path), 1, "ab12", None)


READERS = {
    "image": (".png", read_image),
    "properties": (".png", image_properties),
    "import": (".png", lambda path: inspect_file(str(path))),
    "network input": (".png", lambda path: load_pixels(path, PreprocessConfig())),
    "thumbnail": (".png", lambda path: thumbnail(_known(path), path.parent)),
    "large view": (".png", lambda path: view(_known(path), path.parent)),
    "label table": (".csv", read_label_table),
    "archive": (".zip", lambda path: plan_import(path, ImportRules())),
    "settings as JSON": (".json", lambda path: chosen_settings(path, (), {})),
    "settings as TOML": (".toml", lambda path: chosen_settings(path, (), {})),
    "model card": (".safetensors", read_card),
    "model weights": (".safetensors", read_tensors),
}


@pytest.mark.parametrize(("ending", "read"), READERS.values(), ids=READERS)
def test_a_pipe_is_refused_in_words_and_never_waited_for(tmp_path, ending, read):
    # `predict` waited for ever for somebody to write into it.
    pipe = tmp_path / f"pipe{ending}"
    os.mkfifo(pipe)
    with pytest.raises(TouchstoneError) as refused:
        read(pipe)
    assert refused.value.hint


def test_sockets_devices_and_folders_are_no_regular_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("here")
        for path in (tmp_path / "here", tmp_path, type(tmp_path)("/dev/null")):
            with pytest.raises(OSError, match="it is"):
                regular_file(path)
    assert regular_file(tmp_path / "none") == tmp_path / "none"  # opening it says what is wrong


def _fails_for_want_of_memory(path):
    if path.stem == "large":
        raise MemoryError
    return read_image(path).size


@pytest.mark.soak
def test_an_image_that_needs_too_much_memory_is_one_error_and_the_others_go_on(tmp_path):
    paths = [save_image(tmp_path / f"{n}.png", np.zeros((4, 4))) for n in ("a", "large", "z")]
    results = dict(run_isolated(_fails_for_want_of_memory, paths, workers=1))
    assert results[0] == results[2] == (4, 4)
    assert isinstance(results[1], UnreadableImageError)
    assert "more memory" in results[1].message
