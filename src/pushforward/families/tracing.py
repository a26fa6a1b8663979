"""A function of tensors as the plain list of operations it comes down to: nothing is dispatched or recorded again."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from pushforward.families.recording import compiled


class Traced:
    """A function of (nested) tensors that is traced once for each choice of shapes, and then replayed.

    What it does in place to its arguments is replayed too; all else that it reads must stay as it is. On stacked models
    this saves a quarter of a step: most of functorch's and autograd's bookkeeping is done while tracing.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.replays: dict[Any, tuple[Callable[..., Any], list[int], TreeSpec]] = {}

    def __call__(self, *args: Any) -> Any:
        leaves, structure = tree_flatten(args)
        key = tuple((leaf.shape, leaf.dtype, leaf.device) for leaf in leaves)
        if key not in self.replays:
            self.replays[key] = self._traced(leaves, structure)
        replay, used, gives = self.replays[key]
        with torch.no_grad():
            return tree_unflatten(replay(*[leaves[i] for i in used]), gives)

    def _traced(
        self, leaves: list[torch.Tensor], structure: TreeSpec
    ) -> tuple[Callable[..., Any], list[int], TreeSpec]:
        from torch.fx.experimental.proxy_tensor import make_fx

        gives: list[TreeSpec] = []

        def flat(*given: torch.Tensor) -> list[Any]:
            found, spec = tree_flatten(self.function(*tree_unflatten(list(given), structure)))
            gives.append(spec)
            return found

        # on copies: tracing runs it, and what it writes in place is not to be written twice
        graph = make_fx(flat)(*[leaf.clone() for leaf in leaves])
        replay = compiled(graph)
        inputs = [node for node in graph.graph.nodes if node.op == "placeholder"]
        return replay, [i for i, node in enumerate(inputs) if node.users], gives[-1]
