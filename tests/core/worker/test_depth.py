"""The scale of a dataset with more than 8 bits: from the import to the pixels of the network."""

import numpy as np
import pytest
from PIL import Image

from core.data.pixels.preprocess import load_pixels
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.stored import config_from_json, config_to_json
from core.domain.datasets import LabelSource
from core.domain.depth import GrayLevels, depth_from_json, depth_to_json
from core.domain.files import ChangedFiles
from core.domain.jobs import JobStatus
from core.models.catalog import DEFAULT_NETWORK
from core.store.database import connect, transaction
from core.store.datasets import samples_of
from core.workflows import files, jobs
from core.workflows.data import datasets, image_facts
from core.workflows.training import runs
from tests.conftest import save_image

LEVELS = {"dark": 0.1, "middle": 0.3, "bright": 0.8}


def _float_set(root):
    for name, level in LEVELS.items():
        for number in range(2):
            noise = np.random.default_rng(number).normal(0, 0.01, (24, 32))
            path = root / name / f"{number}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((level + noise).astype(np.float32)).save(path)
    return root


def _sixteen_bit(path, value, side=16):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.full((side, side), value, np.uint16)
    values[0, 0] = 0
    Image.fromarray(values).save(path)


def _done(workspace, job):
    ended = jobs.wait(workspace, job.id, on_change=lambda _: None)
    assert ended.status is JobStatus.COMPLETED, ended.error
    return ended


def _samples(workspace, dataset):
    with connect(workspace) as db:
        return samples_of(db, dataset.id)


def test_the_brightness_of_float_images_reaches_the_network_the_facts_and_the_browser(
    workspace, tmp_path
):
    # The three levels all read as mean 138.
    root = _float_set(tmp_path / "floats")
    _done(workspace, datasets.start_import(workspace, root, "Floats", LabelSource.LAST_FOLDER))
    dataset = datasets.find_dataset(workspace, "Floats")
    assert dataset.levels == GrayLevels(0, 1)
    assert "0 is black, 1 is white (measured on the images)" in image_facts.scale_in_words(dataset)
    config = runs.default_preprocess(workspace, dataset.id, DEFAULT_NETWORK, image_size_px=32)
    assert config.levels == GrayLevels(0, 1)
    for sample in _samples(workspace, dataset):
        level = LEVELS[dataset.class_names[sample.label]]
        assert sample.brightness == pytest.approx(level, abs=0.01)
        assert sample.gray_mean == pytest.approx(level, abs=0.01)
        pixels = load_pixels(workspace.resolve(sample.path), config)
        assert pixels.mean() / 255 == pytest.approx(level, abs=0.01)
        for file in (
            image_facts.thumbnail_file(workspace, sample.id)[0],
            image_facts.view_file(workspace, sample.id),
            image_facts.view_file(workspace, sample.id, GrayLevels(0, 1).key),
        ):
            shown = np.asarray(Image.open(file).convert("L"))
            assert shown.mean() / 255 == pytest.approx(level, abs=0.02)
        # A model of an earlier version sees what it was trained on.
        former = np.asarray(Image.open(image_facts.view_file(workspace, sample.id, "own")))
        assert 100 < former.mean() < 160


