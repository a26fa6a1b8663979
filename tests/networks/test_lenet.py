import pytest
import torch

from pushforward.networks import LeNet


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64), (1, 64, 64), (3, 16, 20)])
def test_features_and_size(shape: tuple[int, ...]) -> None:
    model = LeNet(shape, 10)
    x = torch.rand(3, *shape)
    assert model.features(x).shape == (3, 84)
    assert model(x).shape == (3, 10)
    # in half precision two bytes a parameter: under 200 kB
    assert sum(p.numel() for p in model.parameters()) < 100_000


def test_learns_to_tell_quadrants() -> None:
    """Chance is 1/4; a bright quadrant in noise is told from the others without error."""
    torch.manual_seed(0)
    y = torch.arange(256) % 4
    x = 0.2 * torch.rand(256, 1, 8, 8)
    for i in range(256):
        r, c = 4 * (y[i] // 2), 4 * (y[i] % 2)
        x[i, 0, r : r + 4, c : c + 4] += 0.8
    model = LeNet((1, 8, 8), 4)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(30):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    assert (model(x).argmax(1) == y).float().mean() == 1
