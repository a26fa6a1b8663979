"""What every density over codes offers."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Prior(nn.Module, ABC):
    """p(z) over codes. Abstract. One with parameters is trained by the player of the model that holds it."""

    @abstractmethod
    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log p(z), nats per code."""

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        """n draws."""

    @abstractmethod
    def describe(self) -> str:
        """Its name and numbers, as a card prints them."""
