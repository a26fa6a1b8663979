"""From features to a code: deterministic, Gaussian, the k largest, or the nearest vectors of a codebook."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from pushforward.distributions.gaussian import log_normal
from pushforward.domains import Count, Decay, Positive
from pushforward.errors import PushforwardError
from pushforward.numbers import number

ACTIVATIONS = {"identity": nn.Identity, "sigmoid": nn.Sigmoid, "relu": nn.ReLU, "tanh": nn.Tanh}

Codes = Tensor | tuple[Tensor, ...]
"""Vectors (n, d), maps (n, d, h, w), or a tuple of either, one for each level; k samples an image are a leading axis."""
Shape = tuple[int, ...]


class Posterior(NamedTuple):
    """Diagonal Gaussian q(z|x) over flat codes: mean and log standard deviation, (n, d)."""

    mean: Tensor
    log_std: Tensor

    def log_prob(self, z: Tensor) -> Tensor:
        """log q(z|x), nats per image, (n,)."""
        return log_normal(z, self.mean, self.log_std)


class Code(NamedTuple):
    """A code z, and what came about with it.

    posterior: what it was drawn from, where there is such a density. stats: means over the batch that the bottleneck's
    `absorb` is given after the step. extras: tensors that lead with n, for terms that ask for them.
    """

    z: Codes
    posterior: Posterior | None = None
    stats: dict[str, Tensor] = {}  # noqa: RUF012 - NamedTuple defaults, never written to
    extras: dict[str, Tensor] = {}  # noqa: RUF012

    def detached(self) -> "Code":
        """The code whose z has no gradient."""
        z = tuple(part.detach() for part in self.z) if isinstance(self.z, tuple) else self.z.detach()
        return self._replace(z=z)


class Bottleneck(nn.Module, ABC):
    """Features, (n, f) or a map (n, f, h, w), to a code of the shapes `shapes`. Abstract.

    Constructors take `in_shape`, (f,) or (f, h, w), and `code_dim`: a code's units, or its channels at each place of a map.
    gives: what terms may ask of it. shapes: one for each level, without n.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"code"})
    shapes: tuple[Shape, ...]

    @property
    def dim(self) -> int:
        """Numbers in a code."""
        return sum(math.prod(shape) for shape in self.shapes)

    def noise(self, n: int, generator: torch.Generator) -> Tensor | None:
        """The randomness that a code takes, leading with n; None where it takes none."""
        return None

    @abstractmethod
    def forward(self, features: Tensor, noise: Tensor | None) -> Code:
        """The code; with noise=None its representative value (a posterior's mean)."""

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


def flat(z: Codes, shapes: tuple[Shape, ...]) -> Tensor:
    """Codes of these shapes laid end to end, (…, d)."""
    parts = z if isinstance(z, tuple) else (z,)
    laid = [part.flatten(part.ndim - len(shape)) for part, shape in zip(parts, shapes, strict=True)]
    return laid[0] if len(laid) == 1 else torch.cat(laid, -1)


def shaped(z: Tensor, shapes: tuple[Shape, ...]) -> Codes:
    """Flat codes (…, d) as codes of these shapes."""
    parts = [
        part if len(shape) == 1 else part.unflatten(-1, shape)
        for part, shape in zip(z.split([math.prod(shape) for shape in shapes], -1), shapes, strict=True)
    ]
    return parts[0] if len(parts) == 1 else tuple(parts)


def affine(in_shape: Shape, out: int) -> nn.Module:
    """An affine map of features (n, f), or of a map's features at each place: a 1×1 convolution."""
    return nn.Linear(in_shape[0], out) if len(in_shape) == 1 else nn.Conv2d(in_shape[0], out, 1)


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

    def forward(self, features: Tensor, noise: Tensor | None = None) -> Code:
        return Code(self.activation(self.linear(features)))

    def describe(self) -> str:
        return f"deterministic code of {self.size()}"


class Gaussian(Bottleneck):
    """z = μ(h) + σ(h) ε, ε ~ N(0, I). Kingma & Welling 2014."""

    gives = frozenset({"code", "posterior"})

    def __init__(self, in_shape: Shape, code_dim: Count) -> None:
        super().__init__()
        self.shapes = ((code_dim, *in_shape[1:]),)
        self.linear = affine(in_shape, 2 * code_dim)

    def noise(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, self.dim, generator=generator, device=generator.device)

    def forward(self, features: Tensor, noise: Tensor | None = None) -> Code:
        mean, log_std = (flat(part, self.shapes) for part in self.linear(features).chunk(2, 1))
        z = mean if noise is None else mean + log_std.exp() * noise
        return Code(shaped(z, self.shapes), Posterior(mean, log_std))

    def describe(self) -> str:
        return f"Gaussian posterior over {self.size()}"


