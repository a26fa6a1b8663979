import math

import pytest
import torch

from pushforward.metrics.likelihood import MeanPerImage, estimate, likelihood
from pushforward.spec import DataSpec

SPEC = DataSpec(shape=(1, 4, 4), levels=256, n_train=10)


def test_mean_and_standard_error():
    found = estimate(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert found.value == 2.5 and found.n == 4
    assert found.standard_error == pytest.approx(math.sqrt(5 / 3 / 4))  # s² = 5/3


def test_one_image_has_no_standard_error():
    found = estimate(torch.tensor([3.0]))
    assert found.value == 3 and math.isnan(found.standard_error)


def test_bits_of_a_mass_and_of_a_density():
    """Uniform over 256 levels: 8 bits a dimension, as a mass 16·ln 256 nats, as a density on [0, 1) 0 nats."""
    mass = likelihood(torch.full((5,), -16 * math.log(256)), SPEC, density=False)
    density = likelihood(torch.zeros(5), SPEC, density=True)
    assert mass["bits_per_dim"].value == pytest.approx(8, rel=1e-6)  # log_prob came in float32
    assert density["bits_per_dim"].value == 8
    assert density["nll"].value == 0


def test_parts_stand_beside_the_whole():
    rate, distortion = torch.tensor([1.0, 3.0]), torch.tensor([10.0, 20.0])
    parts = {"rate": rate, "distortion": distortion}
    found = likelihood(-(rate + distortion), SPEC, density=False, parts=parts)
    assert set(found) == {"nll", "bits_per_dim", "rate", "distortion"}
    assert found["rate"].value + found["distortion"].value == found["nll"].value == 17
    # error of bits is that of nats over D ln 2
    assert found["bits_per_dim"].standard_error == pytest.approx(found["nll"].standard_error / (16 * math.log(2)))


@pytest.mark.parametrize("size", [1, 3, 10])
def test_the_metric_is_the_function_whatever_the_batches(size):
    values = torch.randn(10, generator=torch.Generator().manual_seed(0)) + 1e4
    metric = MeanPerImage()
    for part in values.split(size):
        metric.update(part)
    found, expected = metric.compute(), estimate(values)
    assert float(found["mean"]) == pytest.approx(expected.value, rel=1e-12)
    assert float(found["standard_error"]) == pytest.approx(expected.standard_error, rel=1e-9)
    assert int(found["n"]) == 10
