"""A player's loss and gradient as the plain list of operations they come down to: recorded once, then replayed."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from pushforward.engine.contract import Noise, Trainable
from pushforward.engine.players import TOTAL
from pushforward.spec import Batch

METHODS = ("view", "expand")
FUNCTIONS = (
    "t", "addmm", "mm", "bmm", "relu", "exp", "expm1", "log", "log1p", "mul", "add", "sub", "div", "neg", "sigmoid", "tanh",
    "sum", "mean", "pow", "select", "unsqueeze", "squeeze", "cat", "where", "clamp", "gt", "lt", "ge", "le", "eq", "rsqrt",
    "sqrt", "reciprocal", "abs", "sign", "transpose", "permute", "clone", "convolution", "native_batch_norm",
    "binary_cross_entropy_with_logits", "ones_like", "zeros_like", "stack", "gather", "scatter", "sin", "cos",
)  # fmt: skip
"""Operators whose Python binding takes what the operator takes: half as long to call."""

Gradient = tuple[list[Tensor | None], dict[str, Tensor], dict[str, Tensor]]
"""Gradients of a player's parameters, None where the loss does not reach one; terms; stats."""
Traced = tuple[Callable[..., list[Any]], list[int]]
"""The replay of a function, and the inputs that it takes."""
Slot = tuple[dict[str, Any], str]
"""The place of a tensor: a module's parameters or buffers, and its name there. Buffers may be replaced."""


class Recording:
    """`player`'s loss and gradient for batches and noise of the shapes it is given; bit for bit what autograd gives.

    It holds as long as the loss is what the contract says: a function of parameters, buffers, batch and noise. No module
    is called again and nothing is put down for a backward pass: a third to a half of a small model's step is saved.
    `PlayerStep` compares, and replays nothing before it has.

    Raises what tracing raises where the loss decides by the values of tensors.
    """

    def __init__(self, family: Trainable, player: str, batch: Batch, noise: Noise) -> None:
        self.family, self.player = family, player
        self.own = [name for p in family.players if p.name == player for name in family.parameters_of(p)]
        self.shapes = shapes(batch, noise)
        names = [name for name, _ in (*family.named_parameters(), *family.named_buffers())]
        self.slots = {name: slot(family, name) for name in names}
        self.terms: list[str] = []
        self.stats: list[str] = []
        self.replay, used = self._record(batch, noise)
        self.holders = [self.slots[names[i]] for i in used if i < len(names)]
        self.given = [i - len(names) for i in used if i >= len(names)]

    def _record(self, batch: Batch, noise: Noise) -> Traced:
        inputs, structure = tree_flatten((batch, noise))

        def function(*flat: Any) -> list[Tensor | None]:
            tensors, given = dict(zip(self.slots, flat, strict=False)), flat[len(self.slots) :]
            with torch.enable_grad():
                leaves = {name: tensors[name].detach().requires_grad_() for name in self.own}
                fixed = {name: tensor.detach() for name, tensor in tensors.items() if name not in leaves}
                step = self.player, *tree_unflatten(list(given), structure)
                loss = functional_call(self.family, {**fixed, **leaves}, step)
                found = torch.autograd.grad(loss.total, list(leaves.values()), allow_unused=True)
                held = {value.data_ptr() for value in flat}
                grads = [laid_out(grad, leaf, held) for grad, leaf in zip(found, leaves.values(), strict=True)]
            terms = {**loss.terms, TOTAL: loss.total}
            self.terms, self.stats = list(terms), list(loss.stats)
            return [*grads, *(value.detach() for value in (*terms.values(), *loss.stats.values()))]

        kind = batch.x.device.type
        self.casts = torch.is_autocast_enabled(kind)
        # what autocast keeps of one call must not reach another
        with torch.autocast(kind, torch.get_autocast_dtype(kind), self.casts, cache_enabled=False):
            return traced(function, [*(holder[name].detach() for holder, name in self.slots.values()), *inputs])

    def __call__(self, batch: Batch, noise: Noise) -> Gradient:
        given = [*batch.named().values(), *noise.values()]
        tensors = [holder[name] for holder, name in self.holders] + [given[i] for i in self.given]
        if not self.casts:
            return self._named(self.replay(*tensors))
        with torch.autocast(batch.x.device.type, enabled=False):  # its casts are among the operations
            return self._named(self.replay(*tensors))

    def _named(self, found: list[Any]) -> Gradient:
        n, m = len(self.own), len(self.own) + len(self.terms)
        terms, stats = dict(zip(self.terms, found[n:m], strict=True)), dict(zip(self.stats, found[m:], strict=True))
        return found[:n], terms, stats

    def fits(self, batch: Batch, noise: Noise) -> bool:
        return shapes(batch, noise) == self.shapes


