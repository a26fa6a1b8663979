"""Densities in the plane: each can be sampled, and knows log p(x) exactly."""

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from difflib import get_close_matches

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from pushforward.domains import Positive, Real
from pushforward.errors import PushforwardError

DISTANCES = 2**18
"""Distances between points and components that are held at once."""


def rotate(x: Tensor, angle: Tensor) -> Tensor:
    """Points (n, 2) turned counter-clockwise by angles (n,)."""
    c, s = angle.cos(), angle.sin()
    return torch.stack((c * x[:, 0] - s * x[:, 1], s * x[:, 0] + c * x[:, 1]), 1)


class Density(ABC):
    """A distribution over the plane. `modes` (k, 2): centres of separate modes, `mode_width` their σ."""

    components: int | None = None
    modes: Tensor | None = None
    mode_width: float | None = None

    @abstractmethod
    def sample(self, n: int, generator: Generator) -> tuple[Float[Tensor, " n 2"], Int[Tensor, " n"] | None]:
        """n points in float64 and the component that each came from."""

    @abstractmethod
    def log_prob(self, x: Float[Tensor, " n 2"]) -> Float[Tensor, " n"]:
        """log p(x), nats."""


def log_mixture(x: Tensor, means: Tensor, log_weights: Tensor, sigma: float) -> Tensor:
    """log Σ_k w_k N(x; μ_k, σ² I) in nats, (n,)."""
    (a, b), log_weights, parts = means.to(x).T, log_weights.to(x), []
    for part in x.split(max(1, DISTANCES // len(means))):
        squares = (part[:, :1] - a).square() + (part[:, 1:] - b).square()
        parts.append((log_weights - squares / (2 * sigma**2)).logsumexp(1))
    return torch.cat(parts) - math.log(2 * math.pi * sigma**2)


class Blobs(Density):
    """Equal isotropic Gaussians."""

    def __init__(self, modes: Tensor, sigma: float) -> None:
        self.means, self.sigma = modes.double(), sigma
        self.modes, self.mode_width, self.components = self.means, sigma, len(modes)

    def sample(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        k = torch.randint(len(self.means), (n,), generator=generator)
        return self.means[k] + self.sigma * torch.randn(n, 2, dtype=torch.float64, generator=generator), k

    def log_prob(self, x: Tensor) -> Tensor:
        weights = torch.full((len(self.means),), -math.log(len(self.means)), dtype=torch.float64)
        return log_mixture(x, self.means, weights, self.sigma)


class Curves(Density):
    """Curves blurred by a Gaussian: x = c_k(u) + σ ε with u uniform on [0, 1].

    p(x) = 1/K Σ_k ∫ N(x; c_k(u), σ² I) du is integrated by Gauss-Legendre quadrature. Its nodes lie much closer than σ
    along the curve, where the error for so smooth an integrand is below that of float32 (a test doubles the nodes).
    """

    def __init__(self, curves: tuple[Callable[[Tensor], Tensor], ...], sigma: float, nodes: int) -> None:
        self.curves, self.sigma, self.components = curves, sigma, len(curves)
        u, w = np.polynomial.legendre.leggauss(nodes)
        at = torch.from_numpy((u + 1) / 2)
        self.means = torch.cat([curve(at) for curve in curves])
        self.log_weights = torch.from_numpy(w / (2 * len(curves))).log().repeat(len(curves))

    def sample(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        k = torch.randint(len(self.curves), (n,), generator=generator)
        u = torch.rand(n, dtype=torch.float64, generator=generator)
        points = torch.stack([curve(u) for curve in self.curves])[k, torch.arange(n)]
        return points + self.sigma * torch.randn(n, 2, dtype=torch.float64, generator=generator), k

    def log_prob(self, x: Tensor) -> Tensor:
        return log_mixture(x, self.means, self.log_weights, self.sigma)


class Moved(Density):
    """scale·x + shift with x from another density."""

    def __init__(self, base: Density, scale: float, shift: tuple[float, float]) -> None:
        self.base, self.scale, self.shift = base, scale, torch.tensor(shift, dtype=torch.float64)
        self.components = base.components
        self.modes = None if base.modes is None else scale * base.modes + self.shift
        self.mode_width = None if base.mode_width is None else scale * base.mode_width

    def sample(self, n: int, generator: Generator) -> tuple[Tensor, Tensor | None]:
        x, k = self.base.sample(n, generator)
        return self.scale * x + self.shift, k

    def log_prob(self, x: Tensor) -> Tensor:
        return self.base.log_prob((x - self.shift.to(x)) / self.scale) - 2 * math.log(self.scale)


class Checkerboard(Density):
    """Uniform over the eight squares of side 2 of one colour on [−4, 4)²: p = 1/32 there, 0 elsewhere."""

    def sample(self, n: int, generator: Generator) -> tuple[Tensor, None]:
        column = torch.randint(4, (n,), generator=generator)
        row = 2 * torch.randint(2, (n,), generator=generator) + column % 2
        corner = torch.stack((column, row), 1).double() * 2 - 4
        return corner + 2 * torch.rand(n, 2, dtype=torch.float64, generator=generator), None

    def log_prob(self, x: Tensor) -> Tensor:
        cell = ((x + 4) / 2).floor()
        inside = ((cell >= 0) & (cell < 4)).all(1) & (cell.sum(1) % 2 == 0)
        return torch.where(inside, -math.log(32.0), -math.inf).to(x.dtype)


class Pinwheel(Density):
    """Five bent arms, after Johnson et al. 2016, with a twist that depends on the radius alone.

    x = 2 R(θ_k + rate · exp(|f|)) f with f = (1 + 0.3 ε₁, 0.1 ε₂): turning by a function of the radius keeps areas,
    so p(x) = 1/(4K) Σ_k p(f_k) exactly. (The original twists by exp(f₁), which folds.)
    """

    components, rate, radial, tangential = 5, 0.25, 0.3, 0.1

    def _angle(self, k: Tensor, radius: Tensor) -> Tensor:
        return 2 * math.pi * k / self.components + self.rate * radius.exp()

    def sample(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        k = torch.randint(self.components, (n,), generator=generator)
        noise = torch.randn(n, 2, dtype=torch.float64, generator=generator)
        f = noise * torch.tensor([self.radial, self.tangential]) + torch.tensor([1.0, 0.0])
        return 2 * rotate(f, self._angle(k, f.norm(dim=1))), k

    def log_prob(self, x: Tensor) -> Tensor:
        y = x / 2
        radius = y.norm(dim=1)
        parts = []
        for k in range(self.components):
            f = rotate(y, -self._angle(torch.tensor(k), radius))
            squares = ((f[:, 0] - 1) / self.radial).square() + (f[:, 1] / self.tangential).square()
            parts.append(-squares / 2)
        constant = math.log(4 * self.components * 2 * math.pi * self.radial * self.tangential)
        return torch.stack(parts, 1).logsumexp(1) - constant


def _circle(k: int, radius: float) -> Tensor:
    angle = 2 * math.pi * torch.arange(k, dtype=torch.float64) / k
    return radius * torch.stack((angle.cos(), angle.sin()), 1)


def _spiral(sign: float) -> Callable[[Tensor], Tensor]:
    def curve(u: Tensor) -> Tensor:
        t = 3 * math.pi * u.sqrt()
        return sign * torch.stack((-t.cos(), t.sin()), 1) * t[:, None] / 3

    return curve


def _upper_moon(u: Tensor) -> Tensor:
    return torch.stack(((math.pi * u).cos(), (math.pi * u).sin()), 1)


def _lower_moon(u: Tensor) -> Tensor:
    return torch.stack((1 - (math.pi * u).cos(), 0.5 - (math.pi * u).sin()), 1)


def nodes(known: int, width: float, sigma: float) -> int:
    """As many nodes as suffice at a blur of `width`, or more in proportion where the blur is less."""
    return max(known, math.ceil(known * width / sigma))


def ring(sigma: float = 0.01) -> Density:
    """Eight Gaussians of σ = 0.01 on the unit circle. Lin et al. 2018 (PacGAN), 2D-ring."""
    return Blobs(_circle(8, 1.0), sigma)


def grid(sigma: float = 0.05) -> Density:
    """Twenty-five Gaussians of σ = 0.05 at {−4, −2, 0, 2, 4}². Lin et al. 2018 (PacGAN), 2D-grid."""
    side = torch.arange(-4.0, 5.0, 2.0)
    return Blobs(torch.cartesian_prod(side, side), sigma)


def eight_gaussians(sigma: float = 0.5 / math.sqrt(2)) -> Density:
    """Eight Gaussians of σ = 0.5/√2 on a circle of radius 4/√2. Grathwohl et al. 2019 (FFJORD)."""
    return Blobs(_circle(8, 4 / math.sqrt(2)), sigma)


def moons(sigma: float = 0.1) -> Density:
    """Two half circles blurred by σ = 0.1, as scikit-learn's make_moons."""
    return Curves((_upper_moon, _lower_moon), sigma, nodes(200, 0.1, sigma))


def two_spirals(sigma: float = 0.1) -> Density:
    """Two spirals of one and a half turns blurred by σ = 0.1, after Grathwohl et al. 2019 without uniform jitter."""
    return Curves((_spiral(1.0), _spiral(-1.0)), sigma, nodes(1000, 0.1, sigma))


DENSITIES: dict[str, Callable[..., Density]] = {
    "ring": ring,
    "grid": grid,
    "8gaussians": eight_gaussians,
    "moons": moons,
    "two_spirals": two_spirals,
    "pinwheel": Pinwheel,
    "checkerboard": Checkerboard,
}


def plane_density(
    name: str, sigma: Positive | None = None, scale: Positive = 1.0, shift: Sequence[Real] = (0.0, 0.0)
) -> Density:
    """The density `name` of scale·x + shift. sigma: of the blur about its curves or modes, before scaling; None: its own."""
    if name not in DENSITIES:
        near = get_close_matches(name, DENSITIES, n=1) or sorted(DENSITIES)
        raise PushforwardError(f"data.source.name={name} is no toy density; nearest: {', '.join(near)}.")
    if sigma is not None and "sigma" not in inspect.signature(DENSITIES[name]).parameters:
        raise PushforwardError(f"data.source.sigma={sigma:g}: {name} is not blurred; use sigma=null.")
    if len(shift) != 2:
        raise PushforwardError(f"data.source.shift={list(shift)}: give two numbers, such as [-1,0].")
    base = DENSITIES[name]() if sigma is None else DENSITIES[name](sigma)
    across, up = map(float, shift)
    return base if scale == 1 and across == up == 0 else Moved(base, float(scale), (across, up))
