"""Capabilities of families as types: a measure tests `isinstance(family, Encodes)`, mypy checks the call.

They stand with the families and not in `engine`: their signatures name posteriors, priors and likelihoods, which the
engine does not know. What depends on the instance is an attribute that may be None, such as `HasPrior.prior`.
A family names them among its bases, so that mypy holds its methods against them; one that only has the methods counts too.
"""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from pushforward.bottlenecks import Posterior
from pushforward.conditioning import Condition
from pushforward.corruption import Corruption
from pushforward.diffusion import Sampler
from pushforward.distributions import Likelihood
from pushforward.engine import Loss, Noise
from pushforward.families.encoder_decoder import EncoderDecoder
from pushforward.families.family import Likelihoods
from pushforward.objectives import Objective
from pushforward.priors import Prior
from pushforward.spec import Batch


class LogProb(Protocol):
    """log p(x) of images, nats per image."""

    def __call__(self, x: Tensor, generator: torch.Generator) -> Likelihoods: ...


class IterativeLogProb(LogProb, Protocol):
    """log p(x) by repeated calls of a network; None: as many as the recipe has."""

    def __call__(self, x: Tensor, generator: torch.Generator, evaluations: int | None = None) -> Likelihoods: ...


@runtime_checkable
class Samples(Protocol):
    """Draws images by itself."""

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """n images, (n, *shape)."""


@runtime_checkable
class ClassConditional(Samples, Protocol):
    """Draws images of given classes, where its condition takes labels: it has `classes` then, and 0 where it takes none."""

    condition: Condition

    def sample(self, n: int, generator: torch.Generator, y: Tensor | None = None) -> Tensor:
        """n images, (n, *shape), of the classes y, (n,), or of classes drawn as often as they were trained on."""


@runtime_checkable
class Encodes(Protocol):
    """Has a code for each image."""

    def encode(self, x: Tensor) -> Tensor:
        """Codes, (n, d); a posterior's means."""


@runtime_checkable
class Decodes(Protocol):
    """Has an image for each code."""

    def decode(self, z: Tensor) -> Tensor:
        """Images, (n, *shape)."""


@runtime_checkable
class HasCodes(Encodes, Decodes, Protocol):
    """Encodes and decodes."""


@runtime_checkable
class HasCoder(HasCodes, Protocol):
    """Holds encoder, bottleneck and decoder as one module, which knows its codes' shapes."""

    coder: EncoderDecoder


@runtime_checkable
class Reconstructs(HasCodes, Protocol):
    """Encodes and decodes with a loss: its reconstructions are worth comparing with their images."""

    def reconstruct(self, x: Tensor) -> Tensor:
        """decode(encode(x)), (n, *shape)."""


