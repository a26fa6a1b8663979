"""Spectral normalisation against the singular value decomposition."""

import torch
from torch import nn

from pushforward.networks.spectral import iterate, normalize


def singular(layer: nn.Module) -> float:
    return float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2))  # type: ignore[union-attr, operator]


def test_weights_have_the_largest_singular_value_one() -> None:
    """After 200 further iterations; with a gap of a few percent the error falls by as much each time, and squared in σ."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 9), nn.Conv2d(3, 5, 3), nn.Embedding(4, 7))
    before = [singular(layer) for layer in module]
    normalize(module)
    for _ in range(200):
        iterate(module)
    assert all(abs(singular(layer) - 1) < 1e-3 for layer in module)
    assert all(abs(value - 1) > 0.05 for value in before)


def test_calling_changes_nothing_and_the_gradient_is_that_of_the_quotient() -> None:
    """σ's own derivative is u vᵀ, at fixed u and v."""
    torch.manual_seed(0)
    module = nn.Linear(4, 3).double()
    normalize(module)
    norm = module.parametrizations.weight[0]  # type: ignore[union-attr, index]
    raw = module.parametrizations.weight.original  # type: ignore[union-attr]
    u = norm.u.clone()
    weight = torch.randn(3, 4, dtype=torch.float64)
    (module.weight * weight).sum().backward()
    assert torch.equal(norm.u, u)
    v = norm.v(raw.detach())
    sigma = u @ raw.detach() @ v
    wanted = weight / sigma - (raw.detach() * weight).sum() / sigma**2 * torch.outer(u, v)
    torch.testing.assert_close(raw.grad, wanted)


def test_parameters_are_those_of_the_layer() -> None:
    module = nn.Linear(4, 3)
    normalize(module)
    assert [name for name, _ in module.named_parameters()] == ["bias", "parametrizations.weight.original"]
