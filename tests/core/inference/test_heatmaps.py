import io

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from core.domain.models import HeatmapMethod
from core.errors import TouchstoneError, UnreadableImageError
from core.inference import service
from core.inference.explaining.parts import interpolated
from core.inference.grad_cam import (
    GradCam,
    _channels_last_evidence,
    _Logits,
    _token_evidence,
    last_map_layer,
    token_layer,
)
from core.inference.heatmaps import Explainer
from core.inference.occlusion import SIZES, covered, occlusion, windows
from core.inference.overlay import CONTOURS, colour_table, overlay
from core.inference.predictor import Predictor
from core.models.build import head_of, is_channels_last
from core.workflows.use import models, prediction
from tests.conftest import IMAGE_PX, MARK_PX, marked_image


@pytest.fixture(scope="module")
def bundle(trained):
    return models.exported_bundle(trained.workspace, trained.model)


@pytest.fixture(scope="module")
def explainer(trained, bundle):
    return Explainer(Predictor.open(bundle, runtimes=trained.workspace.runtimes))


def _share_on_the_mark(explainer, method, kind, seed):
    pixels, (x, y) = marked_image(kind, seed)
    index = ("blue disc", "stripes").index(kind)
    heat = explainer.heatmap(pixels, index, method)
    assert heat.shape == (IMAGE_PX, IMAGE_PX)
    assert heat.dtype == np.float32
    assert heat.min() >= 0
    assert heat.max() == 1
    margin = 16  # the maps are coarse
    on_mark = heat[
        max(0, y - margin) : y + MARK_PX + margin, max(0, x - margin) : x + MARK_PX + margin
    ]
    return float(on_mark.sum() / heat.sum())


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        (HeatmapMethod.GRAD_CAM, "stripes"),
        (HeatmapMethod.FINE_GRAD_CAM, "blue disc"),
        (HeatmapMethod.LAYER_CAM, "stripes"),
        (HeatmapMethod.GUIDED_GRAD_CAM, "blue disc"),
        (HeatmapMethod.INTEGRATED_GRADIENTS, "stripes"),
        # Why not the stripes: this model knows them by the absence of a disc, so that covering
        # them costs it little, and occlusion rightly says so.
        (HeatmapMethod.OCCLUSION, "blue disc"),
    ],
)
def test_the_evidence_lies_on_the_mark(explainer, method, kind, monkeypatch):
    monkeypatch.setattr("core.inference.explaining.gradients._STEPS", 2)
    monkeypatch.setattr("core.inference.explaining.gradients._NOISY", 1)
    # With its margin the mark covers at most a quarter of the image.
    shares = [_share_on_the_mark(explainer, method, kind, seed) for seed in range(900, 906)]
    assert np.median(shares) > 1.5 * 0.25


def test_in_a_image_with_both_marks_each_class_finds_its_own(explainer):
    pixels = np.random.default_rng(7).normal(128, 12, (IMAGE_PX, IMAGE_PX, 3))
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    for kind, place in (("stripes", 10), ("blue disc", 118)):
        mark, (x, y) = marked_image(kind, 0)
        pixels[64:128, place : place + MARK_PX] = mark[y : y + MARK_PX, x : x + MARK_PX]
    disc, stripes = (explainer.heatmap(pixels, index, HeatmapMethod.GRAD_CAM) for index in (0, 1))
    half = IMAGE_PX // 2
    assert stripes[:, :half].sum() > 3 * stripes[:, half:].sum()
    assert disc[:, half:].sum() > 3 * disc[:, :half].sum()


def test_explaining_leaves_the_model_as_it_was(explainer):
    pixels, _ = marked_image("stripes", 5)
    one = explainer.heatmap(pixels, 1, HeatmapMethod.GRAD_CAM)
    explainer.heatmap(pixels, 0, HeatmapMethod.GRAD_CAM)
    assert np.array_equal(explainer.heatmap(pixels, 1, HeatmapMethod.GRAD_CAM), one)


