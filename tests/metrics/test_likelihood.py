import math

import pytest
import torch

from pushforward.metrics.likelihood import estimate
from pushforward.spec import DataSpec

SPEC = DataSpec(shape=(1, 4, 4), levels=256, n_train=10)


def test_mean_and_standard_error():
    found = estimate(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert found.value == 2.5 and found.n == 4
    assert found.standard_error == pytest.approx(math.sqrt(5 / 3 / 4))  # s² = 5/3


def test_one_image_has_no_standard_error():
    found = estimate(torch.tensor([3.0]))
    assert found.value == 3 and math.isnan(found.standard_error)
