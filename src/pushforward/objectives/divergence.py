"""Divergences of the codes' distribution from the prior, and the importance-weighted bound of k samples."""

from torch import Tensor

from pushforward.bottlenecks import Posterior
from pushforward.distributions.aggregate import minibatch_stratified
from pushforward.distributions.bounds import importance_weighted_bound
from pushforward.distributions.gaussian import kl_standard_normal
from pushforward.objectives.passes import AutoencoderPass
from pushforward.objectives.term import Term
from pushforward.parallel import gather_batch
from pushforward.priors import Prior, StandardNormal


def closed_form_kl(posterior: Posterior, prior: Prior) -> Tensor | None:
    """KL(q(z|x) ‖ p(z)), nats per image and code dimension, (n, d), where it has a closed form; else None."""
    return kl_standard_normal(posterior.mean, posterior.log_std) if isinstance(prior, StandardNormal) else None


class KL(Term[AutoencoderPass]):
    """Rate KL(q(z|x) ‖ p(z)), nats per image and code dimension, (n, d). Kingma & Welling 2014, app. B.

    Where it has no closed form, its estimate from the codes, log q(z|x) − log p(z), (n,).
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
        log_w = -(passed.distortion() + passed.log_density_ratio())
        return -importance_weighted_bound(log_w[:, None] if log_w.ndim == 1 else log_w.mT)


class TotalCorrelation(Term[AutoencoderPass]):
    """KL(q(z) ‖ Πⱼ q(zⱼ)) of the aggregate posterior, nats, (), by minibatch-stratified sampling. Chen et al. 2018, eq. 2.

    N is the number of training images. Added to −ELBO with the weight β − 1 it makes the objective of β-TCVAE.
    """

    symbol = "KL(q(z)‖Πⱼ q(zⱼ))"
    couples_batch = True
    needs = frozenset({"code", "posterior"})
    remedy = "Use bottleneck=gaussian (model=beta_tc_vae)."

    def forward(self, passed: AutoencoderPass) -> Tensor:
        posterior = passed.code.posterior
        assert posterior is not None
        z, mean, log_std = map(gather_batch, (passed.z, posterior.mean, posterior.log_std))
        aggregate = minibatch_stratified(z, mean, log_std, passed.spec.n_train)
        return (aggregate.joint - aggregate.marginals.sum(-1)).mean()
