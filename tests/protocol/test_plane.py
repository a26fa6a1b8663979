"""The plane of codes: all of two units, the two widest directions of more."""

import pytest
import torch

from pushforward.protocol.plane import MARGIN, Plane, as_bytes, share_in_plane


def codes(n: int, d: int) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_of_two_units_the_plane_is_the_codes_with_a_margin() -> None:
    z = codes(50, 2)
    plane = Plane.of(z)
    assert torch.equal(plane.coordinates(z), z) and float(share_in_plane(z, plane)) == pytest.approx(1)
    width = z.amax(0) - z.amin(0)
    torch.testing.assert_close(plane.low, z.amin(0) - MARGIN * width)
    grid = plane.grid(3).unflatten(0, (3, 3))
    torch.testing.assert_close(grid[0, 0], plane.low, check_dtype=False)
    torch.testing.assert_close(grid[0, 2, 0], plane.high[0], check_dtype=False)  # rows go upwards, columns to the right
    torch.testing.assert_close(grid[2, 0, 1], plane.high[1], check_dtype=False)


def test_codes_in_a_plane_of_many_units_are_found_again() -> None:
    z = codes(50, 2) @ torch.linalg.qr(codes(7, 2)).Q.T + codes(1, 7)
    plane = Plane.of(z)
    assert float(share_in_plane(z, plane)) == pytest.approx(1)
    torch.testing.assert_close(plane.origin + plane.coordinates(z) @ plane.directions, z)
    torch.testing.assert_close(plane.directions @ plane.directions.T, torch.eye(2, dtype=z.dtype))
    along = plane.coordinates(z).var(0)
    assert along[0] > along[1]


def test_one_unit_and_one_value_have_a_plane_too() -> None:
    assert Plane.of(codes(9, 1)).grid(2).shape == (4, 1)
    same = Plane.of(torch.zeros(4, 3))
    assert bool((same.high > same.low).all()) and bool(same.grid(5).isfinite().all())


def test_bytes_are_rounded_and_what_is_not_finite_is_black() -> None:
    x = torch.tensor([0.0, 0.5, 1.0, 2.0, -1.0, float("nan")])
    assert as_bytes(lambda z: z, x).tolist() == [0, 128, 255, 255, 0, 0]
