"""The cost of a computation: floating-point operations, parameters and layers it uses, seconds, memory."""

import platform
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop, sdpa_flop

COUNTED = (
    "matrix products, convolutions and fused attention, a multiply-add as 2; elementwise operations are not counted"
)


class Tally:
    """Within it, what is done with `module` is counted.

    flops: `COUNTED`, forward and backward (torch.utils.flop_counter). parameters: names of those that an operation was
    given. calls: the most calls that any one layer with parameters of its own had, so that a network called 50 times has 50.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self._counter = FlopCounterMode(display=False, custom_mapping=ON_CPU)
        self._counter.mod_tracker = _Whole()  # type: ignore[assignment]
        self._used = _Used(dict(module.named_parameters()))
        self._calls: Counter[nn.Module] = Counter()

    def __enter__(self) -> "Tally":
        with ExitStack() as stack:
            for layer in self.module.modules():
                if any(True for _ in layer.parameters(recurse=False)):
                    stack.callback(layer.register_forward_pre_hook(self._called).remove)
            stack.enter_context(self._counter)
            stack.enter_context(self._used)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def _called(self, layer: nn.Module, inputs: Any) -> None:
        self._calls[layer] += 1

    @property
    def flops(self) -> int:
        return self._counter.get_total_flops()

    @property
    def parameters(self) -> frozenset[str]:
        return frozenset(self._used.names)

    @property
    def calls(self) -> int:
        return max(self._calls.values(), default=0)


def _as_is(formula: Callable[..., int]) -> Callable[..., int]:
    """A formula of torch's registry, which looks up shapes itself, for its `custom_mapping`, which would look them up again."""

    def flops(*args: Any, **kwargs: Any) -> int:
        return formula(*args, **kwargs)

    flops._get_raw = True  # type: ignore[attr-defined]
    return flops


ON_CPU: dict[Any, Any] = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _as_is(sdpa_flop),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _as_is(sdpa_backward_flop),
}
"""Fused attention on a CPU, which torch's counter leaves out."""


class _Whole:
    """Instead of torch's tracker of modules, which hooks into gradients and forbids a gradient within a loss."""

    parents = frozenset({"Global"})

    def __enter__(self) -> None: ...

    def __exit__(self, *error: Any) -> None: ...


class _Used(TorchDispatchMode):
    """Notes which of the parameters any operation is given."""

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.known = {id(parameter): name for name, parameter in parameters.items()}
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = (self.known.get(id(leaf)) for leaf in tree_leaves((args, kwargs or {})) if isinstance(leaf, Tensor))
        self.names.update(name for name in given if name is not None)
        return func(*args, **(kwargs or {}))


def seconds(call: Callable[[], Any], device: torch.device, *, enough: float = 2.0, most: int = 20) -> tuple[float, int]:
    """(median seconds of a call, calls timed): until `enough` seconds have passed, at the most `most`.

    The first call, which warms up, counts only where it alone takes as long.
    """

    def once() -> float:
        wait(device)
        started = time.perf_counter()
        call()
        wait(device)
        return time.perf_counter() - started

    first = once()
    if first >= enough:
        return first, 1
    taken = [once()]
    while sum(taken) < enough and len(taken) < most:
        taken.append(once())
    return statistics.median(taken), len(taken)


def wait(device: torch.device) -> None:
    """Until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory(device: torch.device) -> tuple[int, str] | None:
    """(bytes, of what): the most memory that this process has had so far; None where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device), "allocated on the GPU (torch.cuda.max_memory_allocated)"
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024), "resident memory of the whole process (ru_maxrss)"


def hardware(device: torch.device) -> dict[str, Any]:
    """The circumstances on which a time depends, for its card."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {"device": name or device.type, "threads": torch.get_num_threads()}
