"""The base class of processes: noise of a step, regression target, sampler, likelihood."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from pushforward.bijections import Centre
from pushforward.objectives.passes import FieldPass
from pushforward.spec import DataSpec

Field = Callable[[Tensor, Tensor], Tensor]
"""(x_t (n, *shape), t (n,) in [0, 1]) → (n, *shape)."""


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
    """

    gives: ClassVar[frozenset[str]] = frozenset({"field"})

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

    def draw_levels(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        """The place of each pixel within its level's bin, uniform on [0, 1); None for real-valued data."""
        if not self.discrete:
            return {}
        return {"dequantize": torch.rand(n, *self.spec.shape, generator=generator, device=generator.device)}

    def real(self, x: Tensor, noise: dict[str, Tensor]) -> Tensor:
        """x dequantised and centred."""
        return self.centre(self.spec.dequantize(x, noise["dequantize"]) if self.discrete else x)

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


def rows(table: Tensor, like: Tensor) -> Tensor:
    """(n,) as (n, 1, …) beside `like`."""
    return table.reshape(-1, *[1] * (like.ndim - 1))
