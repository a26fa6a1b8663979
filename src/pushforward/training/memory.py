"""Refuse what memory cannot hold before it is taken: a model's tensors while it is built, and a batch."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from pushforward import machine
from pushforward.errors import PushforwardError
from pushforward.spec import DataSpec

COPIES = 4
"""A parameter is held with its gradient and, by Adam, two moments."""
BYTES = 4


class Counted(TorchDispatchMode):
    """Adds up the numbers of tensors that are made, and refuses the one that passes `most` before it takes memory."""

    def __init__(self, most: float) -> None:
        super().__init__()
        self.most, self.numbers = most, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.numbers += asked_for(func, args)
        if self.numbers > self.most:
            raise PushforwardError(
                f"the model takes more than {self.most * BYTES / 1e9:.3g} GB in parameters alone, a quarter of what is free "
                f"here: make its network or model.code_dim smaller"
            )
        return func(*args, **(kwargs or {}))


def asked_for(func: Any, args: tuple[Any, ...]) -> int:
    """Numbers that a call makes from nothing: by a size, or by a count (`arange`, `linspace`, `randperm`)."""
    if args and isinstance(args[0], list | tuple) and all(isinstance(n, int) for n in args[0]):
        return math.prod(args[0])
    if args and all(isinstance(n, int | float) for n in args):
        return int(max(abs(n) for n in args))
    return 0


@contextmanager
def within_memory() -> Iterator[None]:
    """Within it, PushforwardError is raised before a model's tensors take more memory than there is to train it."""
    free = machine.free_memory()
    with Counted(math.inf if free is None else free / BYTES / COPIES):
        yield


def check_batch(frozen: Mapping[str, Any], spec: DataSpec) -> None:
    """Refuses a batch whose images alone take more memory than is free."""
    free, size = machine.free_memory(), int(frozen["batch_size"])
    if free is not None and size * spec.dim * BYTES > free:
        raise PushforwardError(
            f"batch_size={size}: its images take {size * spec.dim * BYTES / 1e9:,.3g} GB, and {free / 1e9:.3g} GB are free here"
        )