@runtime_checkable
class Denoises(Reconstructs, Protocol):
    """Was trained to undo a corruption."""

    corruption: Corruption

    def denoise(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Corrupted images and what is made of them, (n, *shape) each."""


@runtime_checkable
class HasPrior(Protocol):
    """Holds a density over codes; None where it was trained without one."""

    prior: Prior | None


@runtime_checkable
class HasLikelihood(Protocol):
    """Says how likely an image is: exactly, by a bound, or by an estimate."""

    def log_prob(self, x: Tensor, generator: torch.Generator) -> Likelihoods:
        """log p(x), nats per image."""


@runtime_checkable
class WorksOnLogits(HasLikelihood, Protocol):
    """Has a density of logit(α + (1 − 2α)·x), from which that of x comes."""

    def logits(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The logits v of x with the noise that `log_prob` dequantises by, (n, D), and log |det ∂v/∂x|, nats, (n,)."""


@runtime_checkable
class HasPosterior(HasLikelihood, Protocol):
    """Has a density q(z|x) over codes, and so importance-weighted bounds."""

    def posterior(self, x: Tensor) -> Posterior:
        """q(z|x)."""

    def log_prob(self, x: Tensor, generator: torch.Generator, k: int = 1) -> Likelihoods:
        """A lower bound of log p(x) by k samples of the posterior, nats per image."""


@runtime_checkable
class DecodesToLikelihood(Decodes, Protocol):
    """Decodes to the parameters of a density p(x|z).

    fits_likelihood: whether it was trained by that density; otherwise its numbers are nothing that the model says of images.
    """

    likelihood: Likelihood

    @property
    def fits_likelihood(self) -> bool: ...

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x|z), nats per image, (n,)."""

    def draw_images(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """x ~ p(x|z), (n, *shape)."""


@runtime_checkable
class IterativeSampler(ClassConditional, Protocol):
    """Calls its network `evaluations` times for a sample, unless another number is given: measures take fewer images.

    sampler: how, in a phrase.
    """

    evaluations: int

    @property
    def sampler(self) -> str: ...

    def sample(
        self, n: int, generator: torch.Generator, y: Tensor | None = None, evaluations: int | None = None
    ) -> Tensor: ...


@runtime_checkable
class ShowsSteps(Protocol):
    """Samples in steps that can be looked at."""

    def sampling_steps(self, n: int, generator: torch.Generator, evaluations: int) -> list[Tensor]:
        """Inputs of the network at each of at most `evaluations` calls, then the n samples, (n, *shape) each."""


class Paths(Protocol):
    """n paths of samples from noise to data, with at most `evaluations` calls of the network each."""

    def __call__(self, n: int, generator: torch.Generator, evaluations: int | None = None) -> Tensor:
        """(n, steps + 1, *shape), in equal steps of time."""


@runtime_checkable
class FollowsPaths(IterativeSampler, Protocol):
    """Moves samples along the paths of a flow at equal steps of its time; None where its sampler does something else."""

    @property
    def paths(self) -> Paths | None: ...


class Draw(Protocol):
    """n images, (n, *shape)."""

    def __call__(self, n: int, generator: torch.Generator) -> Tensor: ...


@runtime_checkable
class TakesOtherSamplers(IterativeSampler, Protocol):
    """Can be sampled in other ways than its recipe's, with as many calls of its network as wanted."""

    def sampled_by(self, sampler: Sampler, evaluations: int) -> Draw | None:
        """Draws by the sampler; None where its process has one way alone."""


@runtime_checkable
class IterativeLikelihood(HasLikelihood, Protocol):
    """Calls its network `evaluations` times for a likelihood, unless another number is given.

    flow_log_prob: log p(x) along the deterministic flow with its process's marginals; None where that is no other thing.
    """

    evaluations: int

    @property
    def flow_log_prob(self) -> IterativeLogProb | None: ...

    def log_prob(self, x: Tensor, generator: torch.Generator, evaluations: int | None = None) -> Likelihoods: ...


@runtime_checkable
class EstimatesGradient(Protocol):
    """Trains its encoder by an estimator of the objective's gradient: through z = μ + σε or the like, or the score function.

    gradients: those that it has, of `reparameterized` and `score`.
    """

    objective: Objective

    @property
    def gradients(self) -> tuple[str, ...]: ...

    def encoding_parameters(self) -> list[nn.Parameter]:
        """The parameters that the posterior is computed with."""

    def estimated_loss(self, batch: Batch, noise: Noise, epochs: Tensor, gradient: str, baseline: Tensor) -> Loss:
        """The objective, whose gradient is that of the estimator `gradient`, with the score function's running baseline."""


@runtime_checkable
class Sparse(Encodes, Protocol):
    """Has codes of which few units are on; `target_activation` is the mean that each is held to, None where there is none."""

    @property
    def target_activation(self) -> float | None: ...


VERBS: dict[str, type] = {
    "sample": Samples, "encode": Encodes, "decode": Decodes, "reconstruct": Reconstructs, "denoise": Denoises,
    "log_prob": HasLikelihood,
}  # fmt: skip
"""The requests that a user makes of a trained model."""
