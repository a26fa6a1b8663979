"""Paths between two codes: their length through the decoder, and how evenly they are walked."""

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric


def linear(a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], t: Float[Tensor, " t"]) -> Float[Tensor, "n t d"]:
    """(1 − t)a + tb, codes on the straight line, shape (n, t, d)."""
    t = t.to(a)[:, None]
    return (1 - t) * a[:, None] + t * b[:, None]


def spherical(a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], t: Float[Tensor, " t"]) -> Float[Tensor, "n t d"]:
    """[sin((1 − t)Ω) a + sin(tΩ) b] / sin Ω about the origin, Ω the angle between a and b. Shoemake 1985; White 2016.

    The straight line where a and b point the same way, or one is zero, or they are opposite: there is no one arc then.
    """
    size = a.double().norm(dim=1) * b.double().norm(dim=1)  # 0 makes the cosine, and so the sine, NaN
    angle = ((a.double() * b.double()).sum(1) / size).clamp(-1, 1).acos()[:, None, None]
    s = t.to(a).double()[:, None]
    first, second = ((1 - s) * angle).sin() / angle.sin(), (s * angle).sin() / angle.sin()
    arc = (first * a.double()[:, None] + second * b.double()[:, None]).to(a)
    return torch.where(angle.sin() > 1e-6, arc, linear(a, b, t))


KINDS = {"linear": linear, "spherical": spherical}


def steps(path: Float[Tensor, "n t d"]) -> Float[Tensor, "n s"]:
    """‖f(x_{t+1}) − f(x_t)‖, in units of f, float64, shape (n, t − 1)."""
    return path.double().diff(dim=1).norm(dim=2)


def straightness(path: Float[Tensor, "n t d"]) -> tuple[float, float]:
    """∫₀¹ E‖(z₁ − z₀) − dz/dτ‖² dτ of paths in equal steps of τ, 0 where all are straight and even, and E‖z₁ − z₀‖².

    In squared units of z. Liu, Gong & Liu 2023, eq. 8. A step's velocity is its mean: what bends within a step is left out.
    """
    z = path.double()
    way, velocities = z[:, -1] - z[:, 0], z.diff(dim=1) * (z.shape[1] - 1)
    return float((way[:, None] - velocities).square().sum(2).mean()), float(way.square().sum(1).mean())


def path_energy(path: Float[Tensor, "n t d"]) -> Float[Tensor, " n"]:
    """∫₀¹ ‖dz/dτ‖² dτ of each path in equal steps of τ, in squared units of z, float64, shape (n,).

    A step's velocity is its mean, as a step of Euler's method has it. Tong et al. 2024, sec. 5.1; Shi et al. 2023.
    """
    return (path.double().diff(dim=1).square().sum(2) * (path.shape[1] - 1)).sum(1)


def straight(path: Float[Tensor, "n t d"]) -> Float[Tensor, " n"]:
    """Distance between a path's ends, in units of f, float64, shape (n,)."""
    return (path[:, -1].double() - path[:, 0].double()).norm(dim=1)


class PathLength(Metric):
    """Length and roughness of paths {f(x_0) … f(x_T)}, over batches and processes, each with its standard error.

    length: ΣL / ΣD over paths, L = Σₜ‖f(x_{t+1}) − f(x_t)‖ the length of the decoded curve (Arvanitidis, Hansen &
    Hauberg 2018) and D = ‖f(x_T) − f(x_0)‖: times the straight way, at least 1, and 1 for a linear decoder. A ratio of
    sums, for one of each path is ruled by pairs that are alike.
    roughness: the largest of a path's T steps over their mean, averaged over paths: 1 where f moves evenly, as for a
    linear decoder, up to T where all of it happens in one jump. Paths along which nothing changes don't count.
    """

    full_state_update = False
    sums: Tensor

    def __init__(self) -> None:
        super().__init__()
        # n, ΣL, ΣD, ΣL², ΣLD, ΣD²; then of the moving ones their number, Σr, Σr²
        self.add_state("sums", torch.zeros(9, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, path: Float[Tensor, "n t d"]) -> None:
        each, d = steps(path), straight(path)
        length, largest, mean = each.sum(1), each.amax(1), each.mean(1)
        r = (largest / mean)[length > 0]
        ones, moving = torch.ones_like(d), torch.ones_like(r)
        products = (ones, length, d, length**2, length * d, d**2, moving, r, r**2)
        self.sums += torch.stack([product.sum() for product in products])

    def compute(self) -> dict[str, Tensor]:
        """{"length", "length_error", "roughness", "roughness_error", "paths"}; NaN where no path leads anywhere."""
        n, length, d, ll, ld, dd, moving, r, rr = self.sums
        ratio = length / d
        residual = (ll - 2 * ratio * ld + ratio**2 * dd).clamp(min=0)  # of L − ratio·D, whose mean is 0
        rough = r / moving
        spread = (rr / moving - rough**2).clamp(min=0)
        return {
            "length": ratio,
            "length_error": (residual / (n - 1)).sqrt() / (d / n) / n.sqrt(),
            "roughness": rough,
            "roughness_error": (spread / (moving - 1)).sqrt(),
            "paths": n,
        }
