"""The exemplar prior is a Parzen density about training images' codes; in a step it leaves an image's own out."""

import math
from typing import Any

import torch
from torch import Tensor

from pushforward.bottlenecks import GaussianPosterior
from pushforward.composition import compose
from pushforward.metrics.parzen import parzen_log_prob
from pushforward.priors import ExemplarPrior
from pushforward.spec import DataSpec
from pushforward.training import build

STD = 0.7


class Points:
    """Training points 0, 1, 2, … as data."""

    def training_images(self, n: int, seed: int) -> Tensor:
        return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def made(exemplars: int = 6) -> ExemplarPrior:
    """A prior whose encoder is μ = 3x, in float64."""
    spec = DataSpec((2,), None, 50, low=-math.inf, high=math.inf)
    prior = ExemplarPrior(exemplars, STD, code_dim=2, spec=spec).double()
    prior.attach(lambda x: GaussianPosterior(3 * x, torch.zeros_like(x)))
    prior.attach_data(Points(), 0)
    return prior


def test_it_is_the_parzen_density_of_its_exemplars() -> None:
    """ORACLES: at codes of 6 exemplars, and of all 50 where more are requested; 1e-6: σ is a float32 number."""
    z = torch.randn(9, 2, dtype=torch.float64)
    for exemplars, m in ((6, 6), (80, 50)):
        prior = made(exemplars).eval()
        centres = 3 * Points().training_images(m, 0)
        expected = parzen_log_prob(z, centres, [STD])[0]
        torch.testing.assert_close(prior.log_prob(z), expected, rtol=1e-6, atol=1e-6, check_dtype=False)


def test_draws_stand_about_its_exemplars_with_its_variance() -> None:
    """50,000 draws, five standard errors."""
    prior, n = made().eval(), 50_000
    z, centres = prior.sample(n, torch.Generator().manual_seed(0)), prior.centres()
    variance = centres.var(0, unbiased=False) + STD**2
    assert bool(((z.mean(0) - centres.mean(0)).abs() < 5 * (variance / n).sqrt()).all())
    fourth = ((z - z.mean(0)) ** 4).mean(0) / variance**2
    assert bool(((z.var(0) / variance - 1).abs() < 5 * ((fourth - 1) / n).sqrt()).all())


def test_in_a_step_it_is_the_parzen_density_of_the_batch_s_others() -> None:
    """For one code an image and for several; outside of training, and of a lone image, it is the whole mixture."""
    prior, n = made(), 5
    q = GaussianPosterior(torch.randn(n, 2, dtype=torch.float64), torch.zeros(n, 2))
    z = torch.randn(3, n, 2, dtype=torch.float64)
    found = prior.in_step(q).log_prob(z.flatten(0, 1)).view(3, n)
    for i in range(n):
        others = q.mean[torch.arange(n) != i]
        expected = parzen_log_prob(z[:, i], others, [STD])[0]
        torch.testing.assert_close(found[:, i], expected, rtol=1e-6, atol=1e-6, check_dtype=False)
    assert prior.in_step(GaussianPosterior(q.mean[:1], q.log_std[:1])) is prior
    assert prior.eval().in_step(q) is prior


def test_leaving_one_out_bounds_the_whole_density_from_below() -> None:
    """Jensen: of batches of 8 from 50 centres, E log p̂ ≤ log p of a code beside them; 2,000 batches, five standard errors."""
    prior = made(80)
    centres, g = 3 * Points().training_images(50, 0), torch.Generator().manual_seed(1)
    point = torch.tensor([[0.5, -1.0]], dtype=torch.float64)
    values = []
    for _ in range(2000):
        q = GaussianPosterior(torch.cat((point, centres[torch.randperm(50, generator=g)[:8]])), torch.zeros(9, 2))
        values.append(prior.in_step(q).log_prob(point.expand(9, 2))[0])
    found, whole = torch.stack(values).detach(), prior.eval().log_prob(point)[0].detach()
    assert float(found.mean()) < float(whole) + 5 * float(found.std()) / 2000**0.5
    mean = torch.stack(values).exp().mean().log()
    assert abs(float(mean - whole)) < 5 * float(found.exp().std() / whole.exp()) / 2000**0.5


def test_a_run_s_exemplars_are_training_images_chosen_by_its_seed() -> None:
    frozen = compose(["model=exemplar_vae", "network.hidden=[16]", "features=none", "metrics=none", "logger=none"])
    data = build.build_data(frozen)
    family: Any = build.build_family(frozen, data.spec)
    family.attach_data(data)
    images, train = family.prior.images, data.tensor("train")
    assert len(images) == len(train) and torch.equal(images, train)
    few = data.training_images(10, 3)
    assert torch.equal(few, data.training_images(10, 3)) and not torch.equal(few, data.training_images(10, 4))
    assert all(bool((image == train).flatten(1).all(1).any()) for image in few)
    assert "ExemplarPrior" in family.coupled()
