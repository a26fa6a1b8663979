"""Codes of several levels, p(z) = p(z_L) Πₗ p(zₗ | levels above): three ways to infer them from an image."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from pushforward.bottlenecks.bottleneck import Bottleneck
from pushforward.bottlenecks.code import Code, Codes, Posterior, Shape, shaped
from pushforward.distributions.gaussian import (
    kl_gaussians,
    log_normal,
    log_ratio_of_normals,
    product_of_normals,
    sample_normal,
)
from pushforward.domains import Count
from pushforward.errors import PushforwardError

Normal = tuple[Tensor, Tensor]
"""Mean and log standard deviation of a diagonal Gaussian, (…, d) each."""


class LevelDraw(NamedTuple):
    """z ~ q(z|x), levels end to end; the Gaussians of q and p that each level has, given the others of the draw. (…, n, d).

    sampled: the leading dimensions whose Gaussian under p depends on levels drawn after them under q, so that their rate
    is log q − log p of the draw; the rate of the others is the KL of two Gaussians.
    """

    z: Tensor
    q: Normal
    p: Normal
    sampled: int

    def log_q(self) -> Tensor:
        """log q(z|x), nats per image, (…, n)."""
        return log_normal(self.z, *self.q)

    def rates(self) -> Tensor:
        """Estimates of KL(q(z|x) ‖ p(z)), nats per image and dimension, (…, n, d)."""
        (mean_q, log_std_q), (mean_p, log_std_p), k = self.q, self.p, self.sampled
        four = mean_q, log_std_q, mean_p, log_std_p
        drawn = log_ratio_of_normals(self.z[..., :k], *(part[..., :k] for part in four))
        return torch.cat([drawn, kl_gaussians(*(part[..., k:] for part in four))], -1)


@dataclass(frozen=True)
class LevelPosterior(Posterior):
    """q(z|x), each level a diagonal Gaussian given those drawn before it. walk: draws by noise, or at given codes."""

    walk: Callable[..., LevelDraw]

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        """Each level's mean given the means before it."""
        return self.walk(None).z

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        drawn = self.walk(noise)
        return drawn.z, drawn.log_q()

    def log_prob(self, z: Tensor) -> Tensor:
        return self.walk(None, z).log_q()

    def rates(self, z: Tensor) -> Tensor:
        """Estimates of KL(q(z|x) ‖ p(z)) from codes drawn, nats per image and dimension, (…, n, d)."""
        return self.walk(None, z).rates()


