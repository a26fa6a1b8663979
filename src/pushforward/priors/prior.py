"""The base class of densities over codes."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.bottlenecks import REAL, Bottleneck, Posterior


class Prior(nn.Module, ABC):
    """p(z) over codes. Abstract. One with parameters is trained by the player of the model that holds it.

    support: the codes that it is a density of, in words.
    """

    support: ClassVar[str] = REAL

    def attach(self, posterior: Callable[[Tensor], Posterior]) -> None:
        """Keep the model's posterior of given images, for a prior that is a mixture of posteriors."""

    def bind(self, bottleneck: Bottleneck) -> None:
        """Keep the model's bottleneck, for a prior over the levels that it has."""

    @abstractmethod
    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log p(z), nats per code."""

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        """n draws."""

    @abstractmethod
    def describe(self) -> str:
        """Its name and numbers, as a card prints them."""
