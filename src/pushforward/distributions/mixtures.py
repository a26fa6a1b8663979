"""Likelihoods with several modes a dimension: any distribution over levels, and mixtures. Log-densities in nats per image."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.distributions.likelihoods import Likelihood, log_logistic_mass, single
from pushforward.domains import Count
from pushforward.errors import PushforwardError
from pushforward.spec import DataSpec


class Categorical(Likelihood):
    """Any distribution over a dimension's levels, by a softmax of as many parameters. van den Oord et al. 2016, sec. 2."""

    discrete = True

    def __init__(self, *, spec: DataSpec) -> None:
        super().__init__(spec)
        if spec.levels is None or spec.dequantized:
            raise PushforwardError(
                "Categorical needs pixels of a known number of levels, and these are real-valued. "
                "Use data.dequantize=false, or likelihood=gaussian."
            )
        self._needs_unit_range("Categorical")
        self.levels = self.n_parameters = spec.levels

    def log_prob(self, params: Float[Tensor, " n k *shape"], x: Float[Tensor, " n *shape"]) -> Float[Tensor, " n"]:
        """Σ log softmax(params)[level of x], nats per image."""
        level = (single(x) * (self.levels - 1)).round().long()
        return single(params).log_softmax(1).gather(1, level.unsqueeze(1)).flatten(1).sum(1)

    def mean(self, params: Float[Tensor, " n k *shape"]) -> Float[Tensor, " n *shape"]:
        values = torch.linspace(0, 1, self.levels, device=params.device).view(-1, *[1] * (params.ndim - 2))
        return (single(params).softmax(1) * values).sum(1)

    def draw(self, n: int, generator: torch.Generator) -> Float[Tensor, " n *shape"]:
        return self._uniform(n, generator)

    def sample(
        self, params: Float[Tensor, " n k *shape"], noise: Float[Tensor, " n *shape"]
    ) -> Float[Tensor, " n *shape"]:
        """The level at which the distribution function passes the uniform noise."""
        total = single(params).softmax(1).cumsum(1)
        level = (total < noise.unsqueeze(1)).sum(1).clamp(max=self.levels - 1)
        return level.to(total.dtype) / (self.levels - 1)

    def describe(self) -> str:
        return f"categorical, {self.levels} levels"


class Mixture(Likelihood):
    """A mixture of `components` for each dimension: logits, locations and log-scales, of which the last are kept in a range."""

    log_scales = (-7.0, 7.0)

    def __init__(self, components: Count, *, spec: DataSpec) -> None:
        super().__init__(spec)
        self.components, self.n_parameters = components, 3 * components

    def split(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """log π, μ and log s, (n, components, *shape) each."""
        logits, mean, log_scale = single(params).chunk(3, 1)
        return logits.log_softmax(1), mean, log_scale.clamp(*self.log_scales)

    def draw(self, n: int, generator: torch.Generator) -> Float[Tensor, " n *shape"]:
        return self._uniform(n, generator)

    def chosen(self, params: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """μ and log s of the component in whose share of [0, 1) the noise lies, and where in that share, uniform."""
        log_weights, mean, log_scale = self.split(params)
        upper = log_weights.exp().cumsum(1)
        index = (upper < noise.unsqueeze(1)).sum(1, keepdim=True).clamp(max=self.components - 1)
        weight = log_weights.exp().gather(1, index).squeeze(1)
        place = (noise - (upper.gather(1, index).squeeze(1) - weight)) / weight
        return mean.gather(1, index).squeeze(1), log_scale.gather(1, index).squeeze(1), place.clamp(1e-6, 1 - 1e-6)


class GaussianMixture(Mixture):
    """Σₖ πₖ N(x; μₖ, sₖ²) for each dimension of real-valued data. Papamakarios, Pavlakou & Murray 2017 (MADE MoG)."""

    def log_prob(self, params: Float[Tensor, " n k *shape"], x: Float[Tensor, " n *shape"]) -> Float[Tensor, " n"]:
        log_weights, mean, log_scale = self.split(params)
        z = (single(x).unsqueeze(1) - mean) * torch.exp(-log_scale)
        each = log_weights - 0.5 * z.square() - log_scale - 0.5 * math.log(2 * math.pi)
        return each.logsumexp(1).flatten(1).sum(1)

    def mean(self, params: Float[Tensor, " n k *shape"]) -> Float[Tensor, " n *shape"]:
        log_weights, mean, _ = self.split(params)
        return (log_weights.exp() * mean).sum(1)

    def sample(
        self, params: Float[Tensor, " n k *shape"], noise: Float[Tensor, " n *shape"]
    ) -> Float[Tensor, " n *shape"]:
        mean, log_scale, place = self.chosen(params, noise)
        return mean + log_scale.exp() * torch.special.ndtri(place)

    def describe(self) -> str:
        return f"mixture of {self.components} Gaussians a dimension"


class LogisticMixture(Mixture):
    """Σₖ πₖ times the mass that logistic k puts on a level's bin, the outer bins taking the tails. Salimans et al. 2017."""

    discrete = True

    def __init__(self, components: Count, *, spec: DataSpec) -> None:
        super().__init__(components, spec=spec)
        self._needs_unit_range("LogisticMixture")
        if spec.levels is None or spec.dequantized:
            raise PushforwardError(
                "LogisticMixture needs pixels of a known number of levels, and these are real-valued. "
                "Use data.dequantize=false, or pushforward.distributions.GaussianMixture."
            )
        self.levels = spec.levels

    def log_prob(self, params: Float[Tensor, " n k *shape"], x: Float[Tensor, " n *shape"]) -> Float[Tensor, " n"]:
        log_weights, mean, log_scale = self.split(params)
        log_mass = log_logistic_mass((2 * single(x) - 1).unsqueeze(1), mean, log_scale, self.levels)
        return (log_weights + log_mass).logsumexp(1).flatten(1).sum(1)

    def mean(self, params: Float[Tensor, " n k *shape"]) -> Float[Tensor, " n *shape"]:
        """Σₖ πₖ times the mean of logistic k before rounding, clamped to the data's range."""
        log_weights, mean, _ = self.split(params)
        return ((log_weights.exp() * mean).sum(1).clamp(-1, 1) + 1) / 2

    def sample(
        self, params: Float[Tensor, " n k *shape"], noise: Float[Tensor, " n *shape"]
    ) -> Float[Tensor, " n *shape"]:
        mean, log_scale, place = self.chosen(params, noise)
        v = mean + log_scale.exp() * torch.logit(place)
        return ((v + 1) / 2 * (self.levels - 1)).round().clamp(0, self.levels - 1) / (self.levels - 1)

    def describe(self) -> str:
        return f"mixture of {self.components} discretised logistics, {self.levels} levels"