class Levels(Bottleneck, ABC):
    """Vectors z₁ … z_L above one another. Abstract: the kinds differ in q(z|x).

    code_dim: units of z₁; each level has half as many as the one below, and at least one (Sønderby et al. 2016, sec. 3).
    levels: L. hidden: units of the layers between levels.
    Under p each level depends on the next one above and images on z₁; where `skips`, on all above, and images on all.
    """

    gives = frozenset({"code", "posterior"})
    gradients = ("reparameterized",)
    skips: ClassVar[bool] = False

    def __init__(self, in_shape: Shape, code_dim: Count, levels: Count, hidden: Sequence[Count]) -> None:
        super().__init__()
        if len(in_shape) > 1:
            raise PushforwardError(f"bottleneck: levels of {type(self).__name__} are vectors; use model.code=vector")
        self.sizes = tuple(max(1, code_dim // 2**level) for level in range(levels))
        self.shapes = tuple((size,) for size in self.sizes)
        self.generative = nn.ModuleList(
            perceptron(self.above(level), hidden, 2 * size) for level, size in enumerate(self.sizes[:-1])
        )

    def above(self, level: int) -> int:
        """Units of the levels above that p and q of a level are told."""
        return sum(self.sizes[level + 1 :]) if self.skips else sum(self.sizes[level + 1 : level + 2])

    def conditional(self, level: int, above: Sequence[Tensor]) -> Normal:
        """p(zₗ | levels above), of a level below the top; above: from the next one upwards."""
        told = torch.cat(tuple(above), -1) if self.skips else above[0]
        return halves(self.generative[level](told))

    def generated(self, z: Sequence[Tensor]) -> list[Normal]:
        """Each level's Gaussian under p, given the levels above it in z."""
        return [*(self.conditional(level, z[level + 1 :]) for level in range(len(z) - 1)), standard(z[-1])]

    def noise(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, self.dim, generator=generator, device=generator.device)

    def forward(self, features: Tensor, noise: Tensor | None = None, epochs: Tensor | None = None) -> Code:
        drawn = self.walk(features, noise)
        posterior = LevelPosterior(partial(self.walk, features))
        return Code(shaped(drawn.z, self.shapes), posterior, log_q=drawn.log_q(), extras={"rates": drawn.rates()})

    @abstractmethod
    def walk(self, features: Tensor, noise: Tensor | None, z: Tensor | None = None) -> LevelDraw:
        """A draw by noise; without, each level's mean; or the Gaussians of q and p at given codes z."""

    def choices(self, noise: Tensor | None, z: Tensor | None) -> list[Callable[[Normal], Tensor]]:
        """For each level the function from its Gaussian to its code."""
        if z is not None:
            return [partial(given, part) for part in z.split(self.sizes, -1)]
        each = [None] * len(self.sizes) if noise is None else noise.split(self.sizes, -1)
        return [partial(sampled, part) for part in each]

    def read(self, z: Codes) -> Codes:
        return z if self.skips or isinstance(z, Tensor) else z[0]

    def describe(self) -> str:
        return f"{self.inference()} over levels of {self.size()}"

    @abstractmethod
    def inference(self) -> str:
        """The kind of posterior, in a phrase."""


class BottomUpLevels(Levels):
    """q(z|x) = q(z₁|x) Πₗ q(zₗ₊₁|zₗ). Rezende, Mohamed & Wierstra 2014; Burda, Grosse & Salakhutdinov 2016, eq. 1 and 4."""

    def __init__(self, in_shape: Shape, code_dim: Count, levels: Count, hidden: Sequence[Count]) -> None:
        super().__init__(in_shape, code_dim, levels, hidden)
        inputs = zip((in_shape[0], *self.sizes[:-1]), ((), *[hidden] * (levels - 1)), self.sizes, strict=True)
        self.upward = nn.ModuleList(perceptron(below, layers, 2 * size) for below, layers, size in inputs)

    def walk(self, features: Tensor, noise: Tensor | None, z: Tensor | None = None) -> LevelDraw:
        codes: list[Tensor] = []
        q: list[Normal] = []
        for infer, choose in zip(self.upward, self.choices(noise, z), strict=True):
            q.append(halves(infer(codes[-1] if codes else features)))
            codes.append(choose(q[-1]))
        return laid(codes, q, self.generated(codes), sum(self.sizes[:-1]))

    def inference(self) -> str:
        return "Gaussian posteriors from below"


class TopDownLevels(Levels, ABC):
    """q(z|x) = q(z_L|x) Πₗ q(zₗ | levels above, x): features of x go up first, the draws come down. Abstract."""

    def __init__(self, in_shape: Shape, code_dim: Count, levels: Count, hidden: Sequence[Count]) -> None:
        super().__init__(in_shape, code_dim, levels, hidden)
        widths = [in_shape[0], *[hidden[-1] if hidden else in_shape[0]] * (levels - 1)]
        self.upward = nn.ModuleList(
            nn.Sequential(*perceptron(below, hidden[:-1], width), *[nn.LeakyReLU()] * bool(hidden))
            for below, width in pairwise(widths)
        )
        told = [self.told(level) for level in range(levels)]
        self.inferred = nn.ModuleList(
            perceptron(width + beside, hidden if beside else (), 2 * size)
            for width, beside, size in zip(widths, told, self.sizes, strict=True)
        )

    def walk(self, features: Tensor, noise: Tensor | None, z: Tensor | None = None) -> LevelDraw:
        states = [features]
        for up in self.upward:
            states.append(up(states[-1]))
        choices = self.choices(noise, z)
        codes: list[Tensor] = []
        q: list[Normal] = []
        p: list[Normal] = []
        for level in reversed(range(len(states))):
            prior = self.conditional(level, codes) if codes else None
            q.insert(0, self.infer(level, states[level], codes, prior))
            codes.insert(0, choices[level](q[0]))
            p.insert(0, prior or standard(codes[0]))
        return laid(codes, q, p, 0)

    @abstractmethod
    def told(self, level: int) -> int:
        """Units beside the features that q of a level is a function of."""

    @abstractmethod
    def infer(self, level: int, state: Tensor, above: Sequence[Tensor], prior: Normal | None) -> Normal:
        """q of a level, from its features of x, the draws above, and p given these (None at the top)."""


class ResidualLevels(TopDownLevels):
    """q(zₗ | levels above, x) = N(μₚ + Δμ, (σₚ·Δσ)²), Δ from x and the levels above. Vahdat & Kautz 2020 (NVAE), eq. 2.

    As there and in Child 2021 (VDVAE), each level is told all above it, and images all levels.
    """

    skips = True

    def told(self, level: int) -> int:
        return self.above(level)

    def infer(self, level: int, state: Tensor, above: Sequence[Tensor], prior: Normal | None) -> Normal:
        shift, log_scale = halves(self.inferred[level](beside(state, *above)))
        return (shift, log_scale) if prior is None else (prior[0] + shift, prior[1] + log_scale)

    def inference(self) -> str:
        return "Gaussian posteriors from above, relative to the prior,"


class LadderLevels(TopDownLevels):
    """q(zₗ|zₗ₊₁, x) ∝ N(zₗ; μ̂ₗ(x), σ̂ₗ²(x))·p(zₗ|zₗ₊₁); at the top N(μ̂, σ̂²). Sønderby et al. 2016, eq. 15–20."""

    def told(self, level: int) -> int:
        return 0

    def infer(self, level: int, state: Tensor, above: Sequence[Tensor], prior: Normal | None) -> Normal:
        mean, log_std = halves(self.inferred[level](state))
        return (mean, log_std) if prior is None else product_of_normals(mean, log_std, *prior)

    def inference(self) -> str:
        return "Gaussian posteriors from above, weighted by precision,"


def perceptron(given: int, hidden: Sequence[int], out: int) -> nn.Sequential:
    """Layers of `hidden` units with leaky rectifiers between, (…, given) → (…, out); without any, an affine map."""
    layers: list[nn.Module] = []
    for units in hidden:
        layers += [nn.Linear(given, units), nn.LeakyReLU()]
        given = units
    return nn.Sequential(*layers, nn.Linear(given, out))


def halves(both: Tensor) -> Normal:
    mean, log_std = both.chunk(2, -1)
    return mean, log_std


def standard(like: Tensor) -> Normal:
    """N(0, I)."""
    return torch.zeros_like(like), torch.zeros_like(like)


def sampled(noise: Tensor | None, normal: Normal) -> Tensor:
    """μ + σε; without noise μ."""
    return normal[0] if noise is None else sample_normal(*normal, noise)


def given(z: Tensor, normal: Normal) -> Tensor:
    return z


def beside(state: Tensor, *above: Tensor) -> Tensor:
    """Features (n, f) and codes (…, n, d) side by side."""
    return torch.cat([state.expand(*above[0].shape[:-1], -1), *above], -1) if above else state


def laid(z: Sequence[Tensor], q: Sequence[Normal], p: Sequence[Normal], sampled: int) -> LevelDraw:
    """A draw from its levels, end to end."""
    return LevelDraw(torch.cat(tuple(z), -1), end_to_end(q, z), end_to_end(p, z), sampled)


def end_to_end(levels: Sequence[Normal], z: Sequence[Tensor]) -> Normal:
    """The Gaussians of levels as one, in the shape of their codes: k samples an image may share one, (n, d)."""
    mean, log_std = (
        torch.cat([part.expand_as(code) for part, code in zip(parts, z, strict=True)], -1)
        for parts in zip(*levels, strict=True)
    )
    return mean, log_std
