"""Likelihoods p(x|z) that a decoder's outputs parametrise. Log-densities are in nats per image.

Posteriors are diagonal Gaussians, as functions: `pushforward.distributions.gaussian`.
"""

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.domains import Positive, Probability
from pushforward.errors import PushforwardError
from pushforward.numbers import number
from pushforward.spec import DataSpec


def single(x: Tensor) -> Tensor:
    """x in float32 at least: under bf16 sums over pixels would lose their digits, and under fp64 none are given away."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class Likelihood(nn.Module, ABC):
    """p(x | params), where a decoder gives `n_parameters` unbounded numbers for each dimension of x.

    `discrete`: a probability mass of x's levels, so that bits per dimension need no dequantisation. `normalised`: its sum
    or integral over x is 1.
    """

    n_parameters: int = 1
    discrete: bool = False
    normalised: bool = True

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.spec = spec

    @abstractmethod
    def log_prob(self, params: Float[Tensor, " n k *shape"], x: Float[Tensor, " n *shape"]) -> Float[Tensor, " n"]:
        """log p(x | params), nats per image."""

    def distortion(self, params: Float[Tensor, " n k *shape"], x: Float[Tensor, " n *shape"]) -> Float[Tensor, " n"]:
        """−log p(x | params), nats per image."""
        return -self.log_prob(params, x)

    @abstractmethod
    def mean(self, params: Float[Tensor, " n k *shape"]) -> Float[Tensor, " n *shape"]:
        """E[x | params]."""

    @abstractmethod
    def draw(self, n: int, generator: torch.Generator) -> Float[Tensor, " n *shape"]:
        """The noise that `sample` wants."""

    @abstractmethod
    def sample(
        self, params: Float[Tensor, " n k *shape"], noise: Float[Tensor, " n *shape"]
    ) -> Float[Tensor, " n *shape"]:
        """x ~ p(x | params), a function of the noise."""

    @abstractmethod
    def describe(self) -> str:
        """Its name and numbers, as a run prints them."""

    def _uniform(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.rand(n, *self.spec.shape, generator=generator, device=generator.device)

    def _needs_unit_range(self, name: str) -> None:
        if (self.spec.low, self.spec.high) != (0.0, 1.0):
            raise PushforwardError(
                f"{name} is a likelihood of data in [0, 1]; these are in [{self.spec.low:g}, {self.spec.high:g}]. "
                "Use likelihood=gaussian."
            )


class Bernoulli(Likelihood):
    """Bernoulli with logits l; on grey levels, the cross entropy of them, which is no probability of x."""

    def __init__(self, *, spec: DataSpec) -> None:
        super().__init__(spec)
        self._needs_unit_range("Bernoulli")
        self.discrete = self.normalised = spec.levels == 2 and not spec.dequantized

    def log_prob(self, params: Float[Tensor, " n k *shape"], x: Float[Tensor, " n *shape"]) -> Float[Tensor, " n"]:
        """x log σ(l) + (1 − x) log(1 − σ(l)), nats per image."""
        return -self.distortion(params, x)

    def distortion(self, params: Float[Tensor, " n k *shape"], x: Float[Tensor, " n *shape"]) -> Float[Tensor, " n"]:
        logits = single(params[:, 0])
        return F.binary_cross_entropy_with_logits(logits, single(x), reduction="none").flatten(1).sum(1)

    def mean(self, params: Float[Tensor, " n k *shape"]) -> Float[Tensor, " n *shape"]:
        return single(params[:, 0]).sigmoid()

    def draw(self, n: int, generator: torch.Generator) -> Float[Tensor, " n *shape"]:
        return self._uniform(n, generator)

    def sample(
        self, params: Float[Tensor, " n k *shape"], noise: Float[Tensor, " n *shape"]
    ) -> Float[Tensor, " n *shape"]:
        mean = self.mean(params)
        return (noise < mean).to(mean.dtype)

    def describe(self) -> str:
        return "Bernoulli" if self.discrete else "Bernoulli (cross entropy of grey levels: not a probability of x)"


class ContinuousBernoulli(Likelihood):
    """p(x) = C λˣ(1−λ)¹⁻ˣ on [0, 1] with λ = σ(l), that is l eˡˣ / (eˡ − 1). Loaiza-Ganem & Cunningham 2019.

    clip: λ is held in [clip, 1 − clip], without which pixels that are black in all images have a density without end.
    """

    def __init__(self, clip: Probability | None = None, *, spec: DataSpec) -> None:
        super().__init__(spec)
        self._needs_unit_range("ContinuousBernoulli")
        self.most = math.inf if clip is None else abs(math.log(clip / (1 - clip)))

    def _logits(self, params: Tensor) -> Tensor:
        logits = single(params[:, 0])
        return logits if math.isinf(self.most) else logits.clamp(-self.most, self.most)

    def log_prob(self, params: Float[Tensor, " n k *shape"], x: Float[Tensor, " n *shape"]) -> Float[Tensor, " n"]:
        """l x − log((eˡ − 1) / l), nats per image."""
        logits = self._logits(params)
        # log((eˡ − 1)/l) = l/2 + log(sinh a / a) with a = |l|/2; grouped so that nothing large cancels
        a = logits.abs() / 2
        small = a < 0.1
        b = torch.where(small, 1.0, a)  # no division by zero, nor its gradient
        taylor = a.square() / 6 - a.pow(4) / 180
        log_sinhc = torch.where(small, taylor, b + torch.log1p(-torch.exp(-2 * b)) - torch.log(2 * b))
        return (logits * (single(x) - 0.5) - log_sinhc).flatten(1).sum(1)

    def mean(self, params: Float[Tensor, " n k *shape"]) -> Float[Tensor, " n *shape"]:
        """½ + ½(coth(l/2) − 2/l)."""
        logits = self._logits(params)
        small = logits.abs() < 0.2
        safe = torch.where(small, 1.0, logits)
        return 0.5 + torch.where(small, logits / 12 - logits.pow(3) / 720, 0.5 / torch.tanh(safe / 2) - 1 / safe)

    def draw(self, n: int, generator: torch.Generator) -> Float[Tensor, " n *shape"]:
        return self._uniform(n, generator)

    def sample(
        self, params: Float[Tensor, " n k *shape"], noise: Float[Tensor, " n *shape"]
    ) -> Float[Tensor, " n *shape"]:
        """The inverse distribution function, log(1 + u(eˡ − 1)) / l."""
        logits = self._logits(params)
        l = -logits.abs()  # noqa: E741 - the paper's symbol; by symmetry, where eˡ cannot overflow
        small = l > -1e-3
        safe = torch.where(small, -1.0, l)
        x = torch.where(small, noise + l * noise * (1 - noise) / 2, torch.log1p(noise * torch.expm1(safe)) / safe)
        return torch.where(logits > 0, 1 - x, x).clamp(0, 1)

    def describe(self) -> str:
        return "continuous Bernoulli"


class Gaussian(Likelihood):
    """N(x; μ, σ²) with one σ for all dimensions, fixed, or learned from `sigma` on.

    mean: "sigmoid" squashes μ into the data's range, "identity" leaves it, "auto" squashes where the data are bounded.
    """

    sigma: Tensor

    def __init__(self, sigma: Positive = 1.0, learned: bool = False, mean: str = "auto", *, spec: DataSpec) -> None:
        super().__init__(spec)
        if mean not in ("auto", "sigmoid", "identity"):
            raise PushforwardError(f"likelihood.mean={mean} is unknown. Choose auto, sigmoid or identity.")
        if mean == "sigmoid" and not spec.bounded:
            raise PushforwardError("likelihood.mean=sigmoid needs bounded data. Use likelihood.mean=identity.")
        if sigma <= 0:
            raise PushforwardError(f"likelihood.sigma={sigma:g} must be above 0: it is a standard deviation.")
        self.squashed = spec.bounded and mean != "identity"
        self.learned = learned
        if learned:
            self.log_sigma = nn.Parameter(torch.tensor(math.log(sigma)))
        else:
            number(self, "sigma", sigma)

    def log_prob(self, params: Float[Tensor, " n k *shape"], x: Float[Tensor, " n *shape"]) -> Float[Tensor, " n"]:
        """−‖x − μ‖²/2σ² − D·½ ln 2πσ², nats per image."""
        log_sigma = self.log_std()
        square = (x - self.mean(params)).square().flatten(1).sum(1)
        return -0.5 * square * torch.exp(-2 * log_sigma) - self.spec.dim * (log_sigma + 0.5 * math.log(2 * math.pi))

    def mean(self, params: Float[Tensor, " n k *shape"]) -> Float[Tensor, " n *shape"]:
        mean = single(params[:, 0])
        return self.spec.low + (self.spec.high - self.spec.low) * mean.sigmoid() if self.squashed else mean

    def draw(self, n: int, generator: torch.Generator) -> Float[Tensor, " n *shape"]:
        return torch.randn(n, *self.spec.shape, generator=generator, device=generator.device)

    def sample(
        self, params: Float[Tensor, " n k *shape"], noise: Float[Tensor, " n *shape"]
    ) -> Float[Tensor, " n *shape"]:
        return self.mean(params) + self.log_std().exp() * noise

    def describe(self) -> str:
        return f"Gaussian, σ = {self.log_std().exp().item():.3g}{' (learned)' if self.learned else ''}"

    def log_std(self) -> Tensor:
        """log σ, 0-d."""
        return self.log_sigma if self.learned else self.sigma.log()


class DiscretizedLogistic(Likelihood):
    """The mass that a logistic puts on each level's bin, the outer bins taking the tails. Salimans et al. 2017.

    Works on v = 2x − 1 in [−1, 1] with μ the first parameter and ln s the second, kept in [−7, 7].
    """

    n_parameters = 2
    discrete = True

    def __init__(self, *, spec: DataSpec) -> None:
        super().__init__(spec)
        self._needs_unit_range("DiscretizedLogistic")
        if spec.levels is None or spec.dequantized:
            raise PushforwardError(
                "DiscretizedLogistic needs pixels of a known number of levels, and these are real-valued. "
                "Use data.dequantize=false, or likelihood=gaussian."
            )
        self.levels = spec.levels

    def log_prob(self, params: Float[Tensor, " n k *shape"], x: Float[Tensor, " n *shape"]) -> Float[Tensor, " n"]:
        """log[σ(a) − σ(b)] of the bin's edges, nats per image."""
        mean, log_scale = self._split(params)
        return log_logistic_mass(2 * single(x) - 1, mean, log_scale, self.levels).flatten(1).sum(1)

    def mean(self, params: Float[Tensor, " n k *shape"]) -> Float[Tensor, " n *shape"]:
        """Σₖ P(level ≥ k) / (levels − 1), exact."""
        mean, log_scale = self._split(params)
        inverse = torch.exp(-log_scale)
        total = torch.zeros_like(mean)
        for k in range(1, self.levels):  # a level at a time: all at once would take `levels` times the memory
            edge = (2 * k - 1) / (self.levels - 1) - 1
            total = total + torch.sigmoid((mean - edge) * inverse)
        return total / (self.levels - 1)

    def draw(self, n: int, generator: torch.Generator) -> Float[Tensor, " n *shape"]:
        return self._uniform(n, generator)

    def sample(
        self, params: Float[Tensor, " n k *shape"], noise: Float[Tensor, " n *shape"]
    ) -> Float[Tensor, " n *shape"]:
        mean, log_scale = self._split(params)
        v = mean + log_scale.exp() * torch.logit(noise, eps=1e-6)
        return ((v + 1) / 2 * (self.levels - 1)).round().clamp(0, self.levels - 1) / (self.levels - 1)

    def describe(self) -> str:
        return f"discretised logistic, {self.levels} levels"

    @staticmethod
    def _split(params: Tensor) -> tuple[Tensor, Tensor]:
        return single(params[:, 0]), single(params[:, 1]).clamp(-7.0, 7.0)


