import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from core.cli.app import app
from core.domain.configs.augment import AugmentChange, AugmentConfig
from core.domain.configs.augment_presets import ORIENTATION_SETTINGS, AugmentPreset, augment_preset
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import Orientation
from core.store import datasets
from core.store.database import connect
from core.training.augment import augment
from core.workflows.data.datasets import orientation_of
from core.workflows.training import augmentation
from tests.conftest import copy_of

YES = Orientation(True, True, True)


@pytest.mark.parametrize("which", AugmentPreset)
def test_flips_and_turns_of_a_preset_are_off_until_answered_yes(which):
    unanswered, answered = augment_preset(which, Orientation()), augment_preset(which, YES)
    assert not any(getattr(unanswered, name) for name in ORIENTATION_SETTINGS)
    fixed = which is AugmentPreset.FIXED_ORIENTATION
    assert all(getattr(answered, name) is not fixed for name in ORIENTATION_SETTINGS)
    others = [preset for preset in AugmentPreset if augment_preset(preset, YES) == answered]
    assert others == [which]


def test_the_command_line_keeps_answers_and_shows_what_is_open(trained, tmp_path):
    workspace = copy_of(trained.workspace, tmp_path / "copy")

    def call(*arguments):
        rest = ["--workspace", str(workspace.root), "--json"]
        answer = CliRunner().invoke(app, ["orientation", "Marks", *arguments, *rest])
        assert answer.exit_code == 0, answer.output
        return json.loads(answer.stdout)

    assert call()["flip_horizontal"] is None
    call("--flip-horizontal")
    made = call("--no-any-rotation")
    assert (made["flip_horizontal"], made["any_rotation"], made["flip_vertical"]) == (
        True,
        False,
        None,
    )
    assert orientation_of(workspace, trained.dataset.id) == Orientation(True, None, False)
    standard = augmentation.default_augment(workspace, trained.dataset.id)
    assert standard == AugmentConfig(flip_vertical=False)


def test_a_preset_is_refused_where_no_image_is_changed(trained):
    asked = ["train", "Marks", "--recipe", "quick", "--augment-preset", "any_orientation"]
    answer = CliRunner().invoke(app, [*asked, "--workspace", str(trained.workspace.root)])
    assert answer.exit_code == 1
    assert "does nothing in the recipe" in answer.output


def test_the_preview_shows_what_training_with_this_seed_does_to_an_image(trained):
    workspace, dataset_id = trained.workspace, trained.dataset.id
    config = AugmentConfig(probability=0.7, rotate_degrees=90, noise=0.1, light_spot=0.5)
    pixels = PreprocessConfig(image_size_px=64)
    with connect(workspace) as db:
        every = datasets.every_sample(db, dataset_id)
    chosen = [every[7], every[2]]
    shown = augmentation.PreviewDraw(seed=5, epochs=(0, 3, 4), size_px=64)
    request = augmentation.preview_request(workspace, dataset_id, chosen, pixels, config, shown)
    assert request.samples == (7, 2)
    rows = augmentation.augmented(request)
    assert [len(row) for row in rows] == [4, 4]
    original = [np.asarray(Image.open(io.BytesIO(row[0].picture))) for row in rows]
    images = torch.from_numpy(np.stack(original)).permute(0, 3, 1, 2).float()
    for column, epoch in enumerate(shown.epochs, start=1):
        expected = augment(images, config, seed=5, epoch=epoch, samples=np.array([7, 2]))
        for row, image in zip(rows, expected, strict=True):
            drawn = np.asarray(Image.open(io.BytesIO(row[column].picture)), np.float32)
            assert np.abs(drawn - image.permute(1, 2, 0).numpy()).mean() < 6  # twice JPEG
            assert bool(row[column].changes) is (AugmentChange.NOISE in row[column].changes)
