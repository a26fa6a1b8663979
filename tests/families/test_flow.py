"""Flows: exact densities, round trips, dequantisation."""

import math
from functools import partial
from typing import Any

import pytest
import torch
import zuko
from sklearn.datasets import load_digits
from torch import Tensor

from pushforward.bijections import affine_couplings, spline_couplings
from pushforward.errors import PushforwardError
from pushforward.families import Flow, Tuning
from pushforward.objectives import NegativeLogLikelihood
from pushforward.seeds import generator
from pushforward.spec import Batch, Block, DataSpec

DIGITS = DataSpec((1, 8, 8), 17, 1437, 10)
SMALL = DataSpec((1, 2, 2), 5, 100)
PLANE = DataSpec((2,), None, 100, low=-math.inf, high=math.inf)
SQUARE = DataSpec((2,), None, 100)
KINDS = {
    "affine": partial(affine_couplings, transforms=4, hidden=[16]),
    "spline": partial(spline_couplings, transforms=4, hidden=[16], bins=6, bound=4.0),
    "zuko": partial(zuko.flows.NSF, transforms=2, hidden_features=[16], bins=6),
}


def flow(kind: Any, spec: DataSpec, alpha: float = 0.05, moved: float = 0.15) -> Flow:
    torch.manual_seed(0)
    tuning = Tuning(torch.optim.Adam, 1e-3)
    family = Flow(spec, KINDS.get(kind, kind), alpha, {"nll": NegativeLogLikelihood()}, {"model": tuning})
    with torch.no_grad():
        for p in family.parameters():
            p.add_(moved * torch.randn_like(p))
    return family


def levels(spec: DataSpec, n: int) -> Tensor:
    assert spec.levels is not None
    g = torch.Generator().manual_seed(0)
    return torch.randint(0, spec.levels, (n, *spec.shape), generator=g) / (spec.levels - 1)


