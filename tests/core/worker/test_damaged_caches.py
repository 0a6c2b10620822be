"""What is computed from caches is the same after the disk has damaged them."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from core.data.pixels.cache import RowCache, open_row_cache
from core.domain.configs.augment import AugmentConfig
from core.domain.configs.choices import Detail, Recipe
from core.domain.configs.train import recipe_defaults
from core.domain.splits import Subset
from core.errors import TrainingError
from core.models.backbone import load_backbone
from core.models.build import PixelFeatures, build_network
from core.models.catalog import DEFAULT_NETWORK, find_network
from core.store import datasets
from core.store.database import connect
from core.worker.features import FeatureSource, dataset_features, dataset_pixels
from core.worker.training.lower_stages import stored_maps
from tests.conftest import copy_of

SIDE = 64


class _Session:
    """Where the caches are, and nobody who waits for progress."""

    def __init__(self, workspace):
        self.workspace = workspace
        self.rows = []

    def report(self, phase, done, total):
        self.rows.append((done, total))


@pytest.fixture
def session(trained, tmp_path):
    return _Session(copy_of(trained.workspace, tmp_path / "copy"))


@pytest.fixture(scope="module")
def source(trained, tmp_path_factory):
    network = find_network(DEFAULT_NETWORK)
    backbone = load_backbone(network, trained.workspace.weights)
    preprocess, runtimes = trained.run.run.preprocess, trained.workspace.runtimes
    return FeatureSource(backbone, preprocess, Detail.WHOLE, "cpu", runtimes)


def _pixels(session, trained, preprocess, **more):
    with connect(session.workspace) as db:
        every = datasets.every_sample(db, trained.dataset.id)
    wanted = np.arange(len(every))
    return dataset_pixels(session, trained.dataset.id, every, wanted, preprocess, **more)[0], wanted


def _damage(cache, content):
    third = len(cache.rows) // 3
    cache.rows[third : 2 * third] = content
    cache.rows.flush()


@pytest.mark.parametrize("lazily", [False, True])
@pytest.mark.parametrize(
    ("what", "content"),
    [("pixels", 0), ("pixels", 201), ("features", 0), ("features", np.nan)],
)
def test_features_of_damaged_caches_are_computed_again(
    trained, session, source, what, content, lazily
):
    # Zeros in either made 83 % of a run with 67 %; what is not finite refused the network.
    preprocess = trained.run.run.preprocess
    pixels, wanted = _pixels(session, trained, preprocess)
    before = np.array(dataset_features(session, pixels, wanted, source))
    bank = open_row_cache(
        session.workspace.features / f"{pixels.folder.name}-{source.key[:16]}",
        before.shape,
        np.float32,
    )
    assert bank.ready.all()
    _damage(bank if what == "features" else pixels, content)
    if what == "pixels":
        _damage(bank, 1)  # so that they are computed of the pixels
    pixels, wanted = _pixels(session, trained, preprocess, lazily=lazily)
    after = dataset_features(session, pixels, wanted, source)
    assert after == pytest.approx(before, abs=1e-5)
    third = len(wanted) // 3
    assert (len(wanted) - third, len(wanted)) in session.rows  # the others were used


def test_pixels_are_not_read_where_their_features_are_kept(trained, session, source, monkeypatch):
    # A second run on 100,000 images read 15 GB to compare pixels that it did not need.
    preprocess = trained.run.run.preprocess
    pixels, wanted = _pixels(session, trained, preprocess, lazily=True)
    before = np.array(dataset_features(session, pixels, wanted, source))
    read = []
    compared = RowCache._computed_checksums

    def counted(cache, positions):
        read.extend((cache.folder.parent.name, i) for i in positions)
        return compared(cache, positions)

    monkeypatch.setattr(RowCache, "_computed_checksums", counted)
    pixels, wanted = _pixels(session, trained, preprocess, lazily=True)
    assert np.array_equal(dataset_features(session, pixels, wanted, source), before)
    assert {place for place, _ in read} == {session.workspace.features.name}
    assert len(read) == len(wanted)


def test_a_damaged_row_whose_image_is_gone_ends_the_run_with_a_way_on(trained, session):
    preprocess = trained.run.run.preprocess
    pixels, wanted = _pixels(session, trained, preprocess, lazily=True)
    _damage(pixels, 0)
    pixels, wanted = _pixels(session, trained, preprocess, lazily=True)
    pixels.repair.fill = lambda **_: {3: "No such file."}
    with pytest.raises(TrainingError, match="can no longer be read: No such file"):
        pixels.intact(wanted)


def test_stored_outputs_of_frozen_stages_are_computed_again(trained, session):
    preprocess = replace(trained.run.run.preprocess, image_size_px=SIDE)
    pixels, wanted = _pixels(session, trained, preprocess)
    config = recipe_defaults(Recipe.STAGED, DEFAULT_NETWORK)
    run = SimpleNamespace(
        dataset_id=trained.dataset.id,
        preprocess=preprocess,
        train=replace(config, stored_versions=2),
        augment=AugmentConfig(),
    )
    subsets = {Subset.TRAIN: wanted[:6], Subset.VALIDATION: wanted[6:9]}
    data = SimpleNamespace(run=run, cache=pixels, subsets=subsets, device=torch.device("cpu"))
    torch.manual_seed(0)
    module = PixelFeatures(build_network(DEFAULT_NETWORK, 2).eval(), (0.5,) * 3, (0.5,) * 3)
    cache, versions = stored_maps(session, data, module, 2)
    assert versions == 2
    before = np.array(cache.rows)
    cache.rows[[3, 7, len(wanted) + 2]] = 0
    cache.rows.flush()
    again, _ = stored_maps(session, data, module, 2)
    assert np.array_equal(again.rows, before)
    assert (12, 15) in session.rows
