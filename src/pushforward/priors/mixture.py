"""Gaussians and mixtures of them, fitted to codes after training."""

import math
import warnings
from typing import Self, final

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.domains import Count, Seed
from pushforward.priors.codes import checked, normal, spread, thinned
from pushforward.priors.prior import Prior
from pushforward.seeds import derive_seed

JITTER = 1e-6
"""Variance added to every unit, as a share of its own: codes on a plane have none across it."""


class Mixture(Prior):
    """Σₖ πₖ N(μₖ, LₖLₖᵀ) over codes: full covariances, by their Cholesky factors. Abstract: `fit` differs."""

    log_weights: Tensor
    means: Tensor
    scales: Tensor

    def __init__(
        self, log_weights: Float[Tensor, " k"], means: Float[Tensor, "k d"], scales: Float[Tensor, "k d d"]
    ) -> None:
        super().__init__()
        self.register_buffer("log_weights", log_weights)
        self.register_buffer("means", means)
        self.register_buffer("scales", scales)

    @property
    def components(self) -> int:
        return len(self.means)

    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log Σₖ πₖ N(z; μₖ, LₖLₖᵀ), nats per code."""
        centred = (z[None] - self.means[:, None]).mT  # (k, d, n)
        white = torch.linalg.solve_triangular(self.scales, centred, upper=False)
        half_log_det = self.scales.diagonal(dim1=1, dim2=2).log().sum(1)
        constant = self.log_weights - half_log_det - 0.5 * z.shape[1] * math.log(2 * math.pi)
        return (constant[:, None] - 0.5 * white.square().sum(1)).logsumexp(0)

    def sample(self, n: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        ends = self.log_weights.double().exp().cumsum(0)
        uniform = torch.rand(n, generator=generator, device=generator.device, dtype=torch.float64).to(ends.device)
        component = torch.searchsorted(ends, uniform).clamp(max=self.components - 1)
        noise = normal(n, self.means.shape[1], generator, self.means)
        z = torch.empty_like(noise)
        for k in range(self.components):  # one (n, d, d) gather would be gigabytes for large codes
            chosen = component == k
            z[chosen] = self.means[k] + noise[chosen] @ self.scales[k].T
        return z

    def describe(self) -> str:
        k, d = self.means.shape
        return (
            f"Gaussian with the codes' mean and covariance, d = {d}" if k == 1 else f"mixture of {k} Gaussians, d = {d}"
        )


@final
class FittedGaussian(Mixture):
    """N(mean, covariance) of given codes: the mixture of one."""

    @classmethod
    def fit(cls, z: Float[Tensor, "n d"]) -> Self:
        """Moment matching in float64 (divisor n − 1), with a jitter that keeps dead units from breaking the factor."""
        flat = checked(z)
        mean, std = flat.mean(0), spread(flat)
        white = (flat - mean) / std
        covariance = white.T @ white / (len(flat) - 1)
        scale = torch.linalg.cholesky(covariance + JITTER * torch.eye(len(std), dtype=std.dtype, device=std.device))
        return cls(*(t.to(z) for t in (flat.new_zeros(1), mean[None], (std[:, None] * scale)[None])))


@final
class FittedMixture(Mixture):
    """A mixture of Gaussians fitted to given codes by expectation maximisation."""

    @classmethod
    def fit(
        cls,
        z: Float[Tensor, "n d"],
        components: Count = 10,
        seed: Seed = 0,
        max_codes: Count = 20_000,
        max_iter: Count = 100,
    ) -> Self:
        """sklearn's GaussianMixture with full covariances over `max_codes` codes chosen by `seed`.

        Codes are standardised first, so that the regularisation means the same for every scale; units that never change
        keep a spread of nearly nothing. A component has at least d + 1 distinct codes to be made of, so few codes get
        fewer components than requested: `components` is their number. EM stops after `max_iter` rounds, converged or not.
        """
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        flat = thinned(checked(z), max_codes, seed, "mixture")
        mean, std = flat.mean(0), spread(flat)
        white = (flat - mean) / std
        distinct = len(torch.unique(white, dim=0))
        model = GaussianMixture(
            n_components=max(1, min(components, distinct // (white.shape[1] + 1))),
            reg_covar=1e-4,
            max_iter=max_iter,
            random_state=derive_seed(seed, "mixture", "em") % 2**32,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # stopped at max_iter: a density all the same
            model.fit(white.cpu().numpy())
        weights, means, covariances = (torch.as_tensor(a) for a in (model.weights_, model.means_, model.covariances_))
        mean, std = mean.cpu(), std.cpu()
        scales = std[:, None] * torch.linalg.cholesky(covariances)
        return cls(*(t.to(z) for t in (weights.log(), mean + std * means, scales)))