class TopK(Bottleneck):
    """The k largest units of a linear code; the others are zero. Makhzani & Frey 2014."""

    def __init__(self, in_shape: Shape, code_dim: Count, k: Count) -> None:
        super().__init__()
        if not 0 < k <= code_dim:
            raise PushforwardError(f"bottleneck.k={k}: it must lie between 1 and the code's {code_dim} dimensions")
        if len(in_shape) > 1:
            raise PushforwardError("bottleneck: TopK makes vectors; use model.code=vector")
        self.shapes, self.k = ((code_dim,),), k
        self.linear = affine(in_shape, code_dim)

    def forward(self, features: Tensor, noise: Tensor | None = None) -> Code:
        value = self.linear(features)
        chosen = value.topk(self.k, dim=-1)
        return Code(torch.zeros_like(value).scatter(-1, chosen.indices, chosen.values))

    def describe(self) -> str:
        return f"sparse code: the {self.k} largest of {self.dim} units"


class VectorQuantizer(Bottleneck):
    """z = the nearest of K vectors eᵢ to W h + b, at each place of a map. van den Oord, Vinyals & Kavukcuoglu 2017, eq. 1–2.

    The gradient at z passes straight through to W h + b. The vectors are running means of what is assigned to them (app. A.1):
    Nᵢ ← γNᵢ + (1 − γ)nᵢ, mᵢ ← γmᵢ + (1 − γ)Σz, eᵢ = mᵢ/N̂ᵢ, with the counts smoothed as in the code of Razavi et al. 2019:
    N̂ᵢ = (Nᵢ + ε)/(N + Kε)·N, N = ΣNᵢ. Counts and sums are means over images: a batch shown twice moves nothing further.
    They begin at equal shares, so that a vector to which nothing is assigned stays where it is until Nᵢ is near ε.

    entries: K. decay: γ. smoothing: ε, in places an image.
    """

    gives = frozenset({"code", "codebook"})
    vectors: Tensor
    counts: Tensor
    sums: Tensor
    decay: Tensor
    smoothing: Tensor

    def __init__(self, in_shape: Shape, code_dim: Count, entries: Count, decay: Decay, smoothing: Positive) -> None:
        super().__init__()
        self.shapes, self.entries = ((code_dim, *in_shape[1:]),), entries
        self.linear = affine(in_shape, code_dim)
        share = math.prod(in_shape[1:]) / entries
        self.register_buffer("vectors", torch.randn(entries, code_dim) / code_dim**0.5)
        self.register_buffer("counts", torch.full((entries,), share))
        self.register_buffer("sums", self.vectors * share)
        number(self, "decay", decay)
        number(self, "smoothing", smoothing)

    def forward(self, features: Tensor, noise: Tensor | None = None) -> Code:
        value = self.linear(features).to(self.vectors.dtype)
        index = self.index(value)
        chosen = self.vectors[index].movedim(-1, 1)
        one_hot = (index.view(len(index), -1, 1) == torch.arange(self.entries, device=index.device)).to(value.dtype)
        stats = self.assigned(value.detach(), one_hot)
        extras = {"value": value, "chosen": chosen, "usage": one_hot.mean(1)}
        return Code(value + (chosen - value).detach(), stats=stats, extras=extras)

    def index(self, value: Tensor) -> Tensor:
        """The nearest vector's place in the codebook, (n, …), of values (n, d, …)."""
        rows = value.movedim(1, -1)
        with torch.autocast(value.device.type, enabled=False):  # in bf16 near vectors are as good as one another
            distance = self.vectors.square().sum(1) - 2 * rows @ self.vectors.T
        return distance.argmin(-1)

    def assigned(self, value: Tensor, one_hot: Tensor) -> dict[str, Tensor]:
        """How many values are assigned to each vector and their sum, means over images: (K,) and (K, d)."""
        rows = value.movedim(1, -1).flatten(0, -2)
        with torch.autocast(value.device.type, enabled=False):
            sums = one_hot.flatten(0, 1).T @ rows / len(value)
        return {"counts": one_hot.sum(1).mean(0), "sums": sums}

    @torch.no_grad()
    def absorb(self, stats: dict[str, Tensor]) -> None:
        for held, found in ((self.counts, stats["counts"]), (self.sums, stats["sums"])):
            held.lerp_(found.to(held), 1 - self.decay)
        total = self.counts.sum()
        smoothed = (self.counts + self.smoothing) / (total + self.entries * self.smoothing) * total
        self.vectors.copy_(self.sums / smoothed.unsqueeze(1))

    def valid(self, z: Codes) -> Codes:
        assert isinstance(z, Tensor)
        return self.vectors[self.index(z)].movedim(-1, 1)

    def describe(self) -> str:
        places = "×".join(map(str, self.shapes[0][1:]))
        return (
            f"one of {self.entries} vectors of {self.shapes[0][0]} dimensions"
            + f" at each of {places} places" * bool(places)
        )