@pytest.mark.parametrize("spec", [PLANE, SQUARE])
@pytest.mark.parametrize("kind", KINDS)
def test_a_density_integrates_to_one(kind: str, spec: DataSpec) -> None:
    """Midpoints of 400² cells; the bounded one has no mass but α's beyond the logit's ends at ±9."""
    low, high = (0.0, 1.0) if spec.bounded else (-9.0, 9.0)
    family = flow(kind, spec, alpha=1e-4, moved=0.06)
    side = low + (high - low) * (torch.arange(400) + 0.5) / 400
    x = torch.cartesian_prod(side, side)
    with torch.no_grad():
        mass = family.density(x).double().exp().sum().item() * ((high - low) / 400) ** 2
    assert mass == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_the_density_is_that_of_the_change_of_variables(kind: str) -> None:
    """log N(z) + log |det ∂z/∂x| by autograd, in float64, the logit included."""
    family = flow(kind, SMALL).double()
    x = torch.rand(6, *SMALL.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def z_of(x: Tensor) -> Tensor:
        return family.bijection()(family.logit(x[None])[0])[0]

    for i, value in enumerate(family.density(x)):
        jacobian = torch.func.jacrev(z_of)(x[i]).reshape(4, 4)
        z = z_of(x[i])
        wanted = -0.5 * (z.square() + math.log(2 * math.pi)).sum() + torch.linalg.slogdet(jacobian)[1]
        torch.testing.assert_close(value, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back(kind: str) -> None:
    family = flow(kind, DIGITS).double()
    z = torch.randn(20, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = family.bijection().inv(z)
    assert (family.bijection()(y) - z).abs().max() < 1e-10
    x = levels(DIGITS, 20)
    assert family.encode(x.double()).shape == (20, 64)
    assert torch.equal(family.decode(family.encode(x.double())).float(), x)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_are_levels(kind: str) -> None:
    x = flow(kind, DIGITS).sample(16, generator("cpu", 0, "s"))
    assert x.shape == (16, 1, 8, 8) and x.min() >= 0 and x.max() <= 1
    torch.testing.assert_close((x * 16).round() / 16, x)


def test_likelihood_of_levels_is_the_density_of_the_dequantised() -> None:
    """bits/dim = NLL/(D ln 2) + log2 levels; the noise is the generator's."""
    family, x = flow("affine", DIGITS), levels(DIGITS, 5)
    scored = family.log_prob(x, generator("cpu", 0, "u"))
    u = torch.rand(5, 1, 8, 8, generator=generator("cpu", 0, "u"))
    torch.testing.assert_close(scored.values, family.density((16 * x + u) / 17))
    assert (scored.kind, scored.density) == ("exact", True)
    bits = DIGITS.bits_per_dim(-scored.values, density=True)
    torch.testing.assert_close(bits, -scored.values / (64 * math.log(2)) + math.log2(17))
    noise = {"dequantize": u}
    torch.testing.assert_close(family.loss("model", Batch(x), noise).terms["nll"], -scored.values)


def test_a_uniform_density_costs_log2_levels_bits() -> None:
    """Uniform dequantised levels under the uniform density: exactly the bits of a level."""
    assert DIGITS.bits_per_dim(torch.zeros(3), density=True).tolist() == pytest.approx([math.log2(17)] * 3)


def test_real_valued_data_draw_no_noise() -> None:
    family = flow("affine", PLANE)
    assert family.draw("model", 4, generator("cpu", 0, "n")) == {}
    x = torch.randn(4, 2)
    torch.testing.assert_close(family.log_prob(x, generator("cpu", 0, "n")).values, family.density(x))


def test_what_is_refused() -> None:
    with pytest.raises(PushforwardError, match=r"NCSF has a base other than N\(0, I\)"):
        flow(zuko.flows.NCSF, PLANE)
    with pytest.raises(PushforwardError, match=r"alpha=0\.7"):
        flow("affine", DIGITS, alpha=0.7)


@pytest.mark.parametrize("kind", KINDS)
def test_training_lowers_the_nll(kind: str) -> None:
    """160 steps on digits; a uniform density has 0 nats, and held-out digits must be below −20."""
    x = torch.tensor(load_digits().images / 16, dtype=torch.float32)[:, None]
    family = flow(kind, DIGITS, moved=0.0)
    family.configure_optimizers()
    assert family.stepper is not None
    order = torch.randint(1437, (10, 16, 64), generator=torch.Generator().manual_seed(0))
    for i, index in enumerate(order):
        family.stepper.block(Block(i, Batch(x[index])))
    with torch.no_grad():
        assert family.log_prob(x[1437:], generator("cpu", 0, "u")).values.mean() > 20


def two_spirals(n: int) -> Tensor:
    g = torch.Generator().manual_seed(0)
    angle = 3 * math.pi * torch.rand(n, generator=g).sqrt()
    arm = torch.randint(2, (n,), generator=g) * 2.0 - 1
    x = torch.stack([angle.cos(), angle.sin()], 1) * (arm * angle / 4)[:, None]
    return x + 0.05 * torch.randn(n, 2, generator=g)


@pytest.mark.parametrize("data", ["spirals", "digits"])
@pytest.mark.parametrize("kind", ["affine", "spline"])
def test_trained_flows_come_back_on_data_and_on_samples(kind: str, data: str) -> None:
    """In float32, after 128 steps. An error of rounding, 2⁻²⁴ of a value in each of 4 layers there and 4 back, grows at most by
    the conditioning of what is left of the way, here estimated by that of the whole at the point where it is worst.
    """
    if data == "spirals":
        x, spec = two_spirals(2000), PLANE
    else:
        x, spec = torch.tensor(load_digits().images / 16, dtype=torch.float32)[:, None], DIGITS
    family = flow(kind, spec, moved=0.0)
    family.configure_optimizers()
    assert family.stepper is not None
    for i, index in enumerate(torch.randint(len(x), (8, 16, 64), generator=torch.Generator().manual_seed(0))):
        family.stepper.block(Block(i, Batch(x[index])))
    there = family.bijection()
    with torch.no_grad():
        y = family.logit(spec.dequantize(x[:200], torch.full_like(x[:200], 0.5)))[0]
        z = torch.randn(200, spec.dim, generator=torch.Generator().manual_seed(1))
        for points in (y, there.inv(z)):
            jacobian = torch.func.vmap(torch.func.jacrev(lambda one: there(one[None])[0]))(points)
            largest, least = (
                value(-1) for value in (torch.linalg.svdvals(jacobian).amax, torch.linalg.svdvals(jacobian).amin)
            )
            rounding = 8 * 2.0**-24 * float(points.abs().max().clamp(min=1))
            bound = rounding * float((largest / least).max())
            assert bound < 0.05  # well conditioned where the data and the samples are
            assert float((there.inv(there(points)) - points).abs().max()) < bound
        assert float((there(there.inv(z)) - z).abs().max()) < 8 * 2.0**-24 * 4 * float((largest / least).max())


def test_affine_couplings_scale_within_their_bound_far_from_the_data() -> None:
    """In the plane each of 4 couplings scales one dimension, so |log |det|| ≤ 4·3 whatever the parameters, to rounding."""
    family = flow("affine", PLANE, moved=5.0)
    y = 1e4 * torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ladj = family.bijection().call_and_ladj(y)[1].abs()
    assert 3 < float(ladj.max()) <= 12 * (1 + 1e-6)
