"""The distortion: −log p(x|z) in nats, summed over all dimensions of an image, whatever its channels."""

import math

import pytest
import torch

from pushforward.bottlenecks import Code
from pushforward.distributions import Bernoulli, Gaussian, Likelihood
from pushforward.objectives import AutoencoderPass, Reconstruction
from pushforward.spec import DataSpec


def passed(x: torch.Tensor, params: torch.Tensor, likelihood: Likelihood) -> AutoencoderPass:
    z = torch.zeros(len(x), 1)
    return AutoencoderPass(x, Code(z), z, params, likelihood, None, likelihood.spec)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (2,)])
def test_it_is_the_negative_log_density(shape: tuple[int, ...]) -> None:
    """Perfect up to an error e in each dimension: D (e²/2σ² + ½ ln 2πσ²). Three channels cost three times one."""
    spec = DataSpec(shape, None, 10, low=-math.inf, high=math.inf)
    likelihood = Gaussian(sigma=0.5, spec=spec)
    x = torch.randn(4, *shape)
    found = Reconstruction()(passed(x, (x + 0.2).unsqueeze(1), likelihood))
    each = 0.2**2 / (2 * 0.25) + 0.5 * math.log(2 * math.pi * 0.25)
    assert found.shape == (4,)
    torch.testing.assert_close(found, torch.full((4,), math.prod(shape) * each), rtol=1e-5, atol=1e-5)


def test_a_fair_coin_costs_one_bit_a_pixel() -> None:
    likelihood = Bernoulli(spec=DataSpec((1, 4, 4), 2, 10))
    x = torch.randint(0, 2, (5, 1, 4, 4)).float()
    found = Reconstruction()(passed(x, torch.zeros(5, 1, 1, 4, 4), likelihood))
    torch.testing.assert_close(found, torch.full((5,), 16 * math.log(2)))
