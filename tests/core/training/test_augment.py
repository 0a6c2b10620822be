import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from torch.nn import functional
from torchvision.transforms.v2 import functional as reference

from core.domain.configs.augment import AugmentChange, AugmentConfig, AugmentMode
from core.training.augment import augment
from core.training.augmentation import kernels
from core.training.augmentation.draws import CHANGES, draw

STRENGTHS = {
    AugmentChange.FLIP_HORIZONTAL: True,
    AugmentChange.FLIP_VERTICAL: True,
    AugmentChange.ROTATE_QUARTER: True,
    AugmentChange.ROTATE_STEP: 60,
    AugmentChange.ROTATE_DEGREES: 20.0,
    AugmentChange.CROP: 0.3,
    AugmentChange.SCALE: 0.3,
    AugmentChange.SHIFT: 0.2,
    AugmentChange.SHEAR: 15.0,
    AugmentChange.PERSPECTIVE: 0.2,
    AugmentChange.BRIGHTNESS: 0.3,
    AugmentChange.LIGHT_SPOT: 0.4,
    AugmentChange.CONTRAST: 0.3,
    AugmentChange.SATURATION: 0.8,
    AugmentChange.HUE: 60.0,
    AugmentChange.BLUR: 2.0,
    AugmentChange.NOISE: 0.1,
    AugmentChange.ERASE: 0.4,
}
OFF = AugmentConfig(
    probability=1.0,
    flip_horizontal=False,
    flip_vertical=False,
    brightness=0.0,
    contrast=0.0,
    crop=0.0,
)
EVERY = replace(OFF, **{change.value: strength for change, strength in STRENGTHS.items()})
PLACES = set(CHANGES[: CHANGES.index(AugmentChange.BRIGHTNESS)])
IMAGES = torch.randint(0, 255, (6, 3, 32, 32), generator=torch.Generator().manual_seed(0)).float()
SAMPLES = np.arange(6)


def only(change, **more):
    return replace(OFF, **{change.value: STRENGTHS[change]}, **more)


def changed(config, images=IMAGES, samples=SAMPLES, epoch=0, seed=1):
    return augment(images, config, seed=seed, epoch=epoch, samples=samples)


def many(config, image=IMAGES[0], count=40):
    return changed(config, image.expand(count, -1, -1, -1), np.arange(count))


def former_augment(images, config, *, seed, epoch, samples):
    """The whole function as it was before there were further changes."""
    maps, gains, offsets = [], [], []
    for i in samples:
        numbers = np.random.default_rng((seed, epoch, int(i))).random(10)
        chance, columns, rows, quarter, angle, bright, contrast, zoom, dx, dy = numbers
        degrees = config.rotate_degrees * (2 * angle - 1)
        degrees += 90 * math.floor(4 * quarter) if config.rotate_quarter else 0
        scale = math.sqrt(1 - config.crop * zoom)
        c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        x = -1.0 if config.flip_horizontal and columns < 0.5 else 1.0
        y = -1.0 if config.flip_vertical and rows < 0.5 else 1.0
        linear = scale * np.array([[c, -s], [s, c]]) @ np.diag([x, y])
        matrix = np.column_stack([linear, (1 - scale) * np.array([2 * dx - 1, 2 * dy - 1])])
        on = chance < config.probability
        maps.append(matrix if on else np.eye(2, 3))
        gains.append(1 + config.contrast * (2 * contrast - 1) if on else 1.0)
        offsets.append(255 * config.brightness * (2 * bright - 1) if on else 0.0)
    theta = torch.tensor(np.stack(maps), dtype=images.dtype)
    gain, offset = (torch.tensor(v).float()[:, None, None, None] for v in (gains, offsets))
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    return ((moved - 127.5) * gain + 127.5 + offset).clamp(0, 255)


@pytest.mark.parametrize(
    "config",
    [
        AugmentConfig(),
        AugmentConfig(probability=1.0, rotate_quarter=True, rotate_degrees=30, crop=0.6),
        AugmentConfig(probability=0.8, flip_vertical=False, brightness=0.5, contrast=0.7),
    ],
)
def test_settings_of_earlier_versions_give_the_same_images(config):
    # A run that is resumed, or repeated for its report, must see the images that it saw then.
    for epoch in range(3):
        asked = {"seed": 7, "epoch": epoch, "samples": np.arange(100, 106)}
        assert torch.equal(
            augment(IMAGES, config, **asked), former_augment(IMAGES, config, **asked)
        )


@pytest.mark.parametrize("mode", AugmentMode)
def test_an_image_changes_the_same_way_in_any_batch(mode):
    config = replace(EVERY, augment_mode=mode)
    together = changed(config)
    order = np.array([4, 0, 5])
    assert torch.equal(changed(config, IMAGES[order], order), together[order])
    assert torch.equal(changed(config, IMAGES[2:3], np.array([2])), together[2:3])
    assert torch.equal(changed(config), together)
    for other in ({"epoch": 1}, {"seed": 2}, {"samples": SAMPLES + 10}):
        assert not torch.equal(changed(config, **other), together)


