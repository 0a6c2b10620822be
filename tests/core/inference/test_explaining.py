"""How heatmaps are tested: planted evidence, curves, the border, changed images."""

import numpy as np
import pytest
from PIL import Image

from core.domain.models import HeatmapMethod
from core.inference.explaining.border import BorderTest, border_test, mean_heat
from core.inference.explaining.changes import LEVELS, ImageChange, WhatIf, changed, what_if
from core.inference.explaining.faithful import cells, curves, hottest_first, similarity
from core.inference.explaining.grades import MethodGrade
from core.inference.explaining.planting import planted_defects, planted_images
from core.workflows.results.focus import share_inside
from core.workflows.results.heatmap_grades import Trust, trust_in

SIDE = 64


def _spotted(number, spot):
    """A smooth gray image; a bright spot makes it class 1."""
    y, x = np.mgrid[:SIDE, :SIDE]
    gray = 80 + (number * 7 + y + x) % 200 / 8
    image = np.repeat(gray[:, :, None], 3, 2).astype(np.uint8)
    if spot:
        top, left = (8 + 11 * number % 40, 8 + 17 * number % 40)
        image[top : top + 6, left : left + 6] = 250
    return image


def _by_spots(images):
    return ((images > 220).sum((1, 2, 3)) > 40).astype(np.int64)


def test_planted_evidence_counts_only_where_it_and_nothing_else_makes_the_class():
    images = [_spotted(number, number % 2) for number in range(12)]
    labels = [number % 2 for number in range(12)]
    planted = list(
        planted_images(images, labels, _by_spots, np.random.default_rng(0), most=10, most_pairs=60)
    )
    # A gray part over a spot makes a gray image, but the evidence for gray is everywhere.
    assert {item.target for item in planted} == {1}
    assert len(planted) == 10
    for item in planted:
        bright = (item.pixels > 220).all(2).astype(np.float32)
        assert item.is_hit(bright)
        assert not item.is_hit(1 - item.near.astype(np.float32))
        assert 0.05 < item.near.mean() < 0.2


def test_a_planted_defect_is_as_weak_as_a_model_of_good_images_still_sees_it():
    good = [_spotted(number, spot=False) for number in range(4)]
    for number, image in enumerate(good):  # a mark that belongs there
        image[4:8, 4 + 9 * number : 8 + 9 * number] += 20

    def by_marks(images):
        return ((images > 150).any(3).sum((1, 2)) > 4).astype(np.int64)

    assert not by_marks(np.stack(good)).any()
    planted = list(
        planted_defects(good, by_marks, np.random.default_rng(0), most=6, most_pairs=200)
    )
    assert len(planted) == 6
    for item in planted:
        bright = (item.pixels > 150).all(2).astype(np.float32)
        assert item.is_hit(bright)
        assert 0.05 < item.near.mean() < 0.2
    assert not list(planted_defects([], by_marks, np.random.default_rng(0), most=6, most_pairs=9))
    # Twice as strong would have been seen as well, but hides what is hard to find.
    assert min(int(item.pixels.max()) for item in planted) < 200


def test_the_confidence_falls_soonest_where_the_heat_is_right():
    image = _spotted(3, spot=True)
    right = (image > 220).all(2).astype(np.float32)

    def confidence(images):
        return (images > 220).mean((1, 2, 3)) / (image > 220).mean()

    good = curves(image, hottest_first(right), confidence)
    bad = curves(image, hottest_first(1 - right), confidence)
    assert good.deletion < 0.1 < 0.8 < bad.deletion
    assert bad.insertion < 0.2 < 0.9 < good.insertion


def test_likeness_is_a_rank_correlation():
    ramp = np.broadcast_to(np.linspace(0, 1, SIDE, dtype=np.float32), (SIDE, SIDE))
    assert similarity(ramp, ramp**3) == pytest.approx(1)
    assert similarity(ramp, 1 - ramp) == pytest.approx(-1)
    assert similarity(ramp, np.zeros_like(ramp)) == 0
    assert cells(ramp, 4)[0] == pytest.approx([0.12, 0.37, 0.63, 0.88], abs=0.01)


