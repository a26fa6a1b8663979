"""Numbers that a sweep may vary are tensors on modules, so that models that differ in them can be trained as one."""

import torch
from torch import nn


def number(module: nn.Module, name: str, value: float) -> None:
    """Gives `module` the number `name` as a 0-d float32 buffer that is not part of its state (the config holds it)."""
    module.register_buffer(name, torch.tensor(float(value), dtype=torch.float32), persistent=False)
