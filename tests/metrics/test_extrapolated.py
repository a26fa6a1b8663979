"""The Fréchet distance without its bias."""

import pytest
import torch

from pushforward.errors import PushforwardError
from pushforward.metrics.extrapolated import frechet_infinity
from pushforward.metrics.sample import frechet_distance_of


def normal(n: int, d: int, seed: int) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_the_intercept_is_the_distance_of_the_gaussians(shift: float) -> None:
    """Within the spread over 12 draws; at N = 1,500 the bias is several times that spread."""
    d, n, true, found, finite = 20, 1500, 20 * shift**2, [], []
    for seed in range(12):
        x, y = normal(n, d, seed) + shift, normal(n, d, 100 + seed)
        found.append(frechet_infinity(x, y, torch.Generator().manual_seed(seed)).value)
        finite.append(frechet_distance_of(x, y))
    values, biased = torch.tensor(found), torch.tensor(finite)
    error = float(values.std()) / len(found) ** 0.5
    assert abs(float(values.mean()) - true) < 4 * error
    assert float(biased.mean()) - true > 4 * float(biased.std()) / len(finite) ** 0.5


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(PushforwardError, match="20 samples of 30 features"):
        frechet_infinity(normal(20, 30, 0), normal(20, 30, 1), torch.Generator())


def test_the_same_generator_gives_the_same_number() -> None:
    x, y = normal(400, 5, 0), normal(400, 5, 1)
    first, again = (frechet_infinity(x, y, torch.Generator().manual_seed(3)) for _ in range(2))
    # a matrix product's last bits depend on where its operands lie in memory
    assert first == pytest.approx(again, rel=1e-9) and first.standard_error > 0
