"""How far the codes' distribution is from the prior."""

from torch import Tensor

from pushforward.distributions.gaussian import kl_standard_normal
from pushforward.objectives.passes import AutoencoderPass
from pushforward.objectives.term import Term
from pushforward.priors import StandardNormal


class KL(Term[AutoencoderPass]):
    """Rate KL(q(z|x) ‖ p(z)), nats per image and code dimension, (n, d). Kingma & Welling 2014, app. B.

    In closed form under a standard normal prior; otherwise its one-sample estimate log q(z|x) − log p(z), (n,).
    """

    symbol = "KL(q(z|x)‖p(z))"
    needs = frozenset({"posterior", "prior"})
    remedy = "Use bottleneck=gaussian (model=vae), or take this term out: '~model.objective.kl'."

    def forward(self, passed: AutoencoderPass) -> Tensor:
        posterior, prior = passed.code.posterior, passed.prior
        assert posterior is not None and prior is not None
        if isinstance(prior, StandardNormal):
            return kl_standard_normal(posterior.mean, posterior.log_std)
        return posterior.log_prob(passed.code.z) - prior.log_prob(passed.code.z)
