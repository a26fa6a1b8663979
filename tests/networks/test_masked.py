"""Masked networks: outputs at a dimension do not move with it or those after it, and do with all before it."""

import pytest
import torch
from torch import nn

from pushforward.errors import PushforwardError
from pushforward.networks import MLP, Conv, PixelCNN, autoregressive_of

CASES = {
    "mlp": (MLP((64, 64)), (7,), 2),
    "mlp-image": (MLP((64,)), (1, 4, 4), 3),
    "grey": (PixelCNN(8, 2, 5), (1, 6, 6), 2),
    "rgb": (PixelCNN(48, 2, 5), (3, 5, 5), 4),
}


def order(shape: tuple[int, ...]) -> list[int]:
    """Flat indices of the dimensions in the model's order: pixels row by row, a pixel's colours in turn."""
    flat = torch.arange(torch.Size(shape).numel()).view(shape)
    return (flat.movedim(0, -1) if len(shape) == 3 else flat).flatten().tolist()


@pytest.mark.parametrize("name", CASES)
def test_the_jacobian_is_strictly_triangular(name: str) -> None:
    """In the model's order for the convolutions; the MLP's own is that of the flattened image."""
    network, shape, parameters = CASES[name]
    torch.manual_seed(0)
    module: nn.Module = autoregressive_of(network, shape, parameters).double()
    x = torch.rand(shape, dtype=torch.float64)

    def f(x: torch.Tensor) -> torch.Tensor:
        return module(x[None])[0].flatten(1).T  # (D, parameters)

    jacobian = torch.autograd.functional.jacobian(f, x).flatten(2).abs().sum(1)
    index = order(shape) if isinstance(network, PixelCNN) else list(range(x.numel()))
    ordered = jacobian[index][:, index]
    assert float(ordered.triu().abs().max()) == 0
    seen = (ordered.tril(-1) > 0).float()
    if isinstance(network, MLP):
        assert float(seen.sum()) == x.numel() * (x.numel() - 1) / 2, "each sees all before it"
    else:
        assert bool((seen[1:].sum(1) > 0).all())


def test_a_network_without_masks_is_refused() -> None:
    with pytest.raises(PushforwardError, match=r"conv makes no autoregressive network.*=mlp or network=pixelcnn"):
        autoregressive_of(Conv(), (1, 8, 8), 1)


@pytest.mark.parametrize("colours", [1, 3])
def test_levels_read_as_names_are_seen_in_the_same_order(colours: int) -> None:
    """Any change of a level moves outputs behind it alone, and the size of the change makes no difference to which."""
    torch.manual_seed(0)
    shape, levels = (colours, 4, 4), 5
    module = autoregressive_of(PixelCNN(12, 1, 3, one_hot=True), shape, levels)
    k = torch.randint(levels, (1, *shape))
    before = module(k / (levels - 1))
    seen = order(shape)
    moved = 0
    for place, dimension in enumerate(seen):
        other = k.flatten().clone()
        other[dimension] = (other[dimension] + 2) % levels
        change = (module(other.view(1, *shape) / (levels - 1)) - before)[0].flatten(1).abs().sum(0)
        assert float(change[seen[: place + 1]].max()) == 0
        moved += bool(float(change.max()) > 0)
    assert moved == len(seen) - 1
