import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from core.data.quality.embedding_map import map_of


def _classes(n, seed=0):
    labels = np.arange(n) % 4
    random = np.random.default_rng(seed)
    centres = random.normal(0, 3, (4, 30))
    return labels, (centres[labels] + random.normal(0, 1, (n, 30))).astype(np.float32)


def _agreement(places, labels):
    nearest = NearestNeighbors(n_neighbors=2).fit(places).kneighbors(places)[1][:, 1]
    return (labels[nearest] == labels).mean()


def test_similar_images_lie_close_together_and_the_map_is_repeatable():
    labels, features = _classes(200)
    places = map_of(features)
    assert places.shape == (200, 2)
    assert np.abs(places).max() <= 1
    assert _agreement(places, labels) > 0.95
    assert np.array_equal(places, map_of(features))


def test_a_large_set_is_placed_between_its_landmarks():
    labels, features = _classes(600)
    places = map_of(features, landmarks=150)
    assert np.isfinite(places).all()
    assert _agreement(places, labels) > 0.95


@pytest.mark.parametrize("n", [0, 1, 4, 7])
def test_few_images_have_places_too(n):
    places = map_of(np.random.default_rng(0).normal(0, 1, (n, 20)).astype(np.float32))
    assert places.shape == (n, 2)
    assert np.isfinite(places).all()


def test_equal_images_do_not_break_the_map():
    assert np.isfinite(map_of(np.ones((40, 20), np.float32))).all()
