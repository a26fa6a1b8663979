"""The base class of densities over codes."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.bottlenecks import REAL, Bottleneck, Posterior


@runtime_checkable
class TrainingImages(Protocol):
    """Data whose training images can be had beside the batches."""

    def training_images(self, n: int, seed: int) -> Tensor:
        """n training images chosen by `seed`, as a model is shown them, (n, *shape)."""


class Prior(nn.Module, ABC):
    """p(z) over codes. Abstract. One with parameters is trained by the player of the model that holds it.

    support: the codes that it is a density of, in words. couples_batch: in a step it is made of the batch.
    """

    support: ClassVar[str] = REAL
    couples_batch: ClassVar[bool] = False

    def attach(self, posterior: Callable[[Tensor], Posterior]) -> None:
        """Keep the model's posterior of given images, for a prior that is a mixture of posteriors."""

    def bind(self, bottleneck: Bottleneck) -> None:
        """Keep the model's bottleneck, for a prior over the levels that it has."""

    def attach_data(self, data: TrainingImages, seed: int) -> None:
        """Take training images from a run's data before it starts, for a prior that is made of some."""

    def in_step(self, posterior: Posterior) -> "Prior":
        """The density that a loss takes of codes of images with these posteriors: itself, unless it depends on them."""
        return self

    @abstractmethod
    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log p(z), nats per code."""

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        """n draws."""

    @abstractmethod
    def describe(self) -> str:
        """Its name and numbers, as a card prints them."""
