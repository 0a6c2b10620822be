import numpy as np
import pytest
import torch

from core.domain.configs import AugmentConfig
from core.training.augment import augment

ALL = AugmentConfig(
    share=1.0, rotate_quarter=True, rotate_degrees=20, brightness=0.3, contrast=0.3, crop=0.3
)
NOTHING = {"brightness": 0.0, "contrast": 0.0, "crop": 0.0}
IMAGES = torch.randint(0, 255, (6, 3, 32, 32), generator=torch.Generator().manual_seed(0)).float()
SAMPLES = np.arange(6)


def _changed(config, *, images=IMAGES, samples=SAMPLES, epoch=0, seed=1):
    return augment(images, config, seed=seed, epoch=epoch, samples=samples)


def test_a_share_of_nothing_changes_nothing():
    config = AugmentConfig(share=0.0, rotate_degrees=90, crop=0.7)
    assert torch.allclose(_changed(config), IMAGES, atol=1e-2)


def test_a_picture_changes_the_same_way_in_any_batch():
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
    config = AugmentConfig(share=0.3, mirror_columns=False, mirror_rows=False, brightness=0.5)
    changed = _changed(config, images=images, samples=np.arange(400))
    share = ((changed - images).abs().amax((1, 2, 3)) > 1).float().mean()
    assert 0.2 < float(share) < 0.4


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({"mirror_columns": True, "mirror_rows": False}, [lambda x: x, lambda x: x.flip(-1)]),
        ({"mirror_columns": False, "mirror_rows": True}, [lambda x: x, lambda x: x.flip(-2)]),
        (
            {"mirror_columns": False, "mirror_rows": False, "rotate_quarter": True},
            [lambda x, k=k: x.rot90(k, (-2, -1)) for k in range(4)],
        ),
    ],
)
def test_mirrors_and_quarter_turns_are_exact(setting, expected):
    config = AugmentConfig(share=1.0, **NOTHING, **setting)
    image = IMAGES[:1].expand(40, -1, -1, -1)
    changed = _changed(config, images=image, samples=np.arange(40))
    seen = set()
    for picture in changed:
        fits = [
            i
            for i, turn in enumerate(expected)
            if torch.allclose(picture, turn(IMAGES[0]), atol=0.05)
        ]
        assert len(fits) == 1
        seen.add(fits[0])
    assert seen == set(range(len(expected)))


def test_gray_values_stay_in_their_range():
    config = AugmentConfig(share=1.0, brightness=0.9, contrast=0.9)
    changed = _changed(config)
    assert 0 <= float(changed.min()) <= float(changed.max()) <= 255