class TracedFunction:
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
            self.replays[key] = self._record(leaves, structure)
        replay, used, gives = self.replays[key]
        with torch.no_grad():
            return tree_unflatten(replay(*[leaves[i] for i in used]), gives)

    def _record(self, leaves: list[Tensor], structure: TreeSpec) -> tuple[Callable[..., Any], list[int], TreeSpec]:
        gives: list[TreeSpec] = []

        def flat(*given: Tensor) -> list[Any]:
            found, spec = tree_flatten(self.function(*tree_unflatten(list(given), structure)))
            gives.append(spec)
            return found

        return *traced(flat, leaves), gives[-1]


def traced(function: Callable[..., list[Any]], inputs: list[Tensor]) -> Traced:
    """A function of tensors as the operations that it comes down to."""
    from torch.fx.experimental.proxy_tensor import make_fx

    # on copies: tracing runs it, and what it writes in place is not to be written twice
    graph = make_fx(function)(*[tensor.clone() for tensor in inputs])
    replay = compiled(graph)
    placeholders = [node for node in graph.graph.nodes if node.op == "placeholder"]
    return replay, [i for i, node in enumerate(placeholders) if node.users]


def laid_out(grad: Tensor | None, like: Tensor, held: set[int]) -> Tensor | None:
    """A gradient as an optimiser wants it: in its parameter's layout, and nobody else's memory."""
    if grad is None:
        return None
    if grad.stride() != like.stride() or grad.data_ptr() in held:
        grad = torch.empty_like(like).copy_(grad)
    held.add(grad.data_ptr())
    return grad


def shapes(batch: Batch, noise: Noise) -> tuple[Any, ...]:
    """All that decides which operations a step comes down to, beside the family itself."""
    x = batch.x
    kind = x.shape, x.stride(), x.dtype, x.device, torch.is_autocast_enabled(x.device.type)
    return *kind, batch.y is None, len(batch.extras), len(noise)


def slot(family: nn.Module, name: str) -> Slot:
    holder, _, key = name.rpartition(".")
    module = family.get_submodule(holder)
    return (module._parameters if key in module._parameters else module._buffers), key


def compiled(module: fx.GraphModule) -> Callable[..., list[Any]]:
    """The graph as one Python function of the inputs that it uses: no interpreter between its operations."""
    for node in module.graph.find_nodes(op="call_function", target=torch.ops.aten.detach.default):
        node.replace_all_uses_with(node.args[0])
    module.graph.eliminate_dead_code()
    nodes, known, lines = list(module.graph.nodes), dict[str, Any](), list[str]()
    last = {used: node for node in nodes for used in node.all_input_nodes}

    def written(value: Any) -> str:
        if isinstance(value, fx.Node):
            return value.name
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(written, value))}]"
        if isinstance(value, int | float | str | None) and value not in (math.inf, -math.inf) and value == value:
            return repr(value)
        known[f"constant_{len(known)}"] = value
        return f"constant_{len(known) - 1}"

    for node in nodes:
        if node.op == "get_attr":
            known[node.name] = getattr(module, node.target)
        elif node.op == "call_function":
            called = f"call_{len(known)}"
            known[called] = binding(node.target)
            given = [*map(written, node.args), *(f"{key}={written(value)}" for key, value in node.kwargs.items())]
            lines.append(f"{node.name} = {called}({', '.join(given)})")
            over = [used.name for used in node.all_input_nodes if last[used] is node and used.op == "call_function"]
            lines += [f"del {', '.join(over)}"] * bool(over)
        elif node.op == "output":
            lines.append(f"return {written(node.args[0])}")
    inputs = [node.name for node in nodes if node.op == "placeholder" and node.users]
    exec(f"def replay({', '.join(inputs)}):\n    " + "\n    ".join(lines), known)
    return known["replay"]


def binding(target: Any) -> Any:
    """The fastest way to call an operator."""
    if not isinstance(target, torch._ops.OpOverload):
        return target
    name = target._schema.name.removeprefix("aten::")
    return getattr(torch.Tensor, name) if name in METHODS else getattr(torch, name) if name in FUNCTIONS else target
