"""Penalties on slopes of linear maps, which are known, and Hutchinson's estimate against the exact one."""

from types import SimpleNamespace

import torch
from torch import nn

from pushforward.objectives import CodeNorm, ContractivePenalty, DecoderNorm, DecoderSlope
from pushforward.seeds import generator, signs

W = torch.randn(3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
X = torch.randn(4, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_contraction_of_a_linear_encoder_is_its_squared_norm() -> None:
    seen = SimpleNamespace(x=X, encode=lambda x: x @ W.T, code_probe=torch.ones(4, 3, dtype=torch.float64))
    torch.testing.assert_close(ContractivePenalty(True)(seen), W.square().sum().expand(4))
    torch.testing.assert_close(ContractivePenalty(False)(seen), W.sum(0).square().sum().expand(4))  # (1ᵀW)²


def test_contraction_of_one_sigmoid_layer() -> None:
    """Rifai et al. 2011, eq. 7: Σⱼ (hⱼ(1 − hⱼ))² ‖Wⱼ‖²."""
    seen = SimpleNamespace(x=X, encode=lambda x: (x @ W.T).sigmoid(), code_probe=None)
    seen.code_probe = torch.ones(4, 3, dtype=torch.float64)
    h = (X @ W.T).sigmoid()
    torch.testing.assert_close(ContractivePenalty(True)(seen), ((h * (1 - h)).square() * W.square().sum(1)).sum(1))


def test_the_estimate_has_the_exact_mean() -> None:
    """Over all 8 probes of signs, whose mean is exact."""
    probes = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)

    def encode(x: torch.Tensor) -> torch.Tensor:
        return (x @ W.T).sin()

    found = [ContractivePenalty(False)(SimpleNamespace(x=X, encode=encode, code_probe=p.expand(4, 3))) for p in probes]
    exact = ContractivePenalty(True)(SimpleNamespace(x=X, encode=encode, code_probe=probes[:4]))
    torch.testing.assert_close(torch.stack(found).mean(0), exact)


def test_the_penalty_has_a_gradient_in_the_encoder() -> None:
    layer = nn.Linear(5, 3).double()
    seen = SimpleNamespace(x=X, encode=layer, code_probe=signs((4, 3), generator("cpu", 0, "p")).double())
    ContractivePenalty(True)(seen).mean().backward()
    torch.testing.assert_close(layer.weight.grad, 2 * layer.weight.detach())


def test_the_decoders_slope_and_norm() -> None:
    """A linear decoder of two parameters an image, of which the first are outputs: ½‖Vᵀv‖²."""
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    probe = signs((4, 5), generator("cpu", 0, "p")).double()
    seen = SimpleNamespace(
        x=z, z=z, decode=lambda z: torch.stack((z @ W, 0 * z @ W), 1), decoder=nn.Linear(2, 2), image_probe=probe
    )
    torch.testing.assert_close(DecoderSlope(1.0)(seen), 0.5 * (probe @ W.T).square().sum(1))
    weights = torch.cat([p.flatten() for p in seen.decoder.parameters()])
    torch.testing.assert_close(DecoderNorm(1.0)(seen), 0.5 * weights.square().sum().expand(4))
    torch.testing.assert_close(CodeNorm(1.0)(seen), 0.5 * z.square().sum(1))