def test_added_images_widen_the_scale_and_all_facts_follow(workspace, tmp_path):
    for name, value in (("a", 400), ("b", 1000)):
        _sixteen_bit(tmp_path / "first" / name / "x.png", value)
        save_image(tmp_path / "first" / name / "plain.png", np.full((16, 16), 51))
    first = datasets.start_import(workspace, tmp_path / "first", "Parts", LabelSource.LAST_FOLDER)
    _done(workspace, first)
    dataset = datasets.find_dataset(workspace, "Parts")
    assert dataset.levels == GrayLevels(0, 1023)
    assert dataset.depth.images == 2
    _sixteen_bit(tmp_path / "more" / "a" / "y.png", 4000)
    added = datasets.start_adding(workspace, tmp_path / "more", dataset.id, LabelSource.LAST_FOLDER)
    _done(workspace, added)
    dataset = datasets.find_dataset(workspace, "Parts")
    assert dataset.levels == GrayLevels(0, 4095)
    brightness = {s.name: s.brightness for s in _samples(workspace, dataset)}
    for name, value in (("a/x.png", 400), ("b/x.png", 1000), ("a/y.png", 4000)):
        assert brightness[name] == pytest.approx(value / 4095, rel=0.01)
    assert brightness["a/plain.png"] == pytest.approx(0.2)
    # So does a file that was replaced by a brighter one.
    _sixteen_bit(tmp_path / "first" / "a" / "x.png", 10_000)
    _done(workspace, files.start_check(workspace, dataset.id, answer=ChangedFiles.NEW_VERSION))
    dataset = datasets.find_dataset(workspace, "Parts")
    assert dataset.levels == GrayLevels(0, 16_383)
    brightness = {s.name: s.brightness for s in _samples(workspace, dataset)}
    for name, value in (("a/x.png", 10_000), ("b/x.png", 1000), ("a/y.png", 4000)):
        assert brightness[name] == pytest.approx(value / 16_383, rel=0.01)
    # Levels that a person saves are used instead, until they are forgotten.
    config = runs.default_preprocess(workspace, dataset.id, DEFAULT_NETWORK)
    assert (config.black_level, config.white_level) == (0, 16_383)
    datasets.save_preprocess(
        workspace, dataset.id, PreprocessConfig(black_level=100, white_level=8090)
    )
    dataset = datasets.find_dataset(workspace, "Parts")
    assert dataset.levels == GrayLevels(100, 8090)
    brightness = {s.name: s.brightness for s in _samples(workspace, dataset)}
    assert brightness["a/y.png"] == pytest.approx(3900 / 7990, rel=0.01)
    datasets.save_preprocess(workspace, dataset.id, config)
    assert datasets.saved_preprocess(workspace, dataset.id).levels is None  # as measured
    assert datasets.find_dataset(workspace, "Parts").levels == GrayLevels(0, 16_383)


def test_a_dataset_of_an_earlier_version_is_measured_when_its_scale_is_needed(workspace, tmp_path):
    for name, value in (("a", 400), ("b", 3000)):
        _sixteen_bit(tmp_path / "set" / name / "x.png", value)
    _done(
        workspace,
        datasets.start_import(workspace, tmp_path / "set", "Old", LabelSource.LAST_FOLDER),
    )
    dataset = datasets.find_dataset(workspace, "Old")
    with connect(workspace) as db, transaction(db):
        db.execute("UPDATE datasets SET depth = NULL")
        db.execute("UPDATE samples SET gray_mean = NULL")
    old = datasets.find_dataset(workspace, dataset.id)
    assert (old.depth, old.levels) == (None, None)
    config = runs.default_preprocess(workspace, dataset.id, DEFAULT_NETWORK)
    assert config.levels == GrayLevels(0, 4095)
    assert datasets.find_dataset(workspace, dataset.id).depth == dataset.depth
    # If no file can be read now, nothing is stored that would be wrong for ever.
    with connect(workspace) as db, transaction(db):
        db.execute("UPDATE datasets SET depth = NULL")
        db.execute("UPDATE samples SET path = path || '.gone'")
    assert runs.default_preprocess(workspace, dataset.id, DEFAULT_NETWORK).levels is None
    assert datasets.find_dataset(workspace, dataset.id).depth is None


def test_settings_of_earlier_versions_have_no_scale_and_name_the_same_caches():
    # Their models were trained on images that were scaled one by one, and must go on seeing them.
    stored = (
        '{"channels": "color", "image_size_px": 224, "normalization": "network",'
        ' "resize_mode": "stretch", "roi_bottom": 1.0, "roi_left": 0.0, "roi_right": 1.0,'
        ' "roi_top": 0.0}'
    )
    config = config_from_json(PreprocessConfig, stored)
    assert config == PreprocessConfig()
    assert config.levels is None
    assert config.digest == "e68a0c08af6e1040"
    scaled = PreprocessConfig(white_level=4095)
    assert scaled.digest != config.digest
    assert config_from_json(PreprocessConfig, config_to_json(scaled)) == scaled


def test_a_mix_that_no_scale_suits_is_said_with_the_files(workspace, tmp_path):
    # The advice was to set levels on Preprocess, which cannot suit both.
    root = _float_set(tmp_path / "mixed")
    for name in LEVELS:
        _sixteen_bit(root / name / "deep.png", 50_000)
    job = _done(workspace, datasets.start_import(workspace, root, "Mix", LabelSource.LAST_FOLDER))
    (warning,) = job.warnings
    assert warning.startswith("Of 9 images with more than 8 bits, 6 hold decimal numbers (bright/")
    assert "and 1 more)" in warning
    assert "No single scale suits both" in warning
    assert "Preprocess" not in warning
    dataset = datasets.find_dataset(workspace, "Mix")
    assert image_facts.mixed_scales_in_words(dataset) == warning
    whole = datasets.find_dataset(workspace, "Mix").depth
    assert depth_from_json(depth_to_json(whole)) == whole
