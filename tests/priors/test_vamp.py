"""The mixture of posteriors: a density, drawn from as it says, and trained through the encoder."""

import math

import torch
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from pushforward.bottlenecks import GaussianPosterior
from pushforward.composition import compose
from pushforward.priors import VampPrior
from pushforward.spec import DataSpec
from pushforward.training import build


def made(dim: int = 1, components: int = 4) -> VampPrior:
    """A prior whose encoder is μ = 3x, ln σ = −x, in float64."""
    torch.manual_seed(0)
    prior = VampPrior(components, 0.5, code_dim=dim, spec=DataSpec((dim,), None, 10, low=-math.inf, high=math.inf))
    prior.attach(lambda x: GaussianPosterior(3 * x, -x))
    return prior.double()


def test_it_is_the_mixture_of_the_posteriors_of_its_inputs() -> None:
    prior = made(dim=2)
    u = prior.inputs.detach()
    mixture = MixtureSameFamily(Categorical(torch.ones(4)), Independent(Normal(3 * u, (-u).exp()), 1))
    z = torch.randn(9, 2, dtype=torch.float64)
    torch.testing.assert_close(prior.log_prob(z), mixture.log_prob(z), check_dtype=False)


def test_its_density_integrates_to_one() -> None:
    grid = torch.linspace(-30, 30, 60_001, dtype=torch.float64)
    torch.testing.assert_close(torch.trapezoid(made().log_prob(grid[:, None]).exp(), grid), grid.new_tensor(1.0))


def test_draws_have_its_moments() -> None:
    prior, n = made(), 100_000
    z, u = prior.sample(n, torch.Generator().manual_seed(0)), prior.inputs.detach()
    mean = (3 * u).mean()
    variance = ((-u).exp() ** 2 + (3 * u) ** 2).mean() - mean**2
    assert abs(float(z.mean() - mean)) < 4 * float(variance / n) ** 0.5
    assert abs(float(z.var() / variance) - 1) < 0.05


def test_its_inputs_are_trained_and_stay_in_the_range_of_the_data() -> None:
    frozen = compose(
        [
            "model=vamp_vae",
            "model.prior.components=8",
            "network.hidden=[16]",
            "features=none",
            "metrics=none",
            "logger=none",
        ]
    )
    data = build.build_data(frozen)
    family = build.build_family(frozen, data.spec)
    data.per_cycle, data.cycles = family.batches_per_cycle, 16
    before = family.prior.inputs.detach().clone()
    family.get_stepper().block(next(iter(data.train_dataloader())))
    moved = (family.prior.inputs.detach() - before).flatten(1).norm(dim=1)
    assert bool((moved > 1e-3).all()), "every pseudo-input moves"
    seen: list[Tensor] = []
    family.prior.attach(lambda x: (seen.append(x), family.posterior(x))[1])
    family.prior.inputs.data.mul_(100)
    family.prior.components()
    assert float(seen[0].min()) >= 0 and float(seen[0].max()) <= 1
