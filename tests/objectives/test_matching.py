"""Terms that match codes to a prior: moments by hand, and zero where they match."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pushforward.bottlenecks import Code, GaussianPosterior
from pushforward.errors import PushforwardError
from pushforward.objectives import MMD, DisentangledCovariance, SlicedWasserstein

G = torch.Generator().manual_seed(0)
Z = torch.randn(64, 3, generator=G, dtype=torch.float64)


@pytest.mark.parametrize("term", [MMD("rbf"), MMD("imq"), SlicedWasserstein()])
def test_far_codes_cost_more(term: Any) -> None:
    drawn, directions = (torch.randn(64, 3, generator=G, dtype=torch.float64) for _ in range(2))

    def cost(shift: float) -> float:
        return float(term(SimpleNamespace(z=Z + shift, prior_codes=drawn, directions=directions)))

    assert cost(0) < cost(1) < cost(3)


def test_sorted_equal_clouds_cost_nothing() -> None:
    seen = SimpleNamespace(z=Z, prior_codes=Z.flip(0), directions=Z)
    assert float(SlicedWasserstein()(seen)) == 0


@pytest.mark.parametrize("kind", ["i", "ii"])
def test_moments_by_hand(kind: Any) -> None:
    """Means ±a in one dimension and constant in the other; σ² = s²: variances a² (+ s²) and 0 (+ s²)."""
    a, s = 0.5, 0.25
    mean = torch.tensor([[a, 1.0], [-a, 1.0]])
    posterior = GaussianPosterior(mean, torch.full((2, 2), s).log())
    extra = s**2 if kind == "ii" else 0.0
    wanted = 7 * ((a**2 + extra - 1) ** 2 + (extra - 1) ** 2)
    found = DisentangledCovariance(kind, 3.0, 7.0)(SimpleNamespace(code=Code(mean, posterior)))
    torch.testing.assert_close(found, torch.tensor(wanted))
    correlated = GaussianPosterior(torch.tensor([[a, a], [-a, -a]]), posterior.log_std)
    found = DisentangledCovariance(kind, 3.0, 0.0)(SimpleNamespace(code=Code(mean, correlated)))
    torch.testing.assert_close(found, torch.tensor(3 * 2 * a**4))


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(PushforwardError, match="choose from rbf, imq"):
        MMD("linear")  # type: ignore[arg-type]
    with pytest.raises(PushforwardError, match="choose from i, ii"):
        DisentangledCovariance("iii", 1.0, 1.0)  # type: ignore[arg-type]
