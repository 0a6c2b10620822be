import numpy as np
import pytest

from core.errors import ConfigError
from core.evaluation.measures.catalog import CATALOG, catalog_of, measured, top_k_error
from core.evaluation.measures.labeled_predictions import LabeledPredictions


def _inputs(n=60, classes=4, parts=None):
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(classes), n).astype(np.float32)
    names = tuple("abcdefgh"[:classes])
    return LabeledPredictions(probabilities, random.integers(0, classes, n), names, parts)


def test_every_measure_has_its_own_key_and_its_own_place_in_json():
    catalog = catalog_of(8)
    assert len({item.key for item in catalog}) == len(catalog)
    assert len({item.path for item in catalog}) == len(catalog)


def test_every_measure_says_in_one_sentence_what_it_is():
    for item in CATALOG:
        assert item.help.endswith("."), item.key
        assert item.help.count(".") == 1, item.key
        assert len(item.help.split()) <= 20, item.key


def test_top_k_errors_are_those_asked_for_in_ascending_order():
    paths = [item.path for item in catalog_of(10, (7, 2, 7))]
    assert paths[len(CATALOG) :] == [("top_k_error", "2"), ("top_k_error", "7")]
    with pytest.raises(ConfigError, match="1 or more"):
        top_k_error(0)


def test_rates_count_parts_and_plain_values_describe_images():
    inputs = _inputs(parts=np.arange(60) // 3)
    values = {item.measure.key: item for item in measured(inputs, catalog_of(4))}
    right = inputs.predicted == inputs.targets
    assert values["accuracy"].of_images == pytest.approx(right.mean())
    assert values["accuracy"].shown.n == 20
    assert values["top1_error"].of_images == pytest.approx(1 - right.mean())
    # Why none: the interval of the accuracy counts parts, micro F1 describes images.
    assert values["micro_f1"].interval is None
    assert values["micro_f1"].value == values["accuracy"].of_images