def log_logistic_mass(v: Tensor, mean: Tensor, log_scale: Tensor, levels: int) -> Tensor:
    """log of the mass that a logistic puts on v's bin in [−1, 1], nats; outer bins take the tails. Salimans et al. 2017."""
    half, inverse = 1 / (levels - 1), torch.exp(-log_scale)
    a, b = (v - mean + half) * inverse, (v - mean - half) * inverse
    # σ(a) − σ(b) = σ(a) σ(−b) (1 − e^{b−a}): three safe logarithms, not a difference of near ones
    # an outer bin lacks an edge: times 0, since all three are finite, and `where` takes ten times as long
    above, below = (v <= 1 - half).to(v), (v >= half - 1).to(v)
    width = torch.log(-torch.expm1(-2 * half * inverse))
    return above * F.logsigmoid(a) + below * F.logsigmoid(-b) + above * below * width


def auto(*, spec: DataSpec) -> Likelihood:
    """The likelihood under which −log p(x|z) is a number of bits for these data: a mass where they have levels."""
    if spec.levels == 2 and not spec.dequantized:
        return Bernoulli(spec=spec)
    if spec.levels is not None and not spec.dequantized:
        return DiscretizedLogistic(spec=spec)
    return Gaussian(1.0, learned=True, spec=spec)