def test_one_pass_gives_the_prediction_and_the_overlay_of_any_class(trained):
    source, images, usual = trained.images / "stripes" / "001.png", [], HeatmapMethod.GRAD_CAM
    (known,) = prediction.predict(trained.workspace, trained.model, [source], [str(source)])
    for name in ("blue disc", "stripes", None):
        said, layer = prediction.explained(
            trained.workspace, trained.model, source, name, method=usual
        )
        assert dict(said.confidences) == pytest.approx(dict(known.confidences), abs=1e-5)
        assert said.unfamiliar == pytest.approx(known.unfamiliar, rel=1e-3)
        images.append(np.asarray(Image.open(io.BytesIO(layer))))
        assert images[-1].shape == (IMAGE_PX, IMAGE_PX, 3)
    assert np.array_equal(images[1], images[2])
    assert not np.array_equal(images[0], images[1])


def test_an_unreadable_image_has_no_heatmap(trained, bundle):
    runtimes = trained.workspace.runtimes
    with pytest.raises(UnreadableImageError):
        service.heat(bundle, runtimes, b"broken", 0, HeatmapMethod.GRAD_CAM)


def test_the_closed_form_is_grad_cam_and_needs_no_torch(explainer, bundle, trained):
    # The first heatmap of a day waited seconds for the import of torch.
    predictor = Predictor.open(bundle, runtimes=trained.workspace.runtimes)
    by_gradients = GradCam(predictor)
    for index, kind in enumerate(("blue disc", "stripes")):
        pixels, _ = marked_image(kind, 5)
        assert predictor.maps(pixels[None]) is not None
        expected = interpolated(by_gradients.evidence(pixels, index), IMAGE_PX)
        heat = explainer.heatmap(pixels, index, HeatmapMethod.GRAD_CAM)
        assert np.abs(heat - expected / expected.max()).max() < 1e-5


def test_the_classes_of_one_image_share_one_pass(bundle, trained):
    predictor = Predictor.open(bundle, runtimes=trained.workspace.runtimes)
    explainer, seen, maps = Explainer(predictor), [], predictor.maps
    predictor.maps = lambda images: seen.append(1) or maps(images)
    pixels, other = marked_image("stripes", 5)[0], marked_image("stripes", 6)[0]
    alone = [explainer.heatmap(pixels, index, HeatmapMethod.GRAD_CAM) for index in (0, 1)]
    assert len(seen) == 2  # it may have been changed between
    pixels.flags.writeable = other.flags.writeable = False
    for index in (0, 1):
        heat = explainer.heatmap(pixels, index, HeatmapMethod.GRAD_CAM)
        assert np.array_equal(heat, alone[index])
    assert len(seen) == 3
    assert not np.array_equal(explainer.heatmap(other, 1, HeatmapMethod.GRAD_CAM), alone[1])


def test_a_network_without_pooled_maps_is_explained_by_gradients(explainer, bundle, trained):
    predictor = Predictor.open(bundle, runtimes=trained.workspace.runtimes)
    pixels, _ = marked_image("stripes", 5)
    expected = explainer.heatmap(pixels, 1, HeatmapMethod.GRAD_CAM)
    predictor.maps = lambda _: None
    heat = Explainer(predictor).heatmap(pixels, 1, HeatmapMethod.GRAD_CAM)
    assert np.abs(heat - expected).max() < 1e-5


def test_a_transformer_is_explained_by_the_tokens_of_its_patches():
    # Its patches were read as maps, so that a heatmap had stripes that meant nothing.
    torch.manual_seed(0)
    network = timm.create_model("test_vit", pretrained=False, num_classes=3).eval()
    layer, prefix = token_layer(network)
    evidence = _token_evidence(network, layer, prefix, torch.rand(1, 3, 160, 160), 1)
    assert evidence.shape == (10, 10)
    assert 0 <= evidence.min() < evidence.max()
    shifted = timm.create_model("swin_tiny_patch4_window7_224", pretrained=False, num_classes=3)
    with pytest.raises(TouchstoneError, match="no maps"):
        last_map_layer(shifted.eval(), torch.rand(1, 3, 224, 224))
    # One of shifted windows had no heatmap at all: its maps have their channels last.
    assert is_channels_last(shifted)
    logits_of, batch = _Logits(shifted, head_of(shifted)), torch.rand(1, 3, 224, 224)
    evidence = _channels_last_evidence(logits_of, batch, int(logits_of(batch).argmax()))
    assert evidence.shape == (7, 7)
    assert 0 <= evidence.min() < evidence.max()


