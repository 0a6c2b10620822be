import numpy as np
import pytest
import torch

from core.domain.configs.augment import AugmentConfig
from core.training.augment import augment

ALL = AugmentConfig(
    probability=1.0, rotate_quarter=True, rotate_degrees=20, brightness=0.3, contrast=0.3, crop=0.3
)
NOTHING = {"brightness": 0.0, "contrast": 0.0, "crop": 0.0}
IMAGES = torch.randint(0, 255, (6, 3, 32, 32), generator=torch.Generator().manual_seed(0)).float()
SAMPLES = np.arange(6)


def _changed(config, *, images=IMAGES, samples=SAMPLES, epoch=0, seed=1):
    return augment(images, config, seed=seed, epoch=epoch, samples=samples)


def test_a_share_of_nothing_changes_nothing():
    config = AugmentConfig(probability=0.0, rotate_degrees=90, crop=0.7)
    assert torch.allclose(_changed(config), IMAGES, atol=1e-2)


def test_a_image_changes_the_same_way_in_any_batch():
    together = _changed(ALL)
    order = np.array([4, 0, 5])
    apart = _changed(ALL, images=IMAGES[order], samples=order)
    assert torch.equal(apart, together[order])
    assert torch.equal(_changed(ALL), together)


def test_epoch_seed_and_sample_all_matter():
    base = _changed(ALL)
    assert not torch.equal(_changed(ALL, epoch=1), base)
    assert not torch.equal(_changed(ALL, seed=2), base)
    assert not torch.equal(_changed(ALL, samples=SAMPLES + 10), base)


def test_about_the_asked_share_changes():
    images = IMAGES[:1].expand(400, -1, -1, -1)
    config = AugmentConfig(
        probability=0.3, flip_horizontal=False, flip_vertical=False, brightness=0.5
    )
    changed = _changed(config, images=images, samples=np.arange(400))
    share = ((changed - images).abs().amax((1, 2, 3)) > 1).float().mean()
    assert 0.2 < float(share) < 0.4


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({"flip_horizontal": True, "flip_vertical": False}, [lambda x: x, lambda x: x.flip(-1)]),
        ({"flip_horizontal": False, "flip_vertical": True}, [lambda x: x, lambda x: x.flip(-2)]),
        (
            {"flip_horizontal": False, "flip_vertical": False, "rotate_quarter": True},
            [lambda x, k=k: x.rot90(k, (-2, -1)) for k in range(4)],
        ),
    ],
)
def test_mirrors_and_quarter_turns_are_exact(setting, expected):
    config = AugmentConfig(probability=1.0, **NOTHING, **setting)
    image = IMAGES[:1].expand(40, -1, -1, -1)
    changed = _changed(config, images=image, samples=np.arange(40))
    seen = set()
    for turned in changed:
        fits = [
            i
            for i, turn in enumerate(expected)
            if torch.allclose(turned, turn(IMAGES[0]), atol=0.05)
        ]
        assert len(fits) == 1
        seen.add(fits[0])
    assert seen == set(range(len(expected)))


def test_gray_values_stay_in_their_range():
    config = AugmentConfig(probability=1.0, brightness=0.9, contrast=0.9)
    changed = _changed(config)
    assert 0 <= float(changed.min()) <= float(changed.max()) <= 255