def test_a_tag_in_the_corner_of_one_class_is_flagged_and_a_part_in_the_middle_is_not():
    plain = [_spotted(number, spot=False) for number in range(8)]
    tagged, holed = [image.copy() for image in plain], [image.copy() for image in plain]
    for image, other in zip(tagged, holed, strict=True):
        image[2:10, 3:11] = (250, 250, 250)
        other[24:36, 24:36] = (250, 250, 250)
    for own, decides in ((tagged, True), (holed, False)):
        heats = [(image > 220).all(2).astype(np.float32) for image in own]
        result = border_test(mean_heat(heats), own, plain, 1, lambda x: np.eye(2)[_by_spots(x)])
        assert result.decides is decides
        assert result.box[:2] == (0, 0)
        assert (result.won, result.planted) == ((8, 8) if decides else (0, 8))
    # A tag that only helps is named where the heat is, and heat without effect is not enough.
    box = (0.0, 0.0, 0.25, 0.25)
    assert BorderTest(box, 0.43, won=3, planted=12, gain=0.3, lost=0, covered=12).decides
    assert not BorderTest(box, 0.43, won=0, planted=12, gain=0.0, lost=0, covered=12).decides
    assert not BorderTest(box, 0.07, won=2, planted=12, gain=0.2, lost=6, covered=12).decides
    # Cracks that reach the rim of pills were taken for a mark, though no heat lay at the border.
    assert not BorderTest(box, 0.06, won=4, planted=8, gain=0.26, lost=0, covered=12).decides


def test_a_grade_is_worth_something_only_above_chance_and_unlike_random_weights():
    good = MethodGrade(HeatmapMethod.GRAD_CAM, hits=31, tried=36, chance=0.14, images=12, wins=11)
    assert trust_in(good) is Trust.TRUSTED
    blind = MethodGrade(HeatmapMethod.OCCLUSION, hits=6, tried=36, chance=0.14, images=12)
    assert trust_in(blind) is Trust.CHANCE
    same = MethodGrade(HeatmapMethod.GRAD_CAM, hits=36, tried=36, images=12, likeness=0.95)
    assert trust_in(same) is Trust.SENSELESS
    assert trust_in(MethodGrade(HeatmapMethod.GRAD_CAM, hits=2, tried=2)) is Trust.UNTESTED
    assert trust_in(MethodGrade(HeatmapMethod.LAYER_CAM, problem="no")) is Trust.IMPOSSIBLE


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_changes_keep_the_form_of_an_image_and_nothing_asked_changes_nothing(mode):
    image = Image.fromarray(_spotted(3, spot=True)).convert(mode)
    for change in ImageChange:
        for level in LEVELS[change]:
            other = changed(image, change, level)
            assert (other.mode, other.size) == (image.mode, image.size)
            assert not np.array_equal(np.asarray(other), np.asarray(image)), (change, level)
    assert what_if(image, WhatIf()) is image
    covered = np.asarray(what_if(image, WhatIf(cover=(0.0, 0.5, 0.5, 1.0))))
    differs = (covered != np.asarray(image)).reshape(SIDE, SIDE, -1).any(2)
    assert differs[32:, :32].any()
    assert not differs[:32].any()
    assert not differs[:, 32:].any()
    assert what_if(image, WhatIf(crop=0.5)).size == (32, 32)


def test_the_share_of_heat_in_a_region_counts_parts_of_cells():
    heat = np.full((4, 4), 10, np.uint8)
    assert share_inside(heat, (0, 0, 1, 0.5)) == pytest.approx(0.5)
    assert share_inside(heat, (0.125, 0, 0.375, 1)) == pytest.approx(0.25)
    assert share_inside(np.zeros((4, 4), np.uint8), (0, 0, 1, 1)) == 0
