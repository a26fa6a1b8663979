import pytest
import torch

from pushforward.metrics import moments


@pytest.mark.parametrize("sizes", [[7], [1, 6], [3, 0, 4], [2, 2, 2, 1]])
def test_merged_parts_are_the_whole(sizes):
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean, covariance = moments.mean_and_covariance(
        moments.merge(torch.stack([moments.of(part) for part in x.split(sizes)]))
    )
    torch.testing.assert_close(mean, x.mean(0), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(covariance, torch.cov(x.T), rtol=1e-13, atol=1e-13)


def test_a_large_mean_does_not_cancel_the_spread():
    """Variance 1 around 10⁸: raw sums of squares lose 10¹⁶ ε ≈ 2 of it; scatter about the mean keeps 8 digits."""
    x = torch.randn(4000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    parts = torch.stack([moments.of(part + 1e8) for part in x.split(100)])
    _, covariance = moments.mean_and_covariance(moments.merge(parts))
    torch.testing.assert_close(covariance, torch.cov(x.T).reshape(1, 1), rtol=1e-7, atol=0)


@pytest.mark.parametrize("d", [1, 2, 84, 784])
def test_dimensions_are_read_from_the_length(d):
    assert moments.dimensions(1 + d + d * d) == d
    assert moments.empty(d).shape == (1 + d + d * d,)
