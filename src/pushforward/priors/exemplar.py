"""A mixture about the codes of training images, with one variance for all: a Parzen window that is trained."""

import math
from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.bottlenecks import Posterior
from pushforward.distributions.matching import squared_distances
from pushforward.domains import Count, Positive
from pushforward.priors.codes import normal
from pushforward.priors.prior import Prior, TrainingImages
from pushforward.spec import DataSpec


@final
class ExemplarPrior(Prior):
    """p(z) = (1/M) Σₘ N(z; μ(xₘ), σ² I) over M training images, μ the encoder's and σ trained. Norouzi, Fleet & Norouzi 2020.

    In a step the exemplars of an image are the batch's others: a subset drawn without it (sec. 3.1, leave one out): that bounds
    log p(z) from below in expectation. Each process takes those of its own part. Elsewhere they are `exemplars` training
    images chosen by the run's seed, or all where there are fewer. std: the first σ.
    """

    couples_batch = True

    def __init__(self, exemplars: Count, std: Positive, *, code_dim: Count, spec: DataSpec) -> None:
        super().__init__()
        self.code_dim = code_dim
        self.images: Tensor
        self.register_buffer("images", torch.zeros(min(exemplars, spec.n_train), *spec.shape))
        self.log_std = nn.Parameter(torch.tensor(math.log(std)))
        self._posterior: Callable[[Tensor], Posterior] | None = None

    def attach(self, posterior: Callable[[Tensor], Posterior]) -> None:
        self._posterior = posterior

    def attach_data(self, data: TrainingImages, seed: int) -> None:
        self.images.copy_(data.training_images(len(self.images), seed))

    def in_step(self, posterior: Posterior) -> "Prior":
        return LeaveOneOut(posterior.mean, self.log_std) if self.training and len(posterior.mean) > 1 else self

    def centres(self) -> Float[Tensor, "m d"]:
        """The exemplars' codes."""
        assert self._posterior is not None
        return self._posterior(self.images).mean

    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log p(z), nats per code."""
        return log_windows(z, self.centres().to(z), self.log_std).logsumexp(1) - math.log(len(self.images))

    def sample(self, n: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        return draw_windows(self.centres(), self.log_std, n, generator)

    def describe(self) -> str:
        return f"mixture about the codes of {len(self.images):,} training images"


class LeaveOneOut(Prior):
    """log p(zᵢ) by the mixture about the codes of all images of a batch but i; of k codes an image, (k·n, d), likewise."""

    def __init__(self, centres: Float[Tensor, "n d"], log_std: Float[Tensor, ""]) -> None:
        super().__init__()
        self._centres, self._log_std = centres, log_std

    def log_prob(self, z: Float[Tensor, "m d"]) -> Float[Tensor, " m"]:
        n = len(self._centres)
        own = torch.eye(n, dtype=torch.bool, device=z.device).repeat(len(z) // n, 1)
        each = log_windows(z, self._centres.to(z), self._log_std).masked_fill(own, -math.inf)
        return each.logsumexp(1) - math.log(n - 1)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        return draw_windows(self._centres, self._log_std, n, generator)

    def describe(self) -> str:
        return f"mixture about the codes of {len(self._centres) - 1} images of the batch"


def draw_windows(
    centres: Float[Tensor, "m d"], log_std: Float[Tensor, ""], n: int, generator: torch.Generator
) -> Float[Tensor, "n d"]:
    """n draws of the mixture of N(cⱼ, σ² I)."""
    chosen = torch.randint(len(centres), (n,), generator=generator, device=generator.device).to(centres.device)
    return centres[chosen] + log_std.exp() * normal(n, centres.shape[1], generator, centres)


def log_windows(
    z: Float[Tensor, "n d"], centres: Float[Tensor, "m d"], log_std: Float[Tensor, ""]
) -> Float[Tensor, "n m"]:
    """log N(zᵢ; cⱼ, σ² I), nats."""
    constant = z.shape[1] * (log_std + 0.5 * math.log(2 * math.pi))
    return -0.5 * squared_distances(z, centres) * torch.exp(-2 * log_std) - constant
