"""Couplings and autoregressive layers: round trips in float64, log-determinants against autograd in both directions."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

from pushforward.bijections import (
    additive_couplings,
    affine_autoregressive,
    affine_couplings,
    inverse_autoregressive,
    spline_autoregressive,
    spline_couplings,
)
from pushforward.errors import PushforwardError

KINDS: dict[str, Callable[..., Any]] = {
    "affine": partial(affine_couplings, transforms=4, hidden=[16]),
    "spline": partial(spline_couplings, transforms=4, hidden=[16], bins=5, bound=3.0),
    "additive": partial(additive_couplings, transforms=4, hidden=[16]),
    "maf": partial(affine_autoregressive, transforms=3, hidden=[16]),
    "iaf": partial(inverse_autoregressive, transforms=3, hidden=[16]),
    "spline-maf": partial(spline_autoregressive, transforms=2, hidden=[16], bins=5, bound=3.0),
}


def moved(kind: str, features: int) -> Any:
    """A flow away from its start, in float64."""
    torch.manual_seed(0)
    flow = KINDS[kind](features=features).double()
    with torch.no_grad():
        for p in flow.parameters():
            p.add_(0.15 * torch.randn_like(p))
    return flow


def points(features: int, n: int = 64) -> torch.Tensor:
    return 1.5 * torch.randn(n, features, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("features", [2, 5, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back(kind: str, features: int) -> None:
    t, x = moved(kind, features)(), points(features)
    z, ladj = t.call_and_ladj(x)
    assert (z - x).abs().max() > 0.1
    torch.testing.assert_close(t(x), z, rtol=0, atol=1e-12)
    assert (t.inv(z) - x).abs().max() < 1e-10
    assert (t(t.inv(x)) - x).abs().max() < 1e-10
    torch.testing.assert_close(t.log_abs_det_jacobian(x, z), ladj)


@pytest.mark.parametrize("features", [2, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_log_determinant(kind: str, features: int) -> None:
    t, x = moved(kind, features)(), points(features, 8)
    z, ladj = t.call_and_ladj(x)
    for i in range(len(x)):
        there = torch.linalg.slogdet(torch.func.jacrev(t)(x[i]))[1]
        back = torch.linalg.slogdet(torch.func.jacrev(t.inv)(z[i]))[1]
        torch.testing.assert_close(ladj[i], there, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(-ladj[i], back, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_it_starts_as_the_identity(kind: str) -> None:
    """A spline of equal bins and slopes is the identity up to rounding."""
    x = points(6).float()
    z, ladj = KINDS[kind](features=6)().call_and_ladj(x)
    torch.testing.assert_close(z, x, rtol=1e-5, atol=1e-5)
    assert ladj.abs().max() < 1e-4


def test_one_coupling_moves_the_other_half_alone() -> None:
    """In the order (kept, moved) the Jacobian is lower triangular, with the identity first."""
    flow = moved("affine", 5)
    layer = flow.transforms[0]
    order, kept = layer.order, layer.kept
    jacobian = torch.func.jacrev(layer())(points(5)[0])[order][:, order]
    assert torch.equal(jacobian[:kept, :kept], torch.eye(kept, dtype=torch.float64))
    assert torch.equal(jacobian.triu(1), torch.zeros_like(jacobian))
    assert jacobian[kept:, :kept].abs().max() > 0


def test_pairs_of_layers_cover_every_dimension() -> None:
    for features in (2, 5, 8):
        layers = moved("affine", features).transforms
        first, second = ({int(i) for i in layer.order[layer.kept :]} for layer in layers[:2])
        assert first | second == set(range(features))


def test_one_dimension_is_refused() -> None:
    with pytest.raises(PushforwardError, match="at least 2 dimensions"):
        KINDS["affine"](features=1)