@pytest.mark.parametrize("change", AugmentChange)
def test_a_change_does_something_and_leaves_size_range_and_unchanged_images(change):
    results = many(only(change))
    assert results.shape == (40, 3, 32, 32)
    assert 0 <= float(results.min()) <= float(results.max()) <= 255
    drawn = draw(only(change), seed=1, epoch=0, samples=np.arange(40))
    made = torch.from_numpy(drawn.made[:, CHANGES.index(change)])
    assert not np.delete(drawn.made, CHANGES.index(change), 1).any()
    far = (results - IMAGES[0]).abs().amax((1, 2, 3)) > 0.5
    assert made.sum() >= 10
    assert not far[~made].any()
    assert far[made].float().mean() > 0.7  # a strength may be drawn that is next to nothing
    never = many(only(change, probability=0.0), count=4)
    assert torch.allclose(never, IMAGES[:1].expand(4, -1, -1, -1), atol=1e-2)


@pytest.mark.parametrize("change", AugmentChange)
def test_turning_a_change_on_does_not_reshuffle_the_others(change):
    without = draw(
        replace(EVERY, **{change.value: type(STRENGTHS[change])(0)}),
        seed=1,
        epoch=0,
        samples=SAMPLES,
    )
    with_it = draw(EVERY, seed=1, epoch=0, samples=SAMPLES)
    others = np.array([c is not change for c in CHANGES])
    assert np.array_equal(without.made[:, others], with_it.made[:, others])
    differing = {
        name for name, value in asdict(without).items() if (value != asdict(with_it)[name]).any()
    }
    assert differing <= {"made", _field_of(change)}


def _field_of(change):
    names = {"brightness": "offset", "contrast": "gain", "light_spot": "spot", "erase": "erased"}
    return "maps" if change in PLACES else names.get(change.value, change.value)


def test_about_the_asked_part_of_the_images_changes():
    drawn = draw(replace(EVERY, probability=0.3), seed=1, epoch=0, samples=np.arange(400))
    assert 0.25 < drawn.made.any(1).mean() < 0.35


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({"flip_horizontal": True}, [lambda x: x, lambda x: x.flip(-1)]),
        ({"flip_vertical": True}, [lambda x: x, lambda x: x.flip(-2)]),
        ({"rotate_step": 180}, [lambda x: x, lambda x: x.rot90(2, (-2, -1))]),
        ({"rotate_quarter": True}, [lambda x, k=k: x.rot90(k, (-2, -1)) for k in range(4)]),
    ],
)
def test_flips_and_turns_are_exact(setting, expected):
    seen = set()
    for turned in many(replace(OFF, **setting)):
        fits = [
            i
            for i, turn in enumerate(expected)
            if torch.allclose(turned, turn(IMAGES[0]), atol=0.05)
        ]
        assert len(fits) == 1
        seen.add(fits[0])
    assert seen == set(range(len(expected)))


def test_one_change_at_a_time_is_one_change_and_every_one_gets_its_turn():
    one = replace(EVERY, augment_mode=AugmentMode.ONE)
    drawn = draw(one, seed=1, epoch=0, samples=np.arange(600))
    assert (drawn.made.sum(1) == 1).all()
    assert (drawn.made.sum(0) > 10).all()
    fewer = draw(replace(one, hue=0.0), seed=1, epoch=0, samples=np.arange(600))
    kept = ~drawn.made[:, CHANGES.index(AugmentChange.HUE)]
    assert np.array_equal(fewer.made[kept], drawn.made[kept])
    flips = many(only(AugmentChange.FLIP_HORIZONTAL, augment_mode=AugmentMode.ONE), count=8)
    assert torch.allclose(flips, IMAGES[0].flip(-1).expand(8, -1, -1, -1), atol=0.05)


def test_shift_moves_by_at_most_its_fraction_and_scale_keeps_the_middle():
    image = torch.zeros(3, 32, 32)
    image[:, 14:18, 14:18] = 240
    rows = torch.arange(32.0)
    for config, most in ((only(AugmentChange.SHIFT), 0.2 * 32), (only(AugmentChange.SCALE), 0.1)):
        weights = many(config, image)[:, 0]
        middle = (weights.sum(2) * rows).sum(1) / weights.sum((1, 2))
        assert float((middle - 15.5).abs().max()) <= most + 0.05
    area = many(only(AugmentChange.SCALE), image).sum((1, 2, 3)) / image.sum()
    assert 0.45 < float(area.min()) < 0.8  # at least 0.7 squared
    assert 1.3 < float(area.max()) < 1.75  # at most 1.3 squared


def test_perspective_keeps_lines_straight_and_sheared_lines_parallel():
    places = np.array([[-0.8, -0.5, 1], [0, -0.5, 1], [0.8, -0.5, 1]])  # on a line
    for change in (AugmentChange.PERSPECTIVE, AugmentChange.SHEAR):
        for matrix in draw(only(change), seed=1, epoch=0, samples=SAMPLES).maps:
            mapped = places @ matrix.T
            assert mapped[:, 2].min() > 0.3  # nothing from behind the camera
            mapped /= mapped[:, 2:]
            assert abs(np.linalg.det(mapped)) < 1e-9
            assert abs(np.linalg.det(matrix[:2, :2])) > 0.5


