"""Paths between codes against decoders whose curves are known."""

import math

import pytest
import torch

from pushforward.metrics.paths import KINDS, PathLength, linear, path_energy, spherical, steps, straight, straightness

T = torch.linspace(0, 1, 9)


def ends(n: int = 20, d: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    return torch.randn(n, d, generator=g, dtype=torch.float64), torch.randn(n, d, generator=g, dtype=torch.float64)


def measured(path: torch.Tensor) -> dict[str, float]:
    metric = PathLength()
    for part in path.split(7):
        metric.update(part)
    return {key: float(value) for key, value in metric.compute().items()}


@pytest.mark.parametrize("kind", KINDS)
def test_paths_join_their_ends(kind: str):
    a, b = ends()
    path = KINDS[kind](a, b, T)
    assert path.shape == (20, 9, 5)
    torch.testing.assert_close(path[:, 0], a)
    torch.testing.assert_close(path[:, -1], b)


def test_spherical_keeps_the_norm_and_the_speed():
    a, b = (z / z.norm(dim=1, keepdim=True) for z in ends())
    path = spherical(a, b, T)
    torch.testing.assert_close(path.norm(dim=2), torch.ones(20, 9, dtype=torch.float64))
    angle = (a * b).sum(1).acos()
    torch.testing.assert_close(steps(path), (2 * (angle / 16).sin())[:, None].expand(-1, 8))  # chords of equal angles


def test_spherical_without_an_arc_is_the_straight_line():
    a, _ = ends(3)
    for b in (2 * a, torch.zeros_like(a), -a, a):
        torch.testing.assert_close(spherical(a, b, T), linear(a, b, T))


def test_a_linear_decoder_has_length_and_roughness_one():
    a, b = ends()
    decoder = torch.randn(5, 30, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = measured(linear(a, b, T) @ decoder)
    assert found["paths"] == 20
    for key in ("length", "roughness"):
        assert abs(found[key] - 1) < 1e-12 and found[f"{key}_error"] < 1e-7  # √ of what rounding leaves of a difference


def test_half_a_circle_is_half_pi_times_its_diameter():
    """A polygon of s chords: s·sin(π/2s) → π/2."""
    s = 64
    angle = torch.linspace(0, math.pi, s + 1, dtype=torch.float64)
    found = measured(torch.stack([angle.cos(), angle.sin()], 1)[None].repeat(3, 1, 1))
    assert abs(found["length"] - s * math.sin(math.pi / (2 * s))) < 1e-12
    assert abs(found["length"] - math.pi / 2) < 1e-3 and abs(found["roughness"] - 1) < 1e-9


def test_a_jump_is_as_rough_as_there_are_steps():
    a, b = ends()
    path = torch.where(T[:, None] < 0.4, a[:, None], b[:, None])
    found = measured(path)
    assert abs(found["roughness"] - 8) < 1e-12 and abs(found["length"] - 1) < 1e-12


def test_paths_that_lead_nowhere():
    a, b = ends()
    still = a[:, None].expand(-1, 9, -1)
    moving = linear(a, b, T)
    assert abs(measured(torch.cat([still, moving]))["roughness"] - 1) < 1e-12
    nothing = measured(still)
    assert math.isnan(nothing["length"]) and math.isnan(nothing["roughness"])


def test_standard_errors_are_the_jackknifes():
    """For a ratio of means both are right to O(1/n) of themselves: n = 300."""
    g = torch.Generator().manual_seed(2)
    path = torch.randn(300, 9, 4, generator=g, dtype=torch.float64)
    found, n = measured(path), 300
    length, d = steps(path).sum(1), straight(path)
    left_out = (length.sum() - length) / (d.sum() - d)
    jackknife = float(((n - 1) / n * (left_out - left_out.mean()).square().sum()).sqrt())
    assert abs(found["length_error"] / jackknife - 1) < 0.03
    rough = steps(path).amax(1) / steps(path).mean(1)
    assert abs(found["roughness_error"] - float(rough.std() / n**0.5)) < 1e-12


BODY = """
from pushforward.metrics.paths import PathLength
metric = PathLength()
for part in mine[0].split(4):
    metric.update(part)
found = {key: float(value) for key, value in metric.compute().items()}
"""


def test_two_processes_equal_one(two_processes):
    path = torch.randn(50, 9, 4, generator=torch.Generator().manual_seed(3))
    for found in two_processes(BODY, path):
        assert found == pytest.approx(measured(path), rel=1e-9)


def test_straightness_of_a_gaussian_flow() -> None:
    """From N(0, 1) to N(0, s²), z = a·z₀ with a² = (1 − t)² + t²s²: E z₀²·∫(s − 1 − a′)² dt, which is s² + 1 − 2s less a part.

    The integral by the midpoint rule at 10⁶ points; 1,000 steps take means of a′ over a step, off by h²/12·∫a″² < 1e-5.
    """
    s, t = 3.0, (torch.arange(10**6, dtype=torch.float64) + 0.5) / 10**6
    slope = (t - 1 + t * s**2) / ((1 - t) ** 2 + t**2 * s**2).sqrt()
    z = torch.tensor([1.0, -1.0], dtype=torch.float64)[:, None, None]
    times = torch.linspace(0, 1, 1001, dtype=torch.float64)
    path = z * ((1 - times) ** 2 + times**2 * s**2).sqrt()[:, None]
    bent, way = straightness(path)
    assert bent == pytest.approx(float((s - 1 - slope).square().mean()), abs=1e-5) and bent > 0.1
    assert way == pytest.approx((s - 1) ** 2)
    assert straightness(z * torch.linspace(1, s, 9)[:, None])[0] == pytest.approx(0, abs=1e-12)


def test_the_energy_of_straight_paths_is_their_squared_length_and_of_a_detour_more():
    """Two halves at speeds a and b: (a² + b²)/2, least at a = b, where it is the squared length."""
    a, b = ends()
    even = linear(a, b, T)
    torch.testing.assert_close(path_energy(even), (b - a).square().sum(1))
    hasty = linear(a, b, torch.tensor([0, 0.1, 0.2, 0.3, 0.4, 0.55, 0.7, 0.85, 1.0]))
    torch.testing.assert_close(path_energy(hasty), (b - a).square().sum(1) * (0.8**2 + 1.2**2) / 2)
