"""The base class of bottlenecks, and the two common ones: a deterministic code, and a Gaussian posterior."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from pushforward.bottlenecks.code import REAL, Code, Codes, GaussianPosterior, Shape, flat, shaped
from pushforward.domains import Count
from pushforward.errors import PushforwardError

ACTIVATIONS = {"identity": nn.Identity, "sigmoid": nn.Sigmoid, "relu": nn.ReLU, "tanh": nn.Tanh}


class Bottleneck(nn.Module, ABC):
    """Features, (n, f) or a map (n, f, h, w), to a code of the shapes `shapes`. Abstract.

    Constructors take `in_shape`, (f,) or (f, h, w), and `code_dim`: a code's units, or its channels at each place of a map.
    gives: what terms may ask of it. shapes: one for each level, without n. support: the codes that it draws, in words.
    gradients: the estimators by which a bound's gradient reaches it through its draws. corrected: a gradient through them
    needs the code's `correction`.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"code"})
    couples_batch: ClassVar[bool] = False
    support: ClassVar[str] = REAL
    gradients: ClassVar[tuple[str, ...]] = ("reparameterized", "score")
    corrected: ClassVar[bool] = False
    shapes: tuple[Shape, ...]

    @property
    def dim(self) -> int:
        """Numbers in a code."""
        return sum(math.prod(shape) for shape in self.shapes)

    def noise(self, n: int, generator: torch.Generator) -> Tensor | None:
        """The randomness that a code takes, leading with n; None where it takes none."""
        return None

    @abstractmethod
    def forward(self, features: Tensor, noise: Tensor | None, epochs: Tensor | None = None) -> Code:
        """The code; with noise=None its representative value (a posterior's mean).

        epochs: seen so far, (), for what is annealed; given in a step of training alone.
        """

    def settled(self) -> float:
        """Epochs after which it no longer changes with time."""
        return 0.0

    def read(self, z: Codes) -> Codes:
        """The part of a code that the decoder reads: all of it, but for levels that others stand between."""
        return z

    def valid(self, z: Codes) -> Codes:
        """The code nearest to z that the decoder knows: z itself, but for codes that take few values."""
        return z

    def absorb(self, stats: dict[str, Tensor]) -> None:
        """Take in a code's stats after a training step, by in-place writes to buffers."""

    @abstractmethod
    def describe(self) -> str:
        """The kind of code, as in `deterministic code of 16 dimensions`."""

    def size(self) -> str:
        """The code's dimensions in words: `16 dimensions`, `16×4×4 dimensions`."""
        return " + ".join("×".join(map(str, shape)) for shape in self.shapes) + " dimensions"


def affine(in_shape: Shape, out: int) -> nn.Module:
    """An affine map of features (n, f), or of a map's features at each place: a 1×1 convolution."""
    return nn.Linear(in_shape[0], out) if len(in_shape) == 1 else nn.Conv2d(in_shape[0], out, 1)


@runtime_checkable
class TakesFewValues(Protocol):
    """A bottleneck whose code is one of `entries` values at each place."""

    entries: int

    def indices(self, z: Tensor) -> Tensor:
        """The values' numbers, 0 … entries − 1, (n, …), of codes (n, d, …)."""
        ...

    def values(self, indices: Tensor) -> Tensor:
        """Codes (n, d, …) of the values' numbers (n, …)."""
        ...


class Deterministic(Bottleneck):
    """z = activation(W h + b). With a sigmoid its units can be asked for a mean activation."""

    def __init__(self, in_shape: Shape, code_dim: Count, activation: str = "identity") -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise PushforwardError(f"bottleneck.activation={activation}: choose from {', '.join(ACTIVATIONS)}")
        self.shapes = ((code_dim, *in_shape[1:]),)
        self.linear = affine(in_shape, code_dim)
        self.activation = ACTIVATIONS[activation]()
        if activation == "sigmoid":
            self.gives = frozenset({"code", "unit activations"})  # type: ignore[misc]

    def forward(self, features: Tensor, noise: Tensor | None = None, epochs: Tensor | None = None) -> Code:
        return Code(self.activation(self.linear(features)))

    def describe(self) -> str:
        return f"deterministic code of {self.size()}"


class Gaussian(Bottleneck):
    """z = μ(h) + σ(h) ε, ε ~ N(0, I). Kingma & Welling 2014."""

    gives = frozenset({"code", "posterior", "Gaussian posterior"})

    def __init__(self, in_shape: Shape, code_dim: Count) -> None:
        super().__init__()
        self.shapes = ((code_dim, *in_shape[1:]),)
        self.linear = affine(in_shape, 2 * code_dim)

    def noise(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, self.dim, generator=generator, device=generator.device)

    def forward(self, features: Tensor, noise: Tensor | None = None, epochs: Tensor | None = None) -> Code:
        mean, log_std = (flat(part, self.shapes) for part in self.linear(features).chunk(2, 1))
        z = mean if noise is None else mean + log_std.exp() * noise
        return Code(shaped(z, self.shapes), GaussianPosterior(mean, log_std))

    def describe(self) -> str:
        return f"Gaussian posterior over {self.size()}"
