import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.data.pixels.preprocess import load_pixels
from core.domain.splits import Subset
from core.errors import ModelFileError
from core.inference import service
from core.inference.predictor import Predictor, build_module, ranked, softmax
from core.models.bundle import read_card, read_tensors, write_bundle
from core.workflows.data import datasets
from core.workflows.results import judging
from core.workflows.use import models
from tests.conftest import marked_image, save_image


@pytest.fixture(scope="module")
def bundle(trained):
    return models.exported_bundle(trained.workspace, trained.model)


@pytest.fixture(scope="module")
def runtimes(trained):
    return trained.workspace.runtimes


@pytest.fixture(scope="module")
def predictor(bundle, runtimes):
    return Predictor.open(bundle, runtimes=runtimes)


def test_the_fast_runtime_computes_what_torch_computes(predictor):
    pixels = np.stack([marked_image("stripes", seed)[0] for seed in range(5)])
    module = build_module(predictor.card, predictor.tensors)
    with torch.inference_mode():
        expected = module(torch.from_numpy(pixels)).numpy()
    features = predictor.features(pixels)
    assert features.shape == expected.shape
    assert np.abs(features - expected).max() <= 1e-3 * np.abs(expected).max()


def test_using_the_model_gives_the_numbers_that_were_stored_when_it_was_made(trained, predictor):
    for subset in Subset:
        stored = judging.judged_set(trained.workspace, trained.model.id, subset)
        samples = datasets.find_samples(trained.workspace, stored.sample_ids.tolist())
        paths = [trained.workspace.resolve(sample.path) for sample in samples]
        for row, item in zip(stored.probabilities, predictor.predict(paths), strict=True):
            assert dict(item.confidences) == pytest.approx(
                # Logits in float32, of other batches: the sixth digit may differ.
                dict(zip(trained.model.class_names, row.tolist(), strict=True)),
                abs=1e-5,
            )


def test_confidences_come_in_decreasing_order_and_sum_to_one(trained, predictor):
    for item in predictor.predict(sorted(trained.images.glob("*/00?.png"))):
        values = [confidence for _, confidence in item.confidences]
        assert values == sorted(values, reverse=True)
        assert sum(values) == pytest.approx(1, abs=1e-5)
        assert item.class_name == item.confidences[0][0]


def test_an_unreadable_image_carries_its_error_and_the_others_go_on(trained, predictor, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    good = sorted(trained.images.glob("stripes/*.png"))[:70]
    items = list(predictor.predict([broken, *good, broken]))
    assert [item.error is not None for item in items] == [True] + [False] * len(good) + [True]
    assert {item.class_name for item in items[1:-1]} == {"stripes"}
    assert items[0].class_name is items[0].confidence is None


def test_two_images_of_one_name_keep_their_own_results(predictor, trained):
    stripes = (trained.images / "stripes" / "000.png").read_bytes()
    disc = (trained.images / "blue disc" / "000.png").read_bytes()
    items = list(predictor.predict([io.BytesIO(stripes), io.BytesIO(disc)], ["x.png", "x.png"]))
    assert [item.path for item in items] == ["x.png", "x.png"]
    assert [item.class_name for item in items] == ["stripes", "blue disc"]


def test_the_inference_process_sees_files_and_uploads_alike(trained, bundle, runtimes):
    path = trained.images / "stripes" / "003.png"
    items = service.predict(bundle, runtimes, [path, path.read_bytes()], ["a", "b"])
    assert items[0].confidences == items[1].confidences


def test_a_file_can_be_predicted_alone_or_among_many(predictor, trained):
    paths = sorted(trained.images.glob("*/01?.png"))
    together = [item.confidences for item in predictor.predict(paths)]
    alone = [next(iter(predictor.predict([path]))).confidences for path in paths]
    for one, two in zip(together, alone, strict=True):
        assert dict(one) == pytest.approx(dict(two), abs=1e-6)


def test_images_that_several_threads_begin_get_their_own_features(predictor, trained):
    pixels = np.stack([marked_image("stripes", seed)[0] for seed in range(12)])
    with ThreadPoolExecutor(4) as threads:
        rows = [future.result() for future in threads.map(predictor.begin, pixels)]
    assert np.abs(np.stack(rows) - predictor.features(pixels)).max() <= 1e-4


def _changed(bundle, tmp_path, tensors=None, **card):
    path = tmp_path / "changed.safetensors"
    path.write_bytes(
        write_bundle(replace(read_card(bundle), **card), tensors or read_tensors(bundle))
    )
    return path


def test_weights_that_do_not_fit_their_description_are_refused(bundle, runtimes, tmp_path):
    tensors = read_tensors(bundle)
    first = next(name for name in tensors if name.startswith("conv_stem"))
    for number, change in enumerate(
        (
            {"class_names": ("a", "b", "c")},
            {"head": "blocks"},
            {"network": "resnet18"},
            {"network": "no_such_network"},
            {"network": "../../etc/passwd"},
            {"tensors": {k: v for k, v in tensors.items() if k != first}},
            {"tensors": {**tensors, "surplus": np.zeros(1, np.float32)}},
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(ModelFileError) as caught:
            service.check_bundle(_changed(bundle, folder, **change), runtimes)
        assert caught.value.hint


def test_ranking_and_softmax():
    probabilities = softmax(np.array([[1000.0, 0.0, 1000.0]], np.float32))
    assert probabilities[0].tolist() == [0.5, 0.0, 0.5]
    assert ranked(["a", "b", "c"], probabilities[0]) == (("a", 0.5), ("c", 0.5), ("b", 0.0))


def test_pixels_of_the_predictor_are_those_of_the_preprocessing(predictor, tmp_path):
    pixels, _ = marked_image("stripes", 77)
    path = save_image(tmp_path / "a.png", pixels)
    assert np.array_equal(load_pixels(path, predictor.card.preprocess), pixels)
