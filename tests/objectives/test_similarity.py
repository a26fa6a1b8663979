"""Reconstruction by structural similarity against the measure of it."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from pushforward.composition import compose
from pushforward.distributions.similarity import most_scales
from pushforward.errors import PushforwardError
from pushforward.metrics.reconstruction import ms_ssim, ssim
from pushforward.objectives import Dissimilarity
from pushforward.objectives.similarity import power
from pushforward.spec import DataSpec
from pushforward.training.build import build_family


def passed(x: Tensor, x_hat: Tensor) -> Any:
    """A pass whose decoder's mean is x_hat."""
    likelihood = SimpleNamespace(mean=lambda params: params[:, 0])
    return SimpleNamespace(
        x=x, params=x_hat.unsqueeze(-4), likelihood=likelihood, spec=DataSpec(tuple(x.shape[1:]), 256, 9)
    )


def pair(*shape: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    x = torch.rand(4, *shape, generator=g, dtype=torch.float64)
    return x, (x + 0.1 * torch.randn(x.shape, generator=g, dtype=torch.float64)).clamp(0, 1)


@pytest.mark.parametrize("shape", [(1, 3, 3), (1, 8, 8), (3, 28, 28), (3, 50, 64)])
def test_equal_images_have_loss_0(shape: tuple[int, int, int]) -> None:
    """Each factor is a quotient of equal numbers: exactly 1 but for the rounding of E[x²] − μ², 1e-16/c₂ = 1e-13."""
    x, _ = pair(*shape)
    torch.testing.assert_close(Dissimilarity(None)(passed(x, x)), torch.zeros(4).double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28), (3, 50, 64)])
def test_it_is_1_less_the_measure_at_as_many_scales_as_fit(shape: tuple[int, int, int]) -> None:
    x, y = pair(*shape)
    scales = {8: 1, 28: 2, 50: 3}[shape[1]]
    assert scales == most_scales(*shape[1:])
    measured = ssim(x, y) if scales == 1 else ms_ssim(x, y, scales)
    torch.testing.assert_close(Dissimilarity(None)(passed(x, y)), 1 - measured, rtol=0, atol=1e-12)
    torch.testing.assert_close(Dissimilarity(5)(passed(x, y)), 1 - measured, rtol=0, atol=1e-12)
    torch.testing.assert_close(Dissimilarity(1)(passed(x, y)), 1 - ssim(x, y), rtol=0, atol=1e-12)


def test_several_samples_are_averaged() -> None:
    x, y = pair(1, 8, 8)
    both = Dissimilarity(None)(passed(x, torch.stack([x, y])))
    torch.testing.assert_close(both, Dissimilarity(None)(passed(x, y)) / 2, rtol=0, atol=1e-12)


def test_a_power_has_a_finite_gradient_at_and_below_0() -> None:
    v = torch.tensor([-0.5, 0.0, 0.01, 0.5], dtype=torch.float64, requires_grad=True)
    power(v, 0.2).sum().backward()
    slope = 0.2 * 0.01**-0.8
    torch.testing.assert_close(v.grad, torch.tensor([slope, slope, slope, 0.2 * 0.5**-0.8], dtype=torch.float64))
    torch.testing.assert_close(power(v, 1.0), v)  # of one scale it is SSIM itself, negative or not


def test_a_negative_of_an_image_is_left_by_descent() -> None:
    """SSIM of x and 1 − x is negative, where a clamp would have no gradient."""
    x, _ = pair(1, 28, 28)
    y = (1 - x).requires_grad_()
    loss = Dissimilarity(None)(passed(x, y))
    (gradient,) = torch.autograd.grad(loss.sum(), y)
    assert bool((Dissimilarity(None)(passed(x, y - 1e-3 * gradient)) < loss).all())


@pytest.mark.parametrize(
    "spec", [DataSpec((2,), None, 9), DataSpec((1, 2, 8), 17, 9), DataSpec((4, 4, 4), None, 9, low=-float("inf"))]
)
def test_what_is_no_image_of_known_range_is_refused(spec: DataSpec) -> None:
    with pytest.raises(PushforwardError, match=r"Dissimilarity needs bounded images, .* at least 3×3 pixels"):
        build_family(compose(["model=ms_ssim_vae", "data=digits", "network.hidden=[4]"]), spec)