def test_light_is_added_to_all_colors_alike():
    gray = torch.full((3, 32, 32), 120.0)
    for change in (AugmentChange.BRIGHTNESS, AugmentChange.LIGHT_SPOT, AugmentChange.NOISE):
        results = many(only(change), gray)
        assert torch.equal(results[:, 0], results[:, 1])
        assert torch.equal(results[:, 0], results[:, 2])
    bright = many(only(AugmentChange.BRIGHTNESS), gray) - 120
    assert float(bright.std((1, 2, 3)).max()) < 1e-3  # everywhere the same
    assert -0.3 * 255 <= float(bright.min()) < -40 < 40 < float(bright.max()) <= 0.3 * 255
    contrast = many(only(AugmentChange.CONTRAST), torch.full((3, 32, 32), 127.5))
    assert torch.allclose(contrast, torch.tensor(127.5))


def test_a_light_spot_is_brightest_at_its_place_and_as_wide_as_drawn():
    drawn = draw(only(AugmentChange.LIGHT_SPOT), seed=1, epoch=0, samples=np.arange(40)).spot
    half_widths = drawn[:, 3] * math.sqrt(8 * math.log(2)) / 2
    assert 0.25 <= half_widths.min() < 0.27 < 0.48 < half_widths.max() <= 0.5
    assert np.abs(drawn[:, 0]).max() <= 0.4 * 255
    spot = kernels.light_spots(100, np.array([[50.0, 0.3, 0.705, half_widths[0] / 1.17741]]))[0, 0]
    y, x = divmod(int(spot.argmax()), 100)
    assert (x, y) in {(29, 70), (30, 70)}
    assert float(spot[y, x]) == pytest.approx(50, abs=0.1)
    right = min(99, round(30 + 100 * half_widths[0]))
    assert float(spot[70, right]) == pytest.approx(25, abs=1)


def test_color_changes_keep_brightness_and_gray():
    luma = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    image = 100 + IMAGES[0] / 10  # far from both ends, so that nothing is cut off
    gray = IMAGES[0][:1].expand(3, -1, -1)
    for change in (AugmentChange.SATURATION, AugmentChange.HUE):
        assert torch.allclose(many(only(change), gray), gray.expand(40, -1, -1, -1), atol=0.1)
        before, after = (image * luma).sum(0), (many(only(change), image) * luma).sum(1)
        assert torch.allclose(after, before.expand(40, -1, -1), atol=0.1)
    colorless = kernels.recolored(image[None], np.zeros(1), np.zeros(1))[0]
    assert torch.allclose(colorless, (image * luma).sum(0).expand(3, -1, -1), atol=1e-3)
    red = torch.tensor([200.0, 50.0, 50.0])[None, :, None, None]
    assert kernels.recolored(red, np.ones(1), np.radians([-120.0])).flatten().argmax() != 0
    assert torch.allclose(kernels.recolored(red, np.ones(1), np.zeros(1)), red, atol=1e-3)


def test_blur_is_the_reference_blur_and_leaves_what_is_not_blurred():
    sigmas = np.array([0.0, 0.7, 1.5, 0.0, 2.0, 0.3])
    blurred = kernels.blurred(IMAGES, sigmas, largest=2.0)
    for image, result, sigma in zip(IMAGES, blurred, sigmas, strict=True):
        expected = reference.gaussian_blur(image, [13, 13], [sigma, sigma]) if sigma else image
        assert torch.allclose(result, expected, atol=0.01)


def test_noise_has_the_drawn_strength_and_is_another_one_for_each_image():
    values = kernels.noise(
        64, np.array([[10.0, 0.1], [10.0, 0.9999], [0.0, 0.5]]), torch.device("cpu")
    )
    assert values.std((1, 2, 3)).tolist() == pytest.approx([10, 10, 0], abs=0.4)
    assert abs(float(values.mean())) < 0.3
    assert abs(float((values[0] * values[1]).mean())) < 5  # of 100: not related


def test_erasing_covers_a_rectangle_and_nothing_else():
    drawn = draw(only(AugmentChange.ERASE), seed=1, epoch=0, samples=np.arange(40)).erased
    assert (drawn[:, 0] + drawn[:, 2]).max() <= 1
    assert (drawn[:, 1] + drawn[:, 3]).max() <= 1
    assert 0.3 < (drawn[:, 2] * drawn[:, 3]).max() <= 0.4 + 1e-9
    result = kernels.erased(IMAGES[:1], np.array([[0.25, 0.5, 0.5, 0.25]]))[0]
    inside = torch.zeros(32, 32, dtype=torch.bool)
    inside[16:24, 8:24] = True
    assert torch.equal(result[:, ~inside], IMAGES[0][:, ~inside])
    mean = IMAGES[0].mean((1, 2))
    assert torch.allclose(result[:, inside], mean[:, None].expand(-1, int(inside.sum())))
