"""Measures of linear VAEs and of continuous Bernoullis: known answers, and a reason where there is none."""

import math
from functools import partial
from typing import Any

import pytest
import torch

from pushforward.bottlenecks import Gaussian
from pushforward.data import DataModule
from pushforward.data.sources import Digits
from pushforward.distributions import Bernoulli, ContinuousBernoulli
from pushforward.distributions import Gaussian as GaussianLikelihood
from pushforward.families import Tuning, VariationalAutoencoder
from pushforward.networks import MLP
from pushforward.objectives import KL, Reconstruction
from pushforward.protocol import Subject
from pushforward.protocol.continuous_bernoulli import ContinuousBernoulliBound, logit_of_mean
from pushforward.protocol.linear_gaussian import ProbabilisticPCA

TUNING = {"model": Tuning(partial(torch.optim.Adam), 1e-3)}


def subject(likelihood: Any, hidden: tuple[int, ...] = (), q: int = 3) -> Subject:
    data = DataModule(Digits(), batch_size=32, validation=100)
    objective = {"reconstruction": Reconstruction(), "kl": KL()}
    family = VariationalAutoencoder(data.spec, MLP(hidden=hidden), q, Gaussian, likelihood, objective, TUNING)
    return Subject(family.eval(), data)


GAUSSIAN = partial(GaussianLikelihood, sigma=1.0, learned=True, mean="identity")


@torch.no_grad()
def test_a_linear_vae_with_pcas_parameters_has_no_gap() -> None:
    """W = U (Λ − σ²)^½, its exact posterior, σ² the mean of the discarded eigenvalues: to float32 in weights of order 10."""
    found = subject(GAUSSIAN)
    x = found.x("train").flatten(1).double()
    values, vectors = torch.linalg.eigh((x - x.mean(0)).T @ (x - x.mean(0)) / len(x))
    variance = values[:-3].mean()
    w = vectors[:, -3:] * (values[-3:] - variance).sqrt()
    m = (values[-3:] - variance) + variance
    encode = (w / m).T
    coder: Any = found.family.coder  # type: ignore[attr-defined]
    coder.decoder[0].weight.copy_(w)
    coder.decoder[0].bias.copy_(x.mean(0))
    coder.bottleneck.linear.weight.copy_(torch.cat([encode, torch.zeros(3, 64)]))
    coder.bottleneck.linear.bias.copy_(torch.cat([-encode @ x.mean(0), 0.5 * (variance / m).log()]))
    found.family.likelihood.log_sigma.fill_(0.5 * variance.log())  # type: ignore[attr-defined]
    entries = ProbabilisticPCA()(found)
    assert entries["ppca_gap"]["value"] == pytest.approx(0, abs=1e-4)
    assert entries["ppca_variance_error"]["value"] == pytest.approx(0, abs=1e-5)
    assert entries["ppca_nll"]["card"]["kind"] == "exact"


def test_what_is_not_linear_has_no_such_numbers() -> None:
    assert "no affine map" in ProbabilisticPCA()(subject(GAUSSIAN, hidden=(8,)))["ppca_gap"]["na"]
    assert "no Gaussian" in ProbabilisticPCA()(subject(Bernoulli))["ppca_gap"]["na"]


def test_the_logit_of_a_mean_is_its_inverse() -> None:
    density = ContinuousBernoulli(spec=subject(Bernoulli).spec)
    logits = torch.tensor([-9.0, -1.0, -0.01, 0.0, 0.3, 5.0])[:, None]
    found = logit_of_mean(density, density.mean(logits[:, None]), 9.2)
    torch.testing.assert_close(found, logits, rtol=0, atol=1e-3)  # a mean in float32 near its ends tells no more
    assert float(logit_of_mean(density, torch.zeros(1, 1), 9.2)) == pytest.approx(-9.2, abs=1e-4)


def test_a_decoder_reads_one_way_that_was_trained_by_it_and_two_that_was_not() -> None:
    """At λ = 1/2 everywhere both are the uniform density, log p(x|z) = 0: the bound is −KL."""
    own = ContinuousBernoulliBound(clip=1e-4)(subject(ContinuousBernoulli))
    assert own["cb_elbo"]["value"] == own["cb_elbo_mean"]["value"]
    other = subject(Bernoulli)
    assert ContinuousBernoulliBound(clip=1e-4)(other)["cb_elbo"]["value"] != pytest.approx(
        ContinuousBernoulliBound(clip=1e-4)(other)["cb_elbo_mean"]["value"], rel=1e-3
    )
    with torch.no_grad():
        decoder: Any = other.family.coder.decoder  # type: ignore[attr-defined]
        decoder[0].weight.zero_()
        decoder[0].bias.zero_()
    entries = ContinuousBernoulliBound(clip=1e-4)(other)
    mean, log_std = other.posterior()
    rate = float((0.5 * (mean.square() + (2 * log_std).exp() - 1) - log_std).sum(1).mean())
    for name in ("cb_elbo", "cb_elbo_mean"):
        assert entries[name]["value"] == pytest.approx(-rate, rel=1e-4) and math.isfinite(rate)
    assert "no Bernoulli" in ContinuousBernoulliBound(clip=1e-4)(subject(GAUSSIAN))["cb_elbo"]["na"]
