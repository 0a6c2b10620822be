import numpy as np
import pytest
import torch

from core.domain.training import EpochMetrics
from core.training.evaluation import HARDEST, EvaluatedEpoch, epoch_details, measures

LOGITS = torch.tensor([[4.0, 0.0, 0.0], [0.0, 2.0, 1.0], [3.0, 0.0, 0.0], [0.0, 0.5, 0.0]])
TARGETS = np.array([0, 1, 1, 1])


def test_measures_are_means_over_the_classes_that_have_images():
    measured = measures(LOGITS, TARGETS, 3)
    assert measured.accuracy == pytest.approx(3 / 4)
    assert measured.macro_recall == pytest.approx((1 + 2 / 3) / 2)
    assert measured.macro_f1 == pytest.approx((2 / 3 + 4 / 5) / 2)
    plain = torch.nn.functional.cross_entropy(LOGITS, torch.from_numpy(TARGETS))
    assert measured.log_loss == pytest.approx(float(plain))


def test_the_hardest_images_have_the_largest_loss_first_and_are_few():
    line = EpochMetrics(5, 0.1, 0.2, 0.75, 0.7, 0.01, 1.0, is_best=True)
    details = epoch_details(EvaluatedEpoch(line, LOGITS), TARGETS, np.array([9, 8, 7, 6]), 3)
    assert details.epoch == 5
    assert details.confusion == ((1, 0, 0), (1, 2, 0), (0, 0, 0))
    assert [image.sample_id for image in details.hardest] == [7, 6, 8, 9]
    first = details.hardest[0]
    assert (first.true_class, first.predicted) == (1, 0)
    assert first.loss == pytest.approx(-np.log(1 / (np.e**3 + 2)))
    assert first.confidence == pytest.approx(np.e**3 / (np.e**3 + 2))
    many = EvaluatedEpoch(line, LOGITS.repeat(9, 1))
    assert len(epoch_details(many, np.tile(TARGETS, 9), np.arange(36), 3).hardest) == HARDEST
