"""Corruptions of a denoising autoencoder's input. Each is a deterministic function of x and noise that it draws itself."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.domains import NonNegative, Share
from pushforward.errors import PushforwardError
from pushforward.numbers import number


class Corruption(nn.Module, ABC):
    """x̃ = forward(x, noise). Nothing is clipped."""

    @abstractmethod
    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Noise for x of `shape`, (n, …)."""

    @abstractmethod
    def forward(self, x: Float[Tensor, " n *shape"], noise: Float[Tensor, " n *shape"]) -> Float[Tensor, " n *shape"]:
        """The corrupted x̃."""

    @abstractmethod
    def describe(self) -> str:
        """Its name and numbers, as a run prints them."""


class GaussianNoise(Corruption):
    """x̃ = x + σ ε, not clipped. Vincent et al. 2010, sec. 3.3."""

    sigma: Tensor

    def __init__(self, sigma: NonNegative) -> None:
        super().__init__()
        if sigma < 0:
            raise PushforwardError(f"corruption.sigma={sigma:g} must be at least 0: it is a standard deviation.")
        number(self, "sigma", sigma)

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return torch.randn(shape, generator=generator, device=generator.device)

    def forward(self, x: Float[Tensor, " n *shape"], noise: Float[Tensor, " n *shape"]) -> Float[Tensor, " n *shape"]:
        return x + self.sigma * noise

    def describe(self) -> str:
        return f"Gaussian noise, σ = {self.sigma.item():.3g}"


class Fraction(Corruption):
    """Something befalls a random fraction p of the dimensions. Abstract. Raises PushforwardError for p outside [0, 1]."""

    p: Tensor

    def __init__(self, p: Share) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise PushforwardError(
                f"corruption.p={p:g} must lie in [0, 1]: it is the fraction of dimensions corrupted."
            )
        number(self, "p", p)

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return torch.rand(shape, generator=generator, device=generator.device)


class Masking(Fraction):
    """x̃ = 0 in a random fraction p of the dimensions. Vincent et al. 2010, sec. 3.3."""

    def forward(self, x: Float[Tensor, " n *shape"], noise: Float[Tensor, " n *shape"]) -> Float[Tensor, " n *shape"]:
        return torch.where(noise < self.p, 0.0, x)

    def describe(self) -> str:
        return f"masking, p = {self.p.item():.3g}"


class SaltAndPepper(Fraction):
    """x̃ = 0 or 1, by a fair coin, in a random fraction p of the dimensions. Vincent et al. 2010, sec. 3.3."""

    def forward(self, x: Float[Tensor, " n *shape"], noise: Float[Tensor, " n *shape"]) -> Float[Tensor, " n *shape"]:
        # given noise < p, noise < p/2 is the coin
        return torch.where(noise < self.p, (noise < self.p / 2).to(x.dtype), x)

    def describe(self) -> str:
        return f"salt and pepper, p = {self.p.item():.3g}"
