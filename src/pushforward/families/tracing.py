"""A function of tensors as the plain list of operations it comes down to: nothing is dispatched or recorded again."""

from collections.abc import Callable
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_flatten, tree_map


class Traced:
    """A function of (nested) tensors that is traced once for each choice of shapes, and then replayed.

    What it does in place to its arguments is replayed too; all else that it reads must stay as it is. On stacked models
    this saves a quarter of a step: most of functorch's and autograd's bookkeeping is done while tracing.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.replays: dict[Any, Callable[..., Any]] = {}

    def __call__(self, *args: Any) -> Any:
        leaves, structure = tree_flatten(args)
        key = (str(structure), *((leaf.shape, leaf.dtype, leaf.device) for leaf in leaves))
        if key not in self.replays:
            copies = tree_map(torch.clone, args)  # tracing runs it, and what it writes in place is not to be written twice
            self.replays[key] = make_fx(self.function)(*copies)
        with torch.no_grad():
            return self.replays[key](*args)