def test_a_covered_window_is_carried_on_from_its_surroundings():
    # It was a gray square, which a network takes for a defect of its own: on the drawn defects of
    # the demo the hottest place was worse than chance (benchmarks/pointing.py).
    y, x = np.mgrid[:112, :112]
    smooth = np.stack([y + x, 2 * x, 240 - y - x], -1).astype(np.uint8)
    spotted = smooth.copy()
    spotted[28:34, 28:34] = 0
    place = slice(24, 40), slice(24, 40)
    assert place in windows(112, None, 7)
    assert np.abs(covered(spotted, place).astype(int) - smooth).max() <= 2


@pytest.mark.parametrize("across", SIZES)
@pytest.mark.parametrize("side", [4, 30, 224, 300, 448])
def test_windows_cover_every_pixel_and_a_guide_chooses_the_warmest(side, across):
    guide = np.zeros((side, side))
    guide[: side // 4, : side // 4] = 1
    every, chosen = windows(side, None, across), windows(side, guide, across)
    seen, warm = np.zeros((side, side), int), np.zeros((side, side), int)
    for places, into in ((every, seen), (chosen, warm)):
        for place in places:
            into[place] += 1
    assert seen.min() >= 1
    assert warm[guide > 0].min() >= 1
    assert len(chosen) == min(18, len(every))


def test_a_place_stays_hot_beside_one_whose_covering_makes_the_class_more_likely():
    # Windows over both cancelled the falls of those over the first: it was cold in the middle.
    pixels = np.full((112, 112, 3), 90, np.uint8)
    pixels[70:80, 20:30] = 250
    pixels[70:80, 34:44] = 5

    def margins(images):
        bright, dark = ((images > 200).sum((1, 2, 3)), (images < 20).sum((1, 2, 3)))
        return np.stack([bright - 4.0 * dark] * 2, 1)

    heat = occlusion(pixels, margins, None)
    assert heat[70:80, 20:30].min() > 0.4 * heat.max()
    assert heat[:40].max() == 0


def test_the_heat_alone_has_one_channel_and_the_input_every_pixel(trained, bundle):
    runtimes, source = trained.workspace.runtimes, trained.images / "stripes" / "001.png"
    heat = Image.open(io.BytesIO(service.heat(bundle, runtimes, source, 1, HeatmapMethod.GRAD_CAM)))
    assert (heat.mode, heat.size) == ("L", (IMAGE_PX, IMAGE_PX))
    assert heat.getextrema()[1] == 255
    seen = Image.open(io.BytesIO(service.network_input(bundle, runtimes, source)))
    assert np.array_equal(np.asarray(seen), np.asarray(Image.open(source)))


def test_a_cold_heatmap_leaves_the_image_alone():
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    cold = overlay(pixels, np.zeros((32, 32), np.float32))
    assert np.array_equal(np.asarray(cold), pixels)
    hot = np.asarray(overlay(pixels, np.ones((32, 32), np.float32), strength=1.0))
    assert np.all(hot == colour_table()[255, :3])


def _linear(colour):
    value = np.asarray(colour, float) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _luminance(colour):
    return _linear(colour) @ [0.2126, 0.7152, 0.0722]


def _lab(colour):
    """CIE L*a*b* (D65) of sRGB colours [..., 3]."""
    matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = _linear(colour) @ np.array(matrix).T / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def test_hot_regions_stand_out_on_bright_gray_dark_and_brown_images():
    # On white parts the hottest region was a pale yellow: half of it differed by less than 25.
    for base in ((255, 255, 255), (200, 200, 200), (128, 128, 128), (0, 0, 0), (180, 140, 110)):
        pixels = np.full((64, 64, 3), base, np.uint8)
        ramp = np.broadcast_to(np.linspace(0, 1, 64, dtype=np.float32), (64, 64))
        shown = np.asarray(overlay(pixels, ramp))
        differs = np.linalg.norm(_lab(shown) - _lab(pixels), axis=-1)[5]
        lines = [int(np.argmax(ramp[0] >= level)) + side for level in CONTOURS for side in (-1, 0)]
        assert np.delete(differs, lines)[32:].min() > 28, base
        # Each outline is a dark line beside a light one: one of both is seen on any image.
        for level in CONTOURS:
            at = int(np.argmax(ramp[0] >= level))
            light, dark = _luminance(shown[5, at - 1]) + 0.05, _luminance(shown[5, at]) + 0.05
            around = _luminance(base) + 0.05
            assert max(light / around, around / dark) >= 4.5, base
