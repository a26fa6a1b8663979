"""Round trips in float64, and log-determinants against autograd."""

import math

import pytest
import torch

from pushforward.bijections import Centre, Logit, quantize
from pushforward.spec import DataSpec

GREY = DataSpec((1, 2, 3), 17, 100)
WIDE = DataSpec((2,), None, 100, low=-3.0, high=5.0)
FREE = DataSpec((2,), None, 100, low=-math.inf, high=math.inf)
SPECS = [GREY, WIDE, FREE]


def inside(spec: DataSpec, n: int = 5) -> torch.Tensor:
    u = torch.rand(n, *spec.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return spec.low + (spec.high - spec.low) * u if spec.bounded else u


@pytest.mark.parametrize("spec", SPECS)
def test_centre(spec: DataSpec) -> None:
    centre, x = Centre(spec).double(), inside(spec)
    v = centre(x)
    torch.testing.assert_close(centre.inverse(v), x, rtol=0, atol=1e-14)
    if spec.bounded:
        assert v.min() >= -1 and v.max() <= 1
        assert centre(torch.tensor([spec.low, spec.high])).tolist() == [-1, 1]
    jacobian = torch.func.jacrev(lambda x: centre(x).flatten())(x[0]).reshape(spec.dim, spec.dim)
    assert torch.linalg.slogdet(jacobian)[1].item() == pytest.approx(centre.log_det, abs=1e-12)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("alpha", [1e-6, 0.05])
def test_logit(spec: DataSpec, alpha: float) -> None:
    logit, x = Logit(spec, alpha).double(), inside(spec)
    y, log_det = logit(x)
    assert y.shape == (len(x), spec.dim)
    torch.testing.assert_close(logit.inverse(y), x, rtol=0, atol=1e-10)
    for i in range(len(x)):
        jacobian = torch.func.jacrev(lambda x: logit(x[None])[0][0])(x[i]).reshape(spec.dim, spec.dim)
        torch.testing.assert_close(log_det[i], torch.linalg.slogdet(jacobian)[1], rtol=1e-10, atol=1e-10)


def test_logit_of_the_ends_is_finite() -> None:
    ends = torch.stack((torch.zeros(1, 2, 3), torch.ones(1, 2, 3)))
    y, log_det = Logit(GREY, 1e-6)(ends)
    assert y.isfinite().all() and log_det.isfinite().all()
    assert y[0, 0].item() == pytest.approx(math.log(1e-6), rel=1e-4)  # α has 7 digits, the sum to 1 leaves 1e-7 of it


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_quantize_undoes_dequantize(levels: int) -> None:
    spec = DataSpec((1, 4, 4), levels, 100)
    g = torch.Generator().manual_seed(0)
    x = torch.randint(0, levels, (50, *spec.shape), generator=g) / (levels - 1)
    u = torch.rand(50, *spec.shape, generator=g) * 0.98 + 0.01  # float32 cannot hold 255 + u nearer an edge than 1e-5
    assert torch.equal(quantize(spec.dequantize(x, u), spec), x)
    assert torch.equal(quantize(torch.tensor([-0.1, 1.0, 1.2]), spec), torch.tensor([0.0, 1.0, 1.0]))


def test_real_values_stay_real() -> None:
    assert torch.equal(quantize(torch.tensor([-4.0, 0.123, 9.0]), WIDE), torch.tensor([-3.0, 0.123, 5.0]))
    assert torch.equal(quantize(torch.tensor([-4.0, 0.123, 9.0]), FREE), torch.tensor([-4.0, 0.123, 9.0]))
