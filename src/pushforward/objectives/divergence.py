"""Divergences of the codes' distribution from the prior, and the importance-weighted bound of k samples."""

from torch import Tensor

from pushforward.bottlenecks import (
    BernoulliPosterior,
    CategoricalPosterior,
    GaussianPosterior,
    Posterior,
    VonMisesFisherPosterior,
)
from pushforward.distributions.aggregate import minibatch_stratified
from pushforward.distributions.bounds import importance_weighted_bound
from pushforward.distributions.discrete import kl_uniform
from pushforward.distributions.gaussian import kl_standard_normal
from pushforward.distributions.input_gradient import input_gradient
from pushforward.domains import Count, NonNegative, Share
from pushforward.errors import PushforwardError
from pushforward.numbers import number
from pushforward.objectives.passes import AutoencoderPass
from pushforward.objectives.term import Term
from pushforward.objectives.weighting import Weight
from pushforward.parallel import gather_batch
from pushforward.priors import (
    AutoregressivePrior,
    LevelPrior,
    Prior,
    StandardNormal,
    UniformBits,
    UniformCategorical,
    UniformSphere,
)


def closed_form_kl(posterior: Posterior, prior: Prior) -> Tensor | None:
    """KL(q(z|x) ‖ p(z)), nats per image and independent part of the code, (n, d), where it has a closed form; else None."""
    match posterior, prior:
        case GaussianPosterior(), StandardNormal():
            return kl_standard_normal(posterior.mean, posterior.log_std)
        case GaussianPosterior(), AutoregressivePrior():
            return prior.kl(posterior.mean, posterior.log_std)
        case CategoricalPosterior(), UniformCategorical():
            return kl_uniform(posterior.log_p)
        case BernoulliPosterior(), UniformBits():
            return kl_uniform(posterior.log_p)
        case VonMisesFisherPosterior(), UniformSphere():
            return posterior.kl_uniform()[:, None]
        case _:
            return None


class KL(Term[AutoencoderPass]):
    """Rate KL(q(z|x) ‖ p(z)), nats per image and code dimension, (n, d). Kingma & Welling 2014, app. B.

    Where it has no closed form, its estimate from the codes, log q(z|x) − log p(z), (n,); of levels, (n, d).
    """

    symbol = "KL(q(z|x)‖p(z))"
    needs = frozenset({"posterior", "prior"})
    remedy = "Use bottleneck=gaussian (model=vae), or take this term out: '~model.objective.kl'."

    def forward(self, passed: AutoencoderPass) -> Tensor:
        posterior, prior = passed.code.posterior, passed.prior
        assert posterior is not None and prior is not None
        rate = closed_form_kl(posterior, prior)
        if rate is not None:
            return rate
        if isinstance(prior, LevelPrior):
            value = passed.code.extras["rates"]
            return value if value.ndim == 2 else value.mean(0)
        value = passed.log_density_ratio()
        return value if value.ndim == 1 else value.mean(0)


class ImportanceWeightedBound(Term[AutoencoderPass]):
    """−log (1/k) Σₖ p(x, zₖ)/q(zₖ|x), nats per image, (n,): −ELBO for k = 1. Burda, Grosse & Salakhutdinov 2016, eq. 8.

    Its gradient is that of the bound itself, all samples reparameterised.
    """

    symbol = "−log (1/k) Σₖ p(x,zₖ)/q(zₖ|x)"
    needs = frozenset({"likelihood", "posterior", "prior"})
    remedy = "Use model=iwae, or bottleneck=gaussian."

    def forward(self, passed: AutoencoderPass) -> Tensor:
        return -importance_weighted_bound(passed.log_weights())


