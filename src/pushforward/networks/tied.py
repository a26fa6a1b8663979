"""Weights that encoder and decoder share: each map of the decoder is the transpose of one of the encoder's."""

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.errors import PushforwardError


class Transposed(nn.Module):
    """Wᵀh + b, where W is the weight of another linear map, whose parameter it stays."""

    def __init__(self, of: nn.Linear, bias: nn.Parameter | None) -> None:
        super().__init__()
        self._of = (of,)  # in a tuple, so that it is no submodule: a parameter has one owner
        self.bias = bias

    def forward(self, h: Float[Tensor, "n f"]) -> Float[Tensor, "n g"]:
        return F.linear(h, self._of[0].weight.mT, self.bias)


def tie(there: Sequence[nn.Module], back: nn.Module) -> None:
    """Make the linear maps of `back`, from first to last, the transposes of those of `there`, from last to first.

    Raises PushforwardError unless all their weights are of linear maps and have mirrored shapes.
    """
    first = [layer for module in there for layer in matrices(module).values()][::-1]
    last = matrices(back)
    shapes = [[tuple(layer.weight.shape) for layer in layers] for layers in (first, last.values())]
    linear = all(isinstance(layer, nn.Linear) for layer in (*first, *last.values()))
    if not linear or shapes[0] != [shape[::-1] for shape in shapes[1]]:
        raise PushforwardError(
            "model.tied=true: the decoder's weights are not those of encoder and bottleneck transposed; use network=mlp or "
            "linear, condition=none, likelihood=gaussian, and a bottleneck of one linear map"
        )
    for source, (name, own) in zip(first, last.items(), strict=True):
        back.set_submodule(name, Transposed(source, own.bias))


def matrices(module: nn.Module) -> dict[str, nn.Linear]:
    """The layers of a module that multiply by weights, by name: linear maps, transposed ones, or other kinds of layers."""
    return {
        name: layer  # type: ignore[misc]
        for name, layer in module.named_modules()
        if isinstance(layer, Transposed) or any(p.ndim > 1 for p in layer.parameters(recurse=False))
    }
