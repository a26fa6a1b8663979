"""From features to code: deterministic, Gaussian, or the k largest."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from pushforward.distributions.gaussian import log_normal
from pushforward.domains import Count
from pushforward.errors import PushforwardError

ACTIVATIONS = {"identity": nn.Identity, "sigmoid": nn.Sigmoid, "relu": nn.ReLU, "tanh": nn.Tanh}


class Posterior(NamedTuple):
    """Diagonal Gaussian q(z|x): mean and log standard deviation, (n, d)."""

    mean: Tensor
    log_std: Tensor

    def log_prob(self, z: Tensor) -> Tensor:
        """log q(z|x), nats per image, (n,)."""
        return log_normal(z, self.mean, self.log_std)


class Code(NamedTuple):
    """A code z, (n, d), and the posterior it was drawn from where there is one."""

    z: Tensor
    posterior: Posterior | None = None


class Bottleneck(nn.Module, ABC):
    """Features (n, in_features) to code (n, code_dim). Abstract. `gives` is what terms may ask of it."""

    gives: ClassVar[frozenset[str]] = frozenset({"code"})
    code_dim: int

    def noise(self, n: int, generator: torch.Generator) -> Tensor | None:
        """What randomness a code takes, leading with n; None where it takes none."""
        return None

    @abstractmethod
    def forward(self, features: Tensor, noise: Tensor | None) -> Code:
        """The code; with noise=None its representative value (a posterior's mean)."""


class Deterministic(Bottleneck):
    """z = activation(W h + b). With a sigmoid its units can be asked for a mean activation."""

    def __init__(self, in_features: int, code_dim: Count, activation: str = "identity") -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise PushforwardError(f"bottleneck.activation={activation}: choose from {', '.join(ACTIVATIONS)}")
        self.code_dim = code_dim
        self.linear = nn.Linear(in_features, code_dim)
        self.activation = ACTIVATIONS[activation]()
        if activation == "sigmoid":
            self.gives = frozenset({"code", "unit activations"})  # type: ignore[misc]

    def forward(self, features: Tensor, noise: Tensor | None = None) -> Code:
        return Code(self.activation(self.linear(features)))


class Gaussian(Bottleneck):
    """z = μ(h) + σ(h) ε, ε ~ N(0, I). Kingma & Welling 2014."""

    gives = frozenset({"code", "posterior"})

    def __init__(self, in_features: int, code_dim: Count) -> None:
        super().__init__()
        self.code_dim = code_dim
        self.linear = nn.Linear(in_features, 2 * code_dim)

    def noise(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, self.code_dim, generator=generator, device=generator.device)

    def forward(self, features: Tensor, noise: Tensor | None = None) -> Code:
        mean, log_std = self.linear(features).chunk(2, -1)
        z = mean if noise is None else mean + log_std.exp() * noise
        return Code(z, Posterior(mean, log_std))


class TopK(Bottleneck):
    """The k largest units of a linear code; the others are zero. Makhzani & Frey 2014."""

    def __init__(self, in_features: int, code_dim: Count, k: Count) -> None:
        super().__init__()
        if not 0 < k <= code_dim:
            raise PushforwardError(f"bottleneck.k={k}: it must lie between 1 and the code's {code_dim} dimensions")
        self.code_dim, self.k = code_dim, k
        self.linear = nn.Linear(in_features, code_dim)

    def forward(self, features: Tensor, noise: Tensor | None = None) -> Code:
        value = self.linear(features)
        chosen = value.topk(self.k, dim=-1)
        return Code(torch.zeros_like(value).scatter(-1, chosen.indices, chosen.values))