class MultiplyImportanceWeightedBound(Term[AutoencoderPass]):
    """−(1/M) Σₘ log (1/K) Σₖ p(x, zₘₖ)/q(zₘₖ|x), nats per image, (n,). Rainforth et al. 2018, eq. 12 (MIWAE).

    groups: M, which divides model.samples: M = 1 is the importance-weighted bound, M = samples is −ELBO.
    """

    symbol = "−(1/M) Σₘ log (1/K) Σₖ p(x,zₘₖ)/q(zₘₖ|x)"
    needs = frozenset({"likelihood", "posterior", "prior"})
    remedy = ImportanceWeightedBound.remedy

    def __init__(self, groups: Count, weight: NonNegative | Weight = 1.0) -> None:
        super().__init__(weight)
        self.groups = groups

    def forward(self, passed: AutoencoderPass) -> Tensor:
        return -importance_weighted_bound(self.grouped(passed.log_weights())).mean(1)

    def grouped(self, log_w: Tensor) -> Tensor:
        """log-weights (n, M, K) of (n, M·K)."""
        if log_w.shape[1] % self.groups:
            raise PushforwardError(
                f"objective: groups={self.groups} does not divide model.samples={log_w.shape[1]}; choose one that does"
            )
        return log_w.unflatten(1, (self.groups, -1))


class CombinedBound(Term[AutoencoderPass]):
    """−β·ELBO − (1 − β)·log (1/K) Σₖ p(x, zₖ)/q(zₖ|x), nats per image, (n,). Rainforth et al. 2018, eq. 13 (CIWAE)."""

    symbol = "−β·ELBO − (1 − β)·log (1/K) Σₖ p(x,zₖ)/q(zₖ|x)"
    needs = frozenset({"likelihood", "posterior", "prior"})
    remedy = ImportanceWeightedBound.remedy
    beta: Tensor

    def __init__(self, beta: Share, weight: NonNegative | Weight = 1.0) -> None:
        super().__init__(weight)
        number(self, "beta", beta)

    def forward(self, passed: AutoencoderPass) -> Tensor:
        log_w = passed.log_weights()
        return -self.beta * log_w.mean(1) - (1 - self.beta) * importance_weighted_bound(log_w)


class PartiallyImportanceWeightedBound(MultiplyImportanceWeightedBound):
    """−log (1/MK) Σₘₖ p(x, zₘₖ)/q(zₘₖ|x), nats per image, (n,). Rainforth et al. 2018, eq. 14–15 (PIWAE).

    Likelihood and prior have its gradient; codes and posterior, and through them the encoder, have that of
    −(1/M) Σₘ log (1/K) Σₖ p(x, zₘₖ)/q(zₘₖ|x). groups: M.
    """

    symbol = "−log (1/MK) Σₘₖ p(x,zₘₖ)/q(zₘₖ|x)"

    def forward(self, passed: AutoencoderPass) -> Tensor:
        log_w = passed.log_weights()
        together, apart = log_w.softmax(1), self.grouped(log_w).softmax(2).flatten(1) / self.groups
        slope = input_gradient(passed.log_joint, passed.z.detach()).detach()
        # of value 0, with the gradient of log w in the encoder alone
        through = (slope * passed.z).sum(-1) - passed.log_posterior()
        rows = (through - through.detach())[None] if through.ndim == 1 else through - through.detach()
        return -importance_weighted_bound(log_w) - ((apart - together).detach() * rows.mT).sum(1)


class TotalCorrelation(Term[AutoencoderPass]):
    """KL(q(z) ‖ Πⱼ q(zⱼ)) of the aggregate posterior, nats, (), by minibatch-stratified sampling. Chen et al. 2018, eq. 2.

    N is the number of training images. Added to −ELBO with the weight β − 1 it makes the objective of β-TCVAE.
    """

    symbol = "KL(q(z)‖Πⱼ q(zⱼ))"
    couples_batch = True
    needs = frozenset({"code", "Gaussian posterior"})
    remedy = "Use bottleneck=gaussian (model=beta_tc_vae)."

    def forward(self, passed: AutoencoderPass) -> Tensor:
        posterior = passed.code.posterior
        assert isinstance(posterior, GaussianPosterior)
        z, mean, log_std = map(gather_batch, (passed.z, posterior.mean, posterior.log_std))
        aggregate = minibatch_stratified(z, mean, log_std, passed.spec.n_train)
        return (aggregate.joint - aggregate.marginals.sum(-1)).mean()
