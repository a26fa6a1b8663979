"""The base class of processes: noise of a step, regression target, sampler, likelihood."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from pushforward.bijections import Centre
from pushforward.diffusion.samplers import Sampler
from pushforward.distributions.gaussian import log_standard_normal
from pushforward.networks import given
from pushforward.objectives.passes import FieldPass
from pushforward.spec import DataSpec

Field = Callable[..., Tensor]
"""(x_t (n, *shape), t (n,) in [0, 1]) → (n, *shape); of a process with two times (x_t, t, span)."""


FINEST = 1.0
"""The decoder's σ at which a bound's chain ends, in half widths of a level's bin."""
COARSEST = 0.5
"""The most that σ may be, for the half width of one of few levels' bins is as wide as the data."""
EXACT_UP_TO = 2
"""Dimensions up to which a probability flow's trace is exact; beyond, Hutchinson's estimate with one probe an image."""


class Scored(NamedTuple):
    """log p(x), nats per image, (n,), and how it came about, as `Likelihoods` has it."""

    values: Tensor
    kind: str
    density: bool
    parts: dict[str, Tensor]
    evaluations: int


class Process(nn.Module, ABC):
    """A path between noise and data, over any field of the data's shape. Abstract.

    It works on bounded data scaled to [−1, 1] and on unbounded data as they are. `gives`: what terms may ask of it.
    chooses: its loss on held-out data says which weights are best. size: of what the field is told beside the condition.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"field"})
    chooses: ClassVar[bool] = True
    size: ClassVar[int] = 0

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.spec = spec
        self.centre = Centre(spec)
        self.discrete = spec.levels is not None and not spec.dequantized

    @abstractmethod
    def draw(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        """All randomness of a training step."""

    @abstractmethod
    def noised(self, field: Field, x: Tensor, noise: dict[str, Tensor]) -> FieldPass:
        """The field's output on noised x, and its target."""

    @abstractmethod
    def sample(self, field: Field, n: int, generator: torch.Generator, evaluations: int) -> Tensor:
        """n draws with at most `evaluations` calls of the field, (n, *shape), on the data's levels."""

    @abstractmethod
    def log_prob(self, field: Field, x: Tensor, generator: torch.Generator, evaluations: int) -> Scored:
        """log p(x) with about `evaluations` calls of the field."""

    @abstractmethod
    def describe(self) -> dict[str, str]:
        """The field's target and the kind of its likelihood, in a phrase."""

    def told(self, module: nn.Module, c: Tensor | None) -> Field:
        """The network as a field that is told c, (n, condition). A hook of processes that tell it more."""
        return given(module, c)

    def paired(self, x: Tensor, noise: dict[str, Tensor], labels: Tensor | None) -> dict[str, Tensor]:
        """A step's noise as it is paired with its images. A hook; labels: as the model is told them."""
        return noise

    def draw_levels(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        """The place of each pixel within its level's bin, uniform on [0, 1); None for real-valued data."""
        if not self.discrete:
            return {}
        return {"dequantize": torch.rand(n, *self.spec.shape, generator=generator, device=generator.device)}

    def real(self, x: Tensor, noise: dict[str, Tensor]) -> Tensor:
        """x dequantised and centred."""
        return self.centre(self.spec.dequantize(x, noise["dequantize"]) if self.discrete else x)

    @property
    def least(self) -> float:
        """σ from which a chain starts: noise far below the width of a level carries no information on it."""
        if not self.discrete or self.spec.levels is None:
            return 0.0
        return min(FINEST / (self.spec.levels - 1), COARSEST)

    def bounded(self, x: Tensor) -> Tensor:
        """x̂ in the data's range, where they have one."""
        return x.clamp(-1, 1) if self.centre.bounded else x

    def log_mass(self, x0: Tensor, mean: Tensor, sigma: Tensor) -> Tensor:
        """log of the mass of x₀'s levels under N(mean, σ²), nats per image, (n,)."""
        assert self.spec.levels is not None
        return log_mass_of_level(x0, mean, sigma, self.spec.levels).flatten(1).sum(1)

    def mass(self, density: Tensor, x0: Tensor, mean: Tensor, eps: Tensor, sigma: Tensor) -> Tensor:
        """log p(x_σ) + log p(x₀|x_σ) − log q(x_σ|x₀), nats per image, (n,): a bound of log p(x₀) of levels.

        density: log p(x_σ) at x_σ = αx₀ + σε. mean: x̂₀ of it.
        """
        drawn = log_standard_normal(eps.flatten(1)) - self.spec.dim * sigma.log()
        return (density + self.log_mass(x0, mean, sigma) - drawn).detach()

    def on_levels(self, x: Tensor) -> Tensor:
        """The nearest of the data's levels."""
        if not self.discrete:
            return x
        assert self.spec.levels is not None
        return (x * (self.spec.levels - 1)).round().clamp(0, self.spec.levels - 1) / (self.spec.levels - 1)

    def gaussian(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, *self.spec.shape, generator=generator, device=generator.device)


@runtime_checkable
class HasProbabilityFlow(Protocol):
    """A process with a likelihood along its deterministic flow, beside the one that it is trained by."""

    def flow_log_prob(self, field: Field, x: Tensor, generator: torch.Generator, evaluations: int) -> Scored:
        """log p(x) by the flow with about `evaluations` calls of the field."""


@runtime_checkable
class TakesSamplers(Protocol):
    """A process whose field any sampler can draw with."""

    def sample_by(self, sampler: Sampler, field: Field, n: int, generator: torch.Generator, evaluations: int) -> Tensor:
        """n draws with at most `evaluations` calls of the field, (n, *shape), on the data's levels."""


def rows(table: Tensor, like: Tensor) -> Tensor:
    """(n,) as (n, 1, …) beside `like`."""
    return table.reshape(-1, *[1] * (like.ndim - 1))


def log_mass_of_level(v: Tensor, mean: Tensor, sigma: Tensor, levels: int) -> Tensor:
    """log of the mass that N(mean, σ²) puts on v's bin in [−1, 1], nats; outer bins take the tails. Ho et al. 2020, eq. 13."""
    half = 1 / (levels - 1)
    a, b = (v + half - mean) / sigma, (v - half - mean) / sigma
    # Φ(a) − Φ(b) = Φ(−b) − Φ(−a): on the side where Φ is small, so that nothing cancels
    upper = b > 0
    low, high = torch.where(upper, -a, b), torch.where(upper, -b, a)
    log_high = torch.special.log_ndtr(high)
    ratio = (torch.special.log_ndtr(low) - log_high).clamp(max=-1e-7)
    inner = log_high + torch.log(-torch.expm1(ratio))
    inner = torch.where(v < half - 1, torch.special.log_ndtr(a), inner)
    return torch.where(v > 1 - half, torch.special.log_ndtr(-b), inner)
